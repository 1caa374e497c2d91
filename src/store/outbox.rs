//! The client's outbox: what the user said and the server has not acknowledged.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use rusqlite::{Connection, OptionalExtension};

use crate::engine::Entropy;

use super::schema::{self, Schema};
use super::{MessageId, StoreError};

/// Row 0 is the client itself, with its own id. AUTOINCREMENT: a number is not used again when its message is gone, so that
/// no id is given twice, even when nothing waits. An id has its number in it, so that there need be no index of the ids.
/// Pages are small, because what waits is little, and a commit changes a row or two.
const SCHEMA: Schema = Schema {
    application_id: 0x5371_4f62,
    what: "an outbox",
    page_bytes: 1024,
    tables: "
        CREATE TABLE outbox (
            n INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL,
            room TEXT NOT NULL,
            content TEXT NOT NULL
        ) STRICT;
    ",
    // Version 1 had the client and its next number in a table of its own.
    migrations: &["
        CREATE TABLE outbox (
            n INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL,
            room TEXT NOT NULL,
            content TEXT NOT NULL
        ) STRICT;
        INSERT INTO outbox SELECT 0, id, '', '' FROM client;
        INSERT INTO outbox SELECT n, id, room, content FROM pending;
        UPDATE sqlite_sequence SET seq = (SELECT next - 1 FROM client) WHERE name = 'outbox';
        DROP TABLE pending;
        DROP TABLE client;
    "],
};

/// A message that waits to be acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its id, fixed when the user said it.
    pub id: MessageId,
    /// The chat room.
    pub room: String,
    /// What was said.
    pub content: String,
}

/// Where an outbox is kept: the seam. Called by one owner, inside [`crate::io::env::Blocking`].
pub trait OutboxStorage: Send + 'static {
    /// Keeps a message under the next id of this client, durably: the client's persistent random id, a counter that is
    /// never used twice, across restarts too, and what nobody can guess who has seen all ids before, with `-` between.
    ///
    /// # Errors
    /// When it was not kept.
    fn push(&mut self, room: &str, content: &str) -> Result<MessageId, StoreError>;

    /// All that is kept, oldest first.
    ///
    /// # Errors
    /// When it cannot be read.
    fn pending(&mut self) -> Result<Vec<Pending>, StoreError>;

    /// Forgets a message: the user was told that it is acknowledged, or that it failed.
    ///
    /// # Errors
    /// When it is still there.
    fn remove(&mut self, id: &MessageId) -> Result<(), StoreError>;
}

/// An outbox in an SQLite file, locked against other processes.
pub struct SqliteOutbox {
    connection: Connection,
    entropy: Arc<dyn Entropy>,
    client_id: String,
    /// The number of the last message, zero before the first. It is this owner's alone to raise.
    last: i64,
}

impl SqliteOutbox {
    /// Opens a file, or creates it with a fresh random client id.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another process has it.
    pub fn open(path: &Path, entropy: Arc<dyn Entropy>) -> Result<Self, StoreError> {
        Self::with_connection(Connection::open(path)?, entropy)
    }

