//! Partition keys that are understood, computed by a real server over all that their columns can hold.

use ebbtide::{Age, MethodChoice, Target};

use super::Bench;

/// Keys, the type of the column `at` or `id`, and whether they are a stretch of time that is
/// understood.
const KEYS: [(&str, &str, bool); 27] = [
    ("at", "Date", true),
    ("at", "Date32", true),
    ("toDate(at)", "Date", true),
    ("toDate(at)", "DateTime('Asia/Tokyo')", true),
    ("toDate(at)", "DateTime64(3)", false),
    ("toDate32(at)", "DateTime64(6, 'America/New_York')", true),
    ("toDate32(at)", "Date", true),
    ("toStartOfDay(at)", "DateTime('Pacific/Kiritimati')", true),
    // Its result ends in 2106, and what is later lies among the days of 1970 and after.
    ("toStartOfDay(at)", "Date", false),
    ("toMonday(at)", "Date", true),
    ("toMonday(at)", "DateTime", true),
    ("toMonday(at)", "Date32", false),
    ("toStartOfWeek(at)", "Date", true),
    (
        "toStartOfWeek(at, 1)",
        "DateTime('Pacific/Pago_Pago')",
        true,
    ),
    ("toStartOfMonth(at)", "DateTime", true),
    ("toStartOfMonth(at)", "Date", true),
    ("toStartOfMonth(at)", "DateTime64(3)", false),
    ("toYYYYMM(at)", "Date", true),
    ("toYYYYMM(at)", "Date32", true),
    ("toYYYYMM(at)", "DateTime64(0, 'Asia/Kolkata')", true),
    ("toYYYYMM(at)", "DateTime64(9, 'UTC')", true),
    (
        "toYYYYMMDD(at)",
        "DateTime64(3, 'Pacific/Kiritimati')",
        true,
    ),
    (
        "toYYYYMMDD(toDate32(at) - toIntervalDay(toDayOfWeek(at, 1)))",
        "DateTime64(3)",
        true,
    ),
    (
        "toYYYYMMDD(toDate32(at) - toIntervalDay(toDayOfWeek(at, 1)))",
        "Date",
        true,
    ),
    (
        "toYYYYMM(UUIDv7ToDateTime(toUUID(id)))",
        "FixedString(36)",
        true,
    ),
    ("toDate32(UUIDv7ToDateTime(id, 'UTC'))", "UUID", true),
    (
        "toYYYYMMDD(toDate32(UUIDv7ToDateTime(id)) - toIntervalDay(toDayOfWeek(UUIDv7ToDateTime(id), 1)))",
        "UUID",
        true,
    ),
];

#[tokio::test]
async fn no_age_lies_in_a_partition_of_another_time() {
    let bench = Bench::new();
    for (number, (key, kind, is_understood)) in KEYS.into_iter().enumerate() {
        let what = format!("{key} of {kind}");
        let is_id = key.contains("id");
        let column = if is_id { "id" } else { "at" };
        let table = format!("t_{number}");
        bench
            .run(&format!(
                "CREATE TABLE {table} (w String, {column} {kind}) ENGINE = MergeTree PARTITION BY {key} ORDER BY w"
            ))
            .await;
        let age = if is_id {
            Age::UuidV7("id".into())
        } else {
            Age::Time("at".into())
        };
        let target = Target {
            table: table.clone(),
            workspace: "w".into(),
            project: None,
            age,
            keep: vec![],
            projections: None,
            method: MethodChoice::Auto,
        };
        let schemas = bench.shard.schemas(&[&table]).await.unwrap();
        let checked = target.check(schemas.first(), |_| None, false).unwrap();
        assert_eq!(checked.ways.period.is_some(), is_understood, "{what}");
        let Some(period) = checked.ways.period else {
            continue;
        };
        let (value, ms) = values(kind);
        let sql = format!(
            "SELECT toString({key}) AS partition, toInt64(min(ms)) AS oldest, toInt64(max(ms)) AS newest \
             FROM (SELECT {value} AS {column}, {ms} AS ms FROM numbers(300000)) GROUP BY partition"
        );
        let query = bench.database.client().query_raw(&sql);
        let found: Vec<(String, i64, i64)> = query.fetch_all().await.unwrap();
        let mut n_judged = 0;
        for (partition, oldest, newest) in found {
            if let Some((from, to)) = period.span_ms(&partition) {
                n_judged += 1;
                assert!(
                    from <= oldest && newest < to,
                    "{what}: {partition} holds {oldest} to {newest}"
                );
            }
        }
        assert!(n_judged > 100, "{what}: {n_judged}");
    }
}

/// Between 1900 and 2260.
const MS: &str = "(toInt64(cityHash64(number) % 11360000000000) - 2200000000000)";
/// Half of them until 2096, the others over all that 48 bits can say.
const ID_MS: &str =
    "toInt64(cityHash64(number) % if(number % 2 = 0, 4000000000000, 281474976710656))";

/// A value of a column of this type for each `number`, over all that it can hold, and its instant.
fn values(kind: &str) -> (String, String) {
    let quoted = kind.replace('\'', "\\'");
    match kind {
        "Date" => {
            let day = "toUInt16(number % 65536)";
            (
                format!("toDate({day})"),
                format!("toInt64({day}) * 86400000"),
            )
        }
        "Date32" => {
            let day = "(toInt32(number % 150000) - 25567)";
            (
                format!("toDate32({day})"),
                format!("toInt64({day}) * 86400000"),
            )
        }
        kind if kind.starts_with("DateTime64") => (
            format!("CAST(fromUnixTimestamp64Milli({MS}), '{quoted}')"),
            // Where the type has no milliseconds, up to one second less.
            if kind.starts_with("DateTime64(0") {
                format!("intDiv({MS}, 1000) * 1000")
            } else {
                MS.into()
            },
        ),
        kind if kind.starts_with("DateTime") => {
            let seconds = "toUInt32(cityHash64(number))";
            (
                format!("CAST({seconds}, '{quoted}')"),
                format!("toInt64({seconds}) * 1000"),
            )
        }
        kind => {
            let hex = format!("leftPad(lower(hex({ID_MS})), 16, '0')");
            let text = format!(
                "concat(substring({hex}, 5, 8), '-', substring({hex}, 13, 4), '-7abc-8def-0123456789ab')"
            );
            let value = if kind == "UUID" {
                format!("toUUID({text})")
            } else {
                format!("toFixedString({text}, 36)")
            };
            (value, ID_MS.into())
        }
    }
}
