//! Rows whose age no rule means as it stands, in every kind of age column.

use super::super::Scene;
use super::Found;

/// A UUIDv7 of an instant in Unix milliseconds, as text in lower case.
fn id_at(unix_ms: i64) -> String {
    ebbtide::smallest_id(unix_ms).to_string()
}

const YEAR_2106_MS: i64 = 4_291_747_200_000;
const YEAR_2299_MS: i64 = 10_382_256_000_000;
const YEAR_9999_MS: i64 = 253_370_764_800_000;

async fn create(scene: &Scene, type_name: &str, age: &str) {
    scene
        .execute(&format!(
            "CREATE TABLE odd (workspace_id String, at {type_name}) ENGINE = MergeTree ORDER BY tuple()"
        ))
        .await;
    scene.targets(&format!(
        "  - {{table: odd, workspace: workspace_id, age: {{{age}: at}}}}\n"
    ));
    scene.execute("DROP TABLE traces SYNC").await;
}

/// Puts these values, as SQL, beside a young row that is as it should be.
async fn put(scene: &Scene, young: &str, values: &[String]) {
    let rows = values.iter().map(String::as_str).chain([young]);
    let rows: Vec<String> = rows.map(|value| format!("('w', {value})")).collect();
    scene.execute("TRUNCATE TABLE odd").await;
    scene
        .execute(&format!("INSERT INTO odd VALUES {}", rows.join(", ")))
        .await;
}

/// Codes about ages, with their messages.
fn told(found: &Found) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let of_odd = found.0.iter().filter(|finding| finding["subject"] == "odd");
    let codes = [
        "not-version-7",
        "odd-ids",
        "odd-times",
        "unset-times",
        "unknown-ages",
    ];
    of_odd
        .map(|finding| (text(&finding["code"]), text(&finding["message"])))
        .filter(|(code, _)| codes.contains(&code.as_str()))
        .collect()
}

#[track_caller]
fn assert_told(scene: &Scene, expected: &[(&str, &str)]) {
    let told = told(&scene.findings());
    let expected: Vec<(String, String)> = expected
        .iter()
        .map(|(code, message)| ((*code).to_owned(), (*message).to_owned()))
        .collect();
    assert_eq!(told, expected);
}

#[tokio::test]
async fn ids_as_text() {
    let scene = Scene::new().await;
    create(&scene, "String", "uuid_v7").await;
    let young = "toString(generateUUIDv7())";
    let quoted = |id: String| format!("'{id}'");
    let old = id_at(1_700_000_000_000);
    let values = [
        quoted(String::new()),
        quoted("a4b1c0de-0000-4000-8000-000000000000".into()),
        quoted(format!("{{{old}}}")),
        quoted(format!("{old} ")),
        quoted("018BCFE5-6800-7000-8000-00000000ABCD".into()),
        quoted(id_at(0)),
        quoted(id_at(YEAR_2106_MS)),
        quoted(id_at(YEAR_2299_MS)),
        quoted(id_at(YEAR_9999_MS)),
        quoted(id_at((1 << 48) - 1)),
    ];
    put(&scene, young, &values).await;
    assert_told(
        &scene,
        &[
            (
                "not-version-7",
                "4 of 11 rows have no UUIDv7 in at (1 of them nothing at all)",
            ),
            (
                "odd-ids",
                "2 of 11 rows have something around the UUIDv7 in at, and so no age",
            ),
            ("odd-ids", "1 of 11 rows have upper-case letters in at"),
            (
                "odd-times",
                "at dates 1 of 11 rows in 1970 or before, and 4 of 11 rows more than a day ahead \
                 (1 in 2106, 1 in 2299, 1 in 9999)",
            ),
        ],
    );
    put(&scene, young, &[]).await;
    assert_told(&scene, &[]);
}

