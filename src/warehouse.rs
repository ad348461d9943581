//! What the engine asks of ClickHouse: facts about server and tables, probes, and statements.
//!
//! Invariants: a probe cannot write, and one that did not come to its end is an error, never an
//! empty answer. A statement is sent at most once; when its answer is lost, the server is asked
//! what became of it, and only the server's word makes it [`Execution::Done`].

mod answer;
mod census;
mod error;
mod execute;
mod facts;
mod grants;
mod hidden;
mod http;
mod kill;
mod load;
mod mutation;
mod partitions;
mod remains;
mod rows;
mod schema;
mod server;
mod settle;
mod shard;

pub(crate) use census::SeenPart;
pub use error::WarehouseError;
pub use execute::{Execution, MARKER_PREFIX, Request, marker};
pub(crate) use facts::{AgeCounts, ClusterSize, MutationBacklog, Relation, SystemLog};
pub use grants::{GrantNeed, Privilege};
pub(crate) use hidden::Hidden;
pub(crate) use http::DELIVERY;
pub use mutation::MutationState;
pub(crate) use partitions::{Definition, Partitions, StoredPart};
pub(crate) use remains::{MaskedPartition, MaskedRows, Rewrite};
pub(crate) use rows::StraysRow;
pub(crate) use rows::TimeRow;
pub use server::{MINIMUM_VERSION, ServerInfo, parse_version, supports};
pub use shard::{Shard, ShardOptions};

/// ClickHouse: one or more shards, worked on one after the other.
#[derive(Debug, Clone)]
pub struct Warehouse {
    shards: Vec<Shard>,
}

impl Warehouse {
    /// A warehouse of these shards, in this order.
    pub fn new(shards: Vec<Shard>) -> Self {
        Self { shards }
    }

    /// The shards.
    pub fn shards(&self) -> &[Shard] {
        &self.shards
    }
}
