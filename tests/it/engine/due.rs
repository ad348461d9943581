//! What a plan says of what is due: how many bytes, from when, and why partitions do not go as a whole.

use ebbtide::{Ages, Config, Extent, Method, PauseScope, Plan, PlanRequest, Scope, Step, next_due};
use jiff::Timestamp;

use super::method::{finite, partitioned};
use super::world::{NOW, World, at, plan};

/// The oldest and the newest row of an extent.
fn ages(extent: Extent) -> [Timestamp; 2] {
    [extent.oldest.unwrap(), extent.newest.unwrap()]
}

/// Ten in the morning of two days.
fn mornings(days: [&str; 2]) -> [Timestamp; 2] {
    days.map(|day| at(&format!("{day}T10:00:00Z")))
}

#[tokio::test]
async fn the_oldest_and_the_newest_are_those_that_go() {
    let mut world = World::new().await;
    world.rule("w1", "30d").await;
    world.rule("w2", "60d").await;
    // A row of w1 a day: those of the oldest day, and of the two newest that are due, stay.
    let refs = [
        "CREATE TABLE refs (w String, n UInt64) ENGINE = MergeTree ORDER BY w",
        "INSERT INTO refs SELECT w, n FROM spans \
         WHERE w = 'w1' AND toDate(at) IN ('2026-08-14', '2026-10-20', '2026-10-21')",
    ];
    for sql in refs {
        world.sql(sql).await;
    }
    let keep = "keep: [{column: n, in_table: refs, in_column: n, in_workspace: w}]";
    let spans = "{table: spans, workspace: w, project: p, age: {time: at}";
    assert!(world.yaml.contains(spans));
    world.yaml = world.yaml.replace(spans, &format!("{spans}, {keep}"));
    let made = plan(&world.engine()).await;
    let [of_spans, of_traces] = &made.tables[..] else {
        panic!("{:#?}", made.tables);
    };
    assert_eq!((of_spans.n_due, of_spans.n_kept), (69 + 39 - 3, 3));
    // The oldest one of w2 is kept by nobody.
    let all = mornings(["2026-08-14", "2026-10-19"]);
    assert_eq!(ages(of_spans.extent), all);
    assert_eq!(
        ages(of_traces.extent),
        mornings(["2026-08-14", "2026-10-21"])
    );
    let of_workspaces = made.steps[0].arms.iter().map(|arm| {
        let Ages {
            oldest_ms,
            newest_ms,
        } = arm.ages();
        let instant = |ms: Option<i64>| Timestamp::from_millisecond(ms.unwrap()).unwrap();
        (&*arm.workspace, [oldest_ms, newest_ms].map(instant))
    });
    let expected = [
        ("w2", mornings(["2026-08-14", "2026-09-21"])),
        ("w1", mornings(["2026-08-15", "2026-10-19"])),
    ];
    assert_eq!(of_workspaces.collect::<Vec<_>>(), expected);
    // A partition of all 400 rows.
    let sum = "sum(bytes_on_disk) FROM system.parts WHERE active AND table = 'spans' \
               AND database = currentDatabase()";
    let n_bytes = number(&world, sum).await;
    assert_eq!(of_spans.extent.n_bytes, Some(n_bytes * (69 + 39 - 3) / 400));
    assert_eq!(made.steps[0].extent, of_spans.extent);
}

async fn number(world: &World, what: &str) -> u64 {
    let sql = format!("SELECT {what}");
    world
        .database
        .client()
        .query(&sql)
        .fetch_one()
        .await
        .unwrap()
}

/// The bytes of the parts of some months.
async fn bytes_of(world: &World, months: &str) -> u64 {
    let what = format!(
        "sum(bytes_on_disk) FROM system.parts WHERE active AND table = 'spans' \
         AND database = currentDatabase() AND partition_id IN ({months})"
    );
    number(world, &what).await
}

#[tokio::test]
async fn partitions_say_their_bytes_and_when_their_rows_are_from() {
    let mut world = partitioned("toYYYYMM(at)", "").await;
    finite(&mut world);
    // Rows of September are wider by far than others.
    world
        .sql("ALTER TABLE spans ADD COLUMN more String DEFAULT ''")
        .await;
    world
        .sql(
            "INSERT INTO spans SELECT 'w0', 'p', '2026-09-10 00:00:00', number, randomString(1000) \
             FROM numbers(100)",
        )
        .await;
    let made = plan(&world.engine()).await;
    let [whole, rest, ..] = &made.steps[..] else {
        panic!("{:#?}", made.steps);
    };
    assert_eq!(
        (whole.method, whole.partitions.len()),
        (Method::Partition, 2)
    );
    assert_eq!(ages(whole.extent), mornings(["2026-08-14", "2026-09-30"]));
    let of_whole = bytes_of(&world, "'202608', '202609'").await;
    assert_eq!(whole.extent.n_bytes, Some(of_whole));
    assert!(of_whole > 100_000);
    assert!(whole.reason.contains(", about 0.1 s"), "{}", whole.reason);
    // Up to the cutoff; 84 of its 124 rows.
    assert_eq!(
        (&*rest.partitions, rest.n_due),
        (&["202610".into()][..], 84)
    );
    assert_eq!(ages(rest.extent), mornings(["2026-10-01", "2026-10-21"]));
    let of_rest = bytes_of(&world, "'202610'").await * 84 / 124;
    assert_eq!(rest.extent.n_bytes, Some(of_rest));
    let of_table = made.tables[0].extent;
    assert_eq!(of_table.n_bytes, Some(of_whole + of_rest));
    assert_eq!(ages(of_table), mornings(["2026-08-14", "2026-10-21"]));
}

