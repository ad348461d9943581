//! A real ClickHouse from libchdb, in a process of its own, for the demo and the tests.
//!
//! The binary runs itself again with a hidden verb ([`clickhouse_server_main`]); that process loads
//! libchdb and listens on 127.0.0.1, and the engine talks to it over HTTP as to any ClickHouse.
//!
//! Invariant: a server never outlives the process that started it, however that one ends. The
//! server reads a pipe that only its starter holds, and ends at the end of it.

mod config;
mod directory;
mod error;
mod fetch;
mod launch;
mod libchdb;
mod serve;
mod unpack;

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use directory::Directory;

pub use config::EmbeddedUser;
pub use error::{EmbeddedError, LibchdbError};
pub use libchdb::{FetchPhase, FetchProgress, ensure_libchdb};
pub use serve::clickhouse_server_main;

/// What to start.
#[derive(Debug, Clone)]
pub struct EmbeddedOptions {
    /// The engine, from [`ensure_libchdb`].
    pub library: PathBuf,
    /// The `ebbtide` binary; the one that is running if not given.
    pub program: Option<PathBuf>,
    /// Where data, configuration and logs are. Without one, a temporary directory that goes with
    /// the server.
    pub directory: Option<PathBuf>,
    /// The port for HTTP; 0 takes a free one.
    pub http_port: u16,
    /// The port for the native protocol; 0 takes a free one.
    pub tcp_port: u16,
    /// Threads for merges and mutations.
    pub background_pool_size: u16,
    /// Users beside `default`, which always may do everything and has no password.
    pub users: Vec<EmbeddedUser>,
    /// Elements that go into `config.xml` as they are: `<remote_servers>`, `<macros>`.
    pub config_xml: String,
    /// How long a start may take.
    pub start_deadline: Duration,
}

impl EmbeddedOptions {
    /// A server on free ports and in a temporary directory, with the engine in `library`.
    pub fn new(library: impl Into<PathBuf>) -> Self {
        Self {
            library: library.into(),
            program: None,
            directory: None,
            http_port: 0,
            tcp_port: 0,
            background_pool_size: 4,
            users: Vec::new(),
            config_xml: String::new(),
            start_deadline: Duration::from_secs(90),
        }
    }
}

/// A ClickHouse that runs, or was killed and can be started again.
#[derive(Debug)]
pub struct Embedded {
    options: EmbeddedOptions,
    directory: Directory,
    http_port: u16,
    tcp_port: u16,
    child: Option<Child>,
}

/// A bind can lose against another process that was given the same free port.
const N_PORT_ATTEMPTS: usize = 5;

impl Embedded {
    /// Starts a server and waits until it answers, which takes about a second.
    ///
    /// Blocks; it uses no async runtime, so it may be called with or without one.
    ///
    /// # Errors
    /// When the directory cannot be written, a port that was asked for is taken, or the server
    /// ends or stays silent; the error then shows the last lines it wrote.
    pub fn start(options: EmbeddedOptions) -> Result<Self, EmbeddedError> {
        let directory = Directory::create(options.directory.as_deref())?;
        let mut server = Self {
            options,
            directory,
            http_port: 0,
            tcp_port: 0,
            child: None,
        };
        let mut attempt = 1;
        loop {
            server.http_port = free_port(server.options.http_port)?;
            server.tcp_port = free_port(server.options.tcp_port)?;
            match server.launch() {
                Err(error) if server.may_choose_again(&error) && attempt < N_PORT_ATTEMPTS => {
                    attempt += 1;
                }
                Err(error) => return Err(error),
                Ok(()) => return Ok(server),
            }
        }
    }

    /// Whether it failed only because a port that was free is not any more.
    fn may_choose_again(&self, error: &EmbeddedError) -> bool {
        (self.options.http_port == 0 && error.lost_port(self.http_port))
            || (self.options.tcp_port == 0 && error.lost_port(self.tcp_port))
    }

    /// Where it answers over HTTP.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.http_port)
    }

    /// The port for HTTP.
    pub fn http_port(&self) -> u16 {
        self.http_port
    }

    /// The port for the native protocol.
    pub fn tcp_port(&self) -> u16 {
        self.tcp_port
    }

    /// The directory with data, configuration and logs.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The process; none after [`Embedded::kill`].
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Ends the server at once, as `kill -9` does, and waits until it is gone. Its data stay.
    ///
    /// # Errors
    /// When the system does not let it be killed.
    pub fn kill(&mut self) -> Result<(), EmbeddedError> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        child
            .kill()
            .and_then(|()| child.wait())
            .map_err(|source| EmbeddedError::Kill {
                pid: child.id(),
                source,
            })?;
        Ok(())
    }

    /// Kills the server if it runs, and starts it on the same directory and the same ports.
    ///
    /// # Errors
    /// As [`Embedded::start`].
    pub fn restart(&mut self) -> Result<(), EmbeddedError> {
        self.kill()?;
        self.launch()
    }

    /// Ends the server; a temporary directory goes with it.
    ///
    /// # Errors
    /// When it cannot be killed, or the temporary directory cannot be removed.
    pub fn stop(mut self) -> Result<(), EmbeddedError> {
        self.kill()?;
        self.directory.remove()
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            tracing::warn!(%error, "the embedded ClickHouse was left running");
        }
    }
}

/// `wanted`, or a port that was free a moment ago.
fn free_port(wanted: u16) -> Result<u16, EmbeddedError> {
    if wanted != 0 {
        return Ok(wanted);
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|source| EmbeddedError::NoFreePort { source })
}
