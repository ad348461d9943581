//! The signals of ClickHouse's load, and what each of them says beside its limit.

use std::fmt;

use serde::Serialize;

/// What can keep a statement from being sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// Parts that the server mutates at present, of whatever table.
    PartsMutating,
    /// Mutations of the table that are not finished, of whomever.
    UnfinishedMutations,
    /// Active parts in the fullest partition, as a share of where inserts are delayed.
    PartsShare,
    /// How far the replica is behind.
    ReplicationLag,
    /// Entries in the replica's queue.
    ReplicationQueue,
    /// The free share of the fullest volume that the table may be on.
    FreeDiskShare,
    /// How long a small read takes, beside what it usually takes.
    ForegroundLatency,
    /// The load cannot be read, so nobody knows.
    Unreadable,
}

impl Signal {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::PartsMutating,
        Self::UnfinishedMutations,
        Self::PartsShare,
        Self::ReplicationLag,
        Self::ReplicationQueue,
        Self::FreeDiskShare,
        Self::ForegroundLatency,
        Self::Unreadable,
    ];

    /// The word for it: the key of its limit, but for [`Signal::Unreadable`].
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PartsMutating => "parts_mutating",
            Self::UnfinishedMutations => "unfinished_mutations",
            Self::PartsShare => "parts_share",
            Self::ReplicationLag => "replication_lag",
            Self::ReplicationQueue => "replication_queue",
            Self::FreeDiskShare => "free_disk_share",
            Self::ForegroundLatency => "foreground_latency",
            Self::Unreadable => "unreadable",
        }
    }

    /// How far a value is on its way to its limit: 1 is at it. What is no number is beyond it.
    pub(super) fn load(self, value: f64, limit: f64) -> f64 {
        let load = match self {
            // Without a limit even a full disk holds nothing back.
            Self::FreeDiskShare if limit == 0.0 => 0.0,
            Self::FreeDiskShare => limit / value,
            _ => value / limit,
        };
        if load.is_nan() { f64::INFINITY } else { load }
    }
}

/// One look at the load that a table meets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Readings {
    /// Parts that the server mutates at present.
    pub parts_mutating: f64,
    /// Mutations of the table that are not finished.
    pub unfinished_mutations: f64,
    /// Active parts in the fullest partition, as a share of `parts_to_delay_insert`.
    pub parts_share: f64,
    /// Seconds that the replica is behind; 0 without replicas.
    pub replication_lag_s: f64,
    /// Entries in the replica's queue; 0 without replicas.
    pub replication_queue: f64,
    /// The free share of the fullest volume that the table may be on.
    pub free_disk_share: f64,
    /// How long a small read took.
    pub latency_ms: f64,
    /// How long it usually takes.
    pub usual_latency_ms: f64,
}

/// The limits: at them a table waits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// Of [`Readings::parts_mutating`].
    pub parts_mutating: f64,
    /// Of [`Readings::unfinished_mutations`].
    pub unfinished_mutations: f64,
    /// Of [`Readings::parts_share`].
    pub parts_share: f64,
    /// Of [`Readings::replication_lag_s`].
    pub replication_lag_s: f64,
    /// Of [`Readings::replication_queue`].
    pub replication_queue: f64,
    /// Below it a table waits.
    pub free_disk_share: f64,
    /// So many times the usual latency.
    pub foreground_latency: f64,
    /// A read that is faster never begins to hold anything back, and nothing slower counts as usual.
    pub foreground_latency_floor_ms: f64,
    /// A table that waits goes on when every signal that held it is below this share of its limit.
    pub resume_at: f64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            parts_mutating: 20.0,
            unfinished_mutations: 5.0,
            parts_share: 0.8,
            replication_lag_s: 300.0,
            replication_queue: 500.0,
            free_disk_share: 0.05,
            foreground_latency: 5.0,
            foreground_latency_floor_ms: 300.0,
            resume_at: 0.7,
        }
    }
}

impl Readings {
    /// Each signal with its value and its limit.
    pub(super) fn beside(&self, limits: &Thresholds) -> [(Signal, f64, f64); 7] {
        let slow = self.usual_latency_ms * limits.foreground_latency;
        let slow = slow.max(limits.foreground_latency_floor_ms);
        [
            (
                Signal::PartsMutating,
                self.parts_mutating,
                limits.parts_mutating,
            ),
            (
                Signal::UnfinishedMutations,
                self.unfinished_mutations,
                limits.unfinished_mutations,
            ),
            (Signal::PartsShare, self.parts_share, limits.parts_share),
            (
                Signal::ReplicationLag,
                self.replication_lag_s,
                limits.replication_lag_s,
            ),
            (
                Signal::ReplicationQueue,
                self.replication_queue,
                limits.replication_queue,
            ),
            (
                Signal::FreeDiskShare,
                self.free_disk_share,
                limits.free_disk_share,
            ),
            (Signal::ForegroundLatency, self.latency_ms, slow),
        ]
    }
}

/// Why a table waits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Wait {
    /// The signal.
    pub signal: Signal,
    /// Its value; for shares from 0 to 1, for times seconds or, of the latency, milliseconds.
    pub value: f64,
    /// Its limit, in the same unit.
    pub limit: f64,
    /// Why the load cannot be read, if it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Wait {
    /// The load could not be read.
    pub(super) fn unreadable(problem: String) -> Self {
        Self {
            signal: Signal::Unreadable,
            value: 0.0,
            limit: 0.0,
            problem: Some(problem),
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            signal,
            value,
            limit,
            problem,
        } = self;
        match signal {
            Signal::PartsMutating => write!(f, "{value} parts are being mutated on the server")?,
            Signal::UnfinishedMutations => write!(f, "the table has {value} unfinished mutations")?,
            Signal::PartsShare => write!(
                f,
                "a partition has {value:.2} of the active parts at which inserts are delayed"
            )?,
            Signal::ReplicationLag => write!(f, "the replica is {value} s behind")?,
            Signal::ReplicationQueue => write!(f, "the replica's queue has {value} entries")?,
            Signal::FreeDiskShare => write!(f, "only {value:.3} of a disk is free")?,
            Signal::ForegroundLatency => write!(f, "a small read takes {value:.0} ms")?,
            Signal::Unreadable => {
                let problem = problem.as_deref().unwrap_or("nobody knows why");
                return write!(f, "the load of ClickHouse cannot be read: {problem}");
            }
        }
        let name = signal.as_str();
        match signal {
            Signal::ForegroundLatency => {
                write!(f, ", and pace.backpressure.{name} allows {limit:.0} ms")
            }
            _ => write!(f, ", and pace.backpressure.{name} is {limit}"),
        }
    }
}

#[cfg(test)]
impl Readings {
    /// Nothing is at work.
    pub(super) const IDLE: Self = Self {
        parts_mutating: 0.0,
        unfinished_mutations: 0.0,
        parts_share: 0.0,
        replication_lag_s: 0.0,
        replication_queue: 0.0,
        free_disk_share: 1.0,
        latency_ms: 3.0,
        usual_latency_ms: 3.0,
    };
}
