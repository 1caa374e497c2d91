//! Claims about the store of sessions; the last one is about any batches.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::engine::Sid;
use crate::socket::Namespace;
use crate::socket::stored::BatchId;
use crate::socket::stored::model::SessionModel;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn in_memory() -> SqliteSessions {
    SqliteSessions::with_connection(Connection::open_in_memory().unwrap()).unwrap()
}

fn batch(changes: Vec<SessionChange>) -> SessionBatch {
    SessionBatch { id: BatchId(1), epoch: "epoch".to_owned(), head: 9, changes }
}

fn began(session: u64) -> SessionChange {
    SessionChange::Began {
        session: SessionId(session),
        pid: format!("pid {session}"),
        socket: Sid::from_peer(format!("socket {session}")),
        namespace: Namespace::new("/a"),
        rooms: ["lobby".into()].into(),
        data: json!({ "user": session }),
        start: 0,
    }
}

fn recorded(position: u64, sessions: &[u64]) -> SessionChange {
    let encoded = [Message::text("51-[\"a\"]"), Message::Binary(Bytes::from_static(&[0, 255]))].into();
    SessionChange::Recorded { position, encoded, sessions: sessions.iter().copied().map(SessionId).collect() }
}

fn rows(store: &SqliteSessions) -> BTreeMap<&'static str, u64> {
    let count = |table: &'static str| {
        let sql = format!("SELECT count(*) FROM {table}");
        (table, store.connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap() as u64)
    };
    ["sessions", "rooms", "events", "queues"].map(count).into()
}

#[test]
fn a_store_without_a_batch_has_nothing_and_one_that_was_cleared_neither() {
    let mut store = in_memory();
    assert_eq!(store.load(at(0)).unwrap(), None);
    store.commit(&batch(vec![began(1), recorded(1, &[1])]), at(0)).unwrap();

    store.clear().unwrap();

    assert_eq!(store.load(at(0)).unwrap(), None);
    assert!(rows(&store).values().all(|count| *count == 0));
}

#[test]
fn what_is_kept_is_there_for_the_next_process() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sessions.db");
    let mut store = SqliteSessions::open(&path).unwrap();
    store.commit(&batch(vec![began(1), recorded(1, &[1])]), at(0)).unwrap();
    let locked = SqliteSessions::open(&path).err();
    assert!(matches!(locked, Some(StoreError::Locked(_))), "{locked:?}");
    drop(store);

    let loaded = SqliteSessions::open(&path).unwrap().load(at(0)).unwrap().unwrap();

    let SessionChange::Recorded { encoded, .. } = recorded(1, &[]) else { unreachable!() };
    assert_eq!((loaded.epoch.as_str(), loaded.head, loaded.sessions.len()), ("epoch", 9, 1));
    assert_eq!(loaded.sessions[0].events, [(1, encoded)]);
    assert_eq!(loaded.sessions[0].data, json!({ "user": 1 }));
}

#[test]
fn an_event_for_many_is_kept_once_and_as_long_as_someone_needs_it() {
    let mut store = in_memory();
    store.commit(&batch(vec![began(1), began(2), recorded(1, &[1, 2])]), at(0)).unwrap();
    assert_eq!((rows(&store)["events"], rows(&store)["queues"]), (2, 2), "two parts, two queues");
    let trimmed = SessionChange::Trimmed { session: SessionId(1), floor: 1 };

    store.commit(&batch(vec![trimmed]), at(0)).unwrap();
    assert_eq!((rows(&store)["events"], rows(&store)["queues"]), (2, 1));

    store.commit(&batch(vec![SessionChange::Ended(SessionId(2))]), at(0)).unwrap();
    assert_eq!((rows(&store)["events"], rows(&store)["queues"]), (0, 0));
}

#[test]
fn time_without_connection_is_the_wall_clocks_and_none_where_that_was_set_back() {
    let mut store = in_memory();
    store.commit(&batch(vec![began(1), SessionChange::Parted(SessionId(1))]), at(100)).unwrap();
    let mut parted_for = |now| store.load(at(now)).unwrap().unwrap().sessions[0].parted_for;

    assert_eq!(parted_for(130), Some(Duration::from_secs(30)));
    assert_eq!(parted_for(50), Some(Duration::ZERO));
}

#[test]
fn a_batch_that_fails_is_not_kept_in_part() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = SqliteSessions::open(&directory.path().join("sessions.db")).unwrap();
    store.commit(&batch(vec![began(1)]), at(0)).unwrap();
    let pages: u32 = store.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    store.connection.pragma_update(None, "max_page_count", pages).unwrap();
    let before = store.load(at(0)).unwrap();
    let large = SessionChange::Noted(SessionId(1), json!("x".repeat(1 << 20)));

    let refused = store.commit(&batch(vec![SessionChange::Parted(SessionId(1)), large]), at(0));

    assert!(refused.is_err());
    assert_eq!(store.load(at(0)).unwrap(), before);
    store.clear().unwrap();
    assert_eq!(store.load(at(0)).unwrap(), None);
}

