//! Schemas and probes.

use ebbtide::{Ages, CensusRow, DueRow, WarehouseError};

use super::{Bench, proxy};

#[tokio::test]
async fn a_server_introduces_itself() {
    let bench = Bench::new();
    let before = jiff::Timestamp::now();
    let info = bench.shard.check_server().await.unwrap();
    assert!(ebbtide::supports(&info.version), "{info:?}");
    assert!((info.now - before).get_seconds().abs() < 60, "{info:?}");
    assert!(!info.timezone.is_empty());
}

#[tokio::test]
async fn schemas_of_every_kind_of_table() {
    let bench = Bench::new();
    for sql in [
        "CREATE TABLE replacing (w LowCardinality(String), id FixedString(36), at DateTime64(6, 'UTC'), \
         version UInt64) ENGINE = ReplacingMergeTree(version) PARTITION BY toYYYYMM(at) \
         ORDER BY (w, id, at)",
        "INSERT INTO replacing SELECT 'a', toString(generateUUIDv7()), toDateTime64('2026-01-01', 6, 'UTC') \
         + number * 86400, 1 FROM numbers(60)",
        "CREATE TABLE projected (w String, n UInt64, PROJECTION by_n (SELECT * ORDER BY n)) \
         ENGINE = MergeTree ORDER BY w SETTINGS lightweight_mutation_projection_mode = 'rebuild'",
        "CREATE TABLE `odd ``name` (`a b` String) ENGINE = MergeTree ORDER BY `a b`",
        "CREATE TABLE totals (w String, n UInt64) ENGINE = SummingMergeTree ORDER BY w",
        "CREATE MATERIALIZED VIEW feed TO totals AS SELECT w, count() AS n FROM projected GROUP BY w",
    ] {
        bench.run(sql).await;
    }
    let names = ["replacing", "projected", "odd `name", "feed", "not there"];
    let schemas = bench.shard.schemas(&names).await.unwrap();
    let [feed, odd, projected, replacing] = schemas.as_slice() else {
        panic!("{schemas:?}");
    };
    assert_eq!(feed.engine, "MaterializedView");
    assert_eq!((odd.name.as_str(), odd.parts), ("odd `name", 0));
    assert_eq!(odd.type_of("a b"), Some("String"));
    assert_eq!(projected.projections, ["by_n"]);
    let view = format!("{}.feed", bench.database.name());
    assert_eq!(projected.dependents, [view]);
    assert!(
        projected
            .engine_full
            .contains("lightweight_mutation_projection_mode = 'rebuild'"),
        "{}",
        projected.engine_full
    );
    assert_eq!(replacing.database, bench.database.name());
    assert_eq!(replacing.engine, "ReplacingMergeTree");
    assert_eq!(replacing.sorting_key, "w, id, at");
    assert_eq!(replacing.partition_key, "toYYYYMM(at)");
    let columns: Vec<(&str, &str)> = replacing
        .columns
        .iter()
        .map(|column| (column.name.as_str(), column.type_name.as_str()))
        .collect();
    let expected = [
        ("w", "LowCardinality(String)"),
        ("id", "FixedString(36)"),
        ("at", "DateTime64(6, 'UTC')"),
        ("version", "UInt64"),
    ];
    assert_eq!(columns, expected);
    assert_eq!((replacing.parts, replacing.rows), (3, 60));
    assert!(replacing.bytes > 0);
}

#[tokio::test]
async fn no_table_is_no_schema() {
    let bench = Bench::new();
    assert_eq!(bench.shard.schemas(&[]).await.unwrap(), []);
}

const ODD: [&str; 9] = [
    "",
    "'",
    "\\",
    "a\0b",
    "🌊",
    "~",
    "what? {x:String} %",
    "\"`$",
    "  ",
];

fn literal(text: &str) -> String {
    let bytes: String = text.bytes().map(|byte| format!("\\x{byte:02x}")).collect();
    format!("'{bytes}'")
}

#[tokio::test]
async fn probes_carry_any_id() {
    let bench = Bench::new();
    let long = "x".repeat(500);
    let ids: Vec<&str> = ODD.into_iter().chain([long.as_str()]).collect();
    let array: Vec<String> = ids.iter().map(|id| literal(id)).collect();
    let array = array.join(", ");
    let census = bench
        .shard
        .census(&format!(
            "SELECT w AS ebbtide_workspace, toUInt8(1) AS ebbtide_readable, '' AS ebbtide_partition, '' AS ebbtide_part, toUInt64(3) AS ebbtide_rows, toUInt64(1) AS ebbtide_undatable, \
             toUInt64(0) AS ebbtide_future, if(w = '', NULL, toInt64(-5)) AS ebbtide_oldest_ms, \
             toNullable(toInt64(-4)) AS ebbtide_newest_ms \
             FROM (SELECT arrayJoin([{array}]) AS w) WHERE w != 'a?b' AND w != '{{n:String}}'"
        ))
        .await
        .unwrap();
    let expected: Vec<CensusRow> = ids
        .iter()
        .map(|id| CensusRow {
            workspace: (*id).into(),
            is_readable: true,
            n_rows: 3,
            n_undatable: 1,
            n_future: 0,
            oldest_ms: (!id.is_empty()).then_some(-5),
        })
        .collect();
    assert_eq!(census.rows, expected);
    assert_eq!(census.cells, []);
    let due = bench
        .shard
        .count_due(&format!(
            "SELECT w AS ebbtide_workspace, reverse(w) AS ebbtide_project, '202611' AS ebbtide_partition, toUInt64(2) AS ebbtide_due, \
             toUInt64(1) AS ebbtide_kept, toNullable(toInt64(-7)) AS ebbtide_oldest_ms, toNullable(toInt64(-6)) AS ebbtide_newest_ms FROM (SELECT {} AS w)",
            literal("a\0b")
        ))
        .await
        .unwrap();
    let expected = DueRow {
        workspace: "a\0b".into(),
        project: "b\0a".into(),
        partition: "202611".into(),
        n_due: 2,
        n_kept: 1,
        ages: Ages {
            oldest_ms: Some(-7),
            newest_ms: Some(-6),
        },
    };
    assert_eq!(due, [expected]);
}

