//! Row policies and quarantine: no partition goes with rows that a count did not see.

use std::sync::Arc;

use clickhouse::Client;
use ebbtide::{
    Config, CycleStatus, Embedded, EmbeddedUser, Engine, FixedClock, Ledger, Method, NewQuarantine,
    QuarantineState, connect_ledger,
};
use tempfile::TempDir;

use super::world::{NOW, at, run};
use crate::support::embedded_options;

/// A week after [`NOW`].
const LATER: &str = "2026-11-28T10:00:00Z";
const KEPT_IN: &str = "_ebbtide_quarantine_dead_1";

/// September of the spans, half of it of workspace `x`, in a part of its own. Of that the user `half`
/// sees nothing; `blind` sees nothing of what is in quarantine.
struct Scene {
    server: Embedded,
    client: Client,
    ledger: Arc<dyn Ledger>,
    folder: TempDir,
}

impl Scene {
    async fn new() -> Self {
        let mut options = embedded_options();
        let policy =
            |table: &str, filter: &str| format!("<{table}><filter>{filter}</filter></{table}>");
        let not_x = "w != 'x'";
        options.users = [
            ("all", String::new()),
            ("half", policy("spans", not_x) + &policy(KEPT_IN, not_x)),
            ("blind", policy(KEPT_IN, "0")),
        ]
        .map(|(name, policies)| EmbeddedUser {
            name: name.into(),
            password: String::new(),
            grants: vec![],
            profile_xml: String::new(),
            databases_xml: format!("<default>{policies}</default>"),
        })
        .into();
        let server = Embedded::start(options).unwrap();
        let client = Client::default().with_url(server.url());
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/ledger.db", folder.path().display());
        let ledger = connect_ledger(&url, None).await.unwrap();
        ledger.migrate().await.unwrap();
        let scene = Self {
            server,
            client,
            ledger,
            folder,
        };
        scene
            .sql(
                "CREATE TABLE spans (w String, at DateTime('UTC')) ENGINE = MergeTree \
                 PARTITION BY toYYYYMM(at) ORDER BY w \
                 SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1",
            )
            .await;
        scene.fill().await;
        scene
    }

    async fn fill(&self) {
        for workspace in ["w", "x"] {
            let fill = format!(
                "INSERT INTO spans SELECT '{workspace}', toDateTime('2026-09-25', 'UTC') + number \
                 FROM numbers(50)"
            );
            self.sql(&fill).await;
        }
    }

    async fn sql(&self, sql: &str) {
        self.client.query_raw(sql).execute().await.unwrap();
    }

    async fn count(&self, what: &str) -> u64 {
        let sql = format!("SELECT count() FROM {what}");
        self.client.query(&sql).fetch_one().await.unwrap()
    }

    /// An engine of that user.
    fn engine(&self, user: &str, default: &str, now: &str) -> Engine {
        let yaml = format!(
            "version: 1\nclickhouse: {{shards: [{{url: \"{}\"}}], user: {user}}}\n\
             ledger: {{url: \"sqlite://{}/ledger.db\"}}\n\
             retention: {{approval: none, default: {default}, max_share_of_table: 1.0}}\n\
             pace: {{backpressure: {{free_disk_share: 0}}}}\n\
             targets: [{{table: spans, workspace: w, age: {{time: at}}, quarantine: {{for: 7d}}}}]\n",
            self.server.url(),
            self.folder.path().display()
        );
        let config = Config::parse(&yaml).unwrap();
        Engine::new(&config, self.ledger.clone(), Arc::new(FixedClock(at(now)))).unwrap()
    }

    /// A process moved September, and was killed before it looked at it.
    async fn moved(&self, step: u32) {
        let new = NewQuarantine {
            cycle: "dead".into(),
            step,
            partition: "202609".into(),
            shard: self.server.url(),
            table: "spans".into(),
            kept_in: KEPT_IN.into(),
            began_at: at(NOW),
            keep_until: at(LATER),
        };
        self.ledger.begin_quarantine(&[new], "dead").await.unwrap();
        self.sql(&format!("CREATE TABLE {KEPT_IN} AS spans")).await;
        let to_it = format!("ALTER TABLE spans MOVE PARTITION ID '202609' TO TABLE {KEPT_IN}");
        self.sql(&to_it).await;
    }

    async fn state(&self, step: u32) -> QuarantineState {
        let records = self.ledger.quarantines(true).await.unwrap();
        let mut records = records.into_iter();
        let record = records.find(|record| record.quarantine.step == step);
        record.unwrap().state
    }
}

