//! What the user may do, asked before the first statement: one question per grant, so that the
//! missing ones can be named.
//!
//! Measured on 26.7: a lightweight DELETE needs `ALTER DELETE` on its table and `SELECT` on the
//! tables of its subqueries, nothing else; `system.tables` and `system.columns` show what the user
//! has grants on.

use super::{Shard, WarehouseError};
use crate::target::QUARANTINE_PREFIX;

/// What a target needs on a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privilege {
    /// Reading it: targets, and tables of keep clauses.
    Select,
    /// Deleting from it: targets.
    AlterDelete,
    /// Moving partitions of it to quarantine and back: targets that have one.
    Quarantine,
}

/// A privilege on a table of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrantNeed<'a> {
    /// What.
    pub privilege: Privilege,
    /// Where.
    pub table: &'a str,
}

/// What moving partitions there and back, and dropping them, needs on the tables of the quarantine.
const IN_QUARANTINE: &str = "SELECT, INSERT, ALTER DELETE, CREATE TABLE, DROP TABLE";

/// System tables that are read; most servers want a grant for them.
const SYSTEM_TABLES: [&str; 9] = [
    "disks",
    "merge_tree_settings",
    "metrics",
    "mutations",
    "parts",
    "processes",
    "projections",
    "replicas",
    "storage_policies",
];

impl Shard {
    /// Checks that the user has all of these grants, and those on the system tables that are read.
    ///
    /// # Errors
    /// [`WarehouseError::MissingGrant`] with every grant that is missing and the statements that
    /// give them.
    pub async fn check_grants(&self, needs: &[GrantNeed<'_>]) -> Result<(), WarehouseError> {
        let mut grants: Vec<String> = Vec::new();
        let database = identifier(&self.asker.database);
        for need in needs {
            let table = identifier(need.table);
            let wanted = match need.privilege {
                Privilege::Select => vec![format!("SELECT ON {database}.{table}")],
                Privilege::AlterDelete => vec![format!("ALTER DELETE ON {database}.{table}")],
                Privilege::Quarantine => vec![
                    format!("INSERT ON {database}.{table}"),
                    format!("{IN_QUARANTINE} ON {database}.{QUARANTINE_PREFIX}*"),
                ],
            };
            for grant in wanted {
                if !grants.contains(&grant) {
                    grants.push(grant);
                }
            }
        }
        grants.extend(SYSTEM_TABLES.map(|table| format!("SELECT ON system.{table}")));

        // Mostly there are all; only where there are not, each is asked for.
        if self.has_grant(&grants.join(", ")).await? {
            return Ok(());
        }
        let mut missing = Vec::new();
        for grant in grants {
            if !self.has_grant(&grant).await? {
                missing.push(grant);
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let user = identifier(&self.asker.user);
        let remedies: Vec<String> = missing
            .iter()
            .map(|grant| format!("GRANT {grant} TO {user};"))
            .collect();
        Err(WarehouseError::MissingGrant {
            shard: self.asker.shard.clone(),
            user: self.asker.user.clone(),
            grants: missing.join(", "),
            remedy: remedies.join(" "),
        })
    }

    /// Whether the user has all that a text names.
    async fn has_grant(&self, grants: &str) -> Result<bool, WarehouseError> {
        // The parser takes no parameters here; the text holds identifiers only, quoted. A session
        // that is read-only has no grant to write, so this is not asked as a probe.
        let query = self.plain.query_raw(&format!("CHECK GRANT {grants}"));
        Ok(self.fetch_one::<u8>(query).await? == 1)
    }
}

/// A name as ClickHouse reads it, in quotes where it must be.
fn identifier(name: &str) -> String {
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if plain && !name.is_empty() && !name.starts_with(|first: char| first.is_ascii_digit()) {
        return name.to_owned();
    }
    let escaped = name.replace('\\', "\\\\").replace('`', "\\`");
    format!("`{escaped}`")
}

#[cfg(test)]
mod tests {
    use super::identifier;

    #[test]
    fn names_are_quoted_where_they_must_be() {
        let quoted = ["traces", "0x", "a b", "a`; DROP", "a\\"].map(identifier);
        assert_eq!(
            quoted,
            ["traces", "`0x`", "`a b`", "`a\\`; DROP`", "`a\\\\`"]
        );
    }
}