#[tokio::test]
async fn an_id_that_is_not_text_is_an_error_that_says_so() {
    let bench = Bench::new();
    let error = bench
        .shard
        .count_due(
            "SELECT unhex('ff') AS ebbtide_workspace, '' AS ebbtide_project, '' AS ebbtide_partition, toUInt64(2) AS ebbtide_due, \
             toUInt64(1) AS ebbtide_kept, toNullable(toInt64(-7)) AS ebbtide_oldest_ms, toNullable(toInt64(-6)) AS ebbtide_newest_ms",
        )
        .await
        .unwrap_err();
    assert!(error.to_string().contains("not UTF-8"), "{error}");
}

#[tokio::test]
async fn a_probe_out_of_time_is_an_error_even_after_its_first_rows() {
    let bench =
        Bench::with(|options| options.probe_timeout = std::time::Duration::from_millis(900));
    let slow = "SELECT toString(number) AS ebbtide_workspace, '' AS ebbtide_project, '' AS ebbtide_partition, number AS ebbtide_due, \
                toUInt64(sleepEachRow(0.02)) AS ebbtide_kept FROM numbers(1000) \
                SETTINGS max_block_size = 5";
    let error = bench.shard.count_due(slow).await.unwrap_err();
    assert!(matches!(error, WarehouseError::Timeout { .. }), "{error}");
    assert!(error.outcome_is_unknown());
    assert!(
        error.to_string().contains("clickhouse.probe_timeout"),
        "{error}"
    );

    // The server's own limit, which a profile may set lower than ours.
    let bench = Bench::new();
    let slow = format!("{slow}, max_execution_time = 1");
    let error = bench.shard.count_due(&slow).await.unwrap_err();
    assert!(matches!(error, WarehouseError::Timeout { .. }), "{error}");
}

#[tokio::test]
async fn a_probe_that_fails_half_way_gives_no_rows() {
    let bench = Bench::new();
    let error = bench
        .shard
        .count_due(
            "SELECT toString(number) AS ebbtide_workspace, '' AS ebbtide_project, '' AS ebbtide_partition, number AS ebbtide_due, \
             toUInt64(throwIf(number = 300000)) AS ebbtide_kept FROM numbers(1000000) \
             SETTINGS max_block_size = 1000",
        )
        .await
        .unwrap_err();
    let WarehouseError::Server { code, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(code, 395);
}

#[tokio::test]
async fn a_probe_cannot_write() {
    let bench = Bench::new().with_rows().await;
    for sql in [
        "DELETE FROM t WHERE 1",
        "INSERT INTO t SELECT 'b', 1",
        "ALTER TABLE t DELETE WHERE 1",
        "DROP TABLE t",
    ] {
        let error = bench.shard.census(sql).await.unwrap_err();
        assert!(error.to_string().contains("readonly"), "{sql}: {error}");
    }
    assert_eq!(bench.rows().await, 100);
}

#[tokio::test]
async fn tls_with_a_private_authority() {
    let bench = Bench::new().with_rows().await;
    let (url, certificate) = proxy::with_tls(bench.database.url()).await;
    let directory = tempfile::tempdir().unwrap();
    let ca_file = directory.path().join("ca.pem");
    std::fs::write(&ca_file, certificate).unwrap();

    let mut options = super::options(&bench.database);
    options.url = url;
    let distrustful = ebbtide::Shard::new(options.clone()).unwrap();
    let error = distrustful.check_server().await.unwrap_err();
    assert!(
        matches!(error, WarehouseError::Unreachable { .. }),
        "{error}"
    );

    options.ca_file = Some(ca_file);
    let shard = ebbtide::Shard::new(options).unwrap();
    shard.check_server().await.unwrap();
    let execution = super::delete_on(&shard, "id < 10", "ebbtide:retention:t:tls-1").await;
    assert!(
        matches!(execution, ebbtide::Execution::Done),
        "{execution:?}"
    );
    assert_eq!(bench.rows().await, 90);
}

#[tokio::test]
async fn no_more_counts_run_at_once_than_the_limit() {
    let bench = Bench::with(|options| options.probe_concurrency = 1);
    let slow = "SELECT '' AS ebbtide_workspace, '' AS ebbtide_project, '' AS ebbtide_partition, toUInt64(sleep(0.4)) AS ebbtide_due, \
                toUInt64(0) AS ebbtide_kept, toNullable(toInt64(0)) AS ebbtide_oldest_ms, toNullable(toInt64(0)) AS ebbtide_newest_ms";
    let began = std::time::Instant::now();
    let (first, second) = tokio::join!(bench.shard.count_due(slow), bench.shard.count_due(slow));
    assert_eq!((first.unwrap().len(), second.unwrap().len()), (1, 1));
    let took = began.elapsed();
    assert!(took.as_millis() >= 800, "one waits for the other: {took:?}");
}
