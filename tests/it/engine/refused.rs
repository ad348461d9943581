//! Drops that the server refuses for good: what was refused is masked, said to be a person's matter,
//! and tried again after a day.

use std::sync::Arc;

use ebbtide::{
    Config, CycleReport, CycleStatus, Embedded, EmbeddedUser, Engine, FixedClock, Ledger, Method,
    StepOutcomeKind,
};

use super::method::{finite, partitioned, steps};
use super::world::{NOW, at, plan, run};
use crate::support::{embedded_options, ledger_of, with_system_grants};

const PASSWORD: &str = "has no idea how large";

/// A user who may not read which partitions are too large to be dropped.
fn user() -> EmbeddedUser {
    let of_tables =
        ["spans", "traces"].map(|table| format!("GRANT SELECT, ALTER DELETE ON default.{table}"));
    EmbeddedUser {
        name: "keeper".into(),
        password: PASSWORD.into(),
        grants: with_system_grants(&of_tables.each_ref().map(|grant| &**grant)),
        profile_xml: String::new(),
        databases_xml: String::new(),
    }
}

async fn send(server: &Embedded, sql: &str) {
    let client = clickhouse::Client::default().with_url(server.url());
    let sent = client.query_raw(sql).execute().await;
    sent.unwrap_or_else(|error| panic!("{error}\n{sql}"));
}

async fn count(server: &Embedded, what: &str) -> u64 {
    let client = clickhouse::Client::default().with_url(server.url());
    let sql = format!("SELECT count() FROM {what}");
    client.query(&sql).fetch_one().await.unwrap()
}

struct Small {
    server: Embedded,
    config: Config,
    ledger: Arc<dyn Ledger>,
    folder: tempfile::TempDir,
}

impl Small {
    /// August of the spans is too large, September is not; the traces have August alone.
    async fn new() -> Self {
        let mut options = embedded_options();
        options.users = vec![user()];
        options.config_xml =
            "<max_partition_size_to_drop>100000</max_partition_size_to_drop>".into();
        let server = Embedded::start(options).unwrap();
        for table in ["spans", "traces"] {
            let create = format!(
                "CREATE TABLE {table} (w String, at DateTime('UTC'), much String) \
                 ENGINE = MergeTree PARTITION BY toYYYYMM(at) ORDER BY (w, at)"
            );
            send(&server, &create).await;
        }
        for (table, day, n_rows, n_bytes) in [
            ("spans", "2026-08-10", 300, 1_000),
            ("spans", "2026-09-10", 300, 1),
            ("spans", "2026-11-20", 600, 1),
            ("traces", "2026-08-10", 300, 1),
            ("traces", "2026-11-20", 600, 1),
        ] {
            let insert = format!(
                "INSERT INTO {table} SELECT 'w', toDateTime('{day}', 'UTC') + number, \
                 randomString({n_bytes}) FROM numbers({n_rows})"
            );
            send(&server, &insert).await;
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), PASSWORD).unwrap();
        let yaml = format!(
            "version: 1\n\
             clickhouse: {{shards: [{{url: \"{}\"}}], user: keeper, password_file: \"{1}/secret\"}}\n\
             ledger: {{url: \"sqlite://{1}/ledger.db\"}}\n\
             retention: {{approval: none, default: 30d, max_share_of_table: 1.0}}\n\
             targets:\n\
             - {{table: spans, workspace: w, age: {{time: at}}}}\n\
             - {{table: traces, workspace: w, age: {{time: at}}}}\n",
            server.url(),
            folder.path().display()
        );
        let config = Config::parse(&yaml).unwrap();
        let ledger = ledger_of(&config).await;
        Self {
            server,
            config,
            ledger,
            folder,
        }
    }

    fn engine_at(&self, now: &str) -> Engine {
        let clock = Arc::new(FixedClock(at(now)));
        Engine::new(&self.config, self.ledger.clone(), clock).unwrap()
    }
}

/// What was recorded of the first step, and the rows that are left of it.
fn failed(report: &CycleReport) -> (&str, Option<u64>) {
    match &report.steps[0].outcome {
        StepOutcomeKind::Failed {
            recorded, n_left, ..
        } => (recorded, *n_left),
        _ => panic!("{report:#?}"),
    }
}

