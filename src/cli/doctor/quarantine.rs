//! Partitions in quarantine that the ledger knows nothing of, as after it was lost or restored:
//! nothing drops them or brings them back, and readers miss their rows.

use std::sync::Arc;

use super::finding::{Code, Findings};
use super::shard::Look;
use crate::cli::output::counted;
use crate::compile::bring_back;
use crate::ledger::QuarantineRecord;
use crate::plan::Partition;
use crate::target::QuarantineTable;
use crate::warehouse::Relation;

/// So many statements are written out, and so many partitions named.
const NAMED: usize = 3;

impl Look<'_> {
    /// Partitions in quarantine that the ledger knows nothing of.
    pub(super) async fn quarantine(&self, relations: &[Relation], findings: &mut Findings) {
        let (name, database) = (self.shard.name(), self.shard.database());
        let here = relations.iter().filter(|found| found.is_here);
        let kept: Vec<QuarantineTable> = here
            .filter_map(|found| QuarantineTable::parse(&found.name))
            .collect();
        if kept.is_empty() {
            return;
        }
        // After the tables were read: each is recorded before it is there.
        let records = match self.engine.ledger().quarantines(true).await {
            Ok(records) => records,
            Err(error) => {
                let remedy = "mend the ledger: until then nothing is deleted";
                return findings.error(Code::Ledger, "quarantine", error, remedy);
            }
        };
        for table in &kept {
            // After the records were read: what leaves meanwhile is there no more.
            let there = self.shard.partitions(table.as_str()).await;
            let Some(there) = findings.read(name, "what is in quarantine", there) else {
                return;
            };
            let hidden = Hidden {
                shard: name,
                database,
                table,
                partitions: &there.found,
            };
            hidden.check(&records, findings);
        }
    }
}

/// One table of the quarantine, and what is in it.
struct Hidden<'a> {
    shard: &'a str,
    database: &'a str,
    table: &'a QuarantineTable,
    partitions: &'a [Partition],
}

impl Hidden<'_> {
    /// `records` has the whole history: what is over says where rows came from.
    fn check(&self, records: &[QuarantineRecord], findings: &mut Findings) {
        let is_here = |record: &&QuarantineRecord| {
            let of = &record.quarantine;
            of.shard == self.shard && of.kept_in == self.table.as_str()
        };
        let is_known = |partition: &&Partition| {
            let mut open = records.iter().filter(|record| !record.state.is_over());
            open.any(|record| is_here(&record) && record.quarantine.partition == *partition.id)
        };
        // Where one left, an empty part stays for a while.
        let all = self.partitions.iter().filter(|found| found.n_rows > 0);
        let lost: Vec<&Partition> = all.filter(|partition| !is_known(partition)).collect();
        if lost.is_empty() {
            return;
        }
        let n_rows = lost.iter().map(|partition| partition.n_rows).sum();
        let n_lost = u64::try_from(lost.len()).unwrap_or(u64::MAX);
        let named: Vec<&str> = lost.iter().map(|lost| &*lost.id).take(NAMED).collect();
        let more = if lost.len() > NAMED { ", …" } else { "" };
        let came_from = records.iter().find(is_here);
        let came_from = came_from.map_or("…", |record| &record.quarantine.table);
        let back = |lost: &&Partition| {
            let id: &Arc<str> = &lost.id;
            bring_back(self.database, self.table, id, came_from).replace('\n', " ")
        };
        let statements: Vec<String> = lost.iter().take(NAMED).map(back).collect();
        findings.warn(
            Code::LostQuarantine,
            self.table.as_str(),
            format!(
                "holds {} in {} ({}{more}) of which the ledger has no open record: nothing drops them \
                 or brings them back, and readers miss them",
                counted(n_rows, "row"),
                counted(n_lost, "partition"),
                named.join(", ")
            ),
            format!("bring them back into the table that they left, and rules take what is expired: {}{more}", statements.join("; ")),
        );
    }
}
