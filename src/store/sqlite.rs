//! The message log in SQLite: WAL, `synchronous=FULL`, one transaction a batch.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{Connection, OptionalExtension, ffi};

use super::schema::{self, Schema};
use super::transaction::Transaction;
use super::{Appended, Draft, LogOffset, MessageId, MessageLog, StoreError, Stored};

/// AUTOINCREMENT: an offset is not used again even if its message were deleted. `id` has no value where its sender gave
/// none, and such rows are not repeats of each other: NULL is not equal to NULL. `at` counts milliseconds since 1970. A
/// message changes four pages; larger ones are better for batches of many, smaller ones for those of one.
const SCHEMA: Schema = Schema {
    application_id: 0x5371_4c67,
    what: "a message log",
    page_bytes: 2048,
    tables: "
        CREATE TABLE messages (
            offset INTEGER PRIMARY KEY AUTOINCREMENT,
            room TEXT NOT NULL,
            id TEXT UNIQUE,
            content TEXT NOT NULL,
            at INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX messages_by_room ON messages (room);
    ",
    migrations: &[],
};

/// The message log in an SQLite file, locked against other processes.
pub struct SqliteLog {
    connection: Connection,
}

impl SqliteLog {
    /// Opens a file, creates it where there is none, and brings an older schema up to date.
    ///
    /// # Errors
    /// When it cannot be opened, is newer than this program, or another process has it ([`StoreError::Locked`]).
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::with_connection(Connection::open(path)?)
    }

    /// Uses an open connection, such as one on another VFS; brings its schema up to date.
    ///
    /// # Errors
    /// As [`SqliteLog::open`].
    pub fn with_connection(mut connection: Connection) -> Result<Self, StoreError> {
        schema::prepare(&mut connection, &SCHEMA)?;
        Ok(Self { connection })
    }
}

impl MessageLog for SqliteLog {
    fn append(&mut self, batch: &[Draft]) -> Result<Vec<Appended>, StoreError> {
        // One message is one statement, and that is a transaction of its own.
        if let [draft] = batch {
            return Ok(vec![append_one(&self.connection, draft)?]);
        }
        let transaction = Transaction::begin(&mut self.connection)?;
        let appended = batch
            .iter()
            .map(|draft| append_one(&transaction, draft))
            .collect::<Result<Vec<_>, rusqlite::Error>>()?;
        transaction.commit()?;
        Ok(appended)
    }

    fn read(&mut self, room: &str, after: LogOffset, limit: usize) -> Result<Vec<Stored>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT offset, room, id, content FROM messages WHERE room = ?1 AND offset > ?2 ORDER BY offset LIMIT ?3",
        )?;
        // SQLite counts with a sign; there is nothing behind its last number.
        let after = i64::try_from(after.0).unwrap_or(i64::MAX);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let stored = select.query_map((room, after, limit), |row| {
            Ok(Stored {
                offset: row.get(0)?,
                room: row.get(1)?,
                id: row.get::<_, Option<Arc<str>>>(2)?.map(MessageId),
                content: row.get(3)?,
            })
        })?;
        Ok(stored.collect::<Result<_, rusqlite::Error>>()?)
    }

    fn head(&mut self) -> Result<LogOffset, StoreError> {
        let head = self
            .connection
            .query_row("SELECT seq FROM sqlite_sequence WHERE name = 'messages'", [], |row| row.get(0))
            .optional()?;
        Ok(head.unwrap_or(LogOffset::START))
    }
}

/// Repeats are rare, so that a message is looked for only where its id is refused. What is refused takes no offset, as it
/// would by `ON CONFLICT DO NOTHING`.
fn append_one(connection: &Connection, draft: &Draft) -> Result<Appended, rusqlite::Error> {
    let refused = match insert(connection, draft) {
        Ok(offset) => return Ok(Appended::New(offset)),
        Err(refused) => refused,
    };
    match &draft.id {
        Some(id) if is_known(&refused) => {
            let (offset, is_same) = find(connection, id, draft)?;
            Ok(if is_same { Appended::Repeat(offset) } else { Appended::Conflict })
        }
        Some(_) | None => Err(refused),
    }
}

