//! What is kept of each socket: in go the events that are sent, with the places they go to; out come offsets for them, and
//! what a client that comes back has missed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use thiserror::Error;

use crate::engine::{Entropy, Sid, Time};
use crate::reached::reached;

use super::super::super::{Args, Encoded, Namespace};
use super::super::RoomName;
use super::super::roster::Place;
use super::Recovery;
use super::session::Session;
use super::stored::{SessionChange, StoredSession, StoredSessions};

/// How many positions a hub leaves out behind the last one that was stored. A hub before it may have told clients of some,
/// which a store that failed has not: who has such a position must not be taken to have what this hub sends.
const NEVER_STORED: u64 = 1 << 32;

/// All sessions of a hub.
pub(in crate::socket::hub) struct Sessions {
    options: Recovery,
    entropy: Arc<dyn Entropy>,
    /// Tells offsets of this hub from those of others.
    epoch: String,
    /// The one that was stored, where a store has failed: its offsets are still good here.
    former_epoch: Option<String>,
    /// The last position given.
    head: u64,
    /// Positions that a hub before this one may have told of, and did not store.
    never_stored: Range<u64>,
    now: Time,
    sessions: BTreeMap<Place, Session>,
    places: BTreeMap<String, Place>,
    /// When which session without a connection ends, earliest first.
    ends: BTreeSet<(Time, Place)>,
    /// When queues are next looked through for what is too old. `None` while all are empty.
    sweep: Option<Time>,
    /// What changed since that was last taken; `None` where it is not stored.
    journal: Option<Vec<SessionChange>>,
}

/// A socket whose session begins.
pub(in crate::socket::hub) struct Newcomer<'a> {
    pub(in crate::socket::hub) socket: &'a Sid,
    pub(in crate::socket::hub) namespace: &'a Namespace,
    pub(in crate::socket::hub) rooms: &'a BTreeSet<RoomName>,
    pub(in crate::socket::hub) data: Value,
}

/// A session that a client asks for, and the position that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::socket::hub) struct Claim {
    pub(in crate::socket::hub) place: Place,
    pub(in crate::socket::hub) socket: Sid,
    position: u64,
}

/// Why a client cannot have the session that it asks for.
#[derive(Debug, Error)]
enum Refused {
    #[error("no session has this pid")]
    UnknownSession,
    #[error("the session is of another namespace")]
    OtherNamespace,
    #[error("the offset is not one of this server")]
    UnknownOffset,
    #[error("what is missed is not kept any more")]
    NotKept,
}

impl Refused {
    fn note(&self) {
        match self {
            Self::UnknownSession => reached!("recovery.refused.unknown_session"),
            Self::OtherNamespace => reached!("recovery.refused.other_namespace"),
            Self::UnknownOffset => reached!("recovery.refused.unknown_offset"),
            Self::NotKept => reached!("recovery.refused.not_kept"),
        }
    }
}

