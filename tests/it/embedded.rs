//! The embedded ClickHouse and the private mariadbd, as the other tests rely on them.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use clickhouse::Client;
use ebbtide::{Embedded, EmbeddedError, EmbeddedOptions, EmbeddedUser};
use mysql_async::prelude::Queryable;

use crate::support::{Mariadb, TestDatabase, TestMysql, embedded_options, wait_until};

/// `make test` runs this one first, so that the fetching is seen.
#[test]
fn libchdb_is_there() {
    assert!(embedded_options().library.is_file());
}

#[tokio::test]
async fn a_lightweight_delete_deletes_and_a_merge_frees() {
    let database = TestDatabase::create().await;
    let client = database.client();
    execute(
        &client,
        "CREATE TABLE t (id UInt64) ENGINE = MergeTree ORDER BY id",
    )
    .await;
    execute(&client, "INSERT INTO t SELECT number FROM numbers(1000)").await;
    execute(&client, "DELETE FROM t WHERE id < 400").await;
    assert_eq!(count(&client, "SELECT count() FROM t").await, 600);

    let on_disk = "SELECT sum(rows) FROM system.parts \
                   WHERE active AND database = currentDatabase() AND table = 't'";
    assert_eq!(count(&client, on_disk).await, 1000);
    execute(
        &client,
        "ALTER TABLE t APPLY DELETED MASK SETTINGS mutations_sync = 2",
    )
    .await;
    assert_eq!(count(&client, on_disk).await, 600);
}

