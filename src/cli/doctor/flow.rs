//! Where rows of the targets go: the views that copy or compute from them, in chains, and the
//! tables and dictionaries that these fill.

use std::collections::BTreeMap;

use regex::Regex;

use super::ddl::{TableName, destination, parameters, tables_in};
use crate::warehouse::Relation;

/// Everything that rows of the targets reach.
pub(super) struct Flow<'r> {
    relations: BTreeMap<TableName, &'r Relation>,
    /// The way from a target to each, both included.
    routes: BTreeMap<TableName, Vec<TableName>>,
}

impl<'r> Flow<'r> {
    pub(super) fn of(relations: &'r [Relation], targets: &[TableName]) -> Self {
        let relations = relations
            .iter()
            .map(|relation| (name_of(relation), relation))
            .collect();
        let routes = targets.iter().cloned();
        let mut flow = Self {
            relations,
            routes: routes
                .map(|target| (target.clone(), vec![target]))
                .collect(),
        };
        let sources = flow.sources();
        // Each round reaches one step further; a chain is no longer than there are tables.
        while flow.spread(&sources) {}
        flow
    }

    /// The table or view of this name, if the user sees it.
    pub(super) fn get(&self, name: &TableName) -> Option<&'r Relation> {
        self.relations.get(name).copied()
    }

    /// What is reached from a target, with the way to it.
    pub(super) fn reached(&self) -> impl Iterator<Item = (&'r Relation, &[TableName])> {
        self.routes
            .iter()
            .filter_map(|(name, route)| Some((self.get(name)?, route.as_slice())))
    }

    /// The table that holds what a materialised view computes.
    pub(super) fn storage_of(&self, view: &Relation) -> TableName {
        let mut storage = destination(&view.ddl).unwrap_or_else(|| self.inner_table(view));
        // A view may write through tables that hold nothing themselves.
        for _ in 0..self.relations.len() {
            match self.get(&storage).and_then(written_through) {
                Some(behind) => storage = behind,
                None => break,
            }
        }
        storage
    }

    fn inner_table(&self, view: &Relation) -> TableName {
        let of = |name: String| (view.database.clone(), name);
        let by_id = of(format!(".inner_id.{}", view.uuid));
        if self.relations.contains_key(&by_id) {
            by_id
        } else {
            of(format!(".inner.{}", view.name))
        }
    }

    /// What each table or view is made of.
    fn sources(&self) -> BTreeMap<TableName, Vec<TableName>> {
        let mut sources: BTreeMap<TableName, Vec<TableName>> = BTreeMap::new();
        for (name, relation) in &self.relations {
            for fed in &relation.feeds {
                sources.entry(fed.clone()).or_default().push(name.clone());
            }
            let read = match relation.engine.as_str() {
                "MaterializedView" | "View" => tables_in(&relation.as_select),
                "Dictionary" => relation.loads_from.clone(),
                "Merge" => self.merged(relation),
                _ => written_through(relation).into_iter().collect(),
            };
            sources.entry(name.clone()).or_default().extend(read);
        }
        sources
    }

    fn merged(&self, merge: &Relation) -> Vec<TableName> {
        let parameters = parameters(&merge.engine_full);
        let is_in_database = match parameters.as_slice() {
            [word, databases, _] if word == "REGEXP" => matcher(databases),
            [database, _] => {
                let database = database.clone();
                Box::new(move |name: &str| name == database)
            }
            _ => return Vec::new(),
        };
        let is_merged = matcher(parameters.last().map_or("", String::as_str));
        let names = self.relations.keys();
        let merged = names.filter(|(database, name)| is_in_database(database) && is_merged(name));
        merged.cloned().collect()
    }

    /// Goes one step further; whether there was one.
    fn spread(&mut self, sources: &BTreeMap<TableName, Vec<TableName>>) -> bool {
        let mut found = Vec::new();
        for (name, relation) in &self.relations {
            if self.routes.contains_key(name) {
                continue;
            }
            let mut read = sources.get(name).into_iter().flatten();
            let Some(route) = read.find_map(|source| self.routes.get(source)) else {
                continue;
            };
            let route: Vec<TableName> = route.iter().cloned().chain([name.clone()]).collect();
            if relation.engine == "MaterializedView" {
                let storage = self.storage_of(relation);
                let further = route.iter().cloned().chain([storage.clone()]).collect();
                found.push((storage, further));
            }
            found.push((name.clone(), route));
        }
        let any = !found.is_empty();
        for (name, route) in found {
            self.routes.entry(name).or_insert(route);
        }
        any
    }
}

pub(super) fn name_of(relation: &Relation) -> TableName {
    (relation.database.clone(), relation.name.clone())
}

/// The table behind one that holds no rows for long: its second and third parameter, or its only
/// two.
pub(super) fn written_through(relation: &Relation) -> Option<TableName> {
    let skipped = match relation.engine.as_str() {
        "Distributed" => 1,
        "Buffer" | "Alias" => 0,
        _ => return None,
    };
    let mut parameters = parameters(&relation.engine_full).into_iter().skip(skipped);
    Some((parameters.next()?, parameters.next()?))
}

/// Tells names that a pattern of the server matches; all, where it cannot be read here.
fn matcher(pattern: &str) -> Box<dyn Fn(&str) -> bool> {
    match Regex::new(pattern) {
        Ok(pattern) => Box::new(move |name| pattern.is_match(name)),
        Err(_) => Box::new(|_| true),
    }
}