#[test]
fn a_damaged_store_is_refused_and_no_reason_to_panic() {
    let spoilt = [
        "UPDATE hub SET head = -1",
        "UPDATE hub SET head = 9223372036854775807",
        "UPDATE sessions SET data = '{'",
        "DELETE FROM events",
        "UPDATE events SET message = 1.5",
        "UPDATE events SET message = CAST(x'ff' AS TEXT)",
    ];
    for sql in spoilt {
        let mut store = in_memory();
        store.commit(&batch(vec![began(1), recorded(1, &[1])]), at(0)).unwrap();
        store.connection.execute_batch(sql).unwrap();
        assert!(store.load(at(0)).is_err(), "{sql}");
    }
}

/// What may happen to a store; where it cannot, it does not.
#[derive(Debug, Clone)]
enum Act {
    Begin,
    Part(usize),
    Resume(usize),
    Room(usize, u8),
    Note(usize, u8),
    Record(Vec<usize>, Vec<u8>),
    Trim(usize),
    End(usize),
    /// Commits what came before.
    Commit,
}

fn arbitrary_act() -> impl Strategy<Value = Act> {
    let who = || 0..6_usize;
    prop_oneof![
        3 => Just(Act::Begin),
        1 => who().prop_map(Act::Part),
        1 => who().prop_map(Act::Resume),
        2 => (who(), 0..3_u8).prop_map(|(who, room)| Act::Room(who, room)),
        1 => (who(), any::<u8>()).prop_map(|(who, data)| Act::Note(who, data)),
        6 => (proptest::collection::vec(who(), 0..4), any::<Vec<u8>>()).prop_map(|(who, bytes)| Act::Record(who, bytes)),
        2 => who().prop_map(Act::Trim),
        1 => who().prop_map(Act::End),
        4 => Just(Act::Commit),
    ]
}

/// Acts as changes that a hub could have made.
#[derive(Default)]
struct Hub {
    sessions: BTreeMap<SessionId, BTreeSet<u8>>,
    begun: u64,
    head: u64,
}

impl Hub {
    fn pick(&self, who: usize) -> Option<SessionId> {
        self.sessions.keys().nth(who).copied()
    }

    fn change(&mut self, act: Act) -> Option<SessionChange> {
        Some(match act {
            Act::Begin => {
                self.begun += 1;
                self.sessions.insert(SessionId(self.begun), BTreeSet::new());
                began(self.begun)
            }
            Act::Part(who) => SessionChange::Parted(self.pick(who)?),
            Act::Resume(who) => SessionChange::Resumed(self.pick(who)?),
            Act::Room(who, room) => {
                let session = self.pick(who)?;
                let (rooms, name) = (self.sessions.get_mut(&session)?, room.to_string().into());
                if rooms.insert(room) {
                    SessionChange::Joined(session, name)
                } else {
                    rooms.remove(&room);
                    SessionChange::Left(session, name)
                }
            }
            Act::Note(who, data) => SessionChange::Noted(self.pick(who)?, json!(data)),
            Act::Record(who, bytes) => {
                let mut sessions: Vec<_> = who.into_iter().filter_map(|who| self.pick(who)).collect();
                sessions.sort_unstable();
                sessions.dedup();
                self.head += u64::from(!sessions.is_empty());
                let attached = bytes.chunks(7).map(|bytes| Message::Binary(Bytes::copy_from_slice(bytes)));
                let encoded: Arc<[Message]> = [Message::text("2[]")].into_iter().chain(attached).collect();
                (!sessions.is_empty()).then_some(())?;
                SessionChange::Recorded { position: self.head, encoded, sessions }
            }
            Act::Trim(who) => SessionChange::Trimmed { session: self.pick(who)?, floor: self.head / 2 },
            Act::End(who) => {
                let session = self.pick(who)?;
                self.sessions.remove(&session);
                SessionChange::Ended(session)
            }
            Act::Commit => return None,
        })
    }
}

proptest! {
    #[test]
    fn any_batches_leave_what_they_say(acts in proptest::collection::vec(arbitrary_act(), 0..80)) {
        let (mut store, mut model, mut hub) = (in_memory(), SessionModel::default(), Hub::default());
        let (mut changes, mut now) = (Vec::new(), 0);
        for act in acts.into_iter().chain([Act::Commit]) {
            if matches!(act, Act::Commit) {
                now += 1;
                let batch = SessionBatch { head: hub.head, ..batch(std::mem::take(&mut changes)) };
                store.commit(&batch, at(now)).unwrap();
                model.commit(&batch, Duration::from_secs(now));
            } else {
                changes.extend(hub.change(act));
            }
        }
        let model = model.load(Duration::from_secs(now + 7));
        prop_assert_eq!(store.load(at(now + 7)).unwrap(), model.clone());
        let needed: BTreeSet<u64> = model.iter().flat_map(|model| &model.sessions)
            .flat_map(|session| session.events.iter().map(|(position, _)| *position)).collect();
        let sql = "SELECT count(DISTINCT position) FROM events";
        let kept: i64 = store.connection.query_row(sql, [], |row| row.get(0)).unwrap();
        prop_assert_eq!(kept as usize, needed.len(), "nothing is kept for nobody");
    }
}
