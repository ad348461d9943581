//! Servers that are not there, do not know the user, or are the wrong kind of table.

use std::net::TcpListener;

use ebbtide::Embedded;

use super::{Scene, matches_snapshot};
use crate::support::{TestDatabase, embedded_options};

/// A port that nobody listens on.
pub fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[tokio::test]
async fn clickhouse_is_not_there() {
    let scene = Scene::new().await;
    let config = std::fs::read_to_string(scene.path().join("config.yml")).unwrap();
    let nobody = format!("http://127.0.0.1:{}", closed_port());
    scene.write("nobody.yml", &config.replace(scene.database.url(), &nobody));
    let mut transcript = String::new();
    for verb in ["run", "plan"] {
        let outcome = scene.refused(69, &["-c", "nobody.yml", verb]).await;
        transcript += &outcome.transcript;
    }
    transcript += &scene.run(&["-c", "nobody.yml", "doctor"]).transcript;
    matches_snapshot!("servers_clickhouse_is_not_there", transcript);
}

/// Something listens, but it is no ClickHouse.
#[tokio::test]
async fn another_server_answers() {
    let scene = Scene::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let n_read = stream.read(&mut [0; 4096]).unwrap();
            assert!(n_read > 0, "a request came");
            let page = "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\nConnection: close\r\n\r\nNo page.\n";
            stream.write_all(page.as_bytes()).ok();
        }
    });
    let config = std::fs::read_to_string(scene.path().join("config.yml")).unwrap();
    let other = format!("http://127.0.0.1:{port}");
    scene.write("other.yml", &config.replace(scene.database.url(), &other));
    let before = scene.count_rows().await;
    let outcome = scene.run(&["-c", "other.yml", "run"]);
    assert_ne!(outcome.code, 0, "{}", outcome.transcript);
    scene.untouched(before).await;
    matches_snapshot!("servers_another_server_answers", outcome.transcript);
}

#[tokio::test]
async fn the_database_does_not_exist() {
    let scene = Scene::new().await;
    let config = std::fs::read_to_string(scene.path().join("config.yml")).unwrap();
    let database = scene.database.name();
    scene.write("missing.yml", &config.replace(database, "no_such_database"));
    let outcome = scene.refused(2, &["-c", "missing.yml", "run"]).await;
    matches_snapshot!("servers_no_database", outcome.transcript);
}

/// On a server with a cluster: the message names the local table, and with it everything works.
#[tokio::test]
async fn a_distributed_table_as_target() {
    let mut options = embedded_options();
    options.config_xml = "<remote_servers><two><shard><replica><host>127.0.0.1</host>\
                          <port>9000</port></replica></shard></two></remote_servers>"
        .into();
    let server = Embedded::start(options).unwrap();
    let scene = Scene::new_at(&server).await;
    scene
        .execute("CREATE TABLE traces_all AS traces ENGINE = Distributed('two', currentDatabase(), 'traces', rand())")
        .await;
    scene.targets("  - {table: traces_all, workspace: workspace_id, age: {uuid_v7: id}}\n");
    let outcome = scene.refused(2, &["run"]).await;
    assert!(
        outcome
            .stderr
            .contains(&format!("{}.traces ", scene.database.name()))
    );
    scene.configure(
        "retention: {default: 60d}\n",
        "targets: [{table: traces, workspace: workspace_id, age: {uuid_v7: id}}]\n",
    );
    scene.good(&["run"]);
    assert_eq!(scene.count_rows().await, super::scene::N_YOUNG);
    matches_snapshot!("servers_distributed", outcome.transcript);
    drop(scene);
    drop(server);
}

/// The database of the connection may hold anything in its name.
#[tokio::test]
async fn a_database_with_an_odd_name() {
    let scene = Scene::new().await;
    let odd: TestDatabase = TestDatabase::create().await;
    let name = format!("{} `it's`", odd.name());
    let quoted = format!("`{}`", name.replace('`', "\\`"));
    scene.execute(&format!("CREATE DATABASE {quoted}")).await;
    scene
        .execute(&format!("CREATE TABLE {quoted}.traces AS traces"))
        .await;
    scene
        .execute(&format!("INSERT INTO {quoted}.traces SELECT * FROM traces"))
        .await;
    let config = std::fs::read_to_string(scene.path().join("config.yml")).unwrap();
    let config = config
        .replace(scene.database.name(), &format!("\"{name}\""))
        .replace("unlimited", "60d");
    scene.write("odd.yml", &config);
    let before = scene.count_rows().await;
    scene.good(&["-c", "odd.yml", "run"]);
    let left = scene
        .count(&format!("SELECT count() FROM {quoted}.traces"))
        .await;
    scene.execute(&format!("DROP DATABASE {quoted} SYNC")).await;
    assert_eq!(left, super::scene::N_YOUNG);
    scene.untouched(before).await;
}
