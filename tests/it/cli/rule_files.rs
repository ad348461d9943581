//! Files with rules and workspaces: every bad line is reported, and it is all or nothing.

use super::{Scene, matches_snapshot};

const ALL_KINDS: &str = "\
- {organization: acme, retention: base_60d}
- {workspace: w1, retention: unlimited}
- {workspace: w1, project: p9, retention: 7d, apply_to_past: false, created_at: 2026-10-01T00:00:00Z}
- {workspace: \"it's\\0\\\"\\\\ \u{1f980}\", retention: extended_400d, created_at: 2026-10-01T00:00:00.123456Z}
- {workspace: \"\", retention: 36500d, apply_to_past: false}
- {workspace: \"~\", retention: short_14d}
";

#[tokio::test]
async fn every_bad_line_is_reported_and_nothing_is_imported() {
    let scene = Scene::new().await;
    scene.good(&["rules", "add", "--workspace=w1", "--retention=9d"]);
    let before = scene.good(&["rules", "export"]).stdout;
    let mut transcript = String::new();
    for (name, text) in [
        (
            "every kind of mistake",
            "- {workspace: good, retention: 7d}\n\
             - {workspace: w1, retention: 6m}\n\
             - {wrkspace: w2, retention: 7d}\n\
             - {workspace: w3, retention: 7d, retention: 8d}\n\
             - {workspace: w4, project: p, organization: o, retention: 7d}\n\
             - {project: p, retention: 7d}\n\
             - {workspace: w5}\n\
             - {workspace: good, retention: 9d}\n\
             - {workspace: w6, retention: 7d, apply_to_past: maybe, created_at: yesterday}\n\
             - workspace: w7\n  retention:\n    days: 7\n\
             - {workspace: good2, retention: unlimited}\n",
        ),
        (
            "a mapping is no list",
            "rules:\n  - {workspace: w1, retention: 7d}\n",
        ),
        (
            "a line that is not YAML",
            "- {workspace: w1, retention: 7d}\n- {workspace: w2, retention: 7d\n- {x}\n",
        ),
        (
            "two documents",
            "- {workspace: w1, retention: 7d}\n---\n- {workspace: w2, retention: 7d}\n",
        ),
    ] {
        scene.write("rules.yml", text);
        let outcome = scene.refused(2, &["rules", "import", "rules.yml"]).await;
        transcript += &format!("# {name}\n{}\n", outcome.transcript);
        let dry = scene
            .refused(2, &["rules", "import", "--dry-run", "rules.yml"])
            .await;
        assert_eq!(dry.stderr, outcome.stderr);
        let piped = scene.run_with(&["rules", "import", "-"], &[], text);
        assert_eq!(
            (piped.code, piped.stderr),
            (2, outcome.stderr.replace("rules.yml", "-"))
        );
        assert_eq!(scene.good(&["rules", "export"]).stdout, before);
    }
    transcript += &scene
        .refused(2, &["rules", "import", "none.yml"])
        .await
        .transcript;
    matches_snapshot!("rule_files_bad_lines", transcript);
}

#[tokio::test]
async fn many_bad_lines_are_counted_not_all_listed() {
    let scene = Scene::new().await;
    let lines: Vec<_> = (0..150)
        .map(|n| format!("- {{workspace: w{n}, retention: 0d}}\n"))
        .collect();
    let text = lines.concat();
    scene.write("rules.yml", &text);
    let outcome = scene.refused(2, &["rules", "import", "rules.yml"]).await;
    assert!(outcome.stderr.contains("line 100,") && !outcome.stderr.contains("line 101,"));
    assert!(outcome.stderr.contains("and 50 more"), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("150 problems"),
        "{}",
        outcome.stderr
    );
}

/// Out of one ledger and into another: the same rules, to the microsecond and the last byte.
#[tokio::test]
async fn an_export_imports_as_the_same_rules() {
    let first = Scene::new().await;
    first.write("rules.yml", ALL_KINDS);
    let dry = first
        .good(&["rules", "import", "--dry-run", "rules.yml"])
        .transcript;
    assert_eq!(first.good(&["rules", "export"]).stdout, "");
    let imported = first.good(&["rules", "import", "rules.yml"]).transcript;
    let exported = first.good(&["rules", "export"]);
    let unchanged = first.good(&["rules", "import", "rules.yml"]).transcript;
    assert_eq!(first.good(&["rules", "export"]).stdout, exported.stdout);

    for (format, second) in [("text", Scene::new().await), ("json", Scene::new().await)] {
        let format = format!("--format={format}");
        let text = first.good(&[&format, "rules", "export"]).stdout;
        let imported = second.run_with(&["rules", "import", "-"], &[], &text);
        assert_eq!(imported.code, 0, "{text}\n{}", imported.transcript);
        assert_eq!(second.good(&["rules", "export"]).stdout, exported.stdout);
    }
    let list = first.good(&["rules", "list"]).transcript;
    let transcript = [dry, imported, unchanged, exported.transcript, list];
    matches_snapshot!("rule_files_round_trip", transcript.join("\n"));
}

#[tokio::test]
async fn workspaces_by_csv() {
    let scene = Scene::new().await;
    scene.good(&["workspaces", "add", "--workspace=w1", "--organization=acme"]);
    let before = scene.good(&["workspaces", "list"]).stdout;
    let mut transcript = String::new();
    for (name, text) in [
        ("another header", "id,org\nw2,acme\n"),
        (
            "columns the other way round",
            "organization,workspace\nacme,w2\n",
        ),
        ("no header", "w2,acme\n"),
        ("an empty file", ""),
        (
            "a line with too many fields",
            "workspace,organization\nw2,acme\nw3,acme,eu\nw4,acme\n",
        ),
        ("a line with too few", "workspace,organization\nw2\n"),
        (
            "two organizations",
            "workspace,organization\nw2,acme\nw2,globex\n",
        ),
    ] {
        scene.write("workspaces.csv", text);
        let outcome = scene
            .refused(2, &["workspaces", "import", "workspaces.csv"])
            .await;
        transcript += &format!("# {name}\n{}\n", outcome.transcript);
        assert_eq!(
            scene.good(&["workspaces", "list"]).stdout,
            before,
            "all or nothing"
        );
    }
    scene.write(
        "workspaces.csv",
        "workspace,organization\r\nw1,globex\r\n\"a,\"\"b\"\"\",acme\r\n",
    );
    transcript += &scene
        .good(&["workspaces", "import", "workspaces.csv"])
        .transcript;
    transcript += &scene
        .good(&["workspaces", "import", "workspaces.csv"])
        .transcript;
    transcript += &scene.good(&["workspaces", "list"]).transcript;
    matches_snapshot!("rule_files_workspaces", transcript);
}

#[tokio::test]
async fn a_rule_is_added_replaced_shown_and_deactivated() {
    let scene = Scene::new().await;
    let mut transcript = String::new();
    let good: [&[&str]; 8] = [
        &["rules", "list"],
        &["rules", "add", "--workspace=w1", "--retention=base_60d"],
        &[
            "rules",
            "add",
            "--workspace=w1",
            "--retention=7d",
            "--no-apply-to-past",
        ],
        &[
            "rules",
            "add",
            "--organization=acme",
            "--retention=unlimited",
        ],
        &["rules", "show", "2"],
        &["rules", "deactivate", "2"],
        &["rules", "deactivate", "2"],
        &["rules", "list", "--history"],
    ];
    for arguments in good {
        transcript += &scene.good(arguments).transcript;
    }
    let bad: [&[&str]; 9] = [
        &["rules", "show", "9"],
        &["rules", "deactivate", "9"],
        &["rules", "deactivate", "one"],
        &["rules", "add", "--retention=7d"],
        &["rules", "add", "--workspace=w1"],
        &["rules", "add", "--project=p1", "--retention=7d"],
        &[
            "rules",
            "add",
            "--workspace=w1",
            "--organization=o1",
            "--retention=7d",
        ],
        &[
            "rules",
            "add",
            "--organization=o1",
            "--project=p1",
            "--retention=7d",
        ],
        &["rules"],
    ];
    for arguments in bad {
        transcript += &scene.refused(2, arguments).await.transcript;
    }
    matches_snapshot!("rule_files_rules", transcript);
}
