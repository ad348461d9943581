//! The rules of the house that no compiler checks.

use std::path::{Path, PathBuf};

const CORE: [&str; 10] = [
    "rule", "resolve", "cutoff", "target", "guard", "slot", "plan", "compile", "verify", "audit",
];
const SHELL: [&str; 12] = [
    "config",
    "clock",
    "sql",
    "warehouse",
    "ledger",
    "pace",
    "engine",
    "schedule",
    "telemetry",
    "http",
    "cli",
    "embedded",
];

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// A module's file and those below its folder.
fn files_of(module: &str) -> Vec<PathBuf> {
    let mut files = vec![src().join(format!("{module}.rs"))];
    let mut folders = vec![src().join(module)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files
}

/// The code of a file: no comments, no tests.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_module_is_of_the_core_or_of_the_shell() {
    let lib = std::fs::read_to_string(src().join("lib.rs")).unwrap();
    let modules: Vec<&str> = lib
        .lines()
        .filter_map(|line| {
            line.trim_start_matches("pub ")
                .strip_prefix("mod ")?
                .strip_suffix(';')
        })
        .collect();
    assert_eq!(modules.len(), CORE.len() + SHELL.len(), "{modules:?}");
    for module in modules {
        assert!(
            CORE.contains(&module) != SHELL.contains(&module),
            "{module}"
        );
    }
}

#[test]
fn the_core_names_no_shell_module_and_does_nothing_but_compute() {
    for file in CORE.into_iter().flat_map(files_of) {
        let code = code(&file);
        for module in SHELL {
            assert!(
                !code.contains(&format!("crate::{module}")),
                "{} names {module}",
                file.display()
            );
        }
        assert!(
            !code.contains("super::super") && !code.contains("crate::{"),
            "{}",
            file.display()
        );
        for word in [
            "async ", ".await", "std::env", "std::fs", "std::net", "tokio", "Instant", "::now(",
        ] {
            assert!(!code.contains(word), "{} has {word}", file.display());
        }
    }
}

#[test]
fn only_the_compiler_makes_sql_for_deletes() {
    for file in CORE.into_iter().chain(SHELL).flat_map(files_of) {
        let is_compiler =
            file.starts_with(src().join("compile")) || file == src().join("compile.rs");
        if !is_compiler {
            let code = code(&file).to_lowercase();
            for word in ["delete from", "drop partition", "truncate table"] {
                assert!(!code.contains(word), "{} has {word}", file.display());
            }
        }
    }
}

#[test]
fn nothing_names_this_machine() {
    for file in CORE.into_iter().chain(SHELL).flat_map(files_of) {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(
            !text.contains("/root/") && !text.contains("/home/"),
            "{}",
            file.display()
        );
    }
}

/// A name in backticks with `::` is a test; `…` stands for the module of the one before it.
#[test]
fn every_invariant_names_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let invariants = text.split("## Invariants").nth(1).unwrap();
    let invariants = invariants.split("\n## ").next().unwrap();
    let mut tests = String::new();
    let mut folders = vec![root.join("tests/it")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                tests += &std::fs::read_to_string(path).unwrap();
            }
        }
    }
    for line in invariants.lines().filter(|line| line.starts_with("- ")) {
        let names: Vec<&str> = line
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|name| name.contains("::"))
            .collect();
        assert!(!names.is_empty(), "no test is named by: {line}");
        for name in names {
            let function = name.rsplit("::").next().unwrap();
            assert!(
                tests.contains(&format!("fn {function}(")),
                "there is no test {name}"
            );
        }
    }
}
