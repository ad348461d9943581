use std::io::{Cursor, Read};

use super::*;
use crate::rule::Days;

fn periods() -> Periods {
    let days = |days| Days::new(days).unwrap();
    Periods::new([("base_60d", days(60))], days(2)).unwrap()
}

fn items(yaml: impl AsRef<[u8]>) -> Vec<Result<RuleEntry, RuleProblem>> {
    RuleReader::new(yaml.as_ref(), &periods()).collect()
}

fn rules(yaml: &str) -> Vec<RuleEntry> {
    let rules = items(yaml).into_iter().collect::<Result<Vec<_>, _>>();
    rules.unwrap_or_else(|problem| panic!("{problem}\nin {yaml:?}"))
}

/// Every problem as a line of text; the rules that were read are shown by their scope.
fn report(yaml: impl AsRef<[u8]>) -> String {
    let lines = items(yaml).into_iter().map(|item| match item {
        Ok(entry) => format!("ok: {}", entry.scope),
        Err(problem) => problem.to_string(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn workspace(yaml: &str) -> String {
    let rules = rules(&format!("- {{workspace: {yaml}, retention: 7d}}\n"));
    match &rules.first().unwrap().scope {
        Scope::Workspace(name) => name.to_string(),
        other => panic!("{other}"),
    }
}

#[test]
fn block_and_flow_style_read_alike() {
    let flow = "- {organization: acme, retention: base_60d}\n\
                - {workspace: w1, retention: unlimited}\n\
                - {workspace: w1, project: p9, retention: 7d, apply_to_past: false, created_at: 2026-10-01T00:00:00Z}\n";
    let block = "# rules\n---\n\
                 - organization: acme\n  retention: base_60d\n\
                 - workspace: w1\n  retention: 'unlimited'   # for ever\n\n\
                 -\n  project: p9\n  workspace: w1\n  created_at: \"2026-10-01T02:00:00+02:00\"\n  \
                 apply_to_past: false\n  retention: 7d\n...\n";
    let all_flow = format!("[{}]", flow.replace("- ", "").replace("}\n", "},\n"));
    let expected = rules(flow);
    assert_eq!(expected.len(), 3);
    assert_eq!(expected[2].line, 3);
    assert!(!expected[2].apply_to_past && expected[1].apply_to_past);
    assert_eq!(expected[2].created_at, "2026-10-01T00:00:00Z".parse().ok());
    for other in [block, &all_flow] {
        let other = rules(other);
        assert_eq!(other.len(), 3);
        for (a, b) in expected.iter().zip(other) {
            assert_eq!(*a, RuleEntry { line: a.line, ..b });
        }
    }
}

#[test]
fn nothing_in_the_file_means_no_rules() {
    for yaml in [
        "",
        "\n\n",
        "# only a comment\n",
        "---\n",
        "---\n...\n",
        "[]\n",
        "\u{feff}",
        "--- []",
    ] {
        assert_eq!(items(yaml), Vec::new(), "{yaml:?}");
    }
}

#[test]
fn names_are_arbitrary_text() {
    for plain in [
        "123",
        "true",
        "no",
        "0x10",
        ".nan",
        "1e3",
        "2026-01-01",
        "ünï",
        "💧",
        "a b",
    ] {
        assert_eq!(workspace(plain), plain);
    }
    let cases = [
        (r#""""#, ""),
        ("''", ""),
        (r#""~""#, "~"),
        ("'null'", "null"),
        (r#""\0""#, "\0"),
        (r#""a\0b\\c\"d'e""#, "a\0b\\c\"d'e"),
        ("'it''s'", "it's"),
        (r#"" padded ""#, " padded "),
        (r#""\U0001F4A7""#, "💧"),
        (
            r#""*star &amp !bang - ? : # {}[],""#,
            "*star &amp !bang - ? : # {}[],",
        ),
    ];
    for (yaml, name) in cases {
        assert_eq!(workspace(yaml), name);
    }
    let long = "é".repeat(500);
    assert_eq!(workspace(&long), long);
}

#[test]
fn every_problem_of_a_rule_is_named_and_the_next_rule_is_read() {
    insta::assert_snapshot!(report(
        "- {organization: acme, retention: 6m}\n\
         - {workspace: w1, retention: 0d, aply_to_past: true}\n\
         - {workspace: w2, workspace: w3, retention: 7d}\n\
         - {workspace: w4}\n\
         - {retention: 7d}\n\
         - {organization: a, workspace: w5, retention: 7d}\n\
         - {project: p1, retention: 7d}\n\
         - {workspace: w6, retention: 7d, apply_to_past: yes, created_at: yesterday}\n\
         - {workspace: w7, retention: 7d, apply_to_past: 'true', created_at: 1969-12-31T00:00:00Z}\n\
         - {workspace: ~, retention: 7d}\n\
         - {workspace: , retention: null}\n\
         - {workspace: [w8], retention: {days: 7}}\n\
         - {workspace: w9, retention: 7d, colour: blue}\n\
         - {[w10]: w10, workspace: w10, retention: 7d}\n\
         - w11\n\
         - [w12]\n\
         - {workspace: w13, retention: 1d}\n\
         - {workspace: w14, retention: gold}\n\
         - {wrkspace: w15, retention: 7d}\n\
         - {workspace: good, retention: 7d}\n",
    ));
}

#[test]
fn anchors_aliases_and_tags_are_refused() {
    insta::assert_snapshot!(report(
        "- &all {workspace: &w w1, retention: 7d}\n\
         - {workspace: *w, retention: *nowhere}\n\
         - *all\n\
         - {<<: *all, workspace: w2}\n\
         - {workspace: !!str 3, retention: 7d}\n\
         - !rule {workspace: w4, retention: 7d}\n\
         - {workspace: good, retention: 7d}\n",
    ));
}

#[test]
fn a_scope_that_occurs_twice_names_both_lines() {
    insta::assert_snapshot!(report(
        "- {workspace: w1, retention: 7d}\n\
         - {organization: w1, retention: 7d}\n\
         - {workspace: W1, retention: 7d}\n\
         - {workspace: w1, project: w1, retention: 7d}\n\
         - {workspace: \"w1\", retention: 8d}\n\
         - {workspace: w1, project: w1, retention: nonsense}\n",
    ));
}

#[test]
fn a_syntax_error_ends_the_reading_with_a_caret() {
    let good = "- {workspace: good, retention: 7d}\n";
    let broken = [
        "- {workspace: w1 retention: 7d}}\n- {workspace: w2, retention: 7d}\n",
        "- {workspace: w1, nonsense: 7d, retention: \"7d}\n",
        "- workspace: w1\n retention: 7d\n",
        "- workspace: a: b\n",
        "\t- {workspace: w1, retention: 7d}\n",
        "- {workspace: \"\\q\", retention: 7d}\n",
        "- {workspace: @w, retention: 7d}\n",
        "- {workspace: a\0b, retention: 7d}\n",
        "...\n--- \n- {workspace: w1, retention: 7d}\n",
    ];
    let reports = broken.map(|broken| report(format!("{good}{broken}")));
    insta::assert_snapshot!(reports.join("\n\n"));
}

#[test]
fn only_a_list_is_a_list_of_rules() {
    let reports = ["rules: []\n", "w1\n", "%YAML 1.2\n--- []\n", "~\n"].map(report);
    insta::assert_snapshot!(reports.join("\n"));
}

#[test]
fn invalid_utf8_names_byte_and_line() {
    let mut yaml = "- {workspace: é, retention: 7d}\n- {workspace: "
        .to_owned()
        .into_bytes();
    yaml.extend([0xc3, 0x28]);
    let expected = "line 2, column 15: byte 47 of the file is not UTF-8; save the file as UTF-8";
    assert_eq!(report(&yaml).lines().last(), Some(expected));
    yaml.truncate(48);
    assert_eq!(report(&yaml).lines().last(), Some(expected));
}

/// Hands out one byte at a time, then fails.
struct Failing(Cursor<Vec<u8>>);

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let one = buffer.get_mut(..1).unwrap();
        match self.0.read(one)? {
            0 => Err(std::io::Error::other("the disk is gone")),
            n_read => Ok(n_read),
        }
    }
}

#[test]
fn a_read_error_is_not_the_end_of_the_file() {
    let yaml = "- {workspace: é💧, retention: 7d}\n- {workspace: w2, retention: 7d}\n";
    let input = Failing(Cursor::new(yaml.as_bytes().to_vec()));
    let periods = periods();
    let items: Vec<_> = RuleReader::new(input, &periods).collect();
    let last = items.last().unwrap().as_ref().unwrap_err();
    assert_eq!(
        last.to_string(),
        "line 3, column 1: cannot read on: the disk is gone"
    );
    assert!(items[0].is_ok());
}

#[test]
fn places_are_right_across_buffers() {
    use std::fmt::Write;
    let mut yaml = String::new();
    for number in 0..2_000 {
        writeln!(yaml, "- {{workspace: wörk{number}, retention: 7d}}\r").unwrap();
    }
    yaml.push_str("- {workspace: last, retention: -3d}\r\n- {workspace: x, retention: 7d]\r\n");
    let items = items(&yaml);
    let problems: Vec<_> = items
        .iter()
        .filter_map(|item| item.as_ref().err())
        .collect();
    assert_eq!(items.len() - problems.len(), 2_000);
    assert_eq!((problems[0].line, problems[0].column), (2001, 32));
    assert_eq!(problems[1].line, 2002);
    let caret = "    - {workspace: x, retention: 7d]\n      ^";
    assert!(
        problems[1].message.ends_with(caret),
        "{}",
        problems[1].message
    );
}

/// A million rules that exist only while they are read.
struct Endless {
    line: Vec<u8>,
    n_rules: u64,
    n_bytes: std::rc::Rc<std::cell::Cell<usize>>,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.line.is_empty() && self.n_rules < 1_000_000 {
            self.n_rules += 1;
            self.line = format!("- {{workspace: w{}, retention: 7d}}\n", self.n_rules).into();
        }
        let n_read = buffer.len().min(self.line.len());
        buffer[..n_read].copy_from_slice(&self.line[..n_read]);
        self.line.drain(..n_read);
        self.n_bytes.set(self.n_bytes.get() + n_read);
        Ok(n_read)
    }
}

#[test]
fn a_million_rules_are_never_read_ahead() {
    let n_bytes = std::rc::Rc::default();
    let input = Endless {
        line: Vec::new(),
        n_rules: 0,
        n_bytes: std::rc::Rc::clone(&n_bytes),
    };
    let periods = periods();
    let (mut n_rules, mut n_yielded) = (0_usize, 0);
    for item in RuleReader::new(input, &periods) {
        let entry = item.unwrap();
        n_rules += 1;
        assert_eq!(entry.line, n_rules);
        n_yielded += format!("- {{workspace: w{n_rules}, retention: 7d}}\n").len();
        assert!(
            n_bytes.get() - n_yielded < 1_000,
            "read ahead at rule {n_rules}"
        );
    }
    assert_eq!(n_rules, 1_000_000);
}
