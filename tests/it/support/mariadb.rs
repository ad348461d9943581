//! A private `mariadbd`: own directory, own port, nothing of the machine's own server is touched.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};
use tempfile::TempDir;

/// A server that ends, and whose directory goes, with this value or with this process.
pub struct Mariadb {
    port: u16,
    wrapper: Child,
    directory: TempDir,
}

/// Runs the server `$2…` in the directory `$1` until it ends, or until the end of stdin, which is
/// when the test process is gone.
const WRAPPER: &str = r#"
directory=$1; shift
exec 3<&0
"$@" </dev/null >"$directory/output.log" 2>&1 3<&- & server=$!
(cat <&3 >/dev/null; kill -9 $server) & watcher=$!
exec 3<&- </dev/null
wait $server; code=$?
kill $watcher 2>/dev/null
if [ $code -eq 137 ]; then rm -rf "$directory"; fi
exit $code
"#;

impl Mariadb {
    /// Starts one on a free port. Fails the test, with the remedy, if there is no `mariadbd`.
    pub fn start() -> Self {
        let server = find("mariadbd");
        let install = find("mariadb-install-db");
        for _ in 0..5 {
            let directory = tempfile::Builder::new()
                .prefix("ebbtide-mariadb-")
                .tempdir()
                .unwrap();
            initialise(&install, directory.path());
            let port = free_port();
            let wrapper = spawn(&server, directory.path(), port);
            let mut mariadb = Self {
                port,
                wrapper,
                directory,
            };
            if mariadb.wait_until_it_answers() {
                return mariadb;
            }
        }
        panic!("another process took the free port of mariadbd five times");
    }

    /// `mysql://root@127.0.0.1:port`
    pub fn url(&self) -> String {
        format!("mysql://root@127.0.0.1:{}", self.port)
    }

    /// Ends the server and keeps its data.
    pub fn stop(&mut self) {
        let pid = std::fs::read_to_string(self.directory.path().join("pid")).unwrap();
        let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        // Not `wait`: that closes stdin, at whose end the wrapper removes everything.
        let began_at = Instant::now();
        while self.wrapper.try_wait().unwrap().is_none() {
            assert!(
                began_at.elapsed() < Duration::from_secs(90),
                "mariadbd does not end"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Starts it again on the same port, after [`Self::stop`].
    pub fn start_again(&mut self) {
        self.wrapper = spawn(&find("mariadbd"), self.directory.path(), self.port);
        assert!(
            self.wait_until_it_answers(),
            "another process took the port"
        );
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// False if another process was faster to take the port.
    fn wait_until_it_answers(&mut self) -> bool {
        let began_at = Instant::now();
        loop {
            if super::block_on(data_directory(&self.url())) == Some(self.data()) {
                return true;
            }
            let ended = self.wrapper.try_wait().unwrap();
            let log = std::fs::read_to_string(self.directory.path().join("output.log"));
            let log = log.unwrap_or_default();
            if ended.is_some() && log.contains("Address already in use") {
                return false;
            }
            let late = began_at.elapsed() > Duration::from_secs(90);
            assert!(
                ended.is_none() && !late,
                "mariadbd does not answer ({ended:?}):\n{log}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }
}

impl Drop for Mariadb {
    fn drop(&mut self) {
        drop(self.wrapper.stdin.take());
        self.wrapper.wait().ok();
    }
}

/// A starting server removes the temporary tables that it finds, of whichever server they are.
fn own_tmp(directory: &Path) -> PathBuf {
    let tmp = directory.join("tmp");
    std::fs::create_dir_all(&tmp).unwrap();
    tmp
}

fn initialise(install: &Path, directory: &Path) {
    let output = Command::new(install)
        .env("TMPDIR", own_tmp(directory))
        .args([
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ])
        .arg(option("--datadir=", &directory.join("data")))
        .args(as_root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "mariadb-install-db failed: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn spawn(server: &Path, directory: &Path, port: u16) -> Child {
    Command::new("sh")
        .env("TMPDIR", own_tmp(directory))
        .args(["-c", WRAPPER, "sh"])
        .arg(directory)
        .arg(server)
        .args([
            "--no-defaults",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
        ])
        .arg(option("--datadir=", &directory.join("data")))
        .arg(option("--socket=", &directory.join("s.sock")))
        .arg(option("--pid-file=", &directory.join("pid")))
        .arg(format!("--port={port}"))
        .args([
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-doublewrite=0",
            "--skip-log-bin",
        ])
        .args(["--innodb-buffer-pool-size=64M", "--max-connections=500"])
        .args(as_root())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C ends the test process; the wrapper then cleans up.
        .process_group(0)
        .spawn()
        .unwrap()
}

/// mariadbd refuses to run as root unless told to.
fn as_root() -> Option<&'static str> {
    rustix::process::geteuid()
        .is_root()
        .then_some("--user=root")
}

fn option(name: &str, path: &Path) -> String {
    format!("{name}{}", path.to_str().unwrap())
}

fn find(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian puts servers where the PATH of ordinary users does not look.
    let more = ["/usr/sbin", "/usr/local/sbin", "/usr/libexec"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(more)
        .map(|directory| directory.join(program))
        .find(|path| path.is_file())
        .unwrap_or_else(|| {
            panic!(
                "`{program}` is missing: run `make test`, which installs it, or \
                 `apt-get install --no-install-recommends mariadb-server`, or set \
                 EBBTIDE_TEST_MYSQL_URL to a server that tests may use"
            )
        })
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// What tells our server from one that took the port first.
async fn data_directory(url: &str) -> Option<PathBuf> {
    let mut connection = Conn::new(Opts::from_url(url).unwrap()).await.ok()?;
    let directory: Option<String> = connection.query_first("SELECT @@datadir").await.ok()?;
    connection.disconnect().await.ok()?;
    directory.map(|directory| PathBuf::from(directory.trim_end_matches('/')))
}
