//! A configuration that is wrong: the place, a caret under it, and the remedy.

use super::{Scene, matches_snapshot};

/// Every file of `fixtures/bad_config` is refused by every verb that reads a configuration, and
/// what is said about it is in the snapshot of the same name.
#[tokio::test]
async fn bad_configurations_are_refused_with_place_and_remedy() {
    let scene = Scene::new().await;
    let before = scene.count_rows().await;
    for name in super::snapshots::fixtures("bad_config") {
        let text = std::fs::read_to_string(format!("fixtures/bad_config/{name}.yml")).unwrap();
        scene.write("bad.yml", &text);
        let outcome = scene.run(&["-c", "bad.yml", "validate"]);
        assert_eq!(outcome.code, 2, "{}", outcome.transcript);
        let again = scene.run(&["-c", "bad.yml", "run"]);
        assert_eq!((again.code, &again.stderr), (2, &outcome.stderr), "{name}");
        let name = format!("bad_config_{name}");
        matches_snapshot!(name, &outcome.transcript);
    }
    scene.untouched(before).await;
}

/// Where YAML itself is wrong, a caret stands under the very place.
#[test]
fn a_caret_stands_under_the_place() {
    let caret = |name: &str, line: &str, under: &str| {
        let snapshot = super::snapshots::read("cli", &format!("bad_config_{name}"));
        let lines: Vec<_> = snapshot.lines().collect();
        let at = lines
            .iter()
            .position(|found| found.trim_end().ends_with(line))
            .unwrap_or_else(|| panic!("{name} does not show {line:?}\n{snapshot}"));
        let column = lines[at].chars().count() - line.chars().count() + line.find(under).unwrap();
        let below: Vec<char> = lines[at + 1].chars().collect();
        assert_eq!(below.get(column), Some(&'^'), "{name}\n{snapshot}");
    };
    caret(
        "unknown_key_at_the_top",
        "retentoin: {default: unlimited}",
        "retentoin",
    );
    caret("unknown_key_in_a_section", "  flor: 1d", "flor");
    caret("unknown_key_in_a_shard", "      weight: 3", "weight");
    caret(
        "unknown_key_in_a_target",
        "    projects: project_id",
        "projects",
    );
    caret(
        "unknown_key_in_a_keep",
        "        in_colum: trace_id",
        "in_colum",
    );
    caret(
        "duplicate_key_at_the_top",
        "retention: {default: 9d}",
        "retention",
    );
    caret("duplicate_key_in_a_section", "  default: 9d", "default");
    caret("duplicate_period", "    base: 9d", "base");
    caret(
        "duplicate_key_in_a_target",
        "    workspace: tenant_id",
        "workspace",
    );
}

#[tokio::test]
async fn a_configuration_that_is_not_there() {
    let scene = Scene::new().await;
    let missing = scene.refused(2, &["-c", "nowhere.yml", "run"]).await;
    std::fs::create_dir(scene.path().join("folder")).unwrap();
    let folder = scene.refused(2, &["-c", "folder", "run"]).await;
    std::fs::write(scene.path().join("latin1.yml"), b"version: 1 # caf\xe9\n").unwrap();
    let latin = scene.refused(2, &["-c", "latin1.yml", "run"]).await;
    let all = [missing, folder, latin].map(|outcome| outcome.transcript);
    matches_snapshot!("config_is_not_there", all.join("\n"));
}
