//! The check of the section `pace`.

use std::num::NonZeroU32;

use super::check::duration;
use super::raw::{RawBackpressure, RawPace};
use crate::pace::{PaceConfig, Thresholds, Window};

pub(super) fn check_pace(
    raw: &RawPace,
    rows_per_step: u64,
    problems: &mut Vec<String>,
) -> PaceConfig {
    let mut quota = |key: &str, number: u32| {
        NonZeroU32::new(number).unwrap_or_else(|| {
            problems.push(format!("{key}: 0 would stop everything; write at least 1"));
            NonZeroU32::MIN
        })
    };
    let statements_per_minute = quota("pace.statements_per_minute", raw.statements_per_minute);
    let rows_per_second = quota("pace.rows_per_second", raw.rows_per_second);
    let window = raw.window.parse().unwrap_or_else(|problem| {
        problems.push(format!("pace.window: {problem}"));
        Window::ALWAYS
    });
    if raw.workload.as_deref() == Some("") {
        problems.push("pace.workload: it is empty; name a workload of ClickHouse, or none".into());
    }
    PaceConfig {
        statements_per_minute,
        rows_per_second,
        rows_per_step,
        statement_target: duration("pace.statement_target", &raw.statement_target, problems),
        longest_wait: duration("pace.longest_wait", &raw.longest_wait, problems),
        stall_after: duration("pace.stall_after", &raw.stall_after, problems),
        window,
        thresholds: check_backpressure(&raw.backpressure, problems),
    }
}

fn check_backpressure(raw: &RawBackpressure, problems: &mut Vec<String>) -> Thresholds {
    let lag = duration(
        "pace.backpressure.replication_lag",
        &raw.replication_lag,
        problems,
    );
    let floor = duration(
        "pace.backpressure.foreground_latency_floor",
        &raw.foreground_latency_floor,
        problems,
    );
    let mut wrong = |key: &str, value: String, remedy: &str| {
        problems.push(format!("pace.backpressure.{key}: {value} {remedy}"));
    };
    for (key, limit) in [
        ("parts_mutating", raw.parts_mutating),
        ("unfinished_mutations", raw.unfinished_mutations),
        ("replication_queue", raw.replication_queue),
    ] {
        if limit == 0 {
            wrong(key, "0".into(), "would stop everything; write at least 1");
        }
    }
    for (key, share) in [
        ("parts_share", raw.parts_share),
        ("resume_at", raw.resume_at),
    ] {
        if !(share > 0.0 && share <= 1.0) {
            wrong(
                key,
                share.to_string(),
                "is no share; write a number above 0 and at most 1",
            );
        }
    }
    if !(0.0..1.0).contains(&raw.free_disk_share) {
        wrong(
            "free_disk_share",
            raw.free_disk_share.to_string(),
            "is no share; write a number from 0 (which never waits) to below 1",
        );
    }
    // At once the usual time would already be too long.
    if !(raw.foreground_latency > 1.0 && raw.foreground_latency.is_finite()) {
        wrong(
            "foreground_latency",
            raw.foreground_latency.to_string(),
            "is no multiple of the usual latency; write a number above 1, such as 5",
        );
    }
    Thresholds {
        parts_mutating: raw.parts_mutating.into(),
        unfinished_mutations: raw.unfinished_mutations.into(),
        parts_share: raw.parts_share,
        replication_lag_s: lag.as_secs_f64(),
        replication_queue: raw.replication_queue.into(),
        free_disk_share: raw.free_disk_share,
        foreground_latency: raw.foreground_latency,
        foreground_latency_floor_ms: floor.as_secs_f64() * 1_000.0,
        resume_at: raw.resume_at,
    }
}