#[tokio::test]
async fn ids_of_a_fixed_length_and_of_the_type_uuid() {
    for type_name in [
        "FixedString(36)",
        "UUID",
        "LowCardinality(Nullable(String))",
    ] {
        let scene = Scene::new().await;
        create(&scene, type_name, "uuid_v7").await;
        let young = "toString(generateUUIDv7())";
        let nothing = match type_name {
            "UUID" => "toUUID('00000000-0000-0000-0000-000000000000')",
            "FixedString(36)" => "''",
            _ => "NULL",
        };
        let values = [
            nothing.to_owned(),
            "'a4b1c0de-0000-4000-8000-000000000000'".into(),
            format!("'{}'", id_at(1_000)),
            format!("'{}'", id_at(YEAR_2299_MS)),
        ];
        put(&scene, young, &values).await;
        assert_told(
            &scene,
            &[
                (
                    "not-version-7",
                    "2 of 5 rows have no UUIDv7 in at (1 of them nothing at all)",
                ),
                (
                    "odd-times",
                    "at dates 1 of 5 rows in 1970 or before, and 1 of 5 rows more than a day ahead \
                     (1 in 2299)",
                ),
            ],
        );
        put(&scene, young, &[]).await;
        assert_told(&scene, &[]);
    }
}

#[tokio::test]
async fn times_of_every_type() {
    for (type_name, last, year) in [
        ("Date", "'2149-06-06'", ""),
        ("Date32", "'2299-12-31'", " (1 in 2299)"),
        ("DateTime", "'2106-02-07 06:28:15'", " (1 in 2106)"),
        (
            "DateTime('America/New_York')",
            "toDateTime(4294967295)",
            " (1 in 2106)",
        ),
        (
            "DateTime64(3)",
            "toDateTime64(253370764800, 3, 'UTC')",
            " (1 in 9999)",
        ),
        ("DateTime64(9, 'UTC')", "'2262-01-01 00:00:00'", ""),
        (
            "Nullable(DateTime64(6))",
            "'2299-06-01 00:00:00'",
            " (1 in 2299)",
        ),
    ] {
        let scene = Scene::new().await;
        create(&scene, type_name, "time").await;
        let unset = if type_name.starts_with("Nullable") {
            "NULL"
        } else {
            "DEFAULT"
        };
        put(
            &scene,
            "now()",
            &[unset.into(), "'1970-02-03'".into(), last.into()],
        )
        .await;
        assert_told(
            &scene,
            &[
                (
                    "odd-times",
                    &format!(
                        "at dates 1 of 4 rows in 1970 or before, and 1 of 4 rows more than a day ahead{year}"
                    ),
                ),
                ("unset-times", "1 of 4 rows have a at that was never set"),
            ],
        );
        put(&scene, "now()", &["today() - 400".into()]).await;
        assert_told(&scene, &[]);
    }
}

/// What could not be counted is unknown, and never nothing.
#[tokio::test]
async fn a_table_that_is_too_large_is_unknown() {
    let scene = Scene::new().await;
    scene
        .execute("INSERT INTO traces (workspace_id, id) VALUES ('w', '')")
        .await;
    let outcome = scene.good(&["--format=json", "doctor", "--max-rows=10"]);
    let found = Found::of(&outcome.stdout);
    let (severity, message) = found.only("unknown-ages", "traces");
    assert_eq!(severity, "warning");
    assert!(message.contains("more than 10 rows"), "{message}");
    assert_eq!(found.subjects("not-version-7"), [""; 0]);
    let found = scene.findings();
    assert_eq!(found.subjects("unknown-ages"), [""; 0]);
    assert_eq!(found.subjects("not-version-7"), ["traces"]);
}

#[tokio::test]
async fn a_large_table_whose_index_tells_no_age_is_found() {
    let scene = Scene::new().await;
    create(&scene, "DateTime('UTC')", "time").await;
    scene
        .execute("INSERT INTO odd SELECT 'w', now() - number % 9 FROM numbers(1200000)")
        .await;
    let told = |scene: &Scene| {
        let found = scene.findings();
        let mut of_code = found.0.iter();
        let of_code = of_code.find(|finding| finding["code"] == "age-without-index");
        of_code.map(|finding| finding["message"].as_str().unwrap().to_owned())
    };
    let message = told(&scene).unwrap();
    assert!(message.ends_with("reads at of 1,200,000 rows"), "{message}");
    // As it says.
    for remedy in [
        "ALTER TABLE odd ADD INDEX age at TYPE minmax GRANULARITY 1",
        "ALTER TABLE odd MATERIALIZE INDEX age SETTINGS mutations_sync = 2",
    ] {
        scene.execute(remedy).await;
    }
    assert_eq!(told(&scene), None);
}
