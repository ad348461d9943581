use super::*;

const DAY: i64 = 86_400;

fn now() -> Timestamp {
    Timestamp::from_second(100 * DAY).unwrap()
}

fn limits() -> ReclaimLimits {
    ReclaimLimits {
        min_dead_share: 0.2,
        after: Duration::from_hours(7 * 24),
        free_disk: 1.5,
        free_disk_share: 0.1,
    }
}

/// Half of it dead for 8 days, and the disk just large enough.
fn remains(partition: &str) -> Remains {
    Remains {
        shard: "s".into(),
        table: "traces".into(),
        partition: partition.into(),
        n_rows: 1_000,
        n_dead: 500,
        dead_bytes: 400,
        rewrite_bytes: 1_000,
        has_patches: false,
        since: now() - SignedDuration::from_secs(8 * DAY),
        n_unfinished: 0,
        disk: Some(Disk {
            free_bytes: 2_500,
            total_bytes: 10_000,
        }),
    }
}

#[track_caller]
fn check(remains: Remains, pauses: &[PauseScope], is_due: bool, says: &str) {
    let weighed = weigh(vec![remains], &limits(), pauses, now());
    let one = &weighed[0];
    assert_eq!(one.is_due, is_due, "{}", one.reason);
    assert!(one.reason.contains(says), "{}", one.reason);
}

#[test]
fn a_partition_is_rewritten_where_it_is_worth_it() {
    check(
        remains("a"),
        &[],
        true,
        "50.0 % of it is dead, the oldest mask is 8 d old; a rewrite of 1000 bytes frees about 400 bytes",
    );
    let exactly = Remains {
        n_dead: 200,
        since: now() - SignedDuration::from_secs(7 * DAY),
        ..remains("a")
    };
    check(exactly, &[], true, "20.0 %");
}

#[test]
fn whatever_stands_against_it_keeps_it_as_it_is_and_says_so() {
    let with = |change: &dyn Fn(&mut Remains)| {
        let mut remains = remains("a");
        change(&mut remains);
        remains
    };
    check(with(&|a| a.n_dead = 199), &[], false, "min_dead_share");
    check(with(&|a| a.n_rows = 0), &[], false, "min_dead_share");
    let young = now() - SignedDuration::from_secs(7 * DAY - 1);
    check(with(&|a| a.since = young), &[], false, "6 d old");
    let future = now() + SignedDuration::from_secs(DAY);
    check(with(&|a| a.since = future), &[], false, "0 s old");
    check(with(&|a| a.n_unfinished = 1), &[], false, "not finished: 1");
    check(with(&|a| a.disk = None), &[], false, "nobody knows");
    let short = Disk {
        free_bytes: 2_499,
        total_bytes: 10_000,
    };
    check(
        with(&|a| a.disk = Some(short)),
        &[],
        false,
        "too little disk",
    );
}

#[test]
fn pauses_of_everything_and_of_the_table_keep_it_and_others_do_not() {
    check(remains("a"), &[PauseScope::Everything], false, "paused");
    let of = |table: &str| PauseScope::Target(table.into());
    check(remains("a"), &[of("spans"), of("traces")], false, "paused");
    let others = [of("spans"), PauseScope::Workspace("w".into())];
    check(remains("a"), &others, true, "50.0 %");
}

#[test]
fn the_largest_gain_per_byte_goes_first_then_the_oldest_and_the_rest_last() {
    let with = |partition: &str, change: &dyn Fn(&mut Remains)| {
        let mut remains = remains(partition);
        change(&mut remains);
        remains
    };
    let older = now() - SignedDuration::from_secs(9 * DAY);
    let weighed = weigh(
        vec![
            with("young", &|a| {
                a.since = now();
                a.dead_bytes = 1_000;
            }),
            remains("usual"),
            with("older", &|a| a.since = older),
            with("most", &|a| a.dead_bytes = 900),
            with("large", &|a| {
                a.dead_bytes = 500;
                a.rewrite_bytes = 1_500;
                a.disk = a.disk.map(|disk| Disk {
                    free_bytes: 10_000,
                    ..disk
                });
            }),
        ],
        &limits(),
        &[],
        now(),
    );
    let sequence: Vec<&str> = weighed.iter().map(|one| &*one.remains.partition).collect();
    assert_eq!(sequence, ["most", "older", "usual", "large", "young"]);
}
