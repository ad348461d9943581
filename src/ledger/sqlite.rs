//! The ledger in an SQLite file, for one machine.
//!
//! Invariant: only `migrate` creates the file. Every change is a `BEGIN IMMEDIATE` transaction, so
//! that processes queue for the lock at its start and never fail in the middle.

mod change;
mod cycles;
mod fault;
mod guards;
mod leases;
mod looks;
mod migrate;
mod plans;
mod ports;
mod quarantines;
mod record;
mod remains;
mod rules;
mod value;
mod workspaces;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use tokio::sync::mpsc;

use super::connect::redact;
use super::import::Batches;
use super::row::{oldest_request, storable};
use super::{
    Approval, Author, Created, CreatedRule, CycleRecord, CycleStart, Deactivation, DeletedRows,
    HoldRecord, ImportRule, ImportedRules, Intended, Lease, LeaseAttempt, Ledger, LedgerError,
    Look, MutationKill, NewApproval, NewHold, NewPause, NewPlan, NewQuarantine, NewRule,
    PauseRecord, PlanApproval, PlanRecord, PlanStatus, PrunedRecord, QuarantineChange,
    QuarantineRecord, RemainsNote, RequestKey, RuleRecord, StepIntent, StepOutcome, StepRecord,
    migrations,
};
use crate::audit::{Entry, Head};
use crate::guard::PauseScope;
use crate::plan::StepCost;
use crate::rule::RuleId;
use crate::slot::SlotRange;

use change::Change;
use fault::Fault;
use migrate::{applied_migrations, migrate};
use ports::{Inlet, Outlet};
use value::{instant, instant_text, signed, unsigned};

const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// An SQLite file.
pub(super) struct Sqlite {
    url: String,
    path: PathBuf,
    connection: Arc<Mutex<Option<Connection>>>,
}

impl Sqlite {
    pub(super) fn new(url: &str, path: &str) -> Result<Self, LedgerError> {
        if path.is_empty() {
            return Err(LedgerError::BadUrl {
                url: redact(url),
                problem: "it names no file; write sqlite://ebbtide.db".into(),
            });
        }
        let (url, path) = (url.to_owned(), path.into());
        Ok(Self {
            url,
            path,
            connection: Arc::default(),
        })
    }

    /// Runs on a blocking thread with the connection, which is opened first if need be.
    async fn run<T: Send + 'static>(
        &self,
        action: &'static str,
        may_create: bool,
        operate: impl FnOnce(&mut Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (shared, path) = (Arc::clone(&self.connection), self.path.clone());
        let result = tokio::task::spawn_blocking(move || {
            let mut slot = shared.lock().unwrap_or_else(PoisonError::into_inner);
            let connection = match &mut *slot {
                Some(connection) => connection,
                empty => empty.insert(open(&path, may_create)?),
            };
            operate(connection)
        });
        match result.await {
            Ok(result) => result.map_err(|fault| self.error(action, may_create, fault)),
            Err(panicked) => Err(LedgerError::Database {
                action,
                source: panicked.into(),
            }),
        }
    }

    async fn write<T: Send + 'static>(
        &self,
        action: &'static str,
        change: impl FnOnce(&mut Change<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, LedgerError> {
        self.run(action, false, |connection| {
            in_transaction(connection, change)
        })
        .await
    }

    async fn read<T: Send + 'static>(
        &self,
        action: &'static str,
        look: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, LedgerError> {
        self.run(action, false, |connection| look(connection)).await
    }

    /// Hands the rows that `look` pushes to `visit`, a batch at a time.
    async fn stream<T: Send + 'static>(
        &self,
        action: &'static str,
        look: impl FnOnce(&Connection, &mut Outlet<T>) -> Result<(), Fault> + Send + 'static,
        visit: &mut (dyn FnMut(T) + Send),
    ) -> Result<(), LedgerError> {
        let (sender, mut batches) = mpsc::channel(2);
        let read = self.read(action, move |connection| {
            let mut outlet = Outlet {
                sender,
                batch: Vec::new(),
            };
            look(connection, &mut outlet)?;
            outlet.flush()
        });
        let visit_all = async {
            while let Some(batch) = batches.recv().await {
                Vec::into_iter(batch).for_each(&mut *visit);
            }
        };
        tokio::join!(read, visit_all).0
    }

