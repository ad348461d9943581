//! Imports: all or nothing, streamed, and without effect where nothing changes.

use ebbtide::{ImportRule, ImportedRules, LedgerError, Scope};

use super::{Fresh, at, on_both, rule, workspace};

on_both!(
    an_import_creates_replaces_and_leaves_alone,
    an_import_is_all_or_nothing,
    twenty_thousand_rules_are_imported,
    a_stated_creation_that_differs_replaces,
    long_names_are_imported,
    an_import_that_is_dropped_leaves_nothing,
);

fn line(scope: Scope, retention: &str) -> ImportRule {
    ImportRule {
        scope,
        retention: retention.into(),
        apply_to_past: true,
        created_at: None,
    }
}

async fn import(fresh: &Fresh, rules: Vec<ImportRule>) -> ImportedRules {
    let now = at("2026-11-25T00:00:00Z");
    fresh
        .ledger
        .import_rules(&mut rules.into_iter().map(Ok), "import", now)
        .await
        .unwrap()
}

fn counts(n_created: u64, n_replaced: u64, n_unchanged: u64) -> ImportedRules {
    ImportedRules {
        n_created,
        n_replaced,
        n_unchanged,
    }
}

async fn an_import_creates_replaces_and_leaves_alone(fresh: Fresh) {
    let same = fresh
        .ledger
        .create_rule(&rule(workspace("same"), "7d"), "eva".into())
        .await
        .unwrap()
        .id;
    let old = fresh
        .ledger
        .create_rule(&rule(workspace("longer"), "7d"), "eva".into())
        .await
        .unwrap()
        .id;
    let revision = fresh.revision().await;
    let future_only = ImportRule {
        apply_to_past: false,
        ..line(workspace("new"), "8d")
    };
    let file = vec![
        line(workspace("same"), "7d"),
        line(workspace("longer"), "base_60d"),
        future_only,
        line(Scope::Organization("same".into()), "unlimited"),
    ];
    assert_eq!(import(&fresh, file.clone()).await, counts(3, 1, 1));
    assert!(fresh.revision().await > revision);
    let history = fresh.rules(true).await;
    assert_eq!((history[0].id, &history[0].deactivated), (same, &None));
    assert_eq!(history[1].id, old);
    assert_eq!(
        history[1].deactivated,
        Some((at("2026-11-25T00:00:00Z"), "import".into()))
    );
    assert_eq!(history.len(), 5);
    let new = &history
        .iter()
        .find(|rule| rule.rule.scope == workspace("new"))
        .unwrap()
        .rule;
    assert!(!new.apply_to_past && new.created_at == at("2026-11-25T00:00:00Z"));

    let revision = fresh.revision().await;
    let later = at("2026-12-31T00:00:00Z");
    let again = fresh
        .ledger
        .import_rules(&mut file.into_iter().map(Ok), "import", later)
        .await;
    assert_eq!(again.unwrap(), counts(0, 0, 4));
    assert_eq!(fresh.revision().await, revision);
    assert_eq!(
        fresh.rules(true).await,
        history,
        "the same file twice changes nothing"
    );
}

async fn a_stated_creation_that_differs_replaces(fresh: Fresh) {
    let stated = |text| ImportRule {
        created_at: Some(at(text)),
        ..line(workspace("w"), "7d")
    };
    assert_eq!(
        import(&fresh, vec![stated("2026-10-01T00:00:00Z")]).await,
        counts(1, 0, 0)
    );
    assert_eq!(
        import(&fresh, vec![stated("2026-10-01T00:00:00.0000009Z")]).await,
        counts(0, 0, 1)
    );
    assert_eq!(
        import(&fresh, vec![line(workspace("w"), "7d")]).await,
        counts(0, 0, 1)
    );
    assert_eq!(
        import(&fresh, vec![stated("2026-10-02T00:00:00Z")]).await,
        counts(1, 1, 0)
    );
    assert_eq!(
        fresh.rules(false).await[0].rule.created_at,
        at("2026-10-02T00:00:00Z")
    );
    // A caller that names a scope twice creates twice, in order.
    let twice = vec![line(workspace("v"), "7d"), line(workspace("v"), "8d")];
    assert_eq!(import(&fresh, twice).await, counts(2, 1, 0));
    assert_eq!(fresh.rules(false).await[1].rule.retention, "8d");
}

