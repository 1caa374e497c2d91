//! What connections share: locks, shared memory, and the disk of a life that is over.

use std::time::{Duration, SystemTime};

use rusqlite::{Connection, ErrorCode};

use super::{Found, Mode, OURS, TRANSACTIONS, disk, find, mode, open, open_in, say, transact};
use crate::disk::set_wall_clock;

fn is_busy<T>(result: rusqlite::Result<T>) -> bool {
    result.is_err_and(|error| error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy))
}

fn count(connection: &Connection) -> u32 {
    connection.query_row("SELECT count(*) FROM said", [], |row| row.get(0)).unwrap()
}

#[test]
fn one_writes_at_a_time_and_readers_see_whole_transactions() {
    for mode in [mode("WAL", "FULL"), mode("DELETE", "FULL"), mode("TRUNCATE", "FULL")] {
        let disk = disk(1);
        let mount = disk.mount(1);
        transact(mode, &mount, |_| {}).unwrap();
        let (mut one, mut other) = (open_in(mode, &mount).unwrap(), open_in(mode, &mount).unwrap());
        let reader = open(&mount).unwrap();

        let transaction = one.transaction().unwrap();
        transaction.execute("INSERT INTO said VALUES (100, 'half')", []).unwrap();
        assert!(is_busy(say(&mut other, 101)), "{mode}");
        assert_eq!(count(&reader), TRANSACTIONS, "{mode}");
        transaction.execute("INSERT INTO said VALUES (102, 'whole')", []).unwrap();
        transaction.commit().unwrap();

        assert_eq!(count(&reader), TRANSACTIONS + 2, "{mode}");
        say(&mut other, 103).unwrap();
        assert_eq!(count(&reader), TRANSACTIONS + 3, "{mode}");
    }
}

#[test]
fn a_reader_in_a_wal_keeps_what_it_saw_while_others_write_and_check_in() {
    let disk = disk(1);
    let mount = disk.mount(1);
    transact(mode("WAL", "FULL"), &mount, |_| {}).unwrap();
    let (mut reader, mut writer) = (open(&mount).unwrap(), open(&mount).unwrap());

    let snapshot = reader.transaction().unwrap();
    assert_eq!(count(&snapshot), TRANSACTIONS);
    say(&mut writer, 100).unwrap();
    let busy: bool = writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();

    assert!(busy, "the reader's snapshot holds the checkpoint back");
    assert_eq!(count(&snapshot), TRANSACTIONS);
    drop(snapshot);
    assert_eq!(count(&reader), TRANSACTIONS + 1);
}

#[test]
fn a_writer_of_a_rollback_journal_waits_for_readers_and_lets_no_new_ones_in() {
    let mode = mode("DELETE", "FULL");
    let disk = disk(1);
    let mount = disk.mount(1);
    transact(mode, &mount, |_| {}).unwrap();
    let (mut reader, mut writer) = (open(&mount).unwrap(), open(&mount).unwrap());

    let reading = reader.transaction().unwrap();
    assert_eq!(count(&reading), TRANSACTIONS);
    let transaction = writer.transaction().unwrap();
    transaction.execute("INSERT INTO said VALUES (100, '')", []).unwrap();
    assert!(is_busy(transaction.execute_batch("COMMIT")));
    let late = open(&mount).unwrap();
    assert!(is_busy(late.query_row("SELECT count(*) FROM said", [], |_| Ok(()))));
    drop(reading);

    transaction.commit().unwrap();
    assert_eq!(count(&late), TRANSACTIONS + 1);
}

#[test]
fn an_exclusive_owner_is_alone_until_its_life_ends() {
    let disk = disk(1);
    let mount = disk.mount(1);
    let owner = open_in(OURS, &mount).unwrap();
    transact(OURS, &mount, |_| {}).unwrap_err();
    owner.execute_batch("CREATE TABLE said (n INTEGER PRIMARY KEY, text TEXT)").unwrap();

    let beside = disk.mount(2);
    assert!(is_busy(open(&beside).unwrap().query_row("SELECT 1 FROM sqlite_schema", [], |_| Ok(()))));
    mount.kill();
    let heir = open(&beside).unwrap();
    assert_eq!(count(&heir), 0);

    assert!(owner.execute("INSERT INTO said VALUES (1, '')", []).is_err());
}

#[test]
fn nothing_that_the_dead_write_counts() {
    for mode in [OURS, mode("WAL", "NORMAL"), mode("DELETE", "FULL")] {
        let disk = disk(1);
        let mount = disk.mount(1);
        let mut owner = open_in(mode, &mount).unwrap();
        transact_with(&mut owner);
        let transaction = owner.transaction().unwrap();
        transaction.execute("INSERT INTO said VALUES (100, 'never committed')", []).unwrap();

        mount.kill();
        let operations = disk.operations();
        assert!(transaction.commit().is_err(), "{mode}");
        // In a WAL, a last connection that closes writes everything back and deletes the log: a dead one does not.
        drop(owner);
        assert!(open(&mount).is_err(), "{mode}");

        assert_eq!(disk.operations(), operations, "{mode}");
        assert_eq!(find(&disk), Found::Transactions(vec![1]), "{mode}");
    }
}

fn transact_with(connection: &mut Connection) {
    connection
        .execute_batch(
            "CREATE TABLE said (n INTEGER PRIMARY KEY, text TEXT);
             CREATE TABLE total (one INTEGER PRIMARY KEY, n INTEGER);
             INSERT INTO total VALUES (1, 0)",
        )
        .unwrap();
    say(connection, 1).unwrap();
}

#[test]
fn disks_of_the_same_name_in_other_threads_never_meet() {
    let found = |transactions: u32| {
        std::thread::scope(|scope| {
            let run = scope.spawn(move || {
                let disk = disk(1);
                let mount = disk.mount(1);
                for life in 0..transactions {
                    let mut connection = open_in(OURS, &mount).unwrap();
                    if life == 0 {
                        transact_with(&mut connection)
                    } else {
                        say(&mut connection, life + 1).unwrap()
                    }
                }
                drop(mount);
                find(&disk)
            });
            run.join().unwrap()
        })
    };
    assert_eq!((found(1), found(3)), (Found::Transactions(vec![1]), Found::Transactions(vec![1, 2, 3])));
}

#[test]
fn now_is_what_the_wall_clock_of_the_thread_shows() {
    set_wall_clock(|| SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_225_600_250));
    let disk = disk(1);
    let mount = disk.mount(1);

    let now: String = open(&mount)
        .unwrap()
        .query_row("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')", [], |row| row.get(0))
        .unwrap();

    assert_eq!(now, "2026-01-01 00:00:00.250");
}

#[test]
fn operations_are_the_same_each_time() {
    let operations = |mode: Mode| {
        let disk = disk(1);
        transact(mode, &disk.mount(1), |_| {}).unwrap();
        disk.operations()
    };
    for mode in [OURS, mode("DELETE", "EXTRA")] {
        assert_eq!(operations(mode), operations(mode), "{mode}");
    }
}