    /// Feeds batches from `next` to `change`, in one transaction that is committed only if `next`
    /// comes to its end.
    async fn write_batches<B: Send + 'static, T: Send + 'static>(
        &self,
        action: &'static str,
        mut next: impl FnMut() -> Result<Vec<B>, LedgerError> + Send,
        change: impl FnOnce(&mut Change<'_>, &mut Inlet<B>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (sender, receiver) = mpsc::channel(2);
        let write = self.write(action, move |under_way| {
            change(under_way, &mut Inlet { receiver })
        });
        let feed = async move {
            loop {
                let batch = next()?;
                let is_last = batch.is_empty();
                // A receiver that is gone has failed, and its own error says why.
                if sender.send(batch).await.is_err() || is_last {
                    return Ok(());
                }
            }
        };
        let (changed, input): (_, Result<(), LedgerError>) = tokio::join!(write, feed);
        input.and(changed)
    }
}

fn open(path: &Path, may_create: bool) -> Result<Connection, rusqlite::Error> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags.set(OpenFlags::SQLITE_OPEN_CREATE, may_create);
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_transaction_behavior(TransactionBehavior::Immediate);
    Ok(connection)
}

fn in_transaction<T>(
    connection: &mut Connection,
    operate: impl FnOnce(&mut Change<'_>) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut change = Change::begin(transaction)?;
    let changed = operate(&mut change)?;
    change.commit()?;
    Ok(changed)
}

/// An [`Author`] on the way to the blocking thread.
struct Asker {
    name: String,
    request: Option<RequestKey>,
}

impl From<Author<'_>> for Asker {
    fn from(by: Author<'_>) -> Self {
        Self {
            name: by.name.to_owned(),
            request: by.request.cloned(),
        }
    }
}

#[async_trait]
impl Ledger for Sqlite {
    async fn migrate(&self) -> Result<Vec<String>, LedgerError> {
        let url = self.url.clone();
        self.run("be migrated", true, move |connection| {
            migrate(connection, &url)
        })
        .await
    }

    async fn check_schema(&self) -> Result<(), LedgerError> {
        let look = |connection: &Connection| Ok(applied_migrations(connection)?);
        let applied = self.read("read its schema version", look).await?;
        migrations::check(&applied, &self.url)
    }

    async fn revision(&self) -> Result<u64, LedgerError> {
        self.read("read its revision", move |connection| {
            record::revision(connection)
        })
        .await
    }

    async fn now(&self) -> Result<Timestamp, LedgerError> {
        self.read("tell the time", record::now).await
    }

    async fn revision_at(&self, at: Timestamp) -> Result<Option<u64>, LedgerError> {
        self.read("read its revision", move |connection| {
            record::revision_at(connection, at)
        })
        .await
    }

    async fn create_rule(
        &self,
        rule: &NewRule,
        by: Author<'_>,
    ) -> Result<CreatedRule, LedgerError> {
        let (mut rule, by) = (rule.clone(), Asker::from(by));
        rule.created_at = storable(rule.created_at)?;
        self.write("create the rule", move |change| {
            rules::create(change, rule, &by)
        })
        .await
    }

    async fn import_rules(
        &self,
        rules: &mut (dyn Iterator<Item = Result<ImportRule, String>> + Send),
        by: &str,
        now: Timestamp,
    ) -> Result<ImportedRules, LedgerError> {
        let (by, now) = (by.to_owned(), storable(now)?);
        let mut batches = Batches::new();
        self.write_batches(
            "import the rules",
            move || batches.next(rules),
            move |change, inlet| rules::import(change, inlet, &by, now),
        )
        .await
    }

    async fn deactivate_rule(
        &self,
        id: RuleId,
        by: &str,
        at: Timestamp,
    ) -> Result<Deactivation, LedgerError> {
        let (by, at) = (by.to_owned(), storable(at)?);
        self.write("deactivate the rule", move |change| {
            rules::deactivate(change, id, &by, at)
        })
        .await
    }

    async fn each_rule(
        &self,
        with_history: bool,
        visit: &mut (dyn FnMut(RuleRecord) + Send),
    ) -> Result<(), LedgerError> {
        let look = move |connection: &Connection, outlet: &mut Outlet<RuleRecord>| {
            rules::each(connection, with_history, outlet)
        };
        self.stream("list the rules", look, visit).await
    }

    async fn each_rule_at(
        &self,
        revision: u64,
        visit: &mut (dyn FnMut(RuleRecord) + Send),
    ) -> Result<(), LedgerError> {
        let look = move |connection: &Connection, outlet: &mut Outlet<RuleRecord>| {
            rules::each_at(connection, revision, outlet)
        };
        self.stream("list the rules", look, visit).await
    }

    async fn each_rule_within(
        &self,
        first: u64,
        last: u64,
        visit: &mut (dyn FnMut((RuleRecord, Range<u64>)) + Send),
    ) -> Result<(), LedgerError> {
        let look = move |connection: &Connection, outlet: &mut Outlet<(RuleRecord, Range<u64>)>| {
            rules::each_within(connection, first, last, outlet)
        };
        self.stream("list the rules", look, visit).await
    }

