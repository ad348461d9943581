//! Sending a statement: once, and with an answer to the question what became of it.

use clickhouse::query::Query;

use super::{MutationState, Shard, WarehouseError};

/// How every marker begins.
pub const MARKER_PREFIX: &str = "ebbtide:retention:";

/// The marker of a statement on `table`: `identity` names its cycle and step. What would end a
/// literal is left out of the table's name; the identity alone is unique.
pub fn marker(table: &str, identity: &str) -> String {
    let table: String = table
        .chars()
        .filter(|letter| !matches!(letter, '\'' | '\\'))
        .collect();
    format!("{MARKER_PREFIX}{table}:{identity}")
}

/// A statement to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The text of a DELETE, or of an ALTER that drops partitions.
    pub sql: &'a str,
    /// Unique, from cycle and step.
    pub query_id: &'a str,
    /// What the server's query log shows.
    pub log_comment: &'a str,
    /// A unique text that begins with [`MARKER_PREFIX`] and stands in the predicate of the
    /// statement as `'<marker>' != ''`: the mutation is found by it.
    pub marker: &'a str,
    /// Whether it becomes a mutation. What does not leaves nothing that could be found again: when
    /// its answer is lost, what it did must be counted.
    pub is_mutation: bool,
    /// More settings. Those that make the server wait for the mutation cannot be changed.
    pub settings: &'a [(&'a str, &'a str)],
    /// Values of the parameters in the text.
    pub params: &'a [(&'a str, &'a str)],
}

/// What became of a statement.
#[derive(Debug)]
#[non_exhaustive]
pub enum Execution {
    /// The server says that the mutation is finished. What is left must be counted all the same.
    Done,
    /// The statement was turned down before anything was registered, or its mutation fails.
    Failed {
        /// Why.
        error: WarehouseError,
        /// The mutation, if it stands: the server goes on trying until it is killed.
        standing: Option<Box<MutationState>>,
    },
    /// It still runs after `settle_timeout`: nothing more may be sent to this table.
    Running {
        /// Its mutation, once there is one.
        mutation: Option<Box<MutationState>>,
        /// Why the answer was lost.
        error: WarehouseError,
    },
    /// It left no trace: no query and no mutation, looked at twice.
    NotStarted {
        /// Why there was no answer.
        error: WarehouseError,
    },
    /// It was there and is gone, killed or swept away: what it did must be counted.
    Vanished {
        /// What was last seen of it.
        mutation: Option<Box<MutationState>>,
        /// Why the answer was lost.
        error: WarehouseError,
    },
    /// The server could not be asked what became of it.
    Unknown {
        /// Why there was no answer.
        error: WarehouseError,
        /// Why it could not be asked, if that is why.
        looking: Option<WarehouseError>,
    },
}

/// The driver sends these with every statement, after the caller's settings: until it is finished,
/// on all replicas.
const WAITING: [(&str, &str); 2] = [("lightweight_deletes_sync", "2"), ("alter_sync", "2")];
/// And this with every mutation: other modes leave none that could be found again.
const MUTATION: [(&str, &str); 1] = [("lightweight_delete_mode", "alter_update")];

impl Shard {
    /// Sends a statement, once, and waits until it is settled what became of it.
    ///
    /// When the answer is lost (a time-out, a broken connection, a server that stopped waiting)
    /// the server is asked: for the query by its id, then for the mutation by its marker, until
    /// that is finished, fails, is gone, or `settle_timeout` is over. The statement is never sent
    /// again here.
    ///
    /// Dropping the future does not end the statement: the server goes on with it, and
    /// [`Shard::unfinished_mutations`] finds it. A request that the server reads only seconds
    /// after the connection was given up can still begin after [`Execution::NotStarted`].
    #[tracing::instrument(
        name = "statement",
        skip_all,
        fields(query_id = request.query_id, shard = self.name())
    )]
    pub async fn execute(&self, request: &Request<'_>) -> Execution {
        let marker_stands = request.marker.starts_with(MARKER_PREFIX)
            && !request.marker.contains(['\'', '\\'])
            && request.sql.contains(&format!("'{}'", request.marker));
        let marker_stands = marker_stands || !request.is_mutation;
        if !marker_stands {
            return Execution::Failed {
                error: WarehouseError::NoMarker {
                    marker: request.marker.to_owned(),
                },
                standing: None,
            };
        }
        let query = request
            .settings
            .iter()
            .fold(
                self.statements.query_raw(request.sql),
                |query, (name, value)| query.with_setting(*name, *value),
            )
            .with_setting("query_id", request.query_id)
            .with_setting("log_comment", request.log_comment);
        let params = request.params.iter();
        let query = params.fold(query, |query, (name, value)| query.param(name, *value));
        let query = with(waiting(query), request.is_mutation.then_some(MUTATION));
        let answer = tokio::time::timeout(self.statement.limit, query.execute()).await;
        let error = match answer {
            Ok(Ok(())) => return Execution::Done,
            Ok(Err(error)) => self.asker.translate(error, self.statement),
            Err(_) => self.asker.out_of_patience(self.statement),
        };
        match error {
            error @ WarehouseError::Unreachable { .. } => Execution::NotStarted { error },
            error if error.is_refusal() => Execution::Failed {
                error,
                standing: None,
            },
            error => {
                tracing::warn!(shard = self.name(), query_id = request.query_id, %error,
                    "a statement has no clear answer; looking what became of it");
                self.settle(request, error).await
            }
        }
    }

    /// A query under the settings of statements, to see that they are accepted.
    pub(super) fn prepare_statement(&self, sql: &str) -> Query {
        with(waiting(self.statements.query_raw(sql)), Some(MUTATION))
    }
}

fn waiting(query: Query) -> Query {
    with(query, Some(WAITING))
}

fn with<const N: usize>(query: Query, settings: Option<[(&str, &str); N]>) -> Query {
    let settings = settings.into_iter().flatten();
    settings.fold(query, |query, (name, value)| {
        query.with_setting(name, value)
    })
}
