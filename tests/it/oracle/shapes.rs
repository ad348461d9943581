//! The three shapes of a predicate delete the same rows, and cutoffs agree with the server.

use std::collections::BTreeSet;

use ebbtide::{AgeColumn, AgeKind};
use ebbtide::{
    Arm, Bounds, CheckedTarget, Cutoff, Days, NameColumn, Projects, Shape, TextKind, Ways,
    compile_as, literal, smallest_id,
};
use fastrand::Rng;
use jiff::Timestamp;

use crate::support::TestDatabase;

const DAY_MS: i64 = 86_400_000;

#[tokio::test]
async fn all_shapes_delete_the_same_rows() {
    let database = TestDatabase::create().await;
    let client = database.client();
    let kinds = [
        ("String", AgeKind::UuidText),
        ("UUID", AgeKind::Uuid),
        ("Date", AgeKind::Date),
        ("Date32", AgeKind::Date32),
        ("DateTime", AgeKind::DateTime),
        ("DateTime64(6)", AgeKind::DateTime64),
    ];
    let mut n_deleted = 0;
    for (number, (type_name, kind)) in kinds.into_iter().cycle().take(18).enumerate() {
        let rng = &mut Rng::with_seed(u64::try_from(number).unwrap());
        let source = format!("s_{number}");
        let is_id = matches!(kind, AgeKind::UuidText | AgeKind::Uuid);
        let value = if is_id {
            // Deterministic UUIDv7 text from the row's milliseconds, some of version 4.
            "concat(substring(lpad(hex(ms), 12, '0'), 1, 8), '-', substring(lpad(hex(ms), 12, '0'), 9, 4), if(number % 17 = 0, '-4', '-7'), \
             substring(lpad(hex(cityHash64(number)), 16, '0'), 1, 3), '-8', substring(lpad(hex(cityHash64(number)), 16, '0'), 4, 3), '-', \
             substring(lpad(hex(cityHash64(number + 1)), 16, '0'), 1, 12))"
        } else {
            "fromUnixTimestamp64Milli(toInt64(ms), 'UTC')"
        };
        let create = format!(
            "CREATE TABLE {source} (n UInt64, w String, p String, age {type_name}) ENGINE = MergeTree ORDER BY (w, p) AS \
             SELECT number AS n, concat('w', toString(number % 23)) AS w, concat('p', toString(number % 5)) AS p, {} AS age \
             FROM (SELECT number, toUInt64(1700000000000 + (cityHash64(number) % 100) * {DAY_MS} / 3) AS ms FROM numbers(3000))",
            if is_id {
                format!("lower({value})")
            } else {
                value.to_owned()
            }
        );
        client
            .query_raw(&create)
            .execute()
            .await
            .unwrap_or_else(|error| panic!("{error}\n{create}"));
        let arms = random_arms(rng);
        let mut results: Vec<(Shape, BTreeSet<u64>)> = Vec::new();
        for shape in [Shape::Or, Shape::Lookup] {
            let copy = format!("{source}_{}", shape.as_str());
            client
                .query_raw(&format!("CREATE TABLE {copy} CLONE AS {source}"))
                .execute()
                .await
                .unwrap();
            let target = target(database.name(), &copy, kind);
            let statement = compile_as(shape, &target, &arms, "ebbtide:retention:shapes:1");
            assert_eq!(statement.shape, shape);
            client
                .query_raw(&statement.sql)
                .execute()
                .await
                .unwrap_or_else(|error| panic!("{error}\n{}", statement.sql));
            results.push((shape, left(&client, &copy).await));
        }
        // The plain shape takes one pair of bounds: one statement for each.
        let copy = format!("{source}_in");
        client
            .query_raw(&format!("CREATE TABLE {copy} CLONE AS {source}"))
            .execute()
            .await
            .unwrap();
        let target = target(database.name(), &copy, kind);
        for arm in &arms {
            let statement = compile_as(
                Shape::In,
                &target,
                std::slice::from_ref(arm),
                "ebbtide:retention:shapes:1",
            );
            assert_eq!(statement.shape, Shape::In);
            client.query_raw(&statement.sql).execute().await.unwrap();
        }
        let plain = left(&client, &copy).await;
        for (shape, rows) in results {
            assert_eq!(
                rows, plain,
                "{shape:?} and plain IN differ on {type_name}, arms {arms:#?}"
            );
        }
        n_deleted += 3_000 - plain.len();
    }
    assert!(
        n_deleted > 1_000,
        "only {n_deleted} rows were deleted: the test says little"
    );
}