fn insert(connection: &Connection, draft: &Draft) -> Result<LogOffset, rusqlite::Error> {
    // Not RETURNING, for which SQLite makes a table each time: the offset is the rowid.
    let offset = connection
        .prepare_cached("INSERT INTO messages (room, id, content, at) VALUES (?1, ?2, ?3, ?4)")?
        .insert((
            &draft.room,
            draft.id.as_ref().map(|id| &*id.0),
            &draft.content,
            unix_milliseconds(draft.at),
        ))?;
    let out_of_range = |_| rusqlite::Error::IntegralValueOutOfRange(0, offset);
    Ok(LogOffset(u64::try_from(offset).map_err(out_of_range)?))
}

/// Whether it is the id's doing, the one thing in the log that must be unique.
fn is_known(refused: &rusqlite::Error) -> bool {
    refused.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_CONSTRAINT_UNIQUE)
}

/// Where the message of that id is, and whether it is this one.
fn find(
    connection: &Connection,
    id: &MessageId,
    Draft { room, content, .. }: &Draft,
) -> Result<(LogOffset, bool), rusqlite::Error> {
    connection
        .prepare_cached("SELECT offset, room = ?2 AND content = ?3 FROM messages WHERE id = ?1")?
        .query_row((&*id.0, room, content), |row| Ok((row.get(0)?, row.get(1)?)))
}

impl FromSql for LogOffset {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let offset = i64::column_result(value)?;
        u64::try_from(offset).map(Self).map_err(|_| FromSqlError::OutOfRange(offset))
    }
}

