//! Starts the server's process and waits until it answers.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine};
use uuid::Uuid;

use super::config::{self, LAUNCHER};
use super::serve::{KEEP, REMOVE, VERB};
use super::{Embedded, EmbeddedError};

const OUTPUT: &str = "output.log";
/// How long a server may take to notice that its starter is gone.
const ENDING: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(25);

impl Embedded {
    /// Starts the process on the directory and the ports that are set already.
    pub(super) fn launch(&mut self) -> Result<(), EmbeddedError> {
        let password = Uuid::new_v4().to_string();
        let ports = (self.http_port, self.tcp_port);
        config::write(self.directory(), &self.options, ports, &password)?;
        let began_at = Instant::now();
        loop {
            self.child = Some(self.spawn()?);
            let Err(error) = self.wait_until_it_answers(&password) else {
                return Ok(());
            };
            self.kill()?;
            // The lock of the directory is ours, so that one has lost its starter and is ending.
            if !error.found_another_server() || began_at.elapsed() > ENDING {
                return Err(error);
            }
            std::thread::sleep(POLL);
        }
    }

    fn spawn(&self) -> Result<Child, EmbeddedError> {
        let output = self.directory().join(OUTPUT);
        let (stdout, stderr) = File::create(&output)
            .and_then(|file| Ok((file.try_clone()?, file)))
            .map_err(|source| EmbeddedError::directory(&output, source))?;
        let program = match &self.options.program {
            Some(program) => program.clone(),
            None => std::env::current_exe().map_err(|source| EmbeddedError::Spawn {
                program: "the running binary".into(),
                source,
            })?,
        };
        Command::new(&program)
            .args([
                VERB.as_ref(),
                self.options.library.as_os_str(),
                self.directory().as_os_str(),
            ])
            .arg(if self.directory.is_temporary() {
                REMOVE
            } else {
                KEEP
            })
            // The end of this pipe tells the server that its starter is gone.
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(stderr)
            // Ctrl-C is for the starter; it may still need its server.
            .process_group(0)
            .spawn()
            .map_err(|source| EmbeddedError::Spawn { program, source })
    }

    fn wait_until_it_answers(&mut self, password: &str) -> Result<(), EmbeddedError> {
        let deadline = self.options.start_deadline;
        let log = self.directory().join(OUTPUT);
        let started_at = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return Err(EmbeddedError::Died {
                    status,
                    tail: tail(&log),
                    log,
                });
            }
            // The native port opens last; until then connections may still be reset.
            if is_ours(self.http_port, password) && listens(self.tcp_port) {
                return Ok(());
            }
            if started_at.elapsed() > deadline {
                let seconds = deadline.as_secs();
                return Err(EmbeddedError::Silent {
                    seconds,
                    tail: tail(&log),
                    log,
                });
            }
            std::thread::sleep(POLL);
        }
    }

    fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child.as_mut()?.try_wait().ok().flatten()
    }
}

fn listens(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Whether the server on this port knows the password. `/ping` would answer on a foreign server
/// that took the port first.
fn is_ours(port: u16, password: &str) -> bool {
    let credentials = BASE64_STANDARD.encode(format!("{LAUNCHER}:{password}"));
    let request = format!(
        "GET /?query=SELECT+1 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
         Authorization: Basic {credentials}\r\n\r\n"
    );
    let ask = || {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        stream.take(64).read_to_end(&mut answer)?;
        std::io::Result::Ok(answer.starts_with(b"HTTP/1.1 200 "))
    };
    ask().unwrap_or(false)
}

/// The last lines of a file, as far as they can be read.
fn tail(path: &Path) -> String {
    const N_LINES: usize = 20;
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    lines
        .get(lines.len().saturating_sub(N_LINES)..)
        .unwrap_or_default()
        .join("\n")
}
