//! SQLite's own promises, kept and broken where its documentation says so: what the disk is worth is that it can tell.
//!
//! Each test runs a few transactions on a disk, again and again, and something happens at each operation in turn.

mod power;
mod sharing;
mod trouble;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::{Connection, OpenFlags};

use super::{Disk, Mount};
use crate::units::SpanRange;

/// How SQLite is told to keep a database.
#[derive(Debug, Clone, Copy)]
struct Mode {
    journal: &'static str,
    synchronous: &'static str,
    locking: &'static str,
}

const fn mode(journal: &'static str, synchronous: &'static str) -> Mode {
    Mode { journal, synchronous, locking: "NORMAL" }
}

/// As Squall keeps its databases.
const OURS: Mode = Mode { journal: "WAL", synchronous: "FULL", locking: "EXCLUSIVE" };

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { journal, synchronous, locking } = self;
        write!(f, "{journal}+{synchronous}, {locking} locking")
    }
}

fn disk(seed: u64) -> Disk {
    Disk::new("server", seed, SpanRange::default())
}

fn open(mount: &Mount) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(mount.uri("test.db"), OpenFlags::default() | OpenFlags::SQLITE_OPEN_URI)
}

fn open_in(mode: Mode, mount: &Mount) -> rusqlite::Result<Connection> {
    let connection = open(mount)?;
    connection.pragma_update(None, "locking_mode", mode.locking)?;
    connection.pragma_update_and_check(None, "journal_mode", mode.journal, |row| row.get::<_, String>(0))?;
    connection.pragma_update(None, "synchronous", mode.synchronous)?;
    // Often enough that checkpoints lie between the transactions.
    connection.pragma_update(None, "wal_autocheckpoint", 12)?;
    Ok(connection)
}

const TRANSACTIONS: u32 = 12;

/// Transactions one after another; `acked` is called with each that SQLite says is committed. Ends with what fails first.
fn transact(mode: Mode, mount: &Mount, mut acked: impl FnMut(u32)) -> rusqlite::Result<()> {
    let mut connection = open_in(mode, mount)?;
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS said (n INTEGER PRIMARY KEY, text TEXT);
         CREATE TABLE IF NOT EXISTS total (one INTEGER PRIMARY KEY, n INTEGER);
         INSERT OR IGNORE INTO total VALUES (1, 0)",
    )?;
    for n in 1..=TRANSACTIONS {
        say(&mut connection, n)?;
        acked(n);
    }
    Ok(())
}

/// Two pages at least change together.
fn say(connection: &mut Connection, n: u32) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute("INSERT INTO said VALUES (?1, ?2)", (n, "x".repeat(400 * n as usize % 3000)))?;
    transaction.execute("UPDATE total SET n = n + 1", [])?;
    transaction.commit()
}

/// What a fresh process finds.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// These transactions, each of them whole.
    Transactions(Vec<u32>),
    Corrupt(String),
}

fn find(disk: &Disk) -> Found {
    match open(&disk.mount(1000)).and_then(|connection| read(&connection)) {
        Ok(found) => found,
        Err(error) => Found::Corrupt(error.to_string()),
    }
}

fn read(connection: &Connection) -> rusqlite::Result<Found> {
    let integrity: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    if integrity != "ok" {
        return Ok(Found::Corrupt(integrity));
    }
    let tables: u32 = connection.query_row(
        "SELECT count(*) FROM sqlite_schema WHERE name IN ('said', 'total')",
        [],
        |row| row.get(0),
    )?;
    if tables < 2 {
        return Ok(Found::Transactions(Vec::new()));
    }
    let mut select = connection.prepare("SELECT n FROM said ORDER BY n")?;
    let said = select.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<u32>>>()?;
    let total: u32 = connection.query_row("SELECT coalesce(max(n), 0) FROM total", [], |row| row.get(0))?;
    Ok(if said.len() == total as usize {
        Found::Transactions(said)
    } else {
        Found::Corrupt(format!("{said:?} said, {total} counted"))
    })
}

/// How a process comes to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Killed,
    PowerLost,
}

/// What came of ends at every operation.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    points: u64,
    lost: u64,
    corrupt: u64,
}

/// A process comes to its end at each operation in turn, `images` times with other dice.
fn end_at_every_operation(mode: Mode, end: End, images: u64) -> Tally {
    let mut tally = Tally::default();
    for operation in 1.. {
        for seed in 0..images {
            let disk = disk(seed);
            let struck = Arc::new(AtomicBool::new(false));
            let mount = Arc::new(disk.mount(1));
            let (strike, dying) = (Arc::clone(&struck), Arc::clone(&mount));
            disk.strike_at(operation, move || {
                strike.store(true, Ordering::Relaxed);
                dying.kill();
            });
            let mut acked = 0;
            // It fails where it is struck.
            drop(transact(mode, &mount, |n| acked = n));
            drop(mount);
            if !struck.load(Ordering::Relaxed) {
                return tally;
            }
            if end == End::PowerLost {
                disk.lose_power();
            }
            tally.points += 1;
            match find(&disk) {
                Found::Corrupt(_) => tally.corrupt += 1,
                Found::Transactions(found) => {
                    let next = u32::try_from(found.len()).expect("they are few") + 1;
                    assert!(
                        found.into_iter().eq(1..next) && next <= acked + 2,
                        "{next} was not said, or there is a hole"
                    );
                    tally.lost += u64::from(next <= acked);
                }
            }
        }
    }
    tally
}