/// Negative before 1970, which a wall clock may claim.
pub(super) fn unix_milliseconds(at: SystemTime) -> i64 {
    let milliseconds = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    match at.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => milliseconds(after),
        Err(before) => -milliseconds(before.duration()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use rusqlite::OpenFlags;

    use crate::store::testing::log_in_memory;

    use super::*;

    fn draft(id: Option<&str>, content: &str) -> Draft {
        Draft {
            room: "general".to_owned(),
            id: id.map(|id| MessageId(id.into())),
            content: content.to_owned(),
            at: SystemTime::UNIX_EPOCH,
        }
    }

    fn contents(log: &mut SqliteLog) -> Vec<(u64, String)> {
        let stored = log.read("general", LogOffset::START, usize::MAX).unwrap();
        stored.into_iter().map(|message| (message.offset.0, message.content)).collect()
    }

    #[test]
    fn a_repeat_is_stored_once_within_a_batch_and_across_batches() {
        let mut log = log_in_memory();

        let first = log.append(&[draft(Some("a"), "one"), draft(Some("a"), "one")]).unwrap();
        let second = log.append(&[draft(Some("b"), "two"), draft(Some("a"), "one")]).unwrap();

        assert_eq!(first, [Appended::New(LogOffset(1)), Appended::Repeat(LogOffset(1))]);
        assert_eq!(second, [Appended::New(LogOffset(2)), Appended::Repeat(LogOffset(1))]);
        assert_eq!(contents(&mut log), [(1, "one".to_owned()), (2, "two".to_owned())]);
    }

    #[test]
    fn a_known_id_with_another_content_or_room_is_a_conflict_and_is_not_stored() {
        let mut log = log_in_memory();
        log.append(&[draft(Some("a"), "one")]).unwrap();
        let elsewhere = Draft { room: "lobby".to_owned(), ..draft(Some("a"), "one") };

        let appended = log.append(&[draft(Some("a"), "other"), elsewhere, draft(Some("a"), "one")]).unwrap();

        assert_eq!(appended, [Appended::Conflict, Appended::Conflict, Appended::Repeat(LogOffset(1))]);
        assert_eq!(contents(&mut log), [(1, "one".to_owned())]);
    }

    #[test]
    fn messages_without_an_id_are_never_repeats() {
        let mut log = log_in_memory();
        let appended = log.append(&[draft(None, "same"), draft(None, "same")]).unwrap();
        assert_eq!(appended, [Appended::New(LogOffset(1)), Appended::New(LogOffset(2))]);
    }

    #[test]
    fn a_batch_that_fails_stores_nothing_and_the_next_one_works() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = SqliteLog::open(&directory.path().join("log.db")).unwrap();
        log.append(&[draft(Some("a"), "before")]).unwrap();
        let pages: u32 = log.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        let limit_pages = |log: &SqliteLog, pages: u32| {
            log.connection.pragma_update(None, "max_page_count", pages).unwrap();
        };

        limit_pages(&log, pages);
        let refused = log.append(&[draft(Some("b"), "small"), draft(Some("c"), &"x".repeat(1 << 20))]);
        assert!(matches!(refused, Err(StoreError::Database(_))), "{refused:?}");
        assert_eq!(log.head(), Ok(LogOffset(1)));
        assert_eq!(contents(&mut log), [(1, "before".to_owned())]);

        limit_pages(&log, u32::MAX - 1);
        let appended = log.append(&[draft(Some("b"), "after")]).unwrap();
        assert_eq!(appended, [Appended::New(LogOffset(2))]);
    }

    #[test]
    fn an_offset_is_not_used_again_after_a_deletion_and_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.db");
        let mut log = SqliteLog::open(&path).unwrap();
        log.append(&[draft(None, "one"), draft(None, "two")]).unwrap();
        log.connection.execute_batch("DELETE FROM messages").unwrap();
        drop(log);

        let mut log = SqliteLog::open(&path).unwrap();
        assert_eq!(log.head(), Ok(LogOffset(2)));
        assert_eq!(log.append(&[draft(None, "three")]).unwrap(), [Appended::New(LogOffset(3))]);
    }

    #[test]
    fn rooms_are_read_apart_and_in_pages() {
        let mut log = log_in_memory();
        let in_room = |room: &str, content: &str| Draft { room: room.to_owned(), ..draft(None, content) };
        log.append(&[in_room("a", "1"), in_room("b", "2"), in_room("a", "3"), in_room("a", "4")]).unwrap();

        let page = log.read("a", LogOffset(1), 1).unwrap();

        assert_eq!(page.iter().map(|message| message.offset.0).collect::<Vec<_>>(), [3]);
        assert_eq!(log.read("a", LogOffset(u64::MAX), 1).unwrap(), []);
    }

    #[test]
    fn a_log_on_the_memory_vfs_outlives_its_owner_while_another_connection_holds_it() {
        let open = || {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
                | OpenFlags::SQLITE_OPEN_CREATE
                | OpenFlags::SQLITE_OPEN_URI;
            Connection::open_with_flags("file:/squall-log-test?vfs=memdb", flags).unwrap()
        };
        let machine = open();
        let mut log = SqliteLog::with_connection(open()).unwrap();
        log.append(&[draft(Some("a"), "one")]).unwrap();
        drop(log);

        let mut log = SqliteLog::with_connection(open()).unwrap();
        assert_eq!(contents(&mut log), [(1, "one".to_owned())]);
        drop(machine);
    }

    /// The log as it should be: the contents and ids in the order of their commits.
    #[derive(Default)]
    struct Model(Vec<(Option<MessageId>, String)>);

    impl Model {
        fn append(&mut self, draft: &Draft) -> Appended {
            let known = self.0.iter().position(|(id, _)| id.is_some() && *id == draft.id);
            let offset = |index: usize| LogOffset(index as u64 + 1);
            match known {
                None => {
                    self.0.push((draft.id.clone(), draft.content.clone()));
                    Appended::New(offset(self.0.len() - 1))
                }
                Some(index) if self.0[index].1 == draft.content => Appended::Repeat(offset(index)),
                Some(_) => Appended::Conflict,
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn a_log_behaves_like_a_vector_across_restarts(
            lives in vec(vec(vec((proptest::option::of(0..6_u8), "[a-c]{0,3}"), 0..5), 0..4), 1..4)
        ) {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("log.db");
            let mut model = Model::default();
            for batches in lives {
                let mut log = SqliteLog::open(&path).unwrap();
                for batch in batches {
                    let drafts: Vec<_> = batch
                        .iter()
                        .map(|(id, content)| draft(id.map(|id| id.to_string()).as_deref(), content))
                        .collect();
                    let expected: Vec<_> = drafts.iter().map(|draft| model.append(draft)).collect();
                    prop_assert_eq!(log.append(&drafts).unwrap(), expected);
                }
                let expected: Vec<_> = (1..).zip(model.0.iter().map(|(_, content)| content.clone())).collect();
                prop_assert_eq!(log.head().unwrap(), LogOffset(expected.len() as u64));
                prop_assert_eq!(contents(&mut log), expected);
            }
        }
    }
}
