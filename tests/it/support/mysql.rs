//! MySQL for tests.

use std::sync::OnceLock;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};
use url::Url;

/// A fresh database on the server of this test process; dropped with this value.
pub struct TestMysql {
    name: String,
    url: String,
}

impl TestMysql {
    /// On the server that all tests of this process share.
    pub async fn create() -> Self {
        let name = super::unique_name();
        run(server(), &format!("CREATE DATABASE {name}"))
            .await
            .unwrap();
        let mut url = Url::parse(server()).expect("EBBTIDE_TEST_MYSQL_URL is not a URL");
        url.set_path(&name);
        Self {
            name,
            url: url.into(),
        }
    }

    /// `mysql://user:password@host:port/database`
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The database.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A connection of its own.
    pub async fn connect(&self) -> Conn {
        Conn::new(Opts::from_url(&self.url).unwrap()).await.unwrap()
    }
}

impl Drop for TestMysql {
    fn drop(&mut self) {
        let statement = format!("DROP DATABASE IF EXISTS {}", self.name);
        // Best effort: the test has its result already.
        super::block_on(run(server(), &statement)).ok();
    }
}

/// The server's address, without a database.
fn server() -> &'static str {
    static SERVER: OnceLock<String> = OnceLock::new();
    SERVER.get_or_init(|| std::env::var("EBBTIDE_TEST_MYSQL_URL").unwrap_or_else(|_| start()))
}

#[cfg(feature = "testcontainers")]
fn start() -> String {
    format!("mysql://root@127.0.0.1:{}", super::containers::mysql())
}

#[cfg(not(feature = "testcontainers"))]
fn start() -> String {
    static MARIADB: OnceLock<super::Mariadb> = OnceLock::new();
    MARIADB.get_or_init(super::Mariadb::start).url()
}

async fn run(url: &str, statement: &str) -> mysql_async::Result<()> {
    let mut connection = Conn::new(Opts::from_url(url).unwrap()).await?;
    connection.query_drop(statement).await?;
    connection.disconnect().await
}
