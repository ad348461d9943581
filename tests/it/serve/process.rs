//! A sidecar as a process: its log, its signals, its API.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::wait_until;

/// The token of the only user, an admin.
pub const TOKEN: &str = "sesame";
/// Its SHA-256.
pub const TOKEN_SHA256: &str = "d0c04f4b1951e4aeaaec8223ed2039e542f3aae805a6fa7f6d794e5afff5d272";

/// A sidecar; killed with this value if it still runs.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    pub fn start(config: &Path, folder: &Path, password: &str) -> Self {
        Self::start_with(config, folder, password, &["serve"])
    }

    pub fn start_with(config: &Path, folder: &Path, password: &str, verb: &[&str]) -> Self {
        let name = format!("serve-{}.log", uuid::Uuid::new_v4().simple());
        let log = folder.join(name);
        let child = Command::new(env!("CARGO_BIN_EXE_ebbtide"))
            .args(["-c", config.to_str().unwrap()])
            .args(verb)
            .env("EBBTIDE_TEST_PASSWORD", password)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self { child, log }
    }

    /// What it has logged so far; the last line may not be whole yet.
    pub fn log(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.log).unwrap();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
            })
            .collect()
    }

    /// The events with this message.
    pub fn events(&self, message: &str) -> Vec<Value> {
        let mut log = self.log();
        log.retain(|event| event["message"] == message);
        log
    }

    /// Waits for an event whose message begins like this; returns the first.
    #[track_caller]
    pub fn until_logged(&self, message: &str) -> Value {
        self.until_event(message, |_| true)
    }

    #[track_caller]
    pub fn until_event(&self, message: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let mut found = None;
        wait_until(&format!("{message:?} in {}", self.log.display()), || {
            let log = self.log();
            let is_it = |event: &&Value| {
                event["message"]
                    .as_str()
                    .is_some_and(|text| text.starts_with(message))
                    && is_it(event)
            };
            found = log.iter().find(is_it).cloned();
            found.is_some()
        });
        found.unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap()
    }

    /// Kills it with -9.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it ends by itself.
    #[track_caller]
    pub fn until_ended(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until(&format!("the end of {}", self.log.display()), || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// Ends it as a service manager does, and expects that it obeys.
    #[track_caller]
    pub fn end(mut self) {
        self.signal(Signal::TERM);
        let status = self.until_ended();
        assert_eq!(status.code(), Some(0), "{:#?}", self.log());
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Asks the API; returns the status and the body.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let address = self.until_logged("started")["listen"]
            .as_str()
            .unwrap()
            .to_owned();
        Self::ask_at(&address, method, path, body)
    }

    /// The same at another of its addresses.
    pub fn ask_at(address: &str, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let is_chunked = head.to_lowercase().contains("transfer-encoding: chunked");
        let body = if is_chunked {
            unchunk(body)
        } else {
            body.to_owned()
        };
        (status, body)
    }

    pub fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask("GET", path, "");
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// The value of a sample of `/metrics`, by its name and labels as they are written there.
    pub fn metric(&self, sample: &str) -> Option<f64> {
        let (_, text) = self.ask("GET", "/metrics", "");
        let line = text.lines().find(|line| {
            line.strip_prefix(sample)
                .is_some_and(|rest| rest.starts_with(' '))
        })?;
        line.rsplit(' ').next()?.parse().ok()
    }

    #[track_caller]
    pub fn until_phase(&self, phase: &str) -> Value {
        let mut status = Value::Null;
        wait_until(&format!("phase {phase} ({})", self.log.display()), || {
            status = self.get("/v1/status");
            status["phase"] == phase
        });
        status
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.is_running() {
            self.kill();
        }
        if std::thread::panicking() {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            eprintln!("── {}\n{log}", self.log.display());
        }
    }
}

fn unchunk(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let length = usize::from_str_radix(length.trim(), 16).unwrap();
        whole.push_str(&rest[..length]);
        body = rest[length..].trim_start_matches("\r\n");
        if length == 0 {
            break;
        }
    }
    whole
}