#[tokio::test]
async fn statements_are_in_the_query_log_within_a_moment() {
    let database = TestDatabase::create().await;
    let client = database.client();
    let id = uuid::Uuid::new_v4().to_string();
    client
        .query("SELECT 1")
        .with_setting("query_id", &id)
        .fetch_one::<u8>()
        .await
        .unwrap();
    let began_at = std::time::Instant::now();
    let found = "SELECT count() FROM system.query_log WHERE query_id = {id:String}";
    loop {
        // The table comes with the first flush.
        let n = client
            .query(found)
            .param("id", &id)
            .fetch_one::<u64>()
            .await
            .unwrap_or(0);
        if n > 0 {
            return;
        }
        assert!(
            began_at.elapsed() < Duration::from_secs(30),
            "no line in system.query_log"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn databases_of_tests_are_their_own_and_go_with_them() {
    let (first, second) = (TestDatabase::create().await, TestDatabase::create().await);
    assert_ne!(first.name(), second.name());
    let client = second.client();
    let known = "SELECT count() FROM system.databases WHERE name = {name:String}";
    let name = first.name().to_owned();
    let n = || async {
        client
            .query(known)
            .param("name", &name)
            .fetch_one::<u64>()
            .await
            .unwrap()
    };
    assert_eq!(n().await, 1);
    drop(first);
    assert_eq!(n().await, 0);
}

#[tokio::test]
async fn the_address_of_a_database_leads_to_it() {
    let database = TestDatabase::create().await;
    let client = Client::default()
        .with_url(database.url())
        .with_user(database.user())
        .with_password(database.password())
        .with_database(database.name());
    let current: String = client
        .query("SELECT currentDatabase()")
        .fetch_one()
        .await
        .unwrap();
    assert_eq!(current, database.name());

    let database = TestMysql::create().await;
    assert!(database.url().starts_with("mysql://"), "{}", database.url());
    let mut connection = database.connect().await;
    let current: Option<String> = connection.query_first("SELECT DATABASE()").await.unwrap();
    assert_eq!(current.as_deref(), Some(database.name()));
}

#[tokio::test]
async fn data_survive_kill_and_restart() {
    let home = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions {
        directory: Some(home.path().into()),
        ..embedded_options()
    };
    let mut server = Embedded::start(options.clone()).unwrap();
    let database = TestDatabase::create_at(&server).await;
    let client = database.client();
    execute(
        &client,
        "CREATE TABLE t (id UInt64) ENGINE = MergeTree ORDER BY id",
    )
    .await;
    execute(&client, "INSERT INTO t SELECT number FROM numbers(1000)").await;
    execute(&client, "DELETE FROM t WHERE id % 10 = 0").await;

    let (url, port) = (server.url(), server.http_port());
    server.kill().unwrap();
    assert_eq!(server.pid(), None);
    assert!(!listens(port));
    server.restart().unwrap();
    assert_eq!(server.url(), url);
    assert_eq!(
        count(&database.client(), "SELECT count() FROM t").await,
        900
    );

    // Also by another handle, on other ports.
    server.stop().unwrap();
    let server = Embedded::start(options).unwrap();
    let client = Client::default()
        .with_url(server.url())
        .with_database(database.name());
    assert_eq!(count(&client, "SELECT count() FROM t").await, 900);
}

#[test]
fn a_directory_has_one_server() {
    let home = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions {
        directory: Some(home.path().into()),
        ..embedded_options()
    };
    let first = Embedded::start(options.clone()).unwrap();
    let error = Embedded::start(options.clone()).unwrap_err();
    assert!(matches!(error, EmbeddedError::Busy { .. }), "{error}");
    first.stop().unwrap();
    Embedded::start(options).unwrap();
}

#[test]
fn a_start_waits_for_a_server_that_is_ending() {
    let home = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions {
        directory: Some(home.path().into()),
        ..embedded_options()
    };
    Embedded::start(options.clone()).unwrap().stop().unwrap();
    // What a server holds until its process is gone; its starter may be gone before.
    let held = File::open(home.path().join("data/status")).unwrap();
    held.lock().unwrap();
    let output = home.path().join("output.log");
    let ending = std::thread::spawn(move || {
        let refused = || {
            std::fs::read_to_string(&output)
                .unwrap()
                .contains("Another server")
        };
        wait_until("the new server finds the old one", refused);
        drop(held);
    });
    Embedded::start(options).unwrap();
    ending.join().unwrap();
}

#[test]
fn a_temporary_directory_goes_with_its_server() {
    let server = Embedded::start(embedded_options()).unwrap();
    let directory = server.directory().to_path_buf();
    assert!(directory.join("data").is_dir());
    drop(server);
    assert!(!directory.exists());
}

#[tokio::test]
async fn users_have_passwords_and_grants() {
    let user = |name: &str, grants: &[&str]| EmbeddedUser {
        name: name.into(),
        password: "s<cr&t".into(),
        profile_xml: String::new(),
        databases_xml: String::new(),
        grants: grants.iter().map(|&grant| grant.into()).collect(),
    };
    let users = vec![user("reader", &["GRANT SELECT ON *.*"]), user("admin", &[])];
    let server = Embedded::start(EmbeddedOptions {
        users,
        ..embedded_options()
    })
    .unwrap();
    let as_user = |name: &str, password: &str| {
        Client::default()
            .with_url(server.url())
            .with_user(name)
            .with_password(password)
    };
    let create = "CREATE TABLE default.t (id UInt64) ENGINE = MergeTree ORDER BY id";

    let wrong = as_user("admin", "secret")
        .query(create)
        .execute()
        .await
        .unwrap_err();
    assert!(
        wrong.to_string().contains("Authentication failed"),
        "{wrong}"
    );
    let denied = as_user("reader", "s<cr&t")
        .query(create)
        .execute()
        .await
        .unwrap_err();
    assert!(
        denied
            .to_string()
            .contains("grant CREATE TABLE ON default.t"),
        "{denied}"
    );
    execute(&as_user("admin", "s<cr&t"), create).await;
    assert_eq!(
        count(
            &as_user("reader", "s<cr&t"),
            "SELECT count() FROM default.t"
        )
        .await,
        0
    );
}

#[tokio::test]
async fn two_servers_are_shards_of_a_cluster() {
    let shard = Embedded::start(embedded_options()).unwrap();
    let config_xml = format!(
        "<remote_servers><both>\
         <shard><replica><host>127.0.0.1</host><port>{}</port></replica></shard>\
         </both></remote_servers><background_pool_size>3</background_pool_size>",
        shard.tcp_port()
    );
    let options = EmbeddedOptions {
        config_xml,
        ..embedded_options()
    };
    let front = Embedded::start(options).unwrap();
    let on_shard = Client::default().with_url(shard.url());
    let on_front = Client::default().with_url(front.url());
    execute(
        &on_shard,
        "CREATE TABLE default.t (id UInt64) ENGINE = MergeTree ORDER BY id",
    )
    .await;
    execute(
        &on_shard,
        "INSERT INTO default.t SELECT number FROM numbers(7)",
    )
    .await;
    let through = "CREATE TABLE default.d (id UInt64) ENGINE = Distributed(both, default, t)";
    execute(&on_front, through).await;
    assert_eq!(count(&on_front, "SELECT count() FROM default.d").await, 7);
}

#[test]
fn a_port_that_is_taken_is_an_error_that_shows_what_the_server_said() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let http_port = taken.local_addr().unwrap().port();
    let error = Embedded::start(EmbeddedOptions {
        http_port,
        ..embedded_options()
    })
    .unwrap_err();
    assert!(matches!(error, EmbeddedError::Died { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains(&format!("127.0.0.1:{http_port}")),
        "{error}"
    );
}

#[test]
fn a_library_that_is_none_is_an_error_that_names_it() {
    let library = env!("CARGO_MANIFEST_DIR").to_owned() + "/Cargo.toml";
    let options = EmbeddedOptions {
        library: library.clone().into(),
        ..embedded_options()
    };
    let error = Embedded::start(options).unwrap_err();
    assert!(error.to_string().contains(&library), "{error}");
}

#[tokio::test]
async fn mariadb_answers_and_each_test_has_its_database() {
    let (first, second) = (TestMysql::create().await, TestMysql::create().await);
    assert_ne!(first.name(), second.name());
    let mut connection = first.connect().await;
    connection
        .query_drop("CREATE TABLE t (id INT PRIMARY KEY) ENGINE = InnoDB")
        .await
        .unwrap();
    connection
        .query_drop("INSERT INTO t VALUES (1), (2)")
        .await
        .unwrap();
    let n: Option<u64> = connection
        .query_first("SELECT COUNT(*) FROM t")
        .await
        .unwrap();
    assert_eq!(n, Some(2));
    let missing = second.connect().await.query_drop("SELECT * FROM t").await;
    assert!(missing.unwrap_err().to_string().contains("doesn't exist"));
}

/// Set for the process that the test below starts and kills: itself once more.
const IS_PARENT: &str = "EBBTIDE_TEST_PARENT";

#[test]
fn servers_die_with_the_process_that_started_them_also_on_kill_9() {
    if std::env::var_os(IS_PARENT).is_some() {
        return be_the_parent();
    }
    let mut parent = Parent::start();
    let (clickhouse, mariadb) = (parent.read("clickhouse"), parent.read("mariadb"));
    let directory = parent.read("directory");
    assert!(listens(port(&clickhouse)) && listens(port(&mariadb)));
    assert!(Path::new(&directory).exists());

    parent.process.kill().unwrap();
    parent.process.wait().unwrap();
    wait_until("ClickHouse is gone", || !listens(port(&clickhouse)));
    wait_until("mariadbd is gone", || !listens(port(&mariadb)));
    wait_until("its directory is gone", || !Path::new(&directory).exists());
}

/// What the parent process does: it starts servers, says where, and waits to be killed.
fn be_the_parent() {
    let clickhouse = Embedded::start(embedded_options()).unwrap();
    let mariadb = Mariadb::start();
    println!("\nclickhouse={}", clickhouse.http_port());
    println!("mariadb={}", mariadb.port());
    println!("directory={}", clickhouse.directory().display());
    // Ends with its own starter at the latest.
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).unwrap();
}

/// This test binary once more, as the process that is killed.
struct Parent {
    process: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Parent {
    fn start() -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "embedded::servers_die_with_the_process_that_started_them_also_on_kill_9",
                "--nocapture",
            ])
            .env(IS_PARENT, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    fn read(&mut self, name: &str) -> String {
        let start = format!("{name}=");
        let found = self
            .lines
            .find_map(|line| Some(line.unwrap().strip_prefix(&start)?.to_owned()));
        found.unwrap_or_else(|| panic!("the parent process ended without saying {name}"))
    }
}

fn port(text: &str) -> u16 {
    text.parse().unwrap()
}

fn listens(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

async fn execute(client: &Client, statement: &str) {
    client.query(statement).execute().await.unwrap();
}

async fn count(client: &Client, query: &str) -> u64 {
    client.query(query).fetch_one().await.unwrap()
}
