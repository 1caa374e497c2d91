//! The server's machine: namespaces, sockets, rooms, and one order for everything sent.
//!
//! Takes what happens on all engine connections and what the application asks, gives packets in their wire form, events
//! and the next deadline. A namespace exists once it was created; the main one always does. One that came to be because
//! someone was let in is gone with the last who is in it.
//!
//! Promise: each `Connected` has exactly one `Disconnected`, all that is `Received` from a socket lies between the two;
//! each `Asked` has exactly one `Connected` or `Abandoned`; each [`EmitId`] is settled exactly once, or waits while it
//! can still be answered; nothing is sent to a socket before it is connected, nor on a connection that was told to close.
//! Where connections are recovered, a socket may connect again after it was disconnected; see `recovery`. Where sessions
//! are stored, nothing is sent before what was changed by then is kept; see [`stored`].
//! Knows no transport and nothing of what an event means.

mod audiences;
mod commands;
mod connections;
mod interface;
mod members;
mod packets;
mod recovery;
mod roster;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::engine::{Entropy, Sid, Time};

use super::waiters::Waiters;
use super::{AckId, EmitId, Namespace};

use audiences::Survey;
use members::Member;
use recovery::{Durability, Sessions};
use roster::Roster;

pub use interface::{Audience, ConnectionId, HubCommand, HubEvent, HubInput, HubOutput, Recovered, RoomName};
pub use recovery::{Recovery, stored};

/// The server's machine.
pub struct Hub {
    entropy: Arc<dyn Entropy>,
    connect_timeout: Duration,
    /// Every connection that was opened and is not yet over.
    connections: BTreeMap<ConnectionId, Connection>,
    /// When which connection without a connected socket is closed, earliest first.
    deadlines: BTreeSet<(Time, ConnectionId)>,
    namespaces: BTreeMap<Namespace, NamespaceState>,
    /// Whether every namespace but the main one is guarded, those that do not exist included.
    others_guarded: bool,
    /// The sockets of all namespaces, those that asked included.
    members: BTreeMap<Sid, Member>,
    sids: u32,
    places: u64,
    /// `None` where connections are not recovered.
    sessions: Option<Sessions>,
    /// `None` where sessions are not stored.
    durability: Option<Durability>,
    waiters: Waiters<(Sid, AckId), EmitId>,
    /// The broadcasts among those who wait. Each has as many waiters as it has sockets to hear of.
    surveys: BTreeMap<EmitId, Survey>,
    acks: u64,
    shutting_down: bool,
    outputs: VecDeque<HubOutput>,
}

/// A namespace that exists.
#[derive(Debug, Default)]
struct NamespaceState {
    guarded: bool,
    /// Whether it goes with the last who is in it.
    passing: bool,
    roster: Roster,
}

/// How a connection stands.
#[derive(Debug)]
enum Connection {
    /// It may ask for namespaces.
    Open {
        sockets: BTreeMap<Namespace, Sid>,
        /// When it is closed, unless one of its sockets is connected by then. `None` while one is.
        until: Option<Time>,
    },
    /// Told to close. What still arrives on it is not heard.
    Closing,
}

impl Hub {
    /// A hub without connections. A connection that joins no namespace within `connect_timeout` is closed.
    pub fn new(entropy: Arc<dyn Entropy>, connect_timeout: Duration) -> Self {
        Self {
            entropy,
            connect_timeout,
            connections: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            namespaces: BTreeMap::from([(Namespace::MAIN, NamespaceState::default())]),
            others_guarded: false,
            members: BTreeMap::new(),
            sids: 0,
            places: 0,
            sessions: None,
            durability: None,
            waiters: Waiters::default(),
            surveys: BTreeMap::new(),
            acks: 0,
            shutting_down: false,
            outputs: VecDeque::new(),
        }
    }

    /// From now on, sockets whose connection breaks can be taken up again. To be asked for before anything connects.
    pub fn recover(&mut self, options: Recovery) {
        self.sessions = Some(Sessions::new(options, self.entropy.clone()));
    }

    /// Takes one input.
    pub fn handle(&mut self, input: HubInput, now: Time) {
        debug_assert!(self.outputs.is_empty(), "outputs are drained before the next input");
        if let Some(sessions) = &mut self.sessions {
            sessions.set_now(now);
        }
        match input {
            HubInput::Opened(connection) => self.on_opened(connection, now),
            HubInput::Received(connection, packet) => self.on_packet(connection, packet, now),
            HubInput::Closed(connection, reason) => self.on_closed(connection, reason),
            HubInput::TimedOut => self.on_timed_out(now),
            HubInput::Command(command) => self.on_command(command, now),
            HubInput::Loaded(stored) => self.on_loaded(stored),
            HubInput::Persisted(batch) => return self.on_persisted(batch),
            HubInput::PersistFailed => return self.on_persist_failed(),
        }
        self.hold_back();
    }

    /// The next thing to do. After [`HubOutput::Wait`], the next input.
    pub fn poll_output(&mut self) -> HubOutput {
        self.outputs.pop_front().unwrap_or_else(|| self.wait())
    }

    fn wait(&self) -> HubOutput {
        let closes = self.deadlines.first().map(|&(until, _)| until);
        let ends = self.sessions.as_ref().and_then(Sessions::deadline);
        HubOutput::Wait { until: [closes, self.waiters.deadline(), ends].into_iter().flatten().min() }
    }

    fn event(&mut self, event: HubEvent) {
        self.outputs.push_back(HubOutput::Event(event));
    }
}
