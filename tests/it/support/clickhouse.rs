//! ClickHouse for tests.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use clickhouse::Client;
use ebbtide::{Embedded, EmbeddedOptions, FetchPhase, ensure_libchdb};
use url::Url;

/// A fresh database on the server of this test process; dropped with this value.
pub struct TestDatabase {
    name: String,
    server: Server,
}

impl TestDatabase {
    /// On the server that all tests of this process share.
    pub async fn create() -> Self {
        Self::create_on(server().clone()).await
    }

    /// On a server of the test's own.
    pub async fn create_at(embedded: &Embedded) -> Self {
        Self::create_on(Server::without_password(embedded.url())).await
    }

    async fn create_on(server: Server) -> Self {
        let name = super::unique_name();
        server
            .client()
            .query(&format!("CREATE DATABASE {name}"))
            .execute()
            .await
            .unwrap();
        Self { name, server }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server's address, without user and database.
    pub fn url(&self) -> &str {
        &self.server.url
    }

    /// The user that may do everything.
    pub fn user(&self) -> &str {
        &self.server.user
    }

    /// That user's password.
    pub fn password(&self) -> &str {
        &self.server.password
    }

    /// A client that is in this database.
    pub fn client(&self) -> Client {
        self.server.client().with_database(&self.name)
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let client = self.server.client();
        let statement = format!("DROP DATABASE IF EXISTS {} SYNC", self.name);
        // Best effort: the test may have killed the server, and has its result already.
        super::block_on(async { client.query(&statement).execute().await }).ok();
    }
}

/// A server on free ports in a temporary directory, run by the binary under test.
pub fn embedded_options() -> EmbeddedOptions {
    let mut options = EmbeddedOptions::new(libchdb());
    options.program = Some(env!("CARGO_BIN_EXE_ebbtide").into());
    options
}

#[derive(Debug, Clone)]
struct Server {
    url: String,
    user: String,
    password: String,
}

impl Server {
    fn without_password(url: String) -> Self {
        Self {
            url,
            user: "default".into(),
            password: String::new(),
        }
    }

    fn parse(text: &str) -> Self {
        let mut url = Url::parse(text).expect("EBBTIDE_TEST_CLICKHOUSE_URL is not a URL");
        let user = match url.username() {
            "" => "default".into(),
            user => user.to_owned(),
        };
        let password = url.password().unwrap_or_default().to_owned();
        url.set_username("").unwrap();
        url.set_password(None).unwrap();
        Self {
            url: url.as_str().trim_end_matches('/').to_owned(),
            user,
            password,
        }
    }

    fn client(&self) -> Client {
        Client::default()
            .with_url(&self.url)
            .with_user(&self.user)
            .with_password(&self.password)
    }
}

/// The one server of this test process. It ends with the process, however that ends.
fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| match std::env::var("EBBTIDE_TEST_CLICKHOUSE_URL") {
        Ok(url) => Server::parse(&url),
        Err(_) => start(),
    })
}

#[cfg(feature = "testcontainers")]
fn start() -> Server {
    let (port, password) = super::containers::clickhouse();
    let url = format!("http://127.0.0.1:{port}");
    Server {
        password,
        ..Server::without_password(url)
    }
}

#[cfg(not(feature = "testcontainers"))]
fn start() -> Server {
    static EMBEDDED: OnceLock<Embedded> = OnceLock::new();
    let embedded = EMBEDDED.get_or_init(|| Embedded::start(embedded_options()).unwrap());
    Server::without_password(embedded.url())
}

fn libchdb() -> &'static Path {
    static LIBCHDB: OnceLock<PathBuf> = OnceLock::new();
    LIBCHDB.get_or_init(|| {
        let explicit = std::env::var_os("EBBTIDE_LIBCHDB").map(PathBuf::from);
        let mut said: Option<(FetchPhase, u64)> = None;
        ensure_libchdb(explicit.as_deref(), &mut |progress| {
            let tenths = (progress.done_bytes * 10)
                .checked_div(progress.total_bytes)
                .unwrap_or(0);
            if said.replace((progress.phase, tenths)) != Some((progress.phase, tenths)) {
                eprintln!("libchdb: {:?} {} %", progress.phase, tenths * 10);
            }
        })
        .unwrap_or_else(|error| panic!("{error}"))
    })
}