    async fn rules_after(
        &self,
        after: RuleId,
        with_history: bool,
        limit: u32,
    ) -> Result<Vec<RuleRecord>, LedgerError> {
        self.read("list the rules", move |connection| {
            rules::after(connection, after, with_history, limit)
        })
        .await
    }

    async fn rules_of(&self, ids: &[RuleId]) -> Result<Vec<RuleRecord>, LedgerError> {
        let ids = ids.to_vec();
        self.read("list the rules", move |connection| {
            rules::some(connection, &ids)
        })
        .await
    }

    async fn rule(&self, id: RuleId) -> Result<Option<RuleRecord>, LedgerError> {
        self.read("read the rule", move |connection| {
            rules::one(connection, id)
        })
        .await
    }

    async fn note_settings(
        &self,
        body: &str,
        by: &str,
        at: Timestamp,
    ) -> Result<bool, LedgerError> {
        let (body, by) = (body.to_owned(), by.to_owned());
        self.write("note the settings", move |change| {
            record::note_settings(change, &body, &by, at)
        })
        .await
    }

    async fn settings_at(&self, revision: u64) -> Result<Option<String>, LedgerError> {
        self.read("read the settings", move |connection| {
            record::settings_at(connection, revision)
        })
        .await
    }

    async fn settings_within(
        &self,
        first: u64,
        last: u64,
    ) -> Result<Vec<(u64, String)>, LedgerError> {
        self.read("read the settings", move |connection| {
            record::settings_within(connection, first, last)
        })
        .await
    }

    async fn place_hold(&self, hold: &NewHold, by: Author<'_>) -> Result<Created, LedgerError> {
        let (hold, by) = (hold.clone(), Asker::from(by));
        self.write("place the hold", move |change| {
            guards::place_hold(change, hold, &by)
        })
        .await
    }

    async fn release_hold(
        &self,
        id: u64,
        by: &str,
        at: Timestamp,
    ) -> Result<Deactivation, LedgerError> {
        let by = by.to_owned();
        self.write("release the hold", move |change| {
            guards::release_hold(change, id, &by, at)
        })
        .await
    }

    async fn holds(&self, with_history: bool) -> Result<Vec<HoldRecord>, LedgerError> {
        self.read("list the holds", move |connection| {
            guards::holds(connection, with_history)
        })
        .await
    }

    async fn pause(&self, pause: &NewPause, by: Author<'_>) -> Result<Created, LedgerError> {
        let (pause, by) = (pause.clone(), Asker::from(by));
        self.write("begin the pause", move |change| {
            guards::pause(change, pause, &by)
        })
        .await
    }

    async fn resume(
        &self,
        scope: &PauseScope,
        by: &str,
        at: Timestamp,
    ) -> Result<bool, LedgerError> {
        let (scope, by) = (scope.clone(), by.to_owned());
        self.write("end the pause", move |change| {
            guards::resume(change, &scope, &by, at)
        })
        .await
    }

    async fn end_pause(
        &self,
        id: u64,
        by: &str,
        at: Timestamp,
    ) -> Result<Deactivation, LedgerError> {
        let by = by.to_owned();
        self.write("end the pause", move |change| {
            guards::end_pause(change, id, &by, at)
        })
        .await
    }

    async fn pauses(&self, with_history: bool) -> Result<Vec<PauseRecord>, LedgerError> {
        self.read("list the pauses", move |connection| {
            guards::pauses(connection, with_history)
        })
        .await
    }

