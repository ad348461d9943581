//! The command line as a person meets it: the real binary, in a directory of its own, against a
//! real ClickHouse. What it says is compared with `tests/it/snapshots/cli/`.

mod access;
mod backfill;
mod budget;
mod by_hand;
mod config;
mod doctor;
mod explain;
mod guards;
mod help;
mod holds;
mod json;
mod layers;
mod ledger;
mod mutations;
mod names;
mod preview;
mod quarantine;
mod reclaim;
mod record;
mod retention;
mod review;
mod rule_files;
mod scene;
mod servers;
mod shards;
mod slice;
mod snapshots;
mod status;
mod stop;
mod targets;

use scene::Scene;

/// Compares a transcript with the snapshot of that name.
macro_rules! matches_snapshot {
    ($name:expr, $text:expr) => {
        insta::with_settings!({
            snapshot_path => "../snapshots/cli",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, {
            insta::assert_snapshot!($name, $text);
        })
    };
}
use matches_snapshot;