#[tokio::test]
async fn a_partition_by_itself_says_only_what_is_in_it() {
    let mut world = partitioned("toYYYYMM(at)", "").await;
    finite(&mut world);
    world.rule("w9", "unlimited").await;
    let method = "age: {time: at}, method: partition}";
    let yaml = world.yaml.replace("age: {time: at}}", method);
    let made = plan(&world.engine_with(&Config::parse(&yaml).unwrap(), NOW)).await;
    let of_spans = made.steps.iter().filter(|step| &*step.table == "spans");
    let found: Vec<_> = of_spans
        .map(|step| (step.partitions.join(" "), ages(step.extent)))
        .collect();
    let expected = [
        ("202608", ["2026-08-14", "2026-08-31"]),
        ("202609", ["2026-09-01", "2026-09-30"]),
        ("202610", ["2026-10-01", "2026-10-21"]),
    ];
    assert_eq!(
        found,
        expected.map(|(id, days)| (id.to_owned(), mornings(days)))
    );
}

/// What the steps of a table say of partitions that do not go as a whole.
fn obstacle<'p>(plan: &'p Plan, table: &str) -> Option<&'p str> {
    let of_table = |step: &&Step| *step.table == *table && step.method != Method::Partition;
    let step = plan.steps.iter().find(of_table)?;
    let (_, obstacle) = step.reason.split_once("partition goes whole: ")?;
    Some(obstacle)
}

#[tokio::test]
async fn a_step_says_what_keeps_partitions_from_going_whole() {
    let mut world = partitioned("toYYYYMM(at)", "").await;
    let check = async |world: &World, expected: Option<&str>| {
        let made = plan(&world.engine()).await;
        assert_eq!(obstacle(&made, "spans"), expected, "{:#?}", made.steps);
    };
    world.rule("w1", "30d").await;
    check(&world, Some("the default is unlimited")).await;
    finite(&mut world);
    // October is expired for nobody as a whole.
    check(&world, None).await;
    world.rule("w9", "unlimited").await;
    check(&world, Some("workspace \"w9\" is unlimited")).await;
    // September is expired for all but one; August goes.
    world.rule("w9", "70d").await;
    check(&world, Some("workspace \"w9\" keeps rows for 70d")).await;
    world.rule("w9", "15d").await;
    check(&world, Some("the default keeps rows for 30d")).await;

    let keep =
        "age: {time: at}, keep: [{column: n, in_table: refs, in_column: n, in_workspace: w}]}";
    world
        .sql("CREATE TABLE refs (w String, n UInt64) ENGINE = MergeTree ORDER BY w")
        .await;
    let with = |target: &str| Config::parse(&world.yaml.replace("age: {time: at}}", target));
    let engine = world.engine_with(&with(keep).unwrap(), NOW);
    let kept = Some("keep, since refs may refer to its rows");
    assert_eq!(obstacle(&plan(&engine).await, "spans"), kept);
    let masked = "age: {time: at}, method: lightweight}";
    let engine = world.engine_with(&with(masked).unwrap(), NOW);
    let masked = Some("targets[].method is lightweight");
    assert_eq!(obstacle(&plan(&engine).await, "spans"), masked);

    world.pause(PauseScope::Workspace("w8".into())).await;
    check(&world, Some("workspace \"w8\" is paused")).await;
    let id = world.hold(Scope::Workspace("w7".into()), None).await;
    check(&world, Some(&format!("hold {id}"))).await;
}

#[tokio::test]
async fn rows_in_a_partition_that_anybody_could_want_are_what_keeps_it() {
    let mut world = partitioned("toYYYYMM(at)", "").await;
    finite(&mut world);
    world
        .sql("INSERT INTO spans VALUES (unhex('ff'), 'p', '2026-09-10 00:00:00', 1)")
        .await;
    let made = plan(&world.engine()).await;
    let strays = "rows of 202609 are not expired for everybody, or have no age or workspace: 1";
    assert_eq!(obstacle(&made, "spans"), Some(strays));
    assert_eq!(obstacle(&made, "traces"), None);
    let step = made.steps.iter().find(|step| step.reason.contains(strays));
    let reason = &step.unwrap().reason;
    assert!(
        reason.contains("no other partition"),
        "August goes: {reason}"
    );
}

#[tokio::test]
async fn children_of_another_slot_are_what_keeps_a_partition() {
    let mut world = partitioned("toYYYYMM(at)", "").await;
    finite(&mut world);
    for table in ["spans", "traces"] {
        let more = format!(
            "INSERT INTO {table} SELECT concat('other', toString(n)), p, at, n FROM {table}"
        );
        world.sql(&more).await;
    }
    let slot = next_due(at("2026-11-21T23:59:00Z"), 2, &[]).unwrap();
    let engine = world.engine();
    let made = engine.plan(&PlanRequest::of_slot(slot)).await.unwrap();
    assert_eq!(obstacle(&made, "spans"), None);
    let others = Some("rows as old are left to another slot or cycle");
    assert_eq!(obstacle(&made, "traces"), others);
}
