//! A private MariaDB server for this test process.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;

struct Server {
    url: String,
    _child: Child,
    _folder: TempDir,
}

/// `mysql://root@127.0.0.1:PORT/` of a server that is started once and ends with this process.
pub(super) fn mysql_url() -> String {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(start).url.clone()
}

fn start() -> Server {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let installed = Command::new("mariadb-install-db")
        .args([
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ])
        .arg(format!("--datadir={}", data.display()))
        .output()
        .expect("mariadb-install-db is missing; install mariadb-server");
    assert!(
        installed.status.success(),
        "{}",
        String::from_utf8_lossy(&installed.stderr)
    );
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    // The shell outlives this process, however that ends, by just long enough to end the server.
    let child = Command::new("sh")
        .args([
            "-c",
            "\"$@\" </dev/null & cat >/dev/null; kill -9 $!; rm -rf \"$0\"",
        ])
        .arg(folder.path())
        .args([
            "/usr/sbin/mariadbd",
            "--no-defaults",
            "--user=root",
            "--bind-address=127.0.0.1",
        ])
        .args([
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-buffer-pool-size=64M",
        ])
        .arg(format!("--datadir={}", data.display()))
        .arg(format!(
            "--socket={}",
            folder.path().join("socket").display()
        ))
        .arg(format!("--port={port}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_mins(1);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let log = || std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        assert!(
            Instant::now() < deadline,
            "mariadbd does not start:\n{}",
            log()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    Server {
        url: format!("mysql://root@127.0.0.1:{port}/"),
        _child: child,
        _folder: folder,
    }
}
