//! What is kept of each socket: in go the events that are sent, with the places they go to; out come offsets for them, and
//! what a client that comes back has missed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::engine::{Entropy, Sid, Time};

use super::super::super::{Args, Encoded, Namespace};
use super::super::roster::Place;
use super::Recovery;

/// What an entry costs besides its bytes, so that a flood of tiny events is bounded too.
const ENTRY_COST: usize = 64;

/// All sessions of a hub.
pub(in crate::socket::hub) struct Sessions {
    options: Recovery,
    entropy: Arc<dyn Entropy>,
    /// Tells offsets of this hub from those of others.
    epoch: String,
    /// The last position given.
    head: u64,
    now: Time,
    sessions: BTreeMap<Place, Session>,
    places: BTreeMap<String, Place>,
    /// When which session without a connection ends, earliest first.
    ends: BTreeSet<(Time, Place)>,
    /// When queues are next looked through for what is too old. `None` while all are empty.
    sweep: Option<Time>,
}

/// What outlives a connection.
#[derive(Debug)]
struct Session {
    pid: String,
    socket: Sid,
    namespace: Namespace,
    /// The head when it began: its client can have nothing of before.
    start: u64,
    /// Whoever has this position misses nothing but what is in the queue.
    floor: u64,
    queue: VecDeque<Entry>,
    bytes: usize,
    /// When it ends, while it has no connection.
    ends: Option<Time>,
}

/// An event that was sent.
#[derive(Debug)]
struct Entry {
    position: u64,
    at: Time,
    encoded: Encoded,
}

/// A session that a client asks for, and the position that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::socket::hub) struct Claim {
    pub(in crate::socket::hub) place: Place,
    pub(in crate::socket::hub) socket: Sid,
    position: u64,
}