#[tokio::test]
async fn what_the_server_refuses_to_drop_is_masked_and_said_and_tried_again_after_a_day() {
    let small = Small::new().await;
    let (made, report) = run(&small.engine_at(NOW)).await.unwrap();
    assert_eq!(
        steps(&made)[0],
        (Method::Partition, "202608 202609".into(), 600)
    );
    assert_eq!(report.status, CycleStatus::Failed, "{report:#?}");
    let (recorded, n_left) = failed(&report);
    assert!(recorded.starts_with("refused: "), "{recorded}");
    // The smallest go first: whatever was not refused is gone.
    assert_eq!(n_left, Some(300));
    assert_eq!(
        count(&small.server, "spans WHERE at < '2026-10-01'").await,
        300
    );
    assert_eq!(
        count(&small.server, "traces").await,
        900,
        "children are left"
    );

    // Nobody is stuck: its rows are masked, and the parents' partitions go as ever.
    let soon = small.engine_at("2026-11-21T12:00:00Z");
    let (made, report) = run(&soon).await.unwrap();
    let expected = [
        (Method::Lightweight, "202608".to_owned(), 300),
        (Method::Partition, "202608".to_owned(), 300),
    ];
    assert_eq!(steps(&made), expected);
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    let [by_hand] = &made.by_hand[..] else {
        panic!("{:#?}", made.by_hand);
    };
    assert_eq!(by_hand.partitions, ["202608".into()]);
    for said in [
        "refused at 2026-11-21T10:00:00Z",
        "raise max_partition_size_to_drop for the user",
        "tried again at 2026-11-22T10:00:00Z",
    ] {
        assert!(by_hand.reason.contains(said), "{}", by_hand.reason);
    }
    for table in ["spans", "traces"] {
        assert_eq!(count(&small.server, table).await, 600);
    }

    // Rows that come later show which way it goes now: as it was, and after a day as ever.
    let late = "INSERT INTO spans VALUES ('w', '2026-08-11 00:00:00', '')";
    send(&small.server, late).await;
    for (now, method) in [
        ("2026-11-22T09:59:59Z", Method::Lightweight),
        ("2026-11-22T10:00:01Z", Method::Partition),
    ] {
        let made = plan(&small.engine_at(now)).await;
        assert_eq!(steps(&made), [(method, "202608".into(), 1)], "{now}");
        let is_said = !made.by_hand.is_empty();
        assert_eq!(is_said, method == Method::Lightweight, "{now}");
    }
}

/// A ledger that cannot say what was refused lets nothing go as a whole.
#[tokio::test]
async fn where_nobody_knows_what_was_refused_no_partition_goes_whole() {
    let small = Small::new().await;
    run(&small.engine_at(NOW)).await.unwrap();
    let soon = small.engine_at("2026-11-21T12:00:00Z");
    let methods = async || -> Vec<_> {
        steps(&plan(&soon).await)
            .into_iter()
            .map(|of| of.0)
            .collect()
    };
    assert_eq!(methods().await, [Method::Lightweight, Method::Partition]);
    let ledger = rusqlite::Connection::open(small.folder.path().join("ledger.db")).unwrap();
    let spoil = "UPDATE steps SET n_workspaces = -1 WHERE error LIKE 'refused: %'";
    assert_eq!(ledger.execute(spoil, []).unwrap(), 1);
    assert_eq!(methods().await, [Method::Lightweight, Method::Lightweight]);
}

/// What a table has may not be made again, by this user.
#[tokio::test]
async fn where_no_table_for_the_quarantine_can_be_made_partitions_are_masked() {
    let mut world = partitioned("toYYYYMM(at)", "").await;
    finite(&mut world);
    let before = "{table: spans,";
    assert!(world.yaml.contains(before));
    let after = "{table: spans, quarantine: {for: 7d},";
    world.yaml = world.yaml.replace(before, after);
    let client = world.database.client();
    let suspicious = client.with_setting("allow_suspicious_low_cardinality_types", "1");
    let add = "ALTER TABLE spans ADD COLUMN c LowCardinality(UInt8)";
    suspicious.query_raw(add).execute().await.unwrap();

    let (made, report) = run(&world.engine()).await.unwrap();
    let whole = (Method::Partition, "202608 202609".into(), 192);
    assert_eq!(steps(&made)[0], whole);
    assert_eq!(report.status, CycleStatus::Failed, "{report:#?}");
    let (recorded, n_left) = failed(&report);
    assert!(
        recorded.starts_with("refused: no table for the quarantine: "),
        "{recorded}"
    );
    assert_eq!(n_left, Some(192));

    let soon = world.engine_at("2026-11-21T12:00:00Z");
    let (made, report) = run(&soon).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    let of_spans = made.steps.iter().filter(|step| &*step.table == "spans");
    let methods: Vec<Method> = of_spans.map(|step| step.method).collect();
    assert!(!methods.contains(&Method::Partition), "{methods:?}");
    let [by_hand] = &made.by_hand[..] else {
        panic!("{:#?}", made.by_hand);
    };
    assert_eq!(by_hand.partitions, ["202608".into(), "202609".into()]);
    for table in ["spans", "traces"] {
        assert_eq!(world.count(table).await, 124);
    }
}