async fn an_import_is_all_or_nothing(fresh: Fresh) {
    fresh
        .ledger
        .create_rule(&rule(workspace("w0"), "7d"), "eva".into())
        .await
        .unwrap();
    let (before, revision) = (fresh.rules(true).await, fresh.revision().await);
    let now = at("2026-11-25T00:00:00Z");
    // The last of 1,200 is wrong: two batches were written by then.
    let mut rules = (0..1_200).map(|number| match number {
        1_199 => Err("line 1200: no retention".to_owned()),
        number => Ok(line(workspace(&format!("w{number}")), "8d")),
    });
    let error = fresh
        .ledger
        .import_rules(&mut rules, "import", now)
        .await
        .unwrap_err();
    assert!(matches!(&error, LedgerError::Aborted(text) if text == "line 1200: no retention"));
    assert_eq!(fresh.rules(true).await, before);

    let mut far = line(workspace("far"), "8d");
    far.created_at = Some(at("1960-01-01T00:00:00Z"));
    let mut rules = [Ok(line(workspace("w0"), "9d")), Ok(far)].into_iter();
    let error = fresh
        .ledger
        .import_rules(&mut rules, "import", now)
        .await
        .unwrap_err();
    assert!(matches!(error, LedgerError::Instant { .. }), "{error}");
    assert_eq!(fresh.rules(true).await, before);
    assert_eq!(fresh.revision().await, revision);
}

async fn twenty_thousand_rules_are_imported(fresh: Fresh) {
    let file = |retention: &str| -> Vec<_> {
        (0..20_000)
            .map(|number| line(workspace(&format!("w{number}")), retention))
            .collect()
    };
    assert_eq!(import(&fresh, file("7d")).await, counts(20_000, 0, 0));
    assert_eq!(import(&fresh, file("7d")).await, counts(0, 0, 20_000));
    let mut mixed = file("8d");
    mixed.truncate(1_000);
    assert_eq!(import(&fresh, mixed).await, counts(1_000, 1_000, 0));
    let active = fresh.rules(false).await;
    assert_eq!(active.len(), 20_000);
    assert!(active.windows(2).all(|pair| pair[0].id < pair[1].id));
    assert_eq!(fresh.rules(true).await.len(), 21_000);
}

/// Together more text than the 16 MiB that a server accepts in one packet by default.
async fn long_names_are_imported(fresh: Fresh) {
    let name = |number: u32| format!("{number}-{}", "x".repeat(100_000));
    let rules = (0..300).map(|number| line(workspace(&name(number)), "7d"));
    assert_eq!(import(&fresh, rules.collect()).await, counts(300, 0, 0));
    let mut pairs = (0..300).map(|number| Ok((name(number).into(), "acme".into())));
    assert_eq!(
        fresh
            .ledger
            .put_workspaces(&mut pairs, "eva")
            .await
            .unwrap(),
        300
    );
}

async fn an_import_that_is_dropped_leaves_nothing(fresh: Fresh) {
    let (sender, is_under_way) = tokio::sync::oneshot::channel();
    let mut sender = Some(sender);
    // It never ends by itself, and has written batches when it is dropped.
    let mut rules = (0_u32..).map(|number| {
        if number == 5_000 {
            sender.take().unwrap().send(()).unwrap();
        }
        Ok(line(workspace(&format!("w{number}")), "7d"))
    });
    let now = at("2026-11-25T00:00:00Z");
    tokio::select! {
        result = fresh.ledger.import_rules(&mut rules, "import", now) => panic!("{result:?}"),
        told = is_under_way => told.unwrap(),
    }
    let created = fresh
        .ledger
        .create_rule(&rule(workspace("w1"), "7d"), "eva".into())
        .await
        .unwrap();
    assert_eq!(created.replaced, None);
    assert_eq!(fresh.rules(true).await.len(), 1);
}