impl Sessions {
    /// None yet.
    pub(in crate::socket::hub) fn new(options: Recovery, entropy: Arc<dyn Entropy>) -> Self {
        let mut epoch = [0_u8; 6];
        entropy.fill(&mut epoch);
        Self {
            options,
            entropy,
            epoch: URL_SAFE_NO_PAD.encode(epoch),
            head: 0,
            now: Time::ZERO,
            sessions: BTreeMap::new(),
            places: BTreeMap::new(),
            ends: BTreeSet::new(),
            sweep: None,
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
    pub(in crate::socket::hub) fn begin(
        &mut self,
        place: Place,
        socket: Sid,
        namespace: Namespace,
    ) -> String {
        // The place makes it unique, the rest unguessable.
        let mut pid = [0_u8; 24];
        self.entropy.fill(&mut pid[..16]);
        pid[16..].copy_from_slice(&place.0.to_be_bytes());
        let pid = URL_SAFE_NO_PAD.encode(pid);
        self.places.insert(pid.clone(), place);
        let session = Session {
            pid: pid.clone(),
            socket,
            namespace,
            start: self.head,
            floor: self.head,
            queue: VecDeque::new(),
            bytes: 0,
            ends: None,
        };
        self.sessions.insert(place, session);
        pid
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

    /// Keeps an event of the head's position that is sent to a socket.
    pub(in crate::socket::hub) fn record(&mut self, place: Place, encoded: &Encoded) {
        let Some(session) = self.sessions.get_mut(&place) else { return };
        session.bytes += cost(encoded);
        session.queue.push_back(Entry { position: self.head, at: self.now, encoded: encoded.clone() });
        session.trim(self.options.max_bytes);
        self.sweep.get_or_insert(self.now + self.options.max_disconnection_duration);
    }

    /// A socket has lost its connection: its session ends, unless it is recovered in time.
    pub(in crate::socket::hub) fn wait(&mut self, place: Place) {
        let Some(session) = self.sessions.get_mut(&place) else { return };
        let until = self.now + self.options.max_disconnection_duration;
        session.ends = Some(until);
        self.ends.insert((until, place));
    }

    /// What a client asks for with its CONNECT, if it can have it. It asks for nothing where it sends no `pid`.
    pub(in crate::socket::hub) fn claim(&self, namespace: &Namespace, auth: &Value) -> Option<Claim> {
        let pid = auth.get("pid")?.as_str()?;
        let claim = self.find(namespace, pid, auth.get("offset"));
        if let Err(why) = claim {
            tracing::debug!(reached = "recovery.refused", why, "a session is not recovered");
        }
        claim.ok()
    }

    fn find(&self, namespace: &Namespace, pid: &str, offset: Option<&Value>) -> Result<Claim, &'static str> {
        let place = *self.places.get(pid).ok_or("no session has this pid")?;
        let session = self.sessions.get(&place).expect("who has a pid has a session");
        if session.namespace != *namespace {
            return Err("the session is of another namespace");
        }
        let position = match offset {
            // No event has come yet.
            None => session.start,
            // One of before is from an earlier session, whose end its client has not taken note of.
            Some(offset) => {
                self.position(offset).ok_or("the offset is not one of this server")?.max(session.start)
            }
        };
        let claim = Claim { place, socket: session.socket.clone(), position };
        self.missed(&claim).map(|_| claim).ok_or("what is missed is not kept any more")
    }

    fn position(&self, offset: &Value) -> Option<u64> {
        let (epoch, position) = offset.as_str()?.split_once('.')?;
        // `parse` would also take a sign.
        let digits = position.bytes().all(|byte| byte.is_ascii_digit());
        let position = position.parse().ok().filter(|&position| digits && position <= self.head)?;
        (epoch == self.epoch).then_some(position)
    }

    /// What was sent after the position of a claim, in order. `None` where that is not known: the session has ended, or not
    /// all of it is kept.
    pub(in crate::socket::hub) fn missed(&self, claim: &Claim) -> Option<Vec<Encoded>> {
        let session = self.sessions.get(&claim.place).filter(|session| session.floor <= claim.position)?;
        let first = session.queue.partition_point(|entry| entry.position <= claim.position);
        Some(session.queue.range(first..).map(|entry| entry.encoded.clone()).collect())
    }

    /// The session goes on, on another connection; its secret.
    pub(in crate::socket::hub) fn resume(&mut self, place: Place) -> Option<String> {
        let session = self.sessions.get_mut(&place)?;
        if let Some(until) = session.ends.take() {
            self.ends.remove(&(until, place));
        }
        Some(session.pid.clone())
    }

    /// The session is over.
    pub(in crate::socket::hub) fn end(&mut self, place: Place) {
        let Some(session) = self.sessions.remove(&place) else { return };
        self.places.remove(&session.pid);
        if let Some(until) = session.ends {
            self.ends.remove(&(until, place));
        }
    }

    /// Forgets what is too old; the sockets whose time to come back is over.
    pub(in crate::socket::hub) fn expire(&mut self) -> Vec<Sid> {
        if self.sweep.is_some_and(|sweep| sweep <= self.now) {
            let keep = self.options.max_disconnection_duration;
            let mut kept = false;
            for session in self.sessions.values_mut() {
                // Without a connection, all is kept until the session ends.
                if session.ends.is_none() {
                    session.trim_older(self.now, keep);
                }
                kept |= !session.queue.is_empty();
            }
            self.sweep = kept.then_some(self.now + keep);
        }
        let over = self.ends.iter().take_while(|(until, _)| *until <= self.now);
        over.map(|(_, place)| self.sessions[place].socket.clone()).collect()
    }

    /// Whether nothing is kept for anyone.
    #[cfg(test)]
    pub(in crate::socket::hub) fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.places.is_empty() && self.ends.is_empty()
    }
}

impl Session {
    fn trim(&mut self, max_bytes: usize) {
        while self.bytes > max_bytes {
            self.drop_oldest();
        }
    }

    fn trim_older(&mut self, now: Time, keep: Duration) {
        while self.queue.front().is_some_and(|oldest| now.since(oldest.at) >= keep) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let oldest = self.queue.pop_front().expect("what costs bytes is in the queue");
        self.bytes -= cost(&oldest.encoded);
        self.floor = oldest.position;
    }
}

fn cost(encoded: &Encoded) -> usize {
    encoded.iter().map(|message| message.wire_len() + ENTRY_COST).sum()
}
