//! What both databases share: one owner, durable commits, a schema that is brought up to date.
//!
//! In goes an open connection, out comes one that this process alone may use. A file of another program or of a newer
//! Squall is refused before anything is written to it.

use std::time::Duration;

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::StoreError;

/// How long to wait for a lock. An owner keeps its lock for life, so waiting helps only against one that is just leaving.
const BUSY_TIMEOUT: Duration = Duration::from_millis(200);

/// The schema of one kind of database.
pub(super) struct Schema {
    /// Kept in the file (`PRAGMA application_id`), so that another kind of database is not taken for this one.
    pub(super) application_id: i32,
    /// What the file is, for people.
    pub(super) what: &'static str,
    /// The size of its pages, in bytes: a power of two. A commit writes each page that it touches as a whole.
    pub(super) page_bytes: u32,
    /// What makes the schema in a new file: the same that the migrations come to.
    pub(super) tables: &'static str,
    /// Each brings the schema from one version to the next; the first one from version 1. Only ever appended to.
    pub(super) migrations: &'static [&'static str],
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.to_string())
    }
}

/// Makes a connection the sole, durable owner of its database, and brings the schema up to date.
pub(super) fn prepare(connection: &mut Connection, schema: &Schema) -> Result<(), StoreError> {
    let name = connection.path().unwrap_or_default().to_owned();
    try_prepare(connection, schema).map_err(|refusal| match refusal {
        Refusal::Sqlite(error) if is_locked(&error) => StoreError::Locked(name),
        Refusal::Sqlite(error) => error.into(),
        Refusal::TooNew { found, known } => StoreError::TooNew { found, known },
        Refusal::Foreign => StoreError::Database(format!("{name} is not {} of Squall", schema.what)),
    })
}

/// Why a database cannot be used.
enum Refusal {
    Sqlite(rusqlite::Error),
    TooNew { found: u32, known: u32 },
    Foreign,
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn try_prepare(connection: &mut Connection, schema: &Schema) -> Result<(), Refusal> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Before the first read: the lock that it takes is kept, and WAL does without shared memory.
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    // Of a file that has its first page already, this changes nothing.
    connection.pragma_update(None, "page_size", schema.page_bytes)?;
    let found = check_origin(connection, schema)?;
    set_durability(connection)?;
    // Exclusive even where there is nothing to migrate: from here on, no other process can open the file. None has changed
    // what was found in it: the lock of the first read is kept.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    if found == 0 {
        transaction.execute_batch(schema.tables)?;
    } else {
        for (_, migration) in (1..).zip(schema.migrations).filter(|(from, _)| *from >= found) {
            transaction.execute_batch(migration)?;
        }
    }
    transaction.pragma_update(None, "application_id", schema.application_id)?;
    transaction.pragma_update(None, "user_version", known_version(schema))?;
    transaction.commit()?;
    Ok(())
}

/// The version of the schema that is there, zero in an empty file. Refuses what this program did not write, and what a
/// newer one wrote.
fn check_origin(connection: &Connection, schema: &Schema) -> Result<u32, Refusal> {
    let application_id: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    // Counts the changes of the schema: none, where nothing was ever made.
    let changes: u32 = connection.pragma_query_value(None, "schema_version", |row| row.get(0))?;
    if application_id != schema.application_id && changes > 0 {
        return Err(Refusal::Foreign);
    }
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = known_version(schema);
    if found > known { Err(Refusal::TooNew { found, known }) } else { Ok(found) }
}

fn set_durability(connection: &Connection) -> Result<(), rusqlite::Error> {
    let journal: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    // A database in memory keeps its journal there too, whatever it is asked for.
    if journal != "wal" && journal != "memory" {
        tracing::debug!(journal, "the database cannot have a WAL; commits are durable, but slower");
    }
    // FULL: the WAL is synced at each commit, not only at checkpoints. Without it, a commit may be lost with the power.
    connection.pragma_update(None, "synchronous", "FULL")
}

fn known_version(schema: &Schema) -> u32 {
    u32::try_from(schema.migrations.len() + 1).expect("nobody writes so many migrations")
}

fn is_locked(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTES: Schema = Schema {
        application_id: 7,
        what: "a note book",
        page_bytes: 4096,
        tables: "CREATE TABLE notes (text TEXT, author TEXT)",
        migrations: &["ALTER TABLE notes ADD COLUMN author TEXT"],
    };

    /// As it was before the author.
    const OLDER: Schema = Schema { tables: "CREATE TABLE notes (text TEXT)", migrations: &[], ..NOTES };

    #[test]
    fn an_older_file_is_brought_up_to_date_and_keeps_its_rows() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notes.db");
        let mut connection = Connection::open(&path).unwrap();
        prepare(&mut connection, &OLDER).unwrap();
        connection.execute_batch("INSERT INTO notes VALUES ('kept')").unwrap();
        drop(connection);

        let mut connection = Connection::open(&path).unwrap();
        prepare(&mut connection, &NOTES).unwrap();

        let row: (String, Option<String>) = connection
            .query_row("SELECT text, author FROM notes", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        assert_eq!(row, ("kept".to_owned(), None));
    }

    #[test]
    fn a_newer_file_is_refused_and_left_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notes.db");
        prepare(&mut Connection::open(&path).unwrap(), &NOTES).unwrap();
        let before = std::fs::read(&path).unwrap();

        let refused = prepare(&mut Connection::open(&path).unwrap(), &OLDER);

        assert_eq!(refused, Err(StoreError::TooNew { found: 2, known: 1 }));
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn a_file_of_another_program_is_refused_and_left_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("theirs.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
        let before = std::fs::read(&path).unwrap();

        let refused = prepare(&mut Connection::open(&path).unwrap(), &NOTES).unwrap_err();

        assert!(refused.to_string().contains("is not a note book of Squall"), "{refused}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn commits_are_synced_to_a_write_ahead_log() {
        let directory = tempfile::tempdir().unwrap();
        let mut connection = Connection::open(directory.path().join("notes.db")).unwrap();
        prepare(&mut connection, &NOTES).unwrap();

        let journal: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        let synchronous: u8 = connection.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
        assert_eq!((journal.as_str(), synchronous), ("wal", 2), "2 is FULL");
    }

    #[test]
    fn a_second_owner_is_refused_until_the_first_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notes.db");
        let mut first = Connection::open(&path).unwrap();
        prepare(&mut first, &NOTES).unwrap();

        let refused = prepare(&mut Connection::open(&path).unwrap(), &NOTES);
        assert!(matches!(refused, Err(StoreError::Locked(_))), "{refused:?}");

        drop(first);
        assert_eq!(prepare(&mut Connection::open(&path).unwrap(), &NOTES), Ok(()));
    }
}