async fn left(client: &clickhouse::Client, table: &str) -> BTreeSet<u64> {
    let rows = client
        .query(&format!("SELECT n FROM {table}"))
        .fetch_all::<u64>()
        .await
        .unwrap();
    rows.into_iter().collect()
}

fn target(database: &str, table: &str, kind: AgeKind) -> CheckedTarget {
    let name = |name: &str| NameColumn {
        name: name.into(),
        kind: TextKind::String,
        nullable: false,
    };
    CheckedTarget {
        database: database.into(),
        table: table.into(),
        workspace: name("w"),
        project: Some(name("p")),
        age: AgeColumn {
            name: "age".into(),
            kind,
        },
        keep: vec![],
        ways: Ways::default(),
    }
}

fn random_arms(rng: &mut Rng) -> Vec<Arm> {
    let mut arms = Vec::new();
    for workspace in 0..23 {
        let below_ms = 1_699_920_000_000 + rng.i64(0..34) * DAY_MS;
        let from_ms = rng.bool().then(|| below_ms - rng.i64(1..20 * DAY_MS));
        let own: Vec<std::sync::Arc<str>> = (0..5)
            .filter(|_| rng.u8(..4) == 0)
            .map(|number| format!("p{number}").into())
            .collect();
        let arm = |projects: Projects, shift: i64| {
            let bounds = Bounds {
                below_ms: below_ms + shift * DAY_MS,
                from_ms,
            };
            Arm::new(format!("w{workspace}"), projects, bounds)
        };
        for project in &own {
            arms.push(arm(Projects::Only(project.clone()), rng.i64(0..3)));
        }
        arms.push(arm(Projects::Except(own.into()), 0));
    }
    arms
}

#[tokio::test]
async fn cutoffs_agree_with_the_server() {
    let database = TestDatabase::create().await;
    let rng = &mut Rng::with_seed(7);
    for _ in 0..200 {
        let now = Timestamp::from_millisecond(rng.i64(0..4_000_000_000_000)).unwrap();
        let n_days = rng.u32(1..3_000);
        let cutoff = Cutoff::at(now, Days::new(n_days).unwrap());
        let expected = cutoff.as_millisecond().max(0);
        let sql = format!(
            "SELECT toUnixTimestamp64Milli(UUIDv7ToDateTime(toUUID({}))), \
             toInt64(toUnixTimestamp(toStartOfDay(fromUnixTimestamp64Milli({}, 'UTC')))) * 1000",
            literal(&cutoff.id().to_string()),
            now.as_millisecond()
        );
        let (of_id, today) = database
            .client()
            .query_raw(&sql)
            .fetch_one::<(i64, i64)>()
            .await
            .unwrap();
        assert_eq!(of_id, expected, "{now}");
        assert_eq!(
            cutoff.as_millisecond(),
            today - i64::from(n_days) * DAY_MS,
            "{now}"
        );
    }
    let first = smallest_id(0).to_string();
    let sql = format!(
        "SELECT toUnixTimestamp64Milli(UUIDv7ToDateTime(toUUID({})))",
        literal(&first)
    );
    assert_eq!(
        database
            .client()
            .query_raw(&sql)
            .fetch_one::<i64>()
            .await
            .unwrap(),
        0
    );
}

#[tokio::test]
async fn the_server_reads_every_literal_as_it_was_meant() {
    let database = TestDatabase::create().await;
    let rng = &mut Rng::with_seed(99);
    let mut texts: Vec<String> = (0..300).map(|_| random_text(rng)).collect();
    texts.extend(
        [
            "\\'",
            "'",
            "\\",
            "\0",
            "{x:String}",
            "?",
            "--",
            "*/",
            "\u{feff}",
            "\u{1}\u{7f}\u{85}",
        ]
        .map(String::from),
    );
    let list = texts
        .iter()
        .map(|text| format!("hex({})", literal(text)))
        .collect::<Vec<_>>()
        .join(", ");
    let found = database
        .client()
        .query_raw(&format!("SELECT [{list}]"))
        .fetch_one::<Vec<String>>()
        .await
        .unwrap();
    let expected: Vec<String> = texts
        .iter()
        .map(|text| text.bytes().map(|byte| format!("{byte:02X}")).collect())
        .collect();
    assert_eq!(found, expected);
}

fn random_text(rng: &mut Rng) -> String {
    let nasty = [
        '\'', '\\', '\0', '`', '"', '{', '}', '?', '-', '/', '*', '\n', '\r', '\t', ';', '%',
        '\u{8}',
    ];
    (0..rng.usize(0..30))
        .map(|_| {
            if rng.bool() {
                nasty[rng.usize(..nasty.len())]
            } else {
                rng.char(..)
            }
        })
        .collect()
}
