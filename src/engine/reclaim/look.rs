//! Looking what tables hold of deleted rows, and since when.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::super::error_chain;
use crate::engine::{Engine, EngineError};
use crate::guard::PauseScope;
use crate::ledger::RemainsNote;
use crate::plan::{Reclaim, Remains, weigh};
use crate::warehouse::{MaskedPartition, MaskedRows, Shard, WarehouseError};

/// What the targets hold of deleted rows.
#[derive(Debug, Clone, Default)]
pub struct SeenRemains {
    /// By shard, table and partition; those without any are not named.
    pub remains: Vec<Remains>,
    /// The tables that nobody could look at. What was seen of them before is not forgotten.
    pub unseen: Vec<UnseenTable>,
}

/// A table that nobody could look at.
#[derive(Debug, Clone, Serialize)]
pub struct UnseenTable {
    /// The shard.
    pub shard: String,
    /// The table.
    pub table: String,
    /// Why.
    pub reason: String,
}

impl SeenRemains {
    fn add(&mut self, shard: &Shard, table: &str, found: Result<Vec<Remains>, String>) {
        match found {
            Ok(found) => self.remains.extend(found),
            Err(reason) => self.unseen.push(UnseenTable {
                shard: shard.name().to_owned(),
                table: table.to_owned(),
                reason,
            }),
        }
    }
}

impl Engine {
    /// Looks what the targets hold of deleted rows, and notes it in the ledger. One question for each
    /// shard, and one for each table with a mask; nothing is changed in ClickHouse.
    ///
    /// # Errors
    /// [`EngineError::Ledger`], [`EngineError::NoShard`].
    pub async fn remains(&self) -> Result<SeenRemains, EngineError> {
        let mut seen = SeenRemains::default();
        let mut unreachable = Vec::new();
        let tables: Vec<&str> = self.targets.iter().map(|target| &*target.table).collect();
        for shard in self.warehouse.shards() {
            match shard.masked_partitions(&tables).await {
                Ok(masked) => {
                    self.look_at_tables(shard, &tables, masked, &mut seen)
                        .await?;
                }
                // Asked once, and nobody knows of any of them.
                Err(error) => {
                    let reason = error_chain(&error);
                    for table in &tables {
                        seen.add(shard, table, Err(reason.clone()));
                    }
                    unreachable.extend(error.is_unreachable().then_some(reason));
                }
            }
        }
        if unreachable.len() == self.warehouse.shards().len() {
            let reasons = unreachable;
            return Err(EngineError::NoShard { reasons });
        }
        Ok(seen)
    }

    /// Decides for each partition, by the limits of the configuration and the pauses of now, in the order of work.
    ///
    /// # Errors
    /// [`EngineError::Ledger`].
    pub async fn weigh(&self, remains: Vec<Remains>) -> Result<Vec<Reclaim>, EngineError> {
        let pauses = self.ledger.pauses(false).await?;
        let pauses: Vec<PauseScope> = pauses
            .into_iter()
            .map(|record| record.pause.scope)
            .collect();
        let now = self.now_of_ledger().await?;
        Ok(weigh(remains, &self.reclaim, &pauses, now))
    }

    /// What one partition of a table holds.
    pub(super) async fn look_at(
        &self,
        shard: &Shard,
        table: &str,
        partition: &str,
    ) -> Result<Result<Vec<Remains>, String>, EngineError> {
        let since = Since::read(self, shard).await?;
        let found = async {
            let mut masked = shard.masked_partitions(&[table]).await?;
            masked.retain(|masked| masked.partition == partition);
            let rows = shard.masked_rows(table, Some(partition)).await?;
            let found = since.remains(shard, masked, rows);
            Ok(found.into_iter().map(|seen| seen.remains).collect())
        };
        Ok(found
            .await
            .map_err(|error: WarehouseError| error_chain(&error)))
    }

    async fn look_at_tables(
        &self,
        shard: &Shard,
        tables: &[&str],
        masked: Vec<MaskedPartition>,
        seen: &mut SeenRemains,
    ) -> Result<(), EngineError> {
        let since = Since::read(self, shard).await?;
        let mut by_table: BTreeMap<String, Vec<MaskedPartition>> = BTreeMap::new();
        for partition in masked {
            let of_table = by_table.entry(partition.table.clone()).or_default();
            of_table.push(partition);
        }
        for table in tables {
            let found = match by_table.remove(*table) {
                None => Ok(Vec::new()),
                Some(masked) => match shard.masked_rows(table, None).await {
                    Ok(rows) => Ok(since.remains(shard, masked, rows)),
                    Err(error) => Err(error_chain(&error)),
                },
            };
            if let Ok(found) = &found {
                self.note_remains(shard, table, found, since.now).await?;
            }
            let remains = |found: Vec<Noted>| found.into_iter().map(|seen| seen.remains);
            seen.add(shard, table, found.map(|found| remains(found).collect()));
        }
        Ok(())
    }

