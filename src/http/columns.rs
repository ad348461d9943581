//! Whether the tables can follow a scope: whether all have a project column, and spell its names so.
//!
//! What they cannot follow means nobody, and must not be saved: who set it would believe that it acts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::problem::{Answer, Place, Problem};
use crate::rule::Scope;
use crate::schedule::Live;
use crate::target::TextKind;

/// For how long the types of the columns are taken for what they were.
const TRUST: Duration = Duration::from_mins(1);
/// For how long it is not tried again where no server answered.
const PAUSE: Duration = Duration::from_secs(10);
/// A change of rules does not wait longer for ClickHouse. Without an answer it is saved as it is.
const PATIENCE: Duration = Duration::from_secs(2);

/// The columns with names, as a server has them.
#[derive(Default)]
pub(super) struct Columns {
    known: Mutex<Option<Known>>,
}

struct Known {
    live: Arc<Live>,
    until: Instant,
    columns: Arc<Vec<Column>>,
}

struct Column {
    table: String,
    name: String,
    field: Field,
    kind: TextKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Workspace,
    Project,
}

impl Columns {
    /// Refuses a scope that the targets cannot follow.
    pub(super) async fn check(&self, live: &Arc<Live>, scope: &Scope) -> Answer<()> {
        let (workspace, project) = match scope {
            Scope::Organization(_) => return Ok(()),
            Scope::Workspace(workspace) => (workspace, None),
            Scope::Project { workspace, project } => (workspace, Some(project)),
        };
        let mut targets = live.config.targets.iter();
        let without = targets.find(|target| target.project.is_none());
        if let (Some(_), Some(target)) = (project, without) {
            let detail = format!(
                "nobody could say which rows of {} it means: the target has no project column; leave \
                 project out, or have targets[].project added to the configuration",
                target.table
            );
            return Err(Problem::invalid(Place::Body, "project", detail));
        }
        self.check_workspace_and(live, workspace, project.map(|project| &**project))
            .await
    }

    /// Refuses the name of a workspace in another spelling than the columns'.
    pub(super) async fn check_workspace(&self, live: &Arc<Live>, workspace: &str) -> Answer<()> {
        self.check_workspace_and(live, workspace, None).await
    }

    async fn check_workspace_and(
        &self,
        live: &Arc<Live>,
        workspace: &str,
        project: Option<&str>,
    ) -> Answer<()> {
        for column in &*self.columns(live).await {
            let (field, name) = match (column.field, project) {
                (Field::Workspace, _) => ("workspace", workspace),
                (Field::Project, Some(project)) => ("project", project),
                (Field::Project, None) => continue,
            };
            let spelling = column.kind.spelling(name);
            if let Some(spelling) = spelling.filter(|spelling| spelling != name) {
                let detail = format!(
                    "column {} of {} spells it {spelling:?}; write it so",
                    column.name, column.table
                );
                return Err(Problem::invalid(Place::Body, field, detail));
            }
        }
        Ok(())
    }

    async fn columns(&self, live: &Arc<Live>) -> Arc<Vec<Column>> {
        let mut known = self.known.lock().await;
        if let Some(known) = &*known
            && Arc::ptr_eq(&known.live, live)
            && Instant::now() < known.until
        {
            return Arc::clone(&known.columns);
        }
        let found = tokio::time::timeout(PATIENCE, read(live)).await;
        let found = found.ok().flatten();
        let trust = if found.is_some() { TRUST } else { PAUSE };
        let columns = Arc::new(found.unwrap_or_default());
        *known = Some(Known {
            live: Arc::clone(live),
            until: Instant::now() + trust,
            columns: Arc::clone(&columns),
        });
        columns
    }
}

/// The columns as the first shard that answers has them.
async fn read(live: &Live) -> Option<Vec<Column>> {
    for shard in live.engine.warehouse().shards() {
        let tables = match live.engine.check_shard(shard, false).await {
            Ok(tables) => tables,
            Err(error) => {
                tracing::debug!(%error, shard = shard.name(), "the columns are not known");
                continue;
            }
        };
        let mut columns = Vec::new();
        for target in &live.config.targets {
            let schema = tables.iter().find(|(table, _)| *table == target.table);
            let names = [
                (Field::Workspace, Some(&target.workspace)),
                (Field::Project, target.project.as_ref()),
            ];
            columns.extend(names.into_iter().filter_map(|(field, name)| {
                let kind = TextKind::parse(schema?.1.type_of(name?)?)?;
                Some(Column {
                    table: target.table.clone(),
                    name: name?.clone(),
                    field,
                    kind,
                })
            }));
        }
        return Some(columns);
    }
    None
}
