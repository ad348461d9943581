//! The check of the section `reclaim`.

use super::raw::{RawPace, RawReclaim};
use super::sidecar::days;
use crate::plan::ReclaimLimits;

/// When and how disk of deleted rows is freed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReclaimConfig {
    /// Whether `serve` does it; `ebbtide reclaim` is asked for, and does not look here.
    pub enabled: bool,
    /// When it is worth it, and what it needs.
    pub limits: ReclaimLimits,
}

pub(super) fn check_reclaim(
    raw: &RawReclaim,
    pace: &RawPace,
    problems: &mut Vec<String>,
) -> ReclaimConfig {
    let mut wrong = |key: &str, value: f64, remedy: &str| {
        problems.push(format!("reclaim.{key}: {value} {remedy}"));
    };
    if !(0.0..=1.0).contains(&raw.min_dead_share) {
        wrong(
            "min_dead_share",
            raw.min_dead_share,
            "is no share; write a number from 0 (however little) to 1",
        );
    }
    // A rewrite holds old and new parts at once.
    if !(raw.free_disk >= 1.0 && raw.free_disk.is_finite()) {
        wrong(
            "free_disk",
            raw.free_disk,
            "is too little; write a number of at least 1, such as 1.5",
        );
    }
    ReclaimConfig {
        enabled: raw.enabled,
        limits: ReclaimLimits {
            min_dead_share: raw.min_dead_share,
            after: days("reclaim.after", &raw.after, problems),
            free_disk: raw.free_disk,
            free_disk_share: pace.backpressure.free_disk_share,
        },
    }
}
