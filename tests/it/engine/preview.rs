//! What a rule would delete, before it is saved.

use ebbtide::{Days, PreviewTable, Retention, RuleChange, Scope};

use super::world::{World, at};

fn change(scope: Scope, days: Option<u32>) -> RuleChange {
    RuleChange {
        scope,
        retention: days.map(|days| Retention::Days {
            days: Days::new(days).unwrap(),
            period: None,
        }),
        apply_to_past: true,
    }
}

fn rows(tables: &[PreviewTable]) -> Vec<(u64, u64)> {
    tables
        .iter()
        .map(|table| (table.before.n_rows, table.after.n_rows))
        .collect()
}

#[tokio::test]
async fn a_preview_counts_before_and_after_and_saves_nothing() {
    let world = World::new().await;
    world.rule("w1", "60d").await;
    let workspace = Scope::Workspace("w1".into());
    let revision = world.ledger.revision().await.unwrap();
    let preview = world
        .engine()
        .preview(&change(workspace.clone(), Some(30)))
        .await
        .unwrap();
    assert_eq!(rows(&preview.tables), [(39, 69), (39, 69)]);
    let after = preview.tables[0].after;
    assert_eq!(after.oldest, Some(at("2026-08-14T10:00:00Z")));
    assert_eq!(after.newest, Some(at("2026-10-21T10:00:00Z")));
    assert_eq!(after.n_parts, 1);
    assert!(after.n_bytes > 0);
    assert_eq!(world.ledger.revision().await.unwrap(), revision);

    let preview = world
        .engine()
        .preview(&change(workspace, None))
        .await
        .unwrap();
    assert_eq!(rows(&preview.tables), [(39, 0), (39, 0)]);
    assert_eq!(preview.tables[0].after.oldest, None);
}

#[tokio::test]
async fn a_preview_knows_scopes_holds_and_rows_of_the_past() {
    let world = World::new().await;
    let mut pairs = ["w1", "w2"]
        .into_iter()
        .map(|name| Ok((name.into(), "acme".into())));
    world
        .ledger
        .put_workspaces(&mut pairs, "test")
        .await
        .unwrap();
    world.rule("w2", "60d").await;
    world
        .hold(
            Scope::Workspace("w1".into()),
            Some(("2026-09-01", "2026-09-11")),
        )
        .await;
    let organization = Scope::Organization("acme".into());
    let preview = world
        .engine()
        .preview(&change(organization, Some(30)))
        .await
        .unwrap();
    // w2 keeps its own rule; of w1, ten rows are held.
    assert_eq!(rows(&preview.tables), [(39, 39 + 59), (39, 39 + 59)]);

    let project = |name: &str| Scope::Project {
        workspace: "w2".into(),
        project: name.into(),
    };
    let preview = world
        .engine()
        .preview(&change(project("p"), Some(30)))
        .await
        .unwrap();
    assert_eq!(rows(&preview.tables), [(39, 69), (39, 69)]);
    let preview = world
        .engine()
        .preview(&change(project("q"), Some(30)))
        .await
        .unwrap();
    assert_eq!(rows(&preview.tables), [(0, 0), (0, 0)]);
    let nobody = Scope::Workspace("nobody".into());
    let preview = world
        .engine()
        .preview(&change(nobody, Some(1)))
        .await
        .unwrap();
    assert_eq!(rows(&preview.tables), []);

    let new = RuleChange {
        apply_to_past: false,
        ..change(project("p"), Some(30))
    };
    let preview = world.engine().preview(&new).await.unwrap();
    assert_eq!(rows(&preview.tables), [(39, 0), (39, 0)]);
}
