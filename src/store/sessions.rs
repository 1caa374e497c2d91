//! Sessions in SQLite, for connection state recovery over a restart: batches of changes go in, all that there is comes out.
//!
//! An event that was sent to many is kept once, for as long as one of them may need it.

mod load;

use std::path::Path;
use std::time::SystemTime;

use rusqlite::{Connection, ToSql};

use super::StoreError;
use super::schema::{self, Schema};
use super::sqlite::unix_milliseconds;
use super::transaction::Transaction;
use crate::engine::Message;
use crate::io::{SessionStore, SessionStoreError};
use crate::socket::stored::{SessionBatch, SessionChange, SessionId, StoredSessions};
use crate::socket::{Encoded, RoomName};

/// `hub` has one row, as soon as there was a batch. `parted_at` counts milliseconds since 1970, and has no value while the
/// session has a connection. A `message` is text or a blob, as it was sent.
const SCHEMA: Schema = Schema {
    application_id: 0x5371_5365,
    what: "a store of sessions",
    page_bytes: 4096,
    tables: "
        CREATE TABLE hub (
            one INTEGER PRIMARY KEY CHECK (one = 1),
            epoch TEXT NOT NULL,
            head INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE sessions (
            session INTEGER PRIMARY KEY,
            pid TEXT NOT NULL UNIQUE,
            socket TEXT NOT NULL UNIQUE,
            namespace TEXT NOT NULL,
            data TEXT NOT NULL,
            start INTEGER NOT NULL,
            floor INTEGER NOT NULL,
            parted_at INTEGER
        ) STRICT;
        CREATE TABLE rooms (
            session INTEGER NOT NULL,
            room TEXT NOT NULL,
            PRIMARY KEY (session, room)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE events (
            position INTEGER NOT NULL,
            part INTEGER NOT NULL,
            message ANY NOT NULL,
            PRIMARY KEY (position, part)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE queues (
            session INTEGER NOT NULL,
            position INTEGER NOT NULL,
            PRIMARY KEY (session, position)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX queues_by_position ON queues (position);
        CREATE TRIGGER events_end_with_the_last_queue AFTER DELETE ON queues
            WHEN NOT EXISTS (SELECT 1 FROM queues WHERE position = OLD.position)
            BEGIN DELETE FROM events WHERE position = OLD.position; END;
    ",
    migrations: &[],
};

/// Sessions in an SQLite file of their own, locked against other processes.
///
/// ```no_run
/// use squall::io::ServerOptions;
/// use squall::store::SqliteSessions;
/// use squall::{Env, Server};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sessions = SqliteSessions::open("sessions.db".as_ref())?;
/// let server = Server::with_session_store(&Env::tokio(), ServerOptions::default(), sessions);
/// server.on_connect(|socket| async move {
///     if socket.recovered() {
///         println!("{} is here again, with {}", socket.id(), socket.data());
///     }
/// });
/// # Ok(())
/// # }
/// ```
pub struct SqliteSessions {
    connection: Connection,
}

impl SqliteSessions {
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
    /// As [`SqliteSessions::open`].
    pub fn with_connection(mut connection: Connection) -> Result<Self, StoreError> {
        schema::prepare(&mut connection, &SCHEMA)?;
        Ok(Self { connection })
    }
}

impl SessionStore for SqliteSessions {
    fn load(&mut self, now: SystemTime) -> Result<Option<StoredSessions>, SessionStoreError> {
        Ok(load::all(&self.connection, unix_milliseconds(now))?)
    }

    fn commit(&mut self, batch: &SessionBatch, now: SystemTime) -> Result<(), SessionStoreError> {
        let transaction = Transaction::begin(&mut self.connection)?;
        execute(
            &transaction,
            "INSERT INTO hub (one, epoch, head) VALUES (1, ?1, ?2)
             ON CONFLICT DO UPDATE SET epoch = excluded.epoch, head = excluded.head",
            (&batch.epoch, integer(batch.head)),
        )?;
        for change in &batch.changes {
            apply(&transaction, change, unix_milliseconds(now))?;
        }
        Ok(transaction.commit()?)
    }

    fn clear(&mut self) -> Result<(), SessionStoreError> {
        let transaction = Transaction::begin(&mut self.connection)?;
        for table in ["hub", "sessions", "rooms", "events", "queues"] {
            transaction.execute(&format!("DELETE FROM {table}"), [])?;
        }
        Ok(transaction.commit()?)
    }
}

fn execute(
    transaction: &Transaction<'_>,
    sql: &str,
    params: impl rusqlite::Params,
) -> Result<(), rusqlite::Error> {
    transaction.prepare_cached(sql)?.execute(params).map(drop)
}

fn apply(transaction: &Transaction<'_>, change: &SessionChange, now: i64) -> Result<(), rusqlite::Error> {
    let execute_for = |sql: &str, session: SessionId, value: Option<&dyn ToSql>| {
        let session = integer(session.0);
        match value {
            Some(value) => execute(transaction, sql, (session, value)),
            None => execute(transaction, sql, [session]),
        }
    };
    match change {
        SessionChange::Began { session, pid, socket, namespace, rooms, data, start } => {
            let (start, data) = (integer(*start), data.to_string());
            execute(
                transaction,
                "INSERT INTO sessions (session, pid, socket, namespace, data, start, floor)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)",
                (integer(session.0), pid, socket.as_str(), namespace.as_str(), data, start),
            )?;
            rooms.iter().try_for_each(|room| join(transaction, *session, room))
        }
        SessionChange::Parted(session) => {
            execute_for("UPDATE sessions SET parted_at = ?2 WHERE session = ?1", *session, Some(&now))
        }
        SessionChange::Resumed(session) => {
            execute_for("UPDATE sessions SET parted_at = NULL WHERE session = ?1", *session, None)
        }
        SessionChange::Joined(session, room) => join(transaction, *session, room),
        SessionChange::Left(session, room) => {
            let room = room.as_str();
            execute_for("DELETE FROM rooms WHERE session = ?1 AND room = ?2", *session, Some(&room))
        }
        SessionChange::Noted(session, data) => {
            let data = data.to_string();
            execute_for("UPDATE sessions SET data = ?2 WHERE session = ?1", *session, Some(&data))
        }
        SessionChange::Recorded { position, encoded, sessions } => {
            record(transaction, *position, encoded, sessions)
        }
        SessionChange::Trimmed { session, floor } => {
            let floor = integer(*floor);
            execute_for("UPDATE sessions SET floor = ?2 WHERE session = ?1", *session, Some(&floor))?;
            execute_for("DELETE FROM queues WHERE session = ?1 AND position <= ?2", *session, Some(&floor))
        }
        SessionChange::Ended(session) => {
            execute_for("DELETE FROM queues WHERE session = ?1", *session, None)?;
            execute_for("DELETE FROM rooms WHERE session = ?1", *session, None)?;
            execute_for("DELETE FROM sessions WHERE session = ?1", *session, None)
        }
    }
}

fn join(transaction: &Transaction<'_>, session: SessionId, room: &RoomName) -> Result<(), rusqlite::Error> {
    let sql = "INSERT INTO rooms (session, room) VALUES (?1, ?2)";
    execute(transaction, sql, (integer(session.0), room.as_str()))
}

fn record(
    transaction: &Transaction<'_>,
    position: u64,
    encoded: &Encoded,
    sessions: &[SessionId],
) -> Result<(), rusqlite::Error> {
    let position = integer(position);
    for (part, message) in (0_i64..).zip(&**encoded) {
        let message: &dyn ToSql = match message {
            Message::Text(text) => &text.as_str(),
            Message::Binary(bytes) => &&**bytes,
        };
        let sql = "INSERT INTO events (position, part, message) VALUES (?1, ?2, ?3)";
        execute(transaction, sql, (position, part, message))?;
    }
    for session in sessions {
        let sql = "INSERT INTO queues (session, position) VALUES (?1, ?2)";
        execute(transaction, sql, (integer(session.0), position))?;
    }
    Ok(())
}

/// SQLite counts with a sign.
fn integer(count: u64) -> i64 {
    i64::try_from(count).expect("no one counts so far one by one")
}

#[cfg(test)]
mod tests;
