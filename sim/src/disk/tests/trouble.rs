//! Operations that fail or take long: who was told that a transaction is committed finds it, and nothing else is found.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};

use super::{Found, Mode, OURS, TRANSACTIONS, disk, find, mode, open, open_in, say, transact};
use crate::disk::{Disk, Mount, Trouble};
use crate::units::SpanRange;

/// Not TRUNCATE: there the error may come after the commit, from the sync of the journal that was just truncated.
const EXACT: [Mode; 3] = [OURS, mode("WAL", "FULL"), mode("DELETE", "EXTRA")];

/// Tables that are there, and a connection.
fn prepared(mode: Mode, disk: &Disk) -> (Mount, Connection) {
    let mount = disk.mount(1);
    let connection = open_in(mode, &mount).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE said (n INTEGER PRIMARY KEY, text TEXT);
             CREATE TABLE total (one INTEGER PRIMARY KEY, n INTEGER);
             INSERT INTO total VALUES (1, 0)",
        )
        .unwrap();
    (mount, connection)
}

/// One operation fails, each in turn. Says how often that was noticed.
fn trouble_at_every_operation(mode: Mode, trouble: Trouble) -> u32 {
    let mut failures = 0;
    for operation in 1.. {
        let disk = disk(operation);
        let (mount, mut connection) = prepared(mode, &disk);
        let place = disk.operations() + operation;
        disk.trouble_at(place, trouble);
        let (acked, failed): (Vec<u32>, Vec<u32>) =
            (1..=TRANSACTIONS).partition(|n| say(&mut connection, *n).is_ok());
        if disk.operations() < place {
            return failures;
        }
        assert!(failed.len() <= 1, "{mode}, operation {operation}: {failed:?} failed of one trouble");
        failures += u32::from(!failed.is_empty());

        assert_eq!(
            super::read(&connection).unwrap(),
            Found::Transactions(acked.clone()),
            "{mode}, {operation}"
        );
        mount.kill();
        disk.lose_power();
        assert_eq!(find(&disk), Found::Transactions(acked), "{mode}, {operation}, after a loss of power");
    }
    failures
}

#[test]
fn what_is_stored_is_what_was_acknowledged_whichever_operation_fails() {
    for mode in EXACT {
        for trouble in [Trouble::Error, Trouble::Full] {
            let failures = trouble_at_every_operation(mode, trouble);
            assert!(failures > TRANSACTIONS, "{mode}, {trouble:?}: only {failures} times an error was told");
        }
    }
}

#[test]
fn a_full_disk_refuses_what_grows_and_works_again_when_there_is_space() {
    let disk = disk(1);
    let (_mount, mut connection) = prepared(OURS, &disk);
    say(&mut connection, 1).unwrap();

    disk.begin(3, Trouble::Full, || ());
    let refused = say(&mut connection, 2).unwrap_err();
    let read: u32 = connection.query_row("SELECT count(*) FROM said", [], |row| row.get(0)).unwrap();
    assert_eq!(disk.end(3), 1);
    say(&mut connection, 3).unwrap();

    assert_eq!(refused.sqlite_error_code(), Some(ErrorCode::DiskFull));
    assert_eq!(read, 1);
    drop(connection);
    assert_eq!(find(&disk), Found::Transactions(vec![1, 3]));
}

#[test]
fn a_broken_disk_can_neither_be_written_nor_opened_until_it_is_well() {
    let disk = disk(1);
    let (mount, mut connection) = prepared(OURS, &disk);
    say(&mut connection, 1).unwrap();

    disk.begin(0, Trouble::Error, || ());
    let refused = say(&mut connection, 2).unwrap_err();
    drop(connection);
    let unopened = open(&mount).and_then(|connection| super::read(&connection)).unwrap_err();
    disk.end(0);

    let codes = [refused, unopened].map(|error| error.sqlite_error_code());
    assert_eq!(codes, [Some(ErrorCode::SystemIoFailure), Some(ErrorCode::SystemIoFailure)]);
    assert_eq!(find(&disk), Found::Transactions(vec![1]));
}

#[test]
fn a_sync_takes_its_time_and_a_slow_one_more() {
    let millis = |n: u64| SpanRange { low: Duration::from_millis(n), high: Duration::from_millis(n) };
    let disk = Disk::new("server", 1, millis(5));
    let (_mount, mut connection) = prepared(OURS, &disk);
    let prepared = disk.take_latency();
    say(&mut connection, 1).unwrap();
    let usual = disk.take_latency();
    disk.begin(0, Trouble::Slow(millis(300)), || ());
    say(&mut connection, 2).unwrap();
    let slow = disk.take_latency();
    disk.end(0);
    say(&mut connection, 3).unwrap();

    assert!(prepared > Duration::ZERO);
    // A commit to a WAL is one sync.
    assert_eq!([usual, slow, disk.take_latency()], [5, 305, 5].map(Duration::from_millis));
    assert_eq!(disk.take_latency(), Duration::ZERO);
}

#[test]
fn a_process_that_is_struck_dies_of_that_operation_and_hears_nothing_good_after_it() {
    let disk = disk(1);
    let mount = Arc::new(disk.mount(1));
    let (struck, heard) = std::sync::mpsc::channel();
    let dying = Arc::clone(&mount);
    disk.strike_at(30, move || {
        dying.kill();
        struck.send(()).unwrap();
    });
    let mut acked = 0;

    let died = transact(OURS, &mount, |n| acked = n);

    assert!(died.is_err() && heard.try_recv().is_ok());
    assert_eq!(disk.operations(), 29);
    assert!(open(&mount).is_err());
    assert!(matches!(find(&disk), Found::Transactions(found) if found.len() >= acked as usize));
}
