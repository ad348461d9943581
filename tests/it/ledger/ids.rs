//! Ids are arbitrary text: all of them round-trip and stay apart.

use ebbtide::Scope;

use super::{Fresh, on_both, rule};

on_both!(
    odd_ids_are_scopes_of_their_own,
    odd_ids_are_workspaces_of_their_own
);

fn odd_ids() -> Vec<String> {
    let mut ids: Vec<String> = [
        "",
        " ",
        "  ",
        "w",
        "w ",
        "w\t",
        "W",
        "~",
        "%",
        "_",
        "'",
        "\"",
        "`",
        "\\",
        "\\'",
        "';--",
        "?",
        ":x",
        "$1",
        "/* each */",
        "-- x",
        "\0",
        "\0\0",
        "a\0b",
        "a\0c",
        "a",
        "\u{1a}",
        "\n",
        "\r\n",
        "💧",
        "💧💧",
        "é",
        "e\u{301}",
        "ß",
        "ss",
        "İ",
        "i",
        "ﬀ",
        "ff",
        "null",
        "NULL",
        "0",
        "00",
        "-1",
        "\u{feff}",
        "\u{200b}",
        "\u{10ffff}",
        "acme\u{0}",
    ]
    .map(str::to_owned)
    .into();
    for length in [499, 500, 70_000] {
        ids.push("x".repeat(length));
    }
    ids.push("é".repeat(500));
    ids
}

async fn odd_ids_are_scopes_of_their_own(fresh: Fresh) {
    let mut scopes = Vec::new();
    for id in odd_ids() {
        scopes.push(Scope::Organization(id.as_str().into()));
        scopes.push(Scope::Workspace(id.as_str().into()));
        scopes.push(Scope::Project {
            workspace: id.as_str().into(),
            project: "p".into(),
        });
        scopes.push(Scope::Project {
            workspace: "p".into(),
            project: id.as_str().into(),
        });
    }
    for scope in &scopes {
        let created = fresh
            .ledger
            .create_rule(&rule(scope.clone(), "7d"), "o'hara 💧".into())
            .await;
        assert_eq!(created.unwrap().replaced, None, "{scope}");
    }
    let rules = fresh.rules(false).await;
    let kept: Vec<_> = rules.iter().map(|rule| rule.rule.scope.clone()).collect();
    assert_eq!(kept, scopes);
    assert!(rules.iter().all(|rule| rule.created_by == "o'hara 💧"));
}

async fn odd_ids_are_workspaces_of_their_own(fresh: Fresh) {
    let mut expected: Vec<_> = odd_ids().into_iter().map(|id| (id.clone(), id)).collect();
    let mut pairs = expected
        .iter()
        .map(|(w, o)| Ok((w.as_str().into(), o.as_str().into())));
    let n_changed = fresh
        .ledger
        .put_workspaces(&mut pairs, "eva")
        .await
        .unwrap();
    assert_eq!(usize::try_from(n_changed), Ok(expected.len()));
    expected.sort();
    assert_eq!(fresh.workspaces().await, expected);
}