    async fn note_remains(
        &self,
        shard: &Shard,
        table: &str,
        found: &[Noted],
        at: Timestamp,
    ) -> Result<(), EngineError> {
        let note = RemainsNote {
            shard: shard.name().to_owned(),
            table: table.to_owned(),
            at,
            // Names and numbers: this cannot fail.
            body: serde_json::to_string(found).unwrap_or_default(),
        };
        Ok(self.ledger.note_remains(&note).await?)
    }

    /// The time of the ledger's database, by which all instances agree; a clock that stands still is a test's.
    async fn now_of_ledger(&self) -> Result<Timestamp, EngineError> {
        if self.clock.is_live() {
            Ok(self.ledger.now().await?)
        } else {
            Ok(self.clock.now())
        }
    }
}

/// What was seen in a note; another version may have written something else.
pub(crate) fn read_note(note: &RemainsNote) -> Vec<Remains> {
    serde_json::from_str(&note.body).unwrap_or_default()
}

/// What a note says of a partition.
#[derive(Serialize, Deserialize)]
struct Noted {
    #[serde(flatten)]
    remains: Remains,
    /// Since when each of its parts has a mask, by its stem: other parts are there after a merge, and
    /// an age that outlived them would grow for ever. An earlier version did not note them.
    #[serde(default)]
    masks: Option<BTreeMap<String, Timestamp>>,
}

impl Noted {
    /// Since when a part has a mask, as far as anybody knew.
    fn since(&self, stem: &str) -> Option<Timestamp> {
        match &self.masks {
            Some(masks) => masks.get(stem).copied(),
            None => Some(self.remains.since),
        }
    }
}

/// Since when parts of a shard are known to hold deleted rows.
struct Since {
    now: Timestamp,
    /// By table and partition.
    known: BTreeMap<(Arc<str>, Arc<str>), Noted>,
}

impl Since {
    async fn read(engine: &Engine, shard: &Shard) -> Result<Self, EngineError> {
        let now = engine.now_of_ledger().await?;
        let notes = engine.ledger.remains().await?;
        let of_shard = notes.iter().filter(|note| note.shard == shard.name());
        let read = |note: &RemainsNote| -> Vec<Noted> {
            // Another version may have written something else.
            serde_json::from_str(&note.body).unwrap_or_default()
        };
        let known = of_shard
            .flat_map(read)
            .map(|seen| {
                let Remains {
                    table, partition, ..
                } = &seen.remains;
                ((Arc::clone(table), Arc::clone(partition)), seen)
            })
            .collect();
        Ok(Self { now, known })
    }

    fn remains(
        &self,
        shard: &Shard,
        masked: Vec<MaskedPartition>,
        rows: Vec<MaskedRows>,
    ) -> Vec<Noted> {
        let name: Arc<str> = shard.name().into();
        let mut rows: BTreeMap<String, MaskedRows> = rows
            .into_iter()
            .map(|rows| (rows.partition.clone(), rows))
            .collect();
        let one = |masked: MaskedPartition| {
            let rows = rows
                .remove(&masked.partition)
                .filter(|rows| rows.n_dead > 0)?;
            let disk = masked.disk();
            let key = (Arc::from(masked.table), Arc::from(masked.partition));
            let known = self.known.get(&key);
            let since = |(stem, age_s): (String, Option<u64>)| {
                let seen = self.before(age_s.unwrap_or(masked.patch_age_s));
                let known = known.and_then(|known| known.since(&stem));
                (stem, known.map_or(seen, |known| seen.min(known)))
            };
            let masks: BTreeMap<String, Timestamp> = rows.masks.into_iter().map(since).collect();
            let (table, partition) = key;
            let remains = Remains {
                shard: Arc::clone(&name),
                table,
                partition,
                n_rows: masked.n_rows,
                n_dead: rows.n_dead,
                dead_bytes: rows.dead_bytes,
                rewrite_bytes: rows.rewrite_bytes,
                has_patches: masked.has_patches,
                since: masks.values().min().copied().unwrap_or(self.now),
                n_unfinished: masked.n_unfinished,
                disk,
            };
            let masks = Some(masks);
            Some(Noted { remains, masks })
        };
        masked.into_iter().filter_map(one).collect()
    }

    fn before(&self, age_s: u64) -> Timestamp {
        let age = SignedDuration::from_secs(i64::try_from(age_s).unwrap_or_default());
        self.now.checked_sub(age).unwrap_or(self.now)
    }
}
