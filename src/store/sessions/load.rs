//! All that a store of sessions has, read at the start of a server.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row};

use crate::engine::{Message, Sid};
use crate::socket::stored::{SessionId, StoredSession, StoredSessions};
use crate::socket::{Encoded, Namespace, RoomName};
use crate::store::StoreError;

/// Whoever counts one by one stays below it for ever.
const COUNT_MAX: i64 = i64::MAX / 2;

/// `now` counts milliseconds since 1970.
pub(super) fn all(connection: &Connection, now: i64) -> Result<Option<StoredSessions>, StoreError> {
    let hub = connection
        .query_row("SELECT epoch, head FROM hub", [], |row| Ok((row.get(0)?, count(row, 1)?)))
        .optional()?;
    let Some((epoch, head)) = hub else { return Ok(None) };
    let (events, mut rooms, mut queues) =
        (load_events(connection)?, load_rooms(connection)?, load_queues(connection)?);
    let mut select = connection.prepare(
        "SELECT session, pid, socket, namespace, data, start, floor, parted_at FROM sessions ORDER BY session",
    )?;
    let mut rows = select.query([])?;
    let mut sessions = Vec::new();
    while let Some(row) = rows.next()? {
        let session = SessionId(count(row, 0)?);
        let data: String = row.get(4)?;
        let queue = queues.remove(&session).unwrap_or_default();
        let event = |position| events.get(&position).map(|encoded| (position, encoded.clone()));
        sessions.push(StoredSession {
            session,
            pid: row.get(1)?,
            socket: Sid::from_peer(row.get::<_, String>(2)?),
            namespace: Namespace::new(&row.get::<_, String>(3)?),
            rooms: rooms.remove(&session).unwrap_or_default(),
            data: serde_json::from_str(&data).map_err(|error| damaged(&error.to_string()))?,
            start: count(row, 5)?,
            floor: count(row, 6)?,
            parted_for: row.get::<_, Option<i64>>(7)?.map(|parted_at| between(parted_at, now)),
            events: queue
                .into_iter()
                .map(event)
                .collect::<Option<_>>()
                .ok_or_else(|| damaged("an event is missing"))?,
        });
    }
    Ok(Some(StoredSessions { epoch, head, sessions }))
}

fn load_events(connection: &Connection) -> Result<BTreeMap<u64, Encoded>, StoreError> {
    let mut select = connection.prepare("SELECT position, message FROM events ORDER BY position, part")?;
    let mut rows = select.query([])?;
    let mut events = BTreeMap::<u64, Vec<Message>>::new();
    while let Some(row) = rows.next()? {
        let message = match row.get_ref(1)? {
            ValueRef::Text(text) => {
                Message::text(std::str::from_utf8(text).map_err(|error| damaged(&error.to_string()))?)
            }
            ValueRef::Blob(bytes) => Message::Binary(Bytes::copy_from_slice(bytes)),
            ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => {
                return Err(damaged("an event is neither text nor bytes"));
            }
        };
        events.entry(count(row, 0)?).or_default().push(message);
    }
    Ok(events.into_iter().map(|(position, messages)| (position, Arc::from(messages))).collect())
}

fn load_rooms(connection: &Connection) -> Result<BTreeMap<SessionId, BTreeSet<RoomName>>, StoreError> {
    let mut select = connection.prepare("SELECT session, room FROM rooms")?;
    let mut rows = select.query([])?;
    let mut rooms = BTreeMap::<_, BTreeSet<RoomName>>::new();
    while let Some(row) = rows.next()? {
        rooms.entry(SessionId(count(row, 0)?)).or_default().insert(row.get::<_, String>(1)?.into());
    }
    Ok(rooms)
}

fn load_queues(connection: &Connection) -> Result<BTreeMap<SessionId, Vec<u64>>, StoreError> {
    let mut select = connection.prepare("SELECT session, position FROM queues ORDER BY session, position")?;
    let mut rows = select.query([])?;
    let mut queues = BTreeMap::<_, Vec<u64>>::new();
    while let Some(row) = rows.next()? {
        queues.entry(SessionId(count(row, 0)?)).or_default().push(count(row, 1)?);
    }
    Ok(queues)
}

fn damaged(what: &str) -> StoreError {
    StoreError::Database(format!("the store of sessions is damaged: {what}"))
}

/// No time at all where the wall clock was set back meanwhile.
fn between(earlier: i64, later: i64) -> Duration {
    Duration::from_millis(u64::try_from(later.saturating_sub(earlier)).unwrap_or_default())
}

fn count(row: &Row<'_>, column: usize) -> Result<u64, rusqlite::Error> {
    let integer: i64 = row.get(column)?;
    let counted = u64::try_from(integer).ok().filter(|_| integer <= COUNT_MAX);
    counted.ok_or(rusqlite::Error::IntegralValueOutOfRange(column, integer))
}