    async fn acquire_lease(
        &self,
        name: &str,
        holder: &str,
        length: Duration,
    ) -> Result<LeaseAttempt, LedgerError> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        self.write("grant the lease", move |change| {
            leases::acquire(change, &name, &holder, length)
        })
        .await
    }

    async fn renew_lease(
        &self,
        lease: &Lease,
        length: Duration,
    ) -> Result<Option<Lease>, LedgerError> {
        let lease = lease.clone();
        self.write("renew the lease", move |change| {
            leases::renew(change, &lease, length)
        })
        .await
    }

    async fn release_lease(&self, lease: &Lease) -> Result<(), LedgerError> {
        let lease = lease.clone();
        self.write("take the lease back", move |change| {
            leases::release(change, &lease)
        })
        .await
    }

    async fn leases(&self) -> Result<Vec<Lease>, LedgerError> {
        self.read("list the leases", leases::all).await
    }

    async fn approve(&self, approval: &NewApproval, by: &str) -> Result<Approval, LedgerError> {
        let (approval, by) = (approval.clone(), by.to_owned());
        self.write("record the approval", move |change| {
            plans::approve(change, &approval, &by)
        })
        .await
    }

    async fn approved_revision(&self) -> Result<Option<u64>, LedgerError> {
        self.read("read what was approved", move |connection| {
            plans::approved_revision(connection)
        })
        .await
    }

    async fn keep_plan(&self, plan: &NewPlan, by: Author<'_>) -> Result<String, LedgerError> {
        let (plan, by) = (plan.clone(), Asker::from(by));
        self.write("keep the plan", move |change| {
            plans::keep(change, &plan, &by)
        })
        .await
    }

    async fn plans_before(
        &self,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<PlanRecord>, LedgerError> {
        let before = before.map(str::to_owned);
        self.read("list the plans", move |connection| {
            plans::before(connection, before.as_deref(), limit)
        })
        .await
    }

    async fn kept_by(&self, request: &RequestKey) -> Result<Option<String>, LedgerError> {
        let request = request.clone();
        let oldest = oldest_request(self.now().await?);
        self.read("look for an earlier request", move |connection| {
            change::earlier(connection, &request, oldest)
        })
        .await
    }

    async fn kept_plan(&self, id: &str) -> Result<Option<(PlanRecord, String)>, LedgerError> {
        let id = id.to_owned();
        self.read("read the plan", move |connection| {
            plans::kept(connection, &id)
        })
        .await
    }

    async fn approve_plan(
        &self,
        id: &str,
        by: &str,
        at: Timestamp,
    ) -> Result<PlanApproval, LedgerError> {
        let (id, by) = (id.to_owned(), by.to_owned());
        self.write("approve the plan", move |change| {
            plans::approve_kept(change, &id, &by, at)
        })
        .await
    }

    async fn mark_plan(&self, id: &str, status: PlanStatus) -> Result<(), LedgerError> {
        let id = id.to_owned();
        self.write("mark the plan", move |change| {
            plans::mark(change, &id, status)
        })
        .await
    }

    async fn put_workspaces(
        &self,
        pairs: &mut (dyn Iterator<Item = Result<(Arc<str>, Arc<str>), String>> + Send),
        by: &str,
    ) -> Result<u64, LedgerError> {
        let by = by.to_owned();
        let mut batches = Batches::new();
        self.write_batches(
            "import the workspaces",
            move || batches.next(pairs),
            move |change, inlet| workspaces::put(change, inlet, &by),
        )
        .await
    }

    async fn each_workspace(
        &self,
        visit: &mut (dyn FnMut(String, String) + Send),
    ) -> Result<(), LedgerError> {
        let mut visit_pair = |(workspace, organization)| visit(workspace, organization);
        self.stream("list the workspaces", workspaces::each, &mut visit_pair)
            .await
    }

    async fn begin_cycle(&self, start: &CycleStart) -> Result<(), LedgerError> {
        let start = start.clone();
        self.write("record the cycle", move |change| {
            cycles::begin(change, &start)
        })
        .await
    }

    async fn intend_step(&self, intent: &StepIntent) -> Result<Intended, LedgerError> {
        let intent = intent.clone();
        self.write("record the step", move |change| {
            cycles::intend(change, &intent)
        })
        .await
    }

    async fn renew_cycle(
        &self,
        id: &str,
        revision: u64,
        rules_digest: &str,
    ) -> Result<Intended, LedgerError> {
        let (id, rules_digest) = (id.to_owned(), rules_digest.to_owned());
        self.write("renew the cycle", move |change| {
            cycles::renew(change, &id, revision, &rules_digest)
        })
        .await
    }

    async fn begin_quarantine(
        &self,
        quarantines: &[NewQuarantine],
        by: &str,
    ) -> Result<(), LedgerError> {
        let (new, by) = (quarantines.to_vec(), by.to_owned());
        self.write("record the quarantine", move |change| {
            quarantines::begin(change, &new, &by)
        })
        .await
    }

    async fn change_quarantine(
        &self,
        to: &QuarantineChange,
        by: &str,
    ) -> Result<Intended, LedgerError> {
        let (to, by) = (to.clone(), by.to_owned());
        self.write("record what becomes of the quarantine", move |change| {
            quarantines::move_on(change, &to, &by)
        })
        .await
    }

    async fn quarantines(&self, with_history: bool) -> Result<Vec<QuarantineRecord>, LedgerError> {
        self.read("list the quarantine", move |connection| {
            quarantines::all(connection, with_history)
        })
        .await
    }

    async fn note_kill(&self, kill: &MutationKill, by: &str) -> Result<(), LedgerError> {
        let (kill, by) = (kill.clone(), by.to_owned());
        self.write("record the end of a mutation", move |change| {
            record::note_kill(change, &kill, &by)
        })
        .await
    }

    async fn finish_step(&self, outcome: &StepOutcome) -> Result<(), LedgerError> {
        let outcome = outcome.clone();
        self.write("record how the step ended", move |change| {
            cycles::finish(change, &outcome)
        })
        .await
    }

    async fn end_cycle(&self, id: &str, status: &str, at: Timestamp) -> Result<(), LedgerError> {
        let (id, status) = (id.to_owned(), status.to_owned());
        self.write("record how the cycle ended", move |change| {
            cycles::end(change, &id, &status, at)
        })
        .await
    }

    async fn cycles_before(
        &self,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<CycleRecord>, LedgerError> {
        let before = before.map(str::to_owned);
        self.read("list the cycles", move |connection| {
            cycles::before(connection, before.as_deref(), limit)
        })
        .await
    }

    async fn cycle(&self, id: &str) -> Result<Option<CycleRecord>, LedgerError> {
        let id = id.to_owned();
        self.read("read the cycle", move |connection| {
            cycles::one(connection, &id)
        })
        .await
    }

    async fn steps(&self, cycle: &str) -> Result<Vec<StepRecord>, LedgerError> {
        let cycle = cycle.to_owned();
        self.read("list the steps", move |connection| {
            cycles::steps(connection, &cycle)
        })
        .await
    }

    async fn unsettled_steps(
        &self,
        token: u64,
        since: Timestamp,
    ) -> Result<Vec<StepRecord>, LedgerError> {
        self.read("list the steps without an outcome", move |connection| {
            cycles::unsettled(connection, token, since)
        })
        .await
    }

    async fn refused_steps(&self, since: Timestamp) -> Result<Vec<StepRecord>, LedgerError> {
        self.read("list the steps that were refused", move |connection| {
            cycles::refused(connection, since)
        })
        .await
    }

    async fn slots_done(&self, day: &str) -> Result<Vec<SlotRange>, LedgerError> {
        let day = day.to_owned();
        self.read("list the slots", move |connection| {
            cycles::slots_done(connection, &day)
        })
        .await
    }

    async fn last_success(&self) -> Result<Option<Timestamp>, LedgerError> {
        self.read("ask for the last success", cycles::last_success)
            .await
    }

    async fn note_look(&self, look: &Look) -> Result<(), LedgerError> {
        let look = look.clone();
        self.write("note what was seen", move |change| {
            looks::note(change, &look)
        })
        .await
    }

    async fn looks(&self) -> Result<Vec<Look>, LedgerError> {
        self.read("list what was seen", looks::all).await
    }

    async fn note_remains(&self, note: &RemainsNote) -> Result<(), LedgerError> {
        let note = note.clone();
        self.write("note what is left on disk", move |change| {
            remains::note(change, &note)
        })
        .await
    }

    async fn remains(&self) -> Result<Vec<RemainsNote>, LedgerError> {
        self.read("list what is left on disk", remains::all).await
    }

    async fn deleted_since(&self, since: Timestamp) -> Result<Vec<DeletedRows>, LedgerError> {
        self.read("sum up the steps", move |connection| {
            cycles::deleted_since(connection, since)
        })
        .await
    }

    async fn step_costs(&self, since: Timestamp) -> Result<Vec<StepCost>, LedgerError> {
        self.read("read what steps cost", move |connection| {
            cycles::step_costs(connection, since)
        })
        .await
    }

    async fn audit_head(&self) -> Result<Head, LedgerError> {
        self.read("read the end of the record", move |connection| {
            change::head(connection)
        })
        .await
    }

    async fn each_entry(
        &self,
        from: u64,
        limit: Option<u32>,
        visit: &mut (dyn FnMut(Entry) + Send),
    ) -> Result<(), LedgerError> {
        let look = move |connection: &Connection, outlet: &mut Outlet<Entry>| {
            change::each_entry(connection, from, limit, outlet)
        };
        self.stream("list the record", look, visit).await
    }

    async fn prune_record(
        &self,
        before: Timestamp,
        by: &str,
        now: Timestamp,
    ) -> Result<PrunedRecord, LedgerError> {
        let mut pruned = PrunedRecord::default();
        loop {
            let by = by.to_owned();
            let pruning = self.write("prune the record", move |change| {
                record::prune(change, before, &by, now)
            });
            let batch = pruning.await?;
            pruned.add(batch);
            if !batch.is_full() {
                return Ok(pruned);
            }
        }
    }
}