#[tokio::test]
async fn what_a_row_policy_hides_is_not_dropped_from_quarantine() {
    let scene = Scene::new().await;
    scene.moved(1).await;
    run(&scene.engine("all", "30d", NOW)).await.unwrap();
    assert_eq!(scene.state(1).await, QuarantineState::Kept);
    // The policies come only now, as far as the engine can tell.
    for user in ["half", "blind"] {
        run(&scene.engine(user, "30d", LATER)).await.unwrap();
        assert_eq!(scene.state(1).await, QuarantineState::Kept, "{user}");
        assert_eq!(scene.count(KEPT_IN).await, 100, "{user}");
    }
    run(&scene.engine("all", "30d", LATER)).await.unwrap();
    assert_eq!(scene.state(1).await, QuarantineState::Dropped);

    // Rules that keep rows of it know its key, whoever sees the rows.
    scene.fill().await;
    scene.moved(2).await;
    run(&scene.engine("all", "30d", NOW)).await.unwrap();
    assert_eq!(scene.state(2).await, QuarantineState::Kept);
    run(&scene.engine("blind", "70d", LATER)).await.unwrap();
    assert_eq!(scene.state(2).await, QuarantineState::Undone);
    assert_eq!(scene.count("spans").await, 100);
}

#[tokio::test]
async fn what_a_row_policy_hides_goes_back_after_a_move() {
    let scene = Scene::new().await;
    scene.moved(1).await;
    run(&scene.engine("half", "30d", NOW)).await.unwrap();
    assert_eq!(scene.state(1).await, QuarantineState::Undone);
    // What can be seen and is due is masked.
    assert_eq!(scene.count("spans").await, 50);
    assert_eq!(scene.count("spans WHERE w = 'x'").await, 50);
}

#[tokio::test]
async fn a_part_that_a_row_policy_hides_is_not_moved_along() {
    let scene = Scene::new().await;
    scene
        .sql("INSERT INTO spans SELECT 'w', toDateTime('2026-08-10', 'UTC') FROM numbers(7)")
        .await;
    let (made, report) = run(&scene.engine("half", "30d", NOW)).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    // Of August every row is seen.
    let steps = made.steps.iter();
    let steps: Vec<_> = steps.map(|step| (step.method, step.n_due)).collect();
    assert_eq!(steps, [(Method::Partition, 7), (Method::Lightweight, 50)]);
    assert_eq!(made.by_hand.len(), 1, "{:#?}", made.by_hand);
    assert_eq!(made.by_hand[0].partitions, ["202609".into()]);
    let reason = &made.by_hand[0].reason;
    assert!(reason.contains("row policy"), "{reason}");
    assert_eq!(scene.count("spans WHERE w = 'x'").await, 50);

    let (made, _) = run(&scene.engine("all", "30d", NOW)).await.unwrap();
    assert_eq!(made.steps[0].method, Method::Partition);
    assert_eq!(scene.count("spans").await, 0);
}

/// A move takes along what comes meanwhile, whatever a count said before.
#[tokio::test]
async fn what_only_a_count_proves_is_masked_and_not_moved() {
    let scene = Scene::new().await;
    scene
        .sql("INSERT INTO spans SELECT 'w', toDateTime('2026-10-05', 'UTC') + number FROM numbers(50)")
        .await;
    let (made, report) = run(&scene.engine("all", "30d", NOW)).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    let of_step = |step: &ebbtide::Step| (step.method, step.partitions.join(" "));
    let found: Vec<_> = made.steps.iter().map(of_step).collect();
    let expected = [
        (Method::Partition, "202609".to_owned()),
        (Method::Lightweight, "202610".to_owned()),
    ];
    assert_eq!(found, expected);
}

/// Somebody put something there that is on no record.
#[tokio::test]
async fn a_table_of_the_quarantine_is_not_dropped_with_rows_in_it() {
    let scene = Scene::new().await;
    run(&scene.engine("all", "30d", NOW)).await.unwrap();
    let records = scene.ledger.quarantines(false).await.unwrap();
    let kept_in = &records[0].quarantine.kept_in;
    scene
        .sql(&format!(
            "INSERT INTO {kept_in} VALUES ('w', '2026-08-01 00:00:00')"
        ))
        .await;
    run(&scene.engine("all", "30d", "2026-11-29T10:00:00Z"))
        .await
        .unwrap();
    assert_eq!(scene.state(1).await, QuarantineState::Dropped);
    assert_eq!(scene.count(kept_in).await, 1);
}