impl Sessions {
    /// None yet.
    pub(in crate::socket::hub) fn new(options: Recovery, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            options,
            epoch: fresh_epoch(&*entropy),
            former_epoch: None,
            entropy,
            head: 0,
            never_stored: 0..0,
            now: Time::ZERO,
            sessions: BTreeMap::new(),
            places: BTreeMap::new(),
            ends: BTreeSet::new(),
            sweep: None,
            journal: None,
        }
    }

    /// From now on, what changes is for a store; what that has is here again. None of it has a connection.
    pub(in crate::socket::hub) fn restore(&mut self, stored: Option<StoredSessions>) {
        self.journal = Some(Vec::new());
        let Some(StoredSessions { epoch, head, sessions }) = stored else { return };
        reached!("recovery.loaded");
        self.head = head.saturating_add(NEVER_STORED);
        (self.epoch, self.never_stored) = (epoch, head.saturating_add(1)..self.head.saturating_add(1));
        for stored in sessions {
            self.restore_one(stored);
        }
    }

    fn restore_one(&mut self, stored: StoredSession) {
        let StoredSession { session: id, pid, socket, namespace, start, floor, parted_for, events, .. } =
            stored;
        let place = Place::from(id);
        let mut session = Session::new(pid, socket, namespace, start);
        (session.floor, session.is_restored) = (floor, true);
        events.into_iter().for_each(|(position, encoded)| session.push(position, self.now, encoded));
        self.places.insert(session.pid.clone(), place);
        self.sessions.insert(place, session);
        self.trim(place);
        let keep = self.options.max_disconnection_duration;
        self.sweep.get_or_insert(self.now + keep);
        match parted_for {
            Some(parted_for) => self.await_until(place, keep.saturating_sub(parted_for)),
            // Nobody knows when the connection broke: with the server at the latest.
            None => self.wait(place),
        }
    }

    /// What changed since the last time.
    pub(in crate::socket::hub) fn take_changes(&mut self) -> Vec<SessionChange> {
        self.journal.as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub(in crate::socket::hub) fn epoch(&self) -> &str {
        &self.epoch
    }

    pub(in crate::socket::hub) fn head(&self) -> u64 {
        self.head
    }

    /// What changes from now on is stored no more. Who is told an offset from now on cannot use it at a server that has
    /// loaded what was stored before.
    pub(in crate::socket::hub) fn give_up_storing(&mut self) {
        reached!("recovery.store_failed");
        self.journal = None;
        self.former_epoch = Some(std::mem::replace(&mut self.epoch, fresh_epoch(&*self.entropy)));
    }

    fn note(&mut self, change: impl FnOnce() -> SessionChange) {
        if let Some(journal) = &mut self.journal {
            journal.push(change());
        }
    }

    pub(in crate::socket::hub) fn set_now(&mut self, now: Time) {
        self.now = now;
    }

    pub(in crate::socket::hub) fn skips_middlewares(&self) -> bool {
        self.options.skip_middlewares
    }

    /// When something is to be done, if no one does anything before.
    pub(in crate::socket::hub) fn deadline(&self) -> Option<Time> {
        let end = self.ends.first().map(|&(until, _)| until);
        end.into_iter().chain(self.sweep).min()
    }

    /// A session for a socket that connects; its secret.
    pub(in crate::socket::hub) fn begin(&mut self, place: Place, newcomer: Newcomer<'_>) -> String {
        // The place makes it unique, the rest unguessable.
        let mut pid = [0_u8; 24];
        self.entropy.fill(&mut pid[..16]);
        pid[16..].copy_from_slice(&place.0.to_be_bytes());
        let pid = URL_SAFE_NO_PAD.encode(pid);
        let Newcomer { socket, namespace, rooms, data } = newcomer;
        self.places.insert(pid.clone(), place);
        let session = Session::new(pid.clone(), socket.clone(), namespace.clone(), self.head);
        self.sessions.insert(place, session);
        let start = self.head;
        self.note(|| SessionChange::Began {
            session: place.into(),
            pid: pid.clone(),
            socket: socket.clone(),
            namespace: namespace.clone(),
            rooms: rooms.clone(),
            data,
            start,
        });
        pid
    }

    /// A socket has joined a room.
    pub(in crate::socket::hub) fn join(&mut self, place: Place, room: &RoomName) {
        self.note(|| SessionChange::Joined(place.into(), room.clone()));
    }

    /// A socket has left a room.
    pub(in crate::socket::hub) fn leave(&mut self, place: Place, room: &RoomName) {
        self.note(|| SessionChange::Left(place.into(), room.clone()));
    }

    /// The application has noted something about a socket.
    pub(in crate::socket::hub) fn noted(&mut self, place: Place, data: Value) {
        self.note(|| SessionChange::Noted(place.into(), data));
    }

    /// The next position, for an event that is recorded.
    pub(in crate::socket::hub) fn advance(&mut self) {
        self.head += 1;
    }

    /// The arguments, and the offset of the head behind them.
    pub(in crate::socket::hub) fn with_offset(&self, args: Args) -> Args {
        let mut offset = self.epoch.clone();
        write!(offset, ".{}", self.head).expect("writing to a string cannot fail");
        args.and(&offset).expect("text goes with any arguments")
    }

    /// Keeps an event of the head's position that is sent to sockets.
    pub(in crate::socket::hub) fn record(&mut self, places: &[Place], encoded: &Encoded) {
        let position = self.head;
        self.note(|| SessionChange::Recorded {
            position,
            encoded: encoded.clone(),
            sessions: places.iter().copied().map(Into::into).collect(),
        });
        for &place in places {
            let Some(session) = self.sessions.get_mut(&place) else { continue };
            session.push(position, self.now, encoded.clone());
            self.trim(place);
        }
        self.sweep.get_or_insert(self.now + self.options.max_disconnection_duration);
    }

    fn trim(&mut self, place: Place) {
        let Some(session) = self.sessions.get_mut(&place) else { return };
        if session.trim(self.options.max_bytes) {
            reached!("recovery.trimmed");
            let floor = session.floor;
            self.note(|| SessionChange::Trimmed { session: place.into(), floor });
        }
    }

    /// A socket has lost its connection: its session ends, unless it is recovered in time.
    pub(in crate::socket::hub) fn wait(&mut self, place: Place) {
        self.await_until(place, self.options.max_disconnection_duration);
        self.note(|| SessionChange::Parted(place.into()));
    }

    fn await_until(&mut self, place: Place, left: Duration) {
        let Some(session) = self.sessions.get_mut(&place) else { return };
        let until = self.now + left;
        session.ends = Some(until);
        self.ends.insert((until, place));
    }

    /// What a client asks for with its CONNECT, if it can have it. It asks for nothing where it sends no `pid`.
    pub(in crate::socket::hub) fn claim(&self, namespace: &Namespace, auth: &Value) -> Option<Claim> {
        let pid = auth.get("pid")?.as_str()?;
        let claim = self.find(namespace, pid, auth.get("offset"));
        if let Err(refused) = &claim {
            reached!("recovery.refused");
            refused.note();
            tracing::debug!(why = %refused, "a session is not recovered");
        }
        claim.ok()
    }

    fn find(&self, namespace: &Namespace, pid: &str, offset: Option<&Value>) -> Result<Claim, Refused> {
        let place = *self.places.get(pid).ok_or(Refused::UnknownSession)?;
        let session = self.sessions.get(&place).expect("who has a pid has a session");
        if session.namespace != *namespace {
            return Err(Refused::OtherNamespace);
        }
        let position = match offset {
            // No event has come yet.
            None => session.start,
            // One of before is from an earlier session, whose end its client has not taken note of.
            Some(offset) => self.position(offset).ok_or(Refused::UnknownOffset)?.max(session.start),
        };
        let claim = Claim { place, socket: session.socket.clone(), position };
        self.missed(&claim).map(|_| claim).ok_or(Refused::NotKept)
    }

    fn position(&self, offset: &Value) -> Option<u64> {
        let (epoch, position) = offset.as_str()?.split_once('.')?;
        // `parse` would also take a sign.
        let digits = position.bytes().all(|byte| byte.is_ascii_digit());
        let given = |position: &u64| *position <= self.head && !self.never_stored.contains(position);
        let position = position.parse().ok().filter(|position| digits && given(position))?;
        (epoch == self.epoch || Some(epoch) == self.former_epoch.as_deref()).then_some(position)
    }

    /// What was sent after the position of a claim, in order. `None` where that is not known: the session has ended, or not
    /// all of it is kept.
    pub(in crate::socket::hub) fn missed(&self, claim: &Claim) -> Option<Vec<Encoded>> {
        self.sessions.get(&claim.place)?.after(claim.position)
    }

    /// The session goes on, on another connection; its secret.
    pub(in crate::socket::hub) fn resume(&mut self, place: Place) -> Option<String> {
        let session = self.sessions.get_mut(&place)?;
        if let Some(until) = session.ends.take() {
            self.ends.remove(&(until, place));
        }
        if std::mem::take(&mut session.is_restored) {
            reached!("recovery.stored");
            tracing::debug!(socket = %session.socket, "a session of before is recovered");
        }
        let pid = session.pid.clone();
        self.note(|| SessionChange::Resumed(place.into()));
        Some(pid)
    }

    /// The session is over.
    pub(in crate::socket::hub) fn end(&mut self, place: Place) {
        let Some(session) = self.sessions.remove(&place) else { return };
        self.places.remove(&session.pid);
        if let Some(until) = session.ends {
            self.ends.remove(&(until, place));
        }
        self.note(|| SessionChange::Ended(place.into()));
    }

    /// Forgets what is too old; the sockets whose time to come back is over.
    pub(in crate::socket::hub) fn expire(&mut self) -> Vec<Sid> {
        if self.sweep.is_some_and(|sweep| sweep <= self.now) {
            self.forget_what_is_old();
        }
        let over = self.ends.iter().take_while(|(until, _)| *until <= self.now);
        over.map(|(_, place)| self.sessions[place].socket.clone()).collect()
    }

    fn forget_what_is_old(&mut self) {
        let keep = self.options.max_disconnection_duration;
        let (mut kept, mut trimmed) = (false, Vec::new());
        for (&place, session) in &mut self.sessions {
            // Without a connection, all is kept until the session ends.
            if session.ends.is_none() && session.trim_older(self.now, keep) {
                trimmed.push(SessionChange::Trimmed { session: place.into(), floor: session.floor });
            }
            kept |= !session.is_empty();
        }
        self.sweep = kept.then_some(self.now + keep);
        trimmed.into_iter().for_each(|change| self.note(|| change));
    }

    /// Whether nothing is kept for anyone.
    #[cfg(test)]
    pub(in crate::socket::hub) fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.places.is_empty() && self.ends.is_empty()
    }
}

fn fresh_epoch(entropy: &dyn Entropy) -> String {
    let mut epoch = [0_u8; 6];
    entropy.fill(&mut epoch);
    URL_SAFE_NO_PAD.encode(epoch)
}
