//! The hub and a store: what it has at the start, what it is given to keep, and what waits for that.

use serde_json::Value;

use crate::engine::Sid;
use crate::reached::reached;

use super::super::super::unanswered::Unanswered;
use super::super::members::{Member, Standing};
use super::super::roster::Place;
use super::super::{ConnectionId, Hub, HubOutput, NamespaceState};
use super::durability::Durability;
use super::stored::{BatchId, StoredSession, StoredSessions};

/// That of a socket which has had none since the server started. No driver counts that far.
const NONE_YET: ConnectionId = ConnectionId(u64::MAX);

impl Hub {
    /// Who has a session in the store is away, in its rooms.
    pub(in crate::socket::hub) fn on_loaded(&mut self, stored: Option<StoredSessions>) {
        assert!(self.members.is_empty(), "sessions are loaded before anything connects");
        let sessions = self.sessions.as_mut().expect("what is stored are sessions");
        self.durability = Some(Durability::default());
        stored.iter().flat_map(|stored| &stored.sessions).for_each(|stored| {
            let place = Place::from(stored.session);
            self.places = self.places.max(place.0 + 1);
            let passing = || NamespaceState { passing: true, ..NamespaceState::default() };
            let state = self.namespaces.entry(stored.namespace.clone()).or_insert_with(passing);
            state.roster.enter(place, stored.socket.clone(), None, &stored.rooms);
            self.members.insert(stored.socket.clone(), ghost(place, stored));
        });
        sessions.restore(stored);
    }

    /// What the application notes about a socket.
    pub(in crate::socket::hub) fn note(&mut self, socket: &Sid, data: Value) {
        let Some(member) = self.members.get_mut(socket) else { return };
        match &mut member.standing {
            Standing::Asking(asking) => asking.noted = data,
            Standing::Connected(place) | Standing::Away(place) => {
                self.sessions.iter_mut().for_each(|sessions| sessions.noted(*place, data.clone()));
            }
        }
    }

    /// What was said waits for what was changed.
    pub(in crate::socket::hub) fn hold_back(&mut self) {
        let (Some(durability), Some(sessions)) = (&mut self.durability, &mut self.sessions) else { return };
        self.outputs = durability.pass(sessions.take_changes(), std::mem::take(&mut self.outputs));
        self.persist();
    }

    fn persist(&mut self) {
        let (Some(durability), Some(sessions)) = (&mut self.durability, &self.sessions) else { return };
        let batch = durability.next_batch(sessions.epoch(), sessions.head());
        self.outputs.extend(batch.map(HubOutput::Persist));
    }

    pub(in crate::socket::hub) fn on_persisted(&mut self, batch: BatchId) {
        let Some(durability) = &mut self.durability else { return };
        let released = durability.persisted(batch);
        if !released.is_empty() {
            reached!("recovery.held_back");
        }
        self.release(released);
        self.persist();
    }

    pub(in crate::socket::hub) fn on_persist_failed(&mut self) {
        let Some(durability) = self.durability.take() else { return };
        self.sessions.iter_mut().for_each(|sessions| sessions.give_up_storing());
        self.release(durability.give_up());
    }

    /// Connections may have ended meanwhile.
    fn release(&mut self, waited: impl IntoIterator<Item = HubOutput>) {
        let connections = &self.connections;
        let still = waited.into_iter().filter(|output| match output {
            HubOutput::Transmit(connection, _)
            | HubOutput::TransmitVolatile(connection, _)
            | HubOutput::Close(connection) => connections.contains_key(connection),
            HubOutput::Event(_) | HubOutput::Persist(_) | HubOutput::Wait { .. } => true,
        });
        self.outputs.extend(still);
    }

    /// The batch with which all that was said so far has gone; `None` where nothing waits for the store.
    pub fn awaited_batch(&self) -> Option<BatchId> {
        self.durability.as_ref().and_then(Durability::awaited)
    }
}

fn ghost(place: Place, stored: &StoredSession) -> Member {
    Member {
        namespace: stored.namespace.clone(),
        connection: NONE_YET,
        unanswered: Unanswered::default(),
        rooms: stored.rooms.clone(),
        standing: Standing::Away(place),
    }
}
