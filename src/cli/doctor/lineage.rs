//! What a rule does not clean: tables, views and dictionaries that hold rows of targets or were
//! computed from them, and tables with rows of workspaces that are no target.

use std::collections::BTreeSet;

use super::ddl::{TableName, has_deleting_ttl, is_recomputed, is_reloaded, parameters};
use super::finding::{Code, Findings};
use super::flow::{Flow, name_of, written_through};
use crate::target::QuarantineTable;
use crate::warehouse::{ClusterSize, Relation};

/// What is known of one shard.
pub(super) struct Lineage<'a> {
    /// The database of the targets.
    pub(super) database: &'a str,
    pub(super) relations: &'a [Relation],
    pub(super) targets: &'a [&'a str],
    /// Tables that the configuration says no rule shall clean.
    pub(super) unmanaged: &'a [String],
    /// Tables with a column that is named like a target's workspace.
    pub(super) with_workspace: &'a [String],
    /// Whether the user sees all tables.
    pub(super) is_complete: bool,
    /// Nothing, if the clusters are not known.
    pub(super) clusters: &'a [ClusterSize],
    /// The shards that the configuration names.
    pub(super) n_shards: u64,
}

impl Lineage<'_> {
    pub(super) fn check(&self, findings: &mut Findings) {
        let targets: Vec<TableName> = self
            .targets
            .iter()
            .map(|table| (self.database.to_owned(), (*table).to_owned()))
            .collect();
        let flow = Flow::of(self.relations, &targets);
        let mut derived = BTreeSet::new();
        for (relation, route) in flow.reached() {
            match relation.engine.as_str() {
                "MaterializedView" => {
                    let storage = flow.storage_of(relation);
                    if !targets.contains(&storage) {
                        self.materialised(relation, &storage, route, &flow, findings);
                        derived.insert(storage);
                    }
                }
                "Dictionary" => self.dictionary(relation, route, findings),
                "Distributed" | "Merge" | "Alias" | "Buffer" => {
                    // Only those that stand directly over a target.
                    if let [target, _] = route {
                        self.over_a_target(relation, target, findings);
                    }
                }
                _ => {}
            }
        }
        self.unlisted(&derived, findings);
        self.unknown(findings);
    }

    fn materialised(
        &self,
        view: &Relation,
        storage: &TableName,
        route: &[TableName],
        flow: &Flow<'_>,
        findings: &mut Findings,
    ) {
        let view_name = name_of(view);
        if self.is_unmanaged(&view_name) || self.is_unmanaged(storage) {
            return;
        }
        let table = flow.get(storage);
        // Nothing is kept there; what views make of it is found by itself.
        if table.is_some_and(|table| table.engine == "Null") {
            return;
        }
        let is_inner = storage.1.starts_with(".inner");
        let subject = self.shown(if is_inner { &view_name } else { storage });
        let filled = if is_inner {
            format!("is a materialised view of {}", self.origin(route))
        } else {
            let view = self.shown(&view_name);
            format!(
                "is filled by the materialised view {view} from {}",
                self.origin(route)
            )
        };
        let has_ttl = table.is_some_and(|table| has_deleting_ttl(&table.engine_full));
        if is_recomputed(&view.ddl) {
            findings.info(
                Code::DerivedTable,
                &subject,
                format!("{filled}: what is deleted there stays here until it is computed again"),
                "make sure that it is refreshed at least as often as rows have to go",
            );
        } else if has_ttl {
            findings.info(
                Code::DerivedTable,
                &subject,
                format!("{filled}, and its rows go by its own TTL, not by rules"),
                "make sure that the TTL is no longer than the shortest retention",
            );
        } else {
            findings.warn(
                Code::DerivedTable,
                &subject,
                format!("{filled}: what a rule deletes there stays here"),
                "make it a target too, or give it a TTL; if it may stay, name it under `unmanaged`",
            );
        }
    }

    fn dictionary(&self, dictionary: &Relation, route: &[TableName], findings: &mut Findings) {
        let name = name_of(dictionary);
        if self.is_unmanaged(&name) {
            return;
        }
        let subject = self.shown(&name);
        let loaded = format!("is a dictionary loaded from {}", self.origin(route));
        if is_reloaded(&dictionary.ddl) {
            findings.info(
                Code::DerivedTable,
                &subject,
                format!("{loaded}: what is deleted there stays here until it is loaded again"),
                "make sure that its LIFETIME is no longer than rows may stay",
            );
        } else {
            findings.warn(
                Code::DerivedTable,
                &subject,
                format!("{loaded}, and never loaded again: what a rule deletes there stays here"),
                "give it a LIFETIME; if it may stay, name it under `unmanaged`",
            );
        }
    }

    fn over_a_target(&self, relation: &Relation, target: &TableName, findings: &mut Findings) {
        let (subject, target) = (self.shown(&name_of(relation)), self.shown(target));
        let engine = &relation.engine;
        if engine == "Buffer" {
            findings.info(
                Code::ReadsThrough,
                &subject,
                format!(
                    "is a Buffer over {target}, and holds rows for a while before they are there"
                ),
                "nothing: a row that comes late is taken by the next cycle",
            );
            return;
        }
        findings.info(
            Code::ReadsThrough,
            &subject,
            format!("is a {engine} table over {target}, and holds no rows itself"),
            "nothing: what is deleted from the tables behind it is gone here too",
        );
        let cluster = parameters(&relation.engine_full).into_iter().next();
        let cluster = self
            .clusters
            .iter()
            .find(|known| engine == "Distributed" && Some(&known.cluster) == cluster.as_ref());
        if let Some(cluster) = cluster.filter(|cluster| cluster.n_shards > self.n_shards) {
            findings.warn(
                Code::UnlistedShard,
                &subject,
                format!(
                    "spreads {target} over the {} shards of the cluster {}, and the configuration \
                     names {}: rows on the others stay",
                    cluster.n_shards, cluster.cluster, self.n_shards
                ),
                "name every shard under clickhouse.shards",
            );
        }
    }

    fn unlisted(&self, derived: &BTreeSet<TableName>, findings: &mut Findings) {
        for relation in self.relations.iter().filter(|found| found.is_here) {
            let name = name_of(relation);
            // The server counts what a Distributed table has not sent yet as rows of its own.
            let is_known = !relation.holds_rows
                || written_through(relation).is_some()
                || relation.name.starts_with(".inner")
                || QuarantineTable::is_name(&relation.name)
                || !self.with_workspace.contains(&relation.name)
                || self.targets.contains(&relation.name.as_str())
                || derived.contains(&name)
                || self.is_unmanaged(&name);
            if is_known {
                continue;
            }
            let holds = "holds rows of workspaces and is no target";
            if has_deleting_ttl(&relation.engine_full) {
                findings.info(
                    Code::UnlistedTable,
                    &relation.name,
                    format!("{holds}; its rows go by its own TTL, not by rules"),
                    "if that is as it should be, name it under `unmanaged`",
                );
            } else {
                findings.warn(
                    Code::UnlistedTable,
                    &relation.name,
                    format!("{holds}: no rule ever deletes any of them"),
                    "make it a target, or name it under `unmanaged`",
                );
            }
        }
    }

    /// What `unmanaged` names must be there, or a name that was mistyped would hide nothing.
    fn unknown(&self, findings: &mut Findings) {
        for listed in self.unmanaged {
            let is_listed = |found: &Relation| self.names(&name_of(found)).contains(listed);
            if self.relations.iter().any(is_listed) {
                continue;
            }
            let remedy = "correct `unmanaged`, or take the name out";
            let message = "`unmanaged` names it, and there is no such table";
            if self.is_complete {
                findings.error(
                    Code::UnknownTable,
                    listed,
                    anyhow::Error::msg(message),
                    remedy,
                );
            } else {
                let message = format!("{message} that this user may see");
                findings.warn(Code::UnknownTable, listed, message, remedy);
            }
        }
    }

    /// The target, or the way from it where there is something in between.
    fn origin(&self, route: &[TableName]) -> String {
        let shown: Vec<String> = route
            .iter()
            .take(route.len().saturating_sub(1))
            .map(|name| self.shown(name))
            .collect();
        match shown.as_slice() {
            [] => String::new(),
            [target] => target.clone(),
            [target, ..] => format!("{target} ({})", shown.join(" → ")),
        }
    }

    fn is_unmanaged(&self, name: &TableName) -> bool {
        let names = self.names(name);
        self.unmanaged.iter().any(|listed| names.contains(listed))
    }

    /// How a configuration may name a table.
    fn names(&self, (database, table): &TableName) -> Vec<String> {
        let mut names = vec![format!("{database}.{table}")];
        if database == self.database {
            names.push(table.clone());
        }
        names
    }

    fn shown(&self, name: &TableName) -> String {
        self.names(name).pop().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
