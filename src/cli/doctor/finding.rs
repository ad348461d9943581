//! Findings: what a check found, under a code that stays, and what to do about it.

use serde::{Serialize, Serializer};

use crate::cli::{Exit, exit};
use crate::warehouse::WarehouseError;

macro_rules! codes {
    ($($name:ident = $text:literal,)+) => {
        /// What a finding is about. Each has a section in `docs/findings.md`, and keeps its name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Code { $($name,)+ }

        impl Code {
            pub(super) fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$name,)+];
        }
    };
}

codes! {
    // What is configured, and who may do what.
    Config = "config",
    Ledger = "ledger",
    Rules = "rules",
    Approval = "approval",
    Hold = "hold",
    Pause = "pause",
    Lease = "lease",
    Server = "server",
    ClockSkew = "clock-skew",
    MissingGrant = "missing-grant",
    HiddenTables = "hidden-tables",
    // Targets as the server has them.
    Target = "target",
    Projections = "projections",
    ReplacingMergeTree = "replacing-merge-tree",
    ShardedKeep = "sharded-keep",
    // What a rule does not clean.
    DerivedTable = "derived-table",
    ReadsThrough = "reads-through",
    UnlistedTable = "unlisted-table",
    UnlistedShard = "unlisted-shard",
    UnknownTable = "unknown-table",
    LostQuarantine = "lost-quarantine",
    // Rows whose age no rule means as it stands.
    NotVersion7 = "not-version-7",
    OddIds = "odd-ids",
    OddTimes = "odd-times",
    UnsetTimes = "unset-times",
    UnknownAges = "unknown-ages",
    AgeWithoutIndex = "age-without-index",
    // The server.
    ManyParts = "many-parts",
    NoBlockNumbers = "no-block-numbers",
    DropLimit = "drop-limit",
    MutationLimit = "mutation-limit",
    MutationWorkload = "mutation-workload",
    SystemLogWithoutTtl = "system-log-without-ttl",
    OldSystemLog = "old-system-log",
}

impl Code {
    /// Where it is explained.
    fn page(self) -> String {
        format!("docs/findings.md#{}", self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// How bad a finding is, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Severity {
    /// Nothing is deleted before it is mended.
    Error,
    /// Rows stay, or go, other than somebody may think; or it will cost.
    Warning,
    /// Good to know.
    Info,
    /// Looked at, and as it should be.
    Ok,
}

/// What a check found.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Finding {
    pub(super) code: Code,
    pub(super) severity: Severity,
    /// What was looked at: mostly a table.
    pub(super) subject: String,
    /// What was found.
    pub(super) message: String,
    /// What to do about it; for `ok` nothing.
    pub(super) remedy: Option<String>,
    /// The section of the documentation.
    pub(super) page: String,
    #[serde(skip)]
    pub(super) exit: Exit,
}

/// What the checks found so far.
#[derive(Debug, Default)]
pub(super) struct Findings(pub(super) Vec<Finding>);

impl Findings {
    /// Something is as it should be.
    pub(super) fn ok(&mut self, code: Code, subject: &str, message: impl Into<String>) {
        self.push(code, Severity::Ok, subject, message.into(), None);
    }

    /// Something is good to know.
    pub(super) fn info(
        &mut self,
        code: Code,
        subject: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let remedy = Some(remedy.into());
        self.push(code, Severity::Info, subject, message.into(), remedy);
    }

    /// Something should be mended.
    pub(super) fn warn(
        &mut self,
        code: Code,
        subject: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let remedy = Some(remedy.into());
        self.push(code, Severity::Warning, subject, message.into(), remedy);
    }

    /// Something must be mended; the process ends as it does for this error.
    pub(super) fn error(
        &mut self,
        code: Code,
        subject: &str,
        error: impl Into<anyhow::Error>,
        remedy: impl Into<String>,
    ) {
        let error = error.into();
        let message = exit::chain(&error);
        self.push(code, Severity::Error, subject, message, Some(remedy.into()));
        if let Some(finding) = self.0.last_mut() {
            finding.exit = exit::of(&error);
        }
    }

    /// What was read, or nothing and a finding: what depends on it was not checked.
    pub(super) fn read<T>(
        &mut self,
        shard: &str,
        what: &str,
        read: Result<T, WarehouseError>,
    ) -> Option<T> {
        let error = match read {
            Ok(facts) => return Some(facts),
            Err(error) => error,
        };
        let unchecked = |reason: &str| format!("{what} could not be checked: {reason}");
        match error {
            WarehouseError::MissingGrant {
                user,
                grants,
                remedy,
                ..
            } => {
                let message = unchecked(&format!("the user {user} lacks {grants}"));
                self.warn(Code::MissingGrant, shard, message, remedy);
            }
            // It answered a moment ago.
            error if error.is_unreachable() => {
                let remedy = "look why it went away, then look again";
                self.error(Code::Server, shard, error, remedy);
            }
            error => {
                let message = unchecked(&exit::chain(&error.into()));
                let remedy = "mend what the server says, then look again";
                self.warn(Code::Server, shard, message, remedy);
            }
        }
        None
    }

    fn push(
        &mut self,
        code: Code,
        severity: Severity,
        subject: &str,
        message: String,
        remedy: Option<String>,
    ) {
        self.0.push(Finding {
            code,
            severity,
            subject: subject.to_owned(),
            message,
            remedy,
            page: code.page(),
            exit: Exit::Done,
        });
    }

    /// Marks what was found since as true of one of several shards.
    pub(super) fn on_shard(&mut self, since: usize, shard: &str) {
        for finding in self.0.iter_mut().skip(since) {
            if finding.subject != shard {
                finding.subject = format!("{} on {shard}", finding.subject);
            }
        }
    }

    /// The worst first; of one severity, those of a code together.
    pub(super) fn sorted(mut self) -> Vec<Finding> {
        self.0
            .sort_by_key(|finding| (finding.severity, finding.code));
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Code;

    #[test]
    fn every_code_has_a_section_and_every_section_a_code() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/findings.md");
        let page = std::fs::read_to_string(page).unwrap();
        let sections: Vec<&str> = page.split("\n### ").skip(1).collect();
        let heading = |section: &&str| section.lines().next().unwrap().to_owned();
        let documented: BTreeSet<String> = sections.iter().map(heading).collect();
        let codes = Code::ALL.iter().map(|code| code.as_str().to_owned());
        assert_eq!(documented, codes.collect::<BTreeSet<_>>());
        for section in sections {
            for part in ["**Means.**", "**Matters.**", "**Do.**", "\n```"] {
                assert!(section.contains(part), "{part} is not in: {section}");
            }
        }
    }
}
