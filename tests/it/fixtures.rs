//! Cases from files: rules, a directory and what was found in a table go in; the plan and the SQL
//! that come out are compared with `tests/it/snapshots/compile/`. A new case is a new file in
//! `fixtures/compile/`.

mod case;

use std::fmt::Write as _;
use std::path::Path;

use ebbtide::{
    Apart, Arm, Bounds, CheckedTarget, Extent, Plan, Projects, Within, census, compile,
    compile_step, probe,
};
use jiff::{SignedDuration, Timestamp};

use crate::support::TestDatabase;
use case::Case;

#[test]
fn plans_and_statements() {
    for name in Case::names() {
        let case = Case::read(&name);
        insta::with_settings!({
            snapshot_path => "snapshots/compile",
            prepend_module_to_snapshot => false,
            omit_expression => true,
            description => case.why.clone(),
        }, {
            insta::assert_snapshot!(name, describe(&case));
        });
    }
}

/// A plan is what its file says, and its digest sees every edit.
#[test]
fn a_plan_survives_a_file_and_no_edit_stays_unseen() {
    for name in Case::names() {
        Case::read(&name).with_planned_now("analytics", |_, _, plan| {
            let text = serde_json::to_string(plan).unwrap();
            let read: Plan = serde_json::from_str(&text).unwrap();
            assert_eq!(read, *plan, "{name}");
            assert_eq!(read.computed_digest(), plan.digest, "{name}");
            let edits: [fn(&mut Plan); 10] = [
                |plan| plan.revision += 1,
                |plan| plan.steps.truncate(plan.steps.len() - 1),
                |plan| plan.steps[0].arms[0].bounds.below_ms += 1,
                |plan| plan.steps[0].arms[0].workspace = "another".into(),
                |plan| plan.steps[0].arms[0].projects = Projects::Only("another".into()),
                |plan| plan.targets[0].target.age.name = "another".into(),
                |plan| plan.tables[0].totals.n_rows += 1,
                |plan| plan.tables[0].extent.n_bytes = Some(7),
                |plan| plan.steps[0].extent.newest = Some(plan.as_of),
                |plan| plan.steps[0].arms[0].least_lag_s = Some(7),
            ];
            for edit in edits.iter().filter(|_| !plan.steps.is_empty()) {
                let mut edited = plan.clone();
                edit(&mut edited);
                assert_ne!(edited.computed_digest(), plan.digest, "{name}");
            }
        });
    }
}

/// What was reviewed before an upgrade can be applied after it: its digest is what it was.
#[test]
fn a_plan_of_an_older_version_is_read_as_it_was() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = root.join("fixtures/plan_of_an_older_version.json");
    let plan: Plan = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(plan.computed_digest(), plan.digest);
    assert_eq!(plan.steps[1].extent, Extent::default());
    let newer = [7, 8].map(|least_lag_s| {
        let mut newer = plan.clone();
        newer.steps[1].arms[0].least_lag_s = Some(least_lag_s);
        newer.computed_digest()
    });
    assert_ne!(newer[0], newer[1]);
}

/// What the snapshots show is what ClickHouse takes, on rows of every kind.
#[tokio::test]
async fn clickhouse_accepts_every_statement() {
    for name in Case::names() {
        let case = Case::read(&name);
        let database = TestDatabase::create().await;
        let client = database.client();
        let run = async |sql: &str| {
            // As the engine sends them: `?` is text.
            let mut query = client.query_raw(sql);
            query = query.with_setting("allow_nondeterministic_mutations", "1");
            // Every part of a predicate is evaluated for every row: none may fail on any of them.
            query = query.with_setting("short_circuit_function_evaluation", "disable");
            query = query.with_setting("optimize_move_to_prewhere", "0");
            if let Err(error) = query.execute().await {
                panic!("{name}: {error}\n{sql}");
            }
        };
        for ddl in case.ddl() {
            run(&ddl).await;
        }
        case.with_planned(database.name(), async |target, candidates, plan| {
            let future = plan.as_of + SignedDuration::from_hours(24);
            let discard = |sql: String| format!("{sql}\nFORMAT Null");
            let below = |apart| Some((plan.as_of.as_millisecond(), apart));
            for apart in [None, below(Apart::Partitions), below(Apart::Parts)] {
                let future_ms = future.as_millisecond();
                run(&discard(census(target, future_ms, None, apart))).await;
            }
            for probe in probe(target, candidates, Within::Table) {
                run(&discard(probe.sql)).await;
            }
            for step in &plan.steps {
                run(&compile_step(target, step, &step.arms, "ebbtide:retention:x:<cycle>-1").sql)
                    .await;
            }
        })
        .await;
    }
}

