//! What a server relays to sockets of events.
//!
//! Records go in; out come what is still on its way, and what did not come with whether that is excused. An event goes to
//! one socket, and only that socket brings it, over whichever connections it has. So its client is owed it
//!
//! - from when it is told of the socket: one of which it never hears, because the answer was lost on the way, owes nothing;
//! - until it is told of another, or another life of it begins: what has not come by then never will;
//! - whatever touched its connections before, where it takes the socket up again: that is the promise of recovery;
//! - not, where the server stores sockets and died before the event was stored: then nobody has heard of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use squall::store::MessageId;

use super::{Loss, Thing};
use crate::check::presence::Presences;
use crate::history::{Listener, Record};
use crate::plan::{Name, Plan, SERVER};

/// Everything that was relayed and has not come.
#[derive(Debug, Clone)]
pub(super) struct Relays {
    /// On its way, by client and event.
    down: BTreeMap<Name, BTreeMap<MessageId, Relay>>,
    /// The socket of which the present life of each client was told last.
    told: BTreeMap<Name, Arc<str>>,
    /// Whether what is relayed is to be stored.
    stores: bool,
    /// What of it is not on the server's disk yet.
    unpersisted: BTreeSet<MessageId>,
    lost: Vec<Loss>,
    examined: u64,
}

#[derive(Debug, Clone)]
struct Relay {
    socket: Arc<str>,
    thing: Thing,
}

impl Relays {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            down: BTreeMap::new(),
            told: BTreeMap::new(),
            stores: plan.server.store_sessions,
            unpersisted: BTreeSet::new(),
            lost: Vec::new(),
            examined: 0,
        }
    }

    /// An event goes to a socket. Who wants to disconnect does not wait for it.
    pub(super) fn relay(&mut self, record: &Record, to: &Listener, id: &MessageId, presences: &Presences) {
        if self.stores {
            self.unpersisted.insert(id.clone());
        }
        let Some(presence) = presences.of(&to.client).filter(|presence| !presence.leaving) else { return };
        self.examined += 1;
        let thing = Thing::to(&to.client, presence, record);
        let relay = Relay { socket: Arc::clone(&to.socket), thing };
        self.down.entry(to.client.clone()).or_default().entry(id.clone()).or_insert(relay);
    }

    pub(super) fn hear(&mut self, client: &Name, id: &MessageId) {
        self.down.get_mut(client).into_iter().for_each(|down| drop(down.remove(id)));
    }

    /// The server has it on its disk.
    pub(super) fn persist(&mut self, id: &MessageId) {
        self.unpersisted.remove(id);
    }

    /// A client is told of its socket. What went to that one is on its way over this connection, whatever touched the ones
    /// before; what went to the one that it had is lost.
    pub(super) fn take_up(&mut self, record: &Record, socket: &Arc<str>, presences: &Presences) {
        let Some(presence) = presences.of(&record.host) else { return };
        let before = self.told.insert(record.host.clone(), Arc::clone(socket));
        let Some(down) = self.down.get_mut(&record.host) else { return };
        for (id, relay) in down.extract_if(.., |_, relay| relay.socket != *socket) {
            if before.as_ref() == Some(&relay.socket) {
                self.lost.push(relay.thing.not_shown(&id, Some(record.step)));
            }
        }
        for Relay { thing, .. } in down.values_mut() {
            thing.connection = presence.connections;
            thing.excused = presence.touched.is_some();
            thing.evidence.truncate(1);
            thing.evidence.push(record.clone());
            thing.evidence.extend(presence.touched.clone());
        }
    }

    /// A client's user does not wait for anything any more.
    pub(super) fn give_up(&mut self, client: &Name) {
        self.down.remove(client);
    }

    /// A process is gone, and with it what only it knew.
    pub(super) fn exit(&mut self, record: &Record) {
        self.told.remove(&record.host);
        if *record.host == *SERVER {
            self.lose_unpersisted(record);
        }
    }

    fn lose_unpersisted(&mut self, record: &Record) {
        let unpersisted = std::mem::take(&mut self.unpersisted);
        for down in self.down.values_mut() {
            for (id, mut relay) in down.extract_if(.., |id, _| unpersisted.contains(id)) {
                relay.thing.excuse(record);
                self.lost.push(relay.thing.not_shown(&id, Some(record.step)));
            }
        }
    }

    /// A fault touched a connection between these.
    pub(super) fn touch(&mut self, record: &Record, processes: &[Name], presences: &Presences) {
        for name in processes {
            for relay in self.down.get_mut(name).into_iter().flat_map(BTreeMap::values_mut) {
                relay.thing.touch(record, processes, presences);
            }
        }
    }

    /// What is on its way over the sockets of which clients know.
    pub(super) fn open(&self) -> impl Iterator<Item = &Thing> {
        self.known().map(|(_, thing)| thing)
    }

    fn known(&self) -> impl Iterator<Item = (&MessageId, &Thing)> {
        self.down.iter().flat_map(|(client, down)| {
            let told = self.told.get(client);
            let known = down.iter().filter(move |(_, relay)| Some(&relay.socket) == told);
            known.map(|(id, relay)| (id, &relay.thing))
        })
    }

    /// How much was ever on its way.
    pub(super) fn examined(&self) -> u64 {
        self.examined
    }

    /// All that did not come, if the run is over now.
    pub(super) fn losses(&self) -> impl Iterator<Item = Loss> {
        self.lost.iter().cloned().chain(self.known().map(|(id, thing)| thing.not_shown(id, None)))
    }
}
