//! No snapshot without its test, no fixture without its snapshot.

use std::collections::BTreeSet;
use std::path::Path;

/// The names of the cases in a folder of `fixtures/`, in order.
pub fn fixtures(folder: &str) -> Vec<String> {
    let mut names: Vec<_> = stems(&format!("fixtures/{folder}"), ".yml").collect();
    names.sort();
    assert!(!names.is_empty(), "fixtures/{folder} is empty");
    names
}

/// A snapshot without its header.
pub fn read(folder: &str, name: &str) -> String {
    let path = format!("tests/it/snapshots/{folder}/{name}.snap");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    text.splitn(3, "---\n").last().unwrap().to_owned()
}

fn stems(folder: &str, suffix: &'static str) -> impl Iterator<Item = String> {
    std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{folder}: {error}"))
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(move |name| name.strip_suffix(suffix).map(str::to_owned))
}

/// A snapshot that nothing compares is worse than none: it looks like a proof.
#[test]
fn every_snapshot_is_compared() {
    let mut sources = String::new();
    for folder in ["tests/it", "tests/it/cli"] {
        for stem in stems(folder, ".rs") {
            let path = Path::new(folder).join(stem + ".rs");
            sources.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
    let in_source = |name: &String| sources.contains(&format!("matches_snapshot!(\"{name}\""));
    let mut stale: BTreeSet<_> = stems("tests/it/snapshots/cli", ".snap")
        .filter(|name| !in_source(name))
        .collect();
    for name in fixtures("bad_config") {
        stale.remove(&format!("bad_config_{name}"));
    }
    for verb in super::help::verbs() {
        stale.remove(&super::help::snapshot_of(&verb));
    }
    let cases: BTreeSet<_> = fixtures("compile").into_iter().collect();
    stale.extend(stems("tests/it/snapshots/compile", ".snap").filter(|name| !cases.contains(name)));
    assert!(
        stale.is_empty(),
        "remove these snapshots, or test them: {stale:?}"
    );
}