    /// Uses an open connection, such as one on another VFS.
    ///
    /// # Errors
    /// As [`SqliteOutbox::open`].
    pub fn with_connection(
        mut connection: Connection,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, StoreError> {
        schema::prepare(&mut connection, &SCHEMA)?;
        let known = connection
            .query_row(
                "SELECT id, seq FROM outbox JOIN sqlite_sequence ON name = 'outbox' WHERE n = 0",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        let (client_id, last) = match known {
            Some(known) => known,
            None => (create_client(&connection, &*entropy)?, 0),
        };
        Ok(Self { connection, entropy, client_id, last })
    }

    /// The client's persistent random id, with which each of its messages' ids begins.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }
}

/// 20 characters of url-safe base64: 120 random bits never meet by chance.
pub(super) fn draw_client_id(entropy: &dyn Entropy) -> String {
    draw_text::<15>(entropy)
}

/// The id of a client's message number `n`. Ids of stored messages are shown to everybody: without its last part, 16
/// characters, a stranger could send the next one first.
pub(super) fn draw_message_id(client_id: &str, n: i64, entropy: &dyn Entropy) -> MessageId {
    MessageId(format!("{client_id}-{n}-{}", draw_text::<12>(entropy)).into())
}

/// Which of the client's messages has that id: [`draw_message_id`] the other way round. Older programs left out the last
/// part.
fn number_in(id: &MessageId, client_id: &str) -> Option<i64> {
    let rest = id.0.strip_prefix(client_id)?.strip_prefix('-')?;
    rest.split('-').next()?.parse().ok()
}

fn draw_text<const BYTES: usize>(entropy: &dyn Entropy) -> String {
    let mut bytes = [0_u8; BYTES];
    entropy.fill(&mut bytes);
    URL_SAFE.encode(bytes)
}

fn create_client(connection: &Connection, entropy: &dyn Entropy) -> Result<String, StoreError> {
    let id = draw_client_id(entropy);
    connection.execute("INSERT INTO outbox (n, id, room, content) VALUES (0, ?1, '', '')", [&id])?;
    Ok(id)
}

impl OutboxStorage for SqliteOutbox {
    fn push(&mut self, room: &str, content: &str) -> Result<MessageId, StoreError> {
        let n = self.last + 1;
        let id = draw_message_id(&self.client_id, n, &*self.entropy);
        self.connection
            .prepare_cached("INSERT INTO outbox (n, id, room, content) VALUES (?1, ?2, ?3, ?4)")?
            .execute((n, &*id.0, room, content))?;
        self.last = n;
        Ok(id)
    }

    fn pending(&mut self) -> Result<Vec<Pending>, StoreError> {
        let mut select =
            self.connection.prepare_cached("SELECT id, room, content FROM outbox WHERE n > 0 ORDER BY n")?;
        let pending = select.query_map([], |row| {
            Ok(Pending { id: MessageId(row.get(0)?), room: row.get(1)?, content: row.get(2)? })
        })?;
        Ok(pending.collect::<Result<_, rusqlite::Error>>()?)
    }

    fn remove(&mut self, id: &MessageId) -> Result<(), StoreError> {
        // An id that is not of this client is not kept here.
        if let Some(n) = number_in(id, &self.client_id) {
            self.connection
                .prepare_cached("DELETE FROM outbox WHERE n = ?1 AND id = ?2")?
                .execute((n, &*id.0))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use crate::store::testing::CountingEntropy;

    use super::*;

    fn contents(outbox: &mut SqliteOutbox) -> Vec<String> {
        outbox.pending().unwrap().into_iter().map(|pending| pending.content).collect()
    }

    fn entropy() -> Arc<dyn Entropy> {
        Arc::new(CountingEntropy::default())
    }

    fn place() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("outbox.db");
        (directory, path)
    }

    #[test]
    fn what_is_pending_survives_a_restart_in_order() {
        let (_directory, path) = place();
        let entropy = entropy();
        let mut outbox = SqliteOutbox::open(&path, Arc::clone(&entropy)).unwrap();
        for content in ["one", "two", "three"] {
            outbox.push("general", content).unwrap();
        }
        let second = outbox.pending().unwrap()[1].id.clone();
        outbox.remove(&second).unwrap();
        drop(outbox);

        let mut outbox = SqliteOutbox::open(&path, Arc::clone(&entropy)).unwrap();
        assert_eq!(contents(&mut outbox), ["one", "three"]);
    }

    #[test]
    fn no_id_is_given_twice_even_when_the_outbox_was_empty_at_a_restart() {
        let (_directory, path) = place();
        let entropy = entropy();
        let mut ids = BTreeSet::new();
        for _ in 0..3 {
            let mut outbox = SqliteOutbox::open(&path, Arc::clone(&entropy)).unwrap();
            for _ in 0..3 {
                let id = outbox.push("general", "x").unwrap();
                outbox.remove(&id).unwrap();
                assert!(ids.insert(id));
            }
        }
        let clients: BTreeSet<_> = ids.iter().map(|id| &id.0[..20]).collect();
        assert_eq!(clients.len(), 1, "the client's id persists");
        let numbers: BTreeSet<_> = ids.iter().map(|id| id.0[21..].split('-').next().unwrap()).collect();
        assert_eq!(numbers, BTreeSet::from(["1", "2", "3", "4", "5", "6", "7", "8", "9"]));
    }

    #[test]
    fn who_has_seen_all_ids_of_a_client_cannot_tell_the_next_one() {
        let connection = || Connection::open_in_memory().unwrap();
        let mut outbox = SqliteOutbox::with_connection(connection(), entropy()).unwrap();
        let random_part = |id: MessageId| id.0.rsplit_once('-').unwrap().1.to_owned();

        let first = random_part(outbox.push("general", "x").unwrap());
        let second = random_part(outbox.push("general", "x").unwrap());

        assert_eq!((first.len(), second.len()), (16, 16));
        assert_ne!(first, second, "drawn for each message");
    }

    /// An outbox of version 1, of a client that has said so many messages.
    fn of_version_1(path: &Path, said: u32) {
        let connection = Connection::open(path).unwrap();
        connection
            .execute_batch(
                "CREATE TABLE client (one INTEGER PRIMARY KEY, id TEXT NOT NULL, next INTEGER NOT NULL) STRICT;
                 CREATE TABLE pending (n INTEGER PRIMARY KEY, id TEXT UNIQUE, room TEXT, content TEXT) STRICT;
                 PRAGMA user_version = 1;",
            )
            .unwrap();
        connection.pragma_update(None, "application_id", SCHEMA.application_id).unwrap();
        connection.execute("INSERT INTO client VALUES (1, 'somebody', ?1)", [said + 1]).unwrap();
    }

    #[test]
    fn an_outbox_of_version_1_keeps_what_waits_and_goes_on_counting() {
        let (_directory, path) = place();
        of_version_1(&path, 7);
        Connection::open(&path)
            .unwrap()
            .execute("INSERT INTO pending VALUES (5, 'somebody-5-x', 'lobby', 'old')", [])
            .unwrap();

        let mut outbox = SqliteOutbox::open(&path, entropy()).unwrap();

        assert_eq!(outbox.client_id(), "somebody");
        let new = outbox.push("general", "new").unwrap();
        assert!(new.0.starts_with("somebody-8-"), "{new}");
        let old =
            Pending { id: MessageId("somebody-5-x".into()), room: "lobby".into(), content: "old".into() };
        assert_eq!(outbox.pending().unwrap()[0], old);
        outbox.remove(&old.id).unwrap();
        assert_eq!(contents(&mut outbox), ["new"]);
        let made_anew =
            SqliteOutbox::with_connection(Connection::open_in_memory().unwrap(), entropy()).unwrap();
        assert_eq!(tables(&outbox), tables(&made_anew));
    }

    /// What makes the tables, but for the spaces.
    fn tables(outbox: &SqliteOutbox) -> String {
        let mut select = outbox.connection.prepare("SELECT sql FROM sqlite_schema ORDER BY name").unwrap();
        let tables = select.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap);
        tables.flat_map(|sql| sql.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    #[test]
    fn an_empty_outbox_of_version_1_gives_no_number_twice() {
        let (_directory, path) = place();
        of_version_1(&path, 7);

        let mut outbox = SqliteOutbox::open(&path, entropy()).unwrap();

        let new = outbox.push("general", "new").unwrap();
        assert!(new.0.starts_with("somebody-8-"), "{new}");
    }

    #[test]
    fn what_an_older_program_left_keeps_its_id_and_the_counter_goes_on() {
        let (_directory, path) = place();
        let mut outbox = SqliteOutbox::open(&path, entropy()).unwrap();
        let older = format!("{}-1", outbox.client_id());
        outbox.push("general", "old").unwrap();
        outbox.connection.execute("UPDATE outbox SET id = ?1 WHERE n > 0", [&older]).unwrap();
        drop(outbox);

        let mut outbox = SqliteOutbox::open(&path, entropy()).unwrap();
        let newer = outbox.push("general", "new").unwrap();

        assert!(newer.0.starts_with(&format!("{}-2-", outbox.client_id())), "{newer}");
        assert_eq!(outbox.pending().unwrap()[0].id, MessageId(older.as_str().into()));
        outbox.remove(&MessageId(older.into())).unwrap();
        assert_eq!(contents(&mut outbox), ["new"]);
    }

    #[test]
    fn ids_of_two_outboxes_never_meet() {
        let entropy = entropy();
        let mut ids = BTreeSet::new();
        for _ in 0..2 {
            let connection = Connection::open_in_memory().unwrap();
            let mut outbox = SqliteOutbox::with_connection(connection, Arc::clone(&entropy)).unwrap();
            let id = outbox.push("general", "x").unwrap();
            assert!(id.0.starts_with(outbox.client_id()), "{id}");
            ids.insert(id);
        }
        assert_eq!(ids.len(), 2);
    }

    #[test]
    fn a_push_that_fails_keeps_nothing_and_the_next_one_works() {
        let (_directory, path) = place();
        let mut outbox = SqliteOutbox::open(&path, entropy()).unwrap();
        let pages: u32 = outbox.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        outbox.connection.pragma_update(None, "max_page_count", pages).unwrap();

        assert!(outbox.push("general", &"x".repeat(1 << 20)).is_err());

        outbox.push("general", "small").unwrap();
        assert_eq!(contents(&mut outbox), ["small"]);
    }

    #[test]
    fn an_outbox_in_use_is_locked() {
        let (_directory, path) = place();
        let entropy = entropy();
        let _first = SqliteOutbox::open(&path, Arc::clone(&entropy)).unwrap();
        let second = SqliteOutbox::open(&path, Arc::clone(&entropy)).err();
        assert!(matches!(second, Some(StoreError::Locked(_))), "{second:?}");
    }

    #[test]
    fn a_message_log_is_not_an_outbox() {
        let (_directory, path) = place();
        drop(crate::store::SqliteLog::open(&path).unwrap());
        let refused = SqliteOutbox::open(&path, entropy()).err().unwrap();
        assert!(refused.to_string().contains("is not an outbox of Squall"), "{refused}");
    }
}