fn describe(case: &Case) -> String {
    let mut text = String::new();
    case.with_planned_now("analytics", |target, candidates, plan| {
        describe_plan(plan, &mut text);
        if case.only_plan {
            describe_sizes(target, plan, case, &mut text);
            return;
        }
        let future = plan.as_of + SignedDuration::from_hours(24);
        writeln!(
            text,
            "\n-- census\n{};",
            census(
                target,
                future.as_millisecond(),
                None,
                Some((plan.as_of.as_millisecond(), Apart::Parts))
            )
        )
        .unwrap();
        for probe in probe(target, candidates, Within::Table) {
            writeln!(text, "\n-- probe\n{};", probe.sql).unwrap();
        }
        for step in &plan.steps {
            let marker = format!("ebbtide:retention:{}:<cycle>-{}", step.table, step.number);
            let statement = compile_step(target, step, &step.arms, &marker);
            let (number, shape) = (step.number, statement.shape.as_str());
            writeln!(
                text,
                "\n-- step {number}, shape {shape}\n{};",
                statement.sql
            )
            .unwrap();
            for (setting, value) in statement.settings {
                writeln!(text, "-- with {setting} = {value}").unwrap();
            }
        }
    });
    text
}

/// Where the statements are long: how long, and that none is too long.
fn describe_sizes(target: &CheckedTarget, plan: &Plan, case: &Case, text: &mut String) {
    text.push('\n');
    for step in &plan.steps {
        let statement = compile(target, &step.arms, "ebbtide:retention:x:<cycle>-1");
        let n_bytes = statement.sql.len();
        assert!(n_bytes <= case.limits().statement_bytes, "{n_bytes} bytes");
        let (number, shape) = (step.number, statement.shape.as_str());
        writeln!(text, "-- step {number}, shape {shape}, {n_bytes} bytes").unwrap();
    }
}

fn describe_plan(plan: &Plan, text: &mut String) {
    writeln!(text, "as of {}, day {}", plan.as_of, plan.day).unwrap();
    for table in &plan.tables {
        let totals = table.totals;
        writeln!(
            text,
            "table {}: {} rows of {} workspaces, {} undatable, {} future, {} unreadable; {} due, {} kept",
            table.table,
            totals.n_rows,
            totals.n_workspaces.unwrap(),
            totals.n_undatable.unwrap(),
            totals.n_future.unwrap(),
            totals.n_unreadable.unwrap(),
            table.n_due,
            table.n_kept
        )
        .unwrap();
    }
    for rule in &plan.rules {
        let number = rule.rule.map_or("-".into(), |id| id.to_string());
        let past = if rule.apply_to_past {
            ""
        } else {
            ", not to the past"
        };
        writeln!(
            text,
            "rule {number}: {} {}{past}",
            rule.scope, rule.retention
        )
        .unwrap();
    }
    for refusal in &plan.refusals {
        writeln!(text, "refused: {refusal}").unwrap();
    }
    for step in &plan.steps {
        let (table, method) = (&step.table, step.method.as_str());
        writeln!(
            text,
            "step {}: {table}, {method}, {} due",
            step.number, step.n_due
        )
        .unwrap();
        for arm in &step.arms {
            writeln!(text, "  {}", describe_arm(arm)).unwrap();
        }
    }
}

fn describe_arm(arm: &Arm) -> String {
    let short = |name: &str| match name.len() {
        0..=40 => format!("{name:?}"),
        length => format!(
            "{:?}… ({length} bytes)",
            name.chars().take(10).collect::<String>()
        ),
    };
    let whose = match &arm.projects {
        Projects::Only(project) => format!("{} project {}", short(&arm.workspace), short(project)),
        Projects::Except(projects) if projects.is_empty() => short(&arm.workspace),
        Projects::Except(projects) => format!("{} except {projects:?}", short(&arm.workspace)),
    };
    let Bounds { below_ms, from_ms } = arm.bounds;
    let instant = |ms| Timestamp::from_millisecond(ms).unwrap();
    let from = from_ms.map_or(String::new(), |ms| format!("from {} ", instant(ms)));
    let rule = arm.rule.map_or("default".into(), |id| format!("rule {id}"));
    format!(
        "{whose}: {from}below {} by {rule}, {} due, {} kept",
        instant(below_ms),
        arm.n_due,
        arm.n_kept
    )
}
