//! Which transactions survive the death of a process and the loss of power (sqlite.org/pragma.html#pragma_synchronous).

use super::{
    End, Found, Mode, OURS, TRANSACTIONS, Tally, disk, end_at_every_operation, find, mode, transact,
};

const EVERY_MODE: [Mode; 8] = [
    OURS,
    mode("WAL", "FULL"),
    mode("WAL", "NORMAL"),
    mode("WAL", "OFF"),
    mode("DELETE", "EXTRA"),
    mode("DELETE", "OFF"),
    mode("TRUNCATE", "FULL"),
    mode("PERSIST", "FULL"),
];

#[test]
fn who_is_left_alone_finds_everything_again() {
    for mode in EVERY_MODE {
        let disk = disk(1);
        let mut acked = 0;

        transact(mode, &disk.mount(1), |n| acked = n).unwrap();

        assert_eq!(
            (acked, find(&disk)),
            (TRANSACTIONS, Found::Transactions((1..=TRANSACTIONS).collect())),
            "{mode}"
        );
    }
}

#[test]
fn a_killed_process_loses_nothing_in_any_mode() {
    for mode in EVERY_MODE {
        let tally = end_at_every_operation(mode, End::Killed, 1);
        assert_eq!(tally, Tally { points: tally.points, lost: 0, corrupt: 0 }, "{mode}");
        assert!(tally.points > 50, "{mode}: {tally:?}");
    }
}

#[test]
fn a_loss_of_power_loses_nothing_where_each_commit_is_synced() {
    for mode in [
        OURS,
        mode("WAL", "FULL"),
        mode("DELETE", "EXTRA"),
        mode("TRUNCATE", "FULL"),
        mode("PERSIST", "FULL"),
    ] {
        let tally = end_at_every_operation(mode, End::PowerLost, 4);
        println!("{mode}: {tally:?}");
        assert_eq!(tally, Tally { points: tally.points, lost: 0, corrupt: 0 }, "{mode}");
    }
}

#[test]
fn a_loss_of_power_loses_commits_but_not_the_database_where_only_checkpoints_are_synced() {
    let tally = end_at_every_operation(mode("WAL", "NORMAL"), End::PowerLost, 4);
    println!("{tally:?}");
    assert!(tally.lost > tally.points / 10 && tally.corrupt == 0, "{tally:?}");
}

#[test]
fn a_loss_of_power_brings_the_last_commit_back_where_the_deletion_of_its_journal_is_not_synced() {
    let tally = end_at_every_operation(mode("DELETE", "FULL"), End::PowerLost, 4);
    println!("{tally:?}");
    assert!(tally.lost > 0 && tally.corrupt == 0, "{tally:?}");
}

#[test]
fn a_loss_of_power_corrupts_a_database_that_is_never_synced() {
    for mode in [mode("DELETE", "OFF"), mode("WAL", "OFF")] {
        let tally = end_at_every_operation(mode, End::PowerLost, 4);
        println!("{mode}: {tally:?}");
        assert!(tally.corrupt > 0, "{mode}: {tally:?}");
    }
}
