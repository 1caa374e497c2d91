//! What a store of sessions should have after any batches: the long way, in memory.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{SessionBatch, SessionChange, SessionId, StoredSession, StoredSessions};

/// A store in memory. Times are counted from some moment that is the same for all.
#[derive(Debug, Clone, Default)]
pub(crate) struct SessionModel {
    hub: Option<(String, u64)>,
    sessions: BTreeMap<SessionId, (StoredSession, Option<Duration>)>,
}

impl SessionModel {
    pub(crate) fn commit(&mut self, batch: &SessionBatch, now: Duration) {
        self.hub = Some((batch.epoch.clone(), batch.head));
        batch.changes.iter().for_each(|change| self.apply(change.clone(), now));
    }

    pub(crate) fn load(&self, now: Duration) -> Option<StoredSessions> {
        let (epoch, head) = self.hub.clone()?;
        let stored = |(session, parted_at): &(StoredSession, Option<Duration>)| StoredSession {
            parted_for: parted_at.map(|parted_at| now.saturating_sub(parted_at)),
            ..session.clone()
        };
        Some(StoredSessions { epoch, head, sessions: self.sessions.values().map(stored).collect() })
    }

    fn apply(&mut self, change: SessionChange, now: Duration) {
        match change {
            SessionChange::Began { session, pid, socket, namespace, rooms, data, start } => {
                let (floor, parted_for, events) = (start, None, Vec::new());
                let stored = StoredSession {
                    session,
                    pid,
                    socket,
                    namespace,
                    rooms,
                    data,
                    start,
                    floor,
                    parted_for,
                    events,
                };
                assert!(self.sessions.insert(session, (stored, None)).is_none(), "it begins once");
            }
            SessionChange::Parted(session) => self.entry(session).1 = Some(now),
            SessionChange::Resumed(session) => self.entry(session).1 = None,
            SessionChange::Joined(session, room) => assert!(self.entry(session).0.rooms.insert(room)),
            SessionChange::Left(session, room) => assert!(self.entry(session).0.rooms.remove(&room)),
            SessionChange::Noted(session, data) => self.entry(session).0.data = data,
            SessionChange::Recorded { position, encoded, sessions } => {
                for session in sessions {
                    self.entry(session).0.events.push((position, encoded.clone()));
                }
            }
            SessionChange::Trimmed { session, floor } => {
                let session = &mut self.entry(session).0;
                session.floor = floor;
                session.events.retain(|(position, _)| *position > floor);
            }
            SessionChange::Ended(session) => drop(self.sessions.remove(&session).expect("it ends once")),
        }
    }

    fn entry(&mut self, session: SessionId) -> &mut (StoredSession, Option<Duration>) {
        self.sessions.get_mut(&session).expect("only what is there changes")
    }
}
