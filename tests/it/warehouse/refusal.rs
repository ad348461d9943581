//! Servers that are not there, refuse, or cannot do what is needed.

use ebbtide::{
    Embedded, EmbeddedUser, Execution, GrantNeed, Privilege, Request, Shard, ShardOptions,
    WarehouseError,
};
use secrecy::SecretString;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::Bench;
use crate::support::embedded_options;

#[tokio::test]
async fn a_server_that_is_not_there() {
    let shard = Shard::new(ShardOptions::new("http://user:secret@127.0.0.1:1")).unwrap();
    let error = shard.check_server().await.unwrap_err();
    assert!(
        matches!(error, WarehouseError::Unreachable { .. }),
        "{error:?}"
    );
    assert!(error.is_unreachable() && !error.outcome_is_unknown());
    let mut cause = std::error::Error::source(&error);
    let mut chain = vec![error.to_string()];
    while let Some(error) = cause {
        chain.push(error.to_string());
        cause = error.source();
    }
    let chain = chain.join(": ");
    assert_eq!(chain.matches("onnection refused").count(), 1, "{chain}");
    assert!(!chain.contains("secret"), "{chain}");
}

#[tokio::test]
async fn a_server_that_is_not_clickhouse() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            // A page of a proxy whose server is away.
            let mut request = [0; 4096];
            let _size = client.read(&mut request).await;
            let page = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 9\r\n\r\n<p>no</p>";
            let _sent = client.write_all(page.as_bytes()).await;
        }
    });
    let shard = Shard::new(ShardOptions::new(format!("http://{address}"))).unwrap();
    let error = shard.check_server().await.unwrap_err();
    assert!(
        matches!(error, WarehouseError::NotClickHouse { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_wrong_password_names_the_user() {
    let bench = Bench::with(|options| options.password = Some(SecretString::from("s3cret-no")));
    let error = bench.shard.check_server().await.unwrap_err();
    assert!(
        matches!(error, WarehouseError::Authentication { .. }),
        "{error:?}"
    );
    let text = error.to_string();
    assert!(
        text.contains("user default") && !text.contains("s3cret"),
        "{text}"
    );
}

#[tokio::test]
async fn a_missing_database_is_named() {
    let bench = Bench::with(|options| options.database = "no_such_db".into());
    let error = bench.shard.check_server().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "ClickHouse at {} has no database no_such_db; correct clickhouse.database",
            bench.shard.name()
        )
    );
}

#[tokio::test]
async fn users_that_may_not() {
    let server = server();
    let admin = clickhouse::Client::default().with_url(server.url());
    for sql in [
        "CREATE DATABASE d",
        "CREATE TABLE d.t (w String, id UInt64) ENGINE = MergeTree PARTITION BY id < 50 ORDER BY w \
         SETTINGS enable_block_number_column = 1, enable_block_offset_column = 1",
        "CREATE TABLE d.refs (w String, id UInt64) ENGINE = MergeTree ORDER BY w",
        "INSERT INTO d.t SELECT toString(number % 7), number FROM numbers(100)",
    ] {
        admin.query_raw(sql).execute().await.unwrap();
    }
    let shard_of = |user: &str| {
        let mut options = ShardOptions::new(server.url());
        options.user = user.to_owned();
        options.password = Some(SecretString::from("p'w"));
        options.database = "d".into();
        Shard::new(options).unwrap()
    };

    // Exactly the grants that the docs name are enough for everything that is asked.
    let keeper = shard_of("keeper");
    keeper.check_server().await.unwrap();
    keeper.check_grants(&NEEDS).await.unwrap();
    let schemas = keeper.schemas(&["t", "refs"]).await.unwrap();
    assert_eq!(schemas.len(), 2);
    assert_eq!((schemas[1].columns.len(), schemas[1].rows), (2, 100));
    let condition = "id < 10 AND w NOT IN (SELECT w FROM refs)";
    let execution = super::delete_on(&keeper, condition, "ebbtide:retention:t:grants-1").await;
    assert!(
        matches!(execution, ebbtide::Execution::Done),
        "{execution:?}"
    );
    assert_eq!(keeper.unfinished_mutations("t").await.unwrap(), []);
    let left: u64 = admin
        .query_raw("SELECT count() FROM d.t")
        .fetch_one()
        .await
        .unwrap();
    assert_eq!(left, 90);

    the_same_grants_are_enough_for_other_ways(&keeper, &admin).await;

    // Each missing grant is named, with the statement that gives it.
    let error = shard_of("half").check_grants(&NEEDS).await.unwrap_err();
    let WarehouseError::MissingGrant {
        user,
        grants,
        remedy,
        ..
    } = &error
    else {
        panic!("{error:?}");
    };
    assert_eq!(user, "half");
    assert_eq!(
        grants,
        "ALTER DELETE ON d.t, SELECT ON d.refs, SELECT ON system.mutations, SELECT ON system.processes"
    );
    assert!(
        remedy.starts_with("GRANT ALTER DELETE ON d.t TO half; GRANT SELECT ON d.refs TO half;")
    );
    // And so is one that is only noticed on the way.
    let error = shard_of("half")
        .unfinished_mutations("t")
        .await
        .unwrap_err();
    assert!(error.to_string().contains("GRANT SELECT"), "{error}");
    let execution = super::delete_on(&shard_of("half"), "id < 20", "ebbtide:retention:t:g-2").await;
    let ebbtide::Execution::Failed { error, .. } = execution else {
        panic!("{execution:?}");
    };
    assert!(
        error
            .to_string()
            .contains("run: GRANT ALTER DELETE ON d.t TO half"),
        "{error}"
    );

    // Profiles that do not let deletes or settings through.
    for (user, word) in [
        ("readonly", "readonly"),
        ("readonly_settings", "readonly"),
        ("no_delete", "enable_lightweight_delete"),
        ("constrained", "max_execution_time"),
    ] {
        let error = shard_of(user).check_server().await.unwrap_err();
        assert!(
            matches!(error, WarehouseError::Setting { .. }),
            "{user}: {error:?}"
        );
        let text = error.to_string();
        assert!(text.contains(word) && text.contains(user), "{text}");
    }

    profiles_do_not_trim_probes(shard_of).await;
}

/// A profile that trims answers does not trim probes: all rows or an error.
async fn profiles_do_not_trim_probes(shard_of: impl Fn(&str) -> Shard) {
    let counts = "SELECT toString(number) AS ebbtide_workspace, '' AS ebbtide_project, '' AS ebbtide_partition, \
                  number AS ebbtide_due, toUInt64(0) AS ebbtide_kept, toNullable(toInt64(0)) AS ebbtide_oldest_ms, \
                  toNullable(toInt64(0)) AS ebbtide_newest_ms FROM numbers(1000)";
    let rows = shard_of("trimmed").count_due(counts).await.unwrap();
    assert_eq!(rows.len(), 1000);
    let there = "SELECT '' AS ebbtide_workspace, '' AS ebbtide_project, '' AS ebbtide_partition, count() AS ebbtide_due, \
                 toUInt64(0) AS ebbtide_kept, toNullable(toInt64(0)) AS ebbtide_oldest_ms, \
                 toNullable(toInt64(0)) AS ebbtide_newest_ms FROM t";
    let rows = shard_of("trimmed").count_due(there).await.unwrap();
    assert_eq!(rows[0].n_due, 30, "rows that were deleted are not there");
    // Nor do other replicas answer them.
    let rows = shard_of("elsewhere").count_due(there).await.unwrap();
    assert_eq!(rows[0].n_due, 30);
    let error = shard_of("capped").count_due(counts).await.unwrap_err();
    assert!(
        matches!(error, WarehouseError::Server { code: 396, .. }),
        "{error}"
    );
}

/// Patches and drops need no grant of their own.
async fn the_same_grants_are_enough_for_other_ways(keeper: &Shard, admin: &clickhouse::Client) {
    let patch = ("lightweight_delete_mode", "lightweight_update_force");
    for (sql, settings, expected) in [
        ("DELETE FROM t WHERE id < 20", &[patch][..], 80),
        (&*drop_parts_of("0", admin).await, &[], 30),
    ] {
        let request = Request {
            sql,
            query_id: sql,
            log_comment: "ebbtide:retention:t:grants-3",
            marker: "ebbtide:retention:t:grants-3",
            is_mutation: false,
            params: &[],
            settings,
        };
        let execution = keeper.execute(&request).await;
        assert!(matches!(execution, Execution::Done), "{execution:?}");
        let left = admin.query_raw("SELECT count() FROM d.t");
        assert_eq!(left.fetch_one::<u64>().await.unwrap(), expected, "{sql}");
    }
    // A partition beyond what the user may drop has a remedy.
    let request = Request {
        sql: &drop_parts_of("1", admin).await,
        query_id: "too large",
        log_comment: "",
        marker: "",
        is_mutation: false,
        params: &[],
        settings: &[("max_partition_size_to_drop", "1")],
    };
    let execution = keeper.execute(&request).await;
    let Execution::Failed { error, .. } = execution else {
        panic!("{execution:?}");
    };
    assert!(
        error
            .to_string()
            .contains("raise max_partition_size_to_drop"),
        "{error}"
    );
}

/// The statement that drops all parts of a partition.
async fn drop_parts_of(partition: &str, admin: &clickhouse::Client) -> String {
    let drops = "SELECT 'ALTER TABLE t ' || arrayStringConcat(groupArray('DROP PART ''' || name || ''''), ', ') \
                 FROM system.parts WHERE active AND database = 'd' AND table = 't' AND partition_id = ?";
    let drops = admin.query(drops).bind(partition);
    drops.fetch_one().await.unwrap()
}

const NEEDS: [GrantNeed<'static>; 3] = [
    GrantNeed {
        privilege: Privilege::Select,
        table: "t",
    },
    GrantNeed {
        privilege: Privilege::AlterDelete,
        table: "t",
    },
    GrantNeed {
        privilege: Privilege::Select,
        table: "refs",
    },
];

/// A server with users that may not do all; everybody's password is `p'w`.
fn server() -> Embedded {
    let mut options = embedded_options();
    let user = |name: &str, grants: &[&str], profile_xml: &str| EmbeddedUser {
        name: name.into(),
        password: "p'w".into(),
        grants: grants.iter().map(ToString::to_string).collect(),
        profile_xml: profile_xml.into(),
        databases_xml: String::new(),
    };
    let keeper = [
        "GRANT SELECT, ALTER DELETE ON d.t",
        "GRANT SELECT ON d.refs",
        "GRANT SELECT ON system.parts",
        "GRANT SELECT ON system.mutations",
        "GRANT SELECT ON system.processes",
        "GRANT SELECT ON system.projections",
        "GRANT SELECT ON system.disks",
        "GRANT SELECT ON system.merge_tree_settings",
        "GRANT SELECT ON system.metrics",
        "GRANT SELECT ON system.replicas",
        "GRANT SELECT ON system.storage_policies",
    ];
    let half = [
        "GRANT SELECT ON d.t",
        "GRANT SELECT ON system.parts",
        "GRANT SELECT ON system.projections",
        "GRANT SELECT ON system.disks",
        "GRANT SELECT ON system.merge_tree_settings",
        "GRANT SELECT ON system.metrics",
        "GRANT SELECT ON system.replicas",
        "GRANT SELECT ON system.storage_policies",
    ];
    options.users = vec![
        user("keeper", &keeper, ""),
        user("half", &half, ""),
        user("readonly", &[], "<readonly>1</readonly>"),
        user("readonly_settings", &[], "<readonly>2</readonly>"),
        user(
            "no_delete",
            &[],
            "<enable_lightweight_delete>0</enable_lightweight_delete>",
        ),
        user(
            "constrained",
            &[],
            "<constraints><max_execution_time><max>5</max></max_execution_time></constraints>",
        ),
        user(
            "trimmed",
            &[],
            "<limit>3</limit><apply_deleted_mask>0</apply_deleted_mask>",
        ),
        user(
            "elsewhere",
            &[],
            "<enable_parallel_replicas>2</enable_parallel_replicas><max_parallel_replicas>2</max_parallel_replicas>\
             <parallel_replicas_for_non_replicated_merge_tree>1</parallel_replicas_for_non_replicated_merge_tree>\
             <cluster_for_parallel_replicas>nowhere</cluster_for_parallel_replicas>",
        ),
        user(
            "capped",
            &[],
            "<max_result_rows>10</max_result_rows><max_block_size>5</max_block_size>\
             <result_overflow_mode>break</result_overflow_mode>",
        ),
    ];
    Embedded::start(options).unwrap()
}
