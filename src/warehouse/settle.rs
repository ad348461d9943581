//! A statement whose answer was lost: looking until it is clear what became of it.
//!
//! Invariant: absence proves nothing about success. Only a mutation that the server lists as
//! finished is [`Execution::Done`].

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Execution, MutationState, Request, Shard, WarehouseError};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Between two looks that find nothing, so that a request on its way can arrive.
const QUIET: Duration = Duration::from_secs(1);

/// What one look found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Trace {
    is_running: bool,
    mutation: Option<MutationState>,
}

/// What all looks found.
#[derive(Debug, Default)]
struct Seen {
    query: bool,
    mutation: Option<MutationState>,
    n_absent_in_a_row: u32,
}

/// What is clear after a look.
#[derive(Debug, PartialEq, Eq)]
enum Finding {
    Done,
    Fails(MutationState),
    Gone,
    NoTrace,
    GoOn { pause: Option<Duration> },
}

impl Shard {
    pub(super) async fn settle(&self, request: &Request<'_>, error: WarehouseError) -> Execution {
        let until = Instant::now() + self.settle_timeout;
        let mut seen = Seen::default();
        let mut pause = FIRST_PAUSE;
        loop {
            let look = self.look(request).await;
            let next = match look {
                Ok(trace) => match seen.judge(trace) {
                    Finding::GoOn { pause } => pause,
                    finding => return self.conclude(finding, seen.mutation, error),
                },
                Err(looking) if Instant::now() >= until => {
                    return Execution::Unknown {
                        error,
                        looking: Some(looking),
                    };
                }
                Err(looking) => {
                    tracing::warn!(shard = self.name(), error = %looking,
                        "the server cannot be asked what became of a statement; asking again");
                    None
                }
            };
            let now = Instant::now();
            if now >= until {
                return seen.out_of_time(error);
            }
            let left = until - now;
            sleep(next.unwrap_or(pause).min(left.max(FIRST_PAUSE))).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// First the query, then the mutation: a query that is gone registers nothing any more.
    async fn look(&self, request: &Request<'_>) -> Result<Trace, WarehouseError> {
        Ok(Trace {
            is_running: self.is_running(request.query_id).await?,
            mutation: self.mutation_of(request.marker).await?,
        })
    }

    fn conclude(
        &self,
        finding: Finding,
        last: Option<MutationState>,
        error: WarehouseError,
    ) -> Execution {
        let mutation = last.map(Box::new);
        match finding {
            Finding::Done => Execution::Done,
            Finding::Fails(state) => Execution::Failed {
                error: WarehouseError::Mutation {
                    shard: self.asker.shard.clone(),
                    table: state.table.clone(),
                    id: state.id.clone(),
                    reason: state.fail_reason.clone().unwrap_or_default(),
                },
                standing: Some(Box::new(state)),
            },
            Finding::Gone => Execution::Vanished { mutation, error },
            Finding::NoTrace => without_trace(error),
            Finding::GoOn { .. } => Execution::Running { mutation, error },
        }
    }
}

/// No query and no mutation were ever seen: the kind of error decides.
fn without_trace(error: WarehouseError) -> Execution {
    match &error {
        // UNFINISHED, ABORTED, QUERY_WAS_CANCELLED: there was a mutation, or may have been one.
        WarehouseError::Server {
            code: 236 | 341 | 394,
            ..
        } => Execution::Vanished {
            mutation: None,
            error,
        },
        _ if error.is_answer() && !error.outcome_is_unknown() => Execution::Failed {
            error,
            standing: None,
        },
        _ => Execution::NotStarted { error },
    }
}

impl Seen {
    fn judge(&mut self, trace: Trace) -> Finding {
        self.query |= trace.is_running;
        if let Some(state) = trace.mutation {
            self.n_absent_in_a_row = 0;
            let finding = if state.is_killed {
                Finding::Gone
            } else if state.is_done {
                Finding::Done
            } else if state.fail_reason.is_some() {
                Finding::Fails(state.clone())
            } else {
                Finding::GoOn { pause: None }
            };
            self.mutation = Some(state);
            return finding;
        }
        if trace.is_running {
            self.n_absent_in_a_row = 0;
            return Finding::GoOn { pause: None };
        }
        self.n_absent_in_a_row += 1;
        if self.n_absent_in_a_row < 2 {
            return Finding::GoOn { pause: Some(QUIET) };
        }
        if self.query || self.mutation.is_some() {
            Finding::Gone
        } else {
            Finding::NoTrace
        }
    }

    fn out_of_time(self, error: WarehouseError) -> Execution {
        let is_there = self.n_absent_in_a_row == 0 && (self.query || self.mutation.is_some());
        if is_there {
            return Execution::Running {
                mutation: self.mutation.map(Box::new),
                error,
            };
        }
        Execution::Unknown {
            error,
            looking: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutation(is_done: bool, fail_reason: Option<&str>) -> Trace {
        Trace {
            is_running: false,
            mutation: Some(MutationState {
                id: "mutation_1.txt".into(),
                table: "t".into(),
                marker: "ebbtide:retention:t:1-1".into(),
                created_at: None,
                age: Duration::ZERO,
                idle: Duration::ZERO,
                parts_to_do: 1,
                is_done,
                is_killed: false,
                fail_reason: fail_reason.map(str::to_owned),
            }),
        }
    }

    fn running() -> Trace {
        Trace {
            is_running: true,
            mutation: None,
        }
    }

    fn check(traces: &[Trace], expected: fn(&Finding) -> bool) {
        let mut seen = Seen::default();
        for (at, trace) in traces.iter().enumerate() {
            let finding = seen.judge(trace.clone());
            if at + 1 < traces.len() {
                assert!(matches!(finding, Finding::GoOn { .. }), "{at}: {finding:?}");
            } else {
                assert!(expected(&finding), "{finding:?}");
            }
        }
    }

    #[test]
    fn only_a_finished_mutation_is_done() {
        let done = |finding: &Finding| *finding == Finding::Done;
        check(&[mutation(true, None)], done);
        check(
            &[running(), mutation(false, None), mutation(true, None)],
            done,
        );
        check(&[Trace::default(), mutation(true, None)], done);
        // A reason of an attempt before the last does not matter once it is done.
        check(&[mutation(true, Some("memory"))], done);
    }

    #[test]
    fn what_was_seen_and_is_gone_is_never_done_nor_never_begun() {
        let gone = |finding: &Finding| *finding == Finding::Gone;
        let nothing = Trace::default();
        check(
            &[mutation(false, None), nothing.clone(), nothing.clone()],
            gone,
        );
        check(&[running(), nothing.clone(), nothing.clone()], gone);
        let mut killed = mutation(true, None);
        killed.mutation.as_mut().unwrap().is_killed = true;
        check(&[killed], gone);
    }

    #[test]
    fn nothing_must_be_seen_twice_in_a_row() {
        let nothing = Trace::default();
        check(&[nothing.clone(), nothing.clone()], |finding| {
            *finding == Finding::NoTrace
        });
        check(&[nothing.clone(), running(), nothing], |finding| {
            matches!(finding, Finding::GoOn { pause: Some(_) })
        });
    }

    #[test]
    fn a_failing_mutation_stands() {
        check(&[mutation(false, Some("no disk"))], |finding| {
            matches!(finding, Finding::Fails(_))
        });
    }
}
