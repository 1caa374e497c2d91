//! What a server relays to sockets of events.
//!
//! Records go in; out come what is still on its way, and what did not come with whether that is excused. An event goes to
//! one socket, and only that socket brings it, over whichever connections it has. So its client is owed it
//!
//! - from when it is told of the socket: one of which it never hears, because the answer was lost on the way, owes nothing;
//! - until it is told of another, or another life of it begins: what has not come by then never will; or until its user
//!   disconnects, whatever the server still sends before it hears of that;
//! - whatever touched its connections before, where it takes the socket up again: that is the promise of recovery;
//! - not, where the server stores sockets and died before the event was stored: then nobody has heard of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Loss, Thing, Way};
use crate::check::presence::Presences;
use crate::check::roll::{Entry, Host, Message};
use crate::plan::{Plan, SERVER};

/// Everything that was relayed and has not come.
#[derive(Debug, Clone)]
pub(super) struct Relays {
    /// On its way, by client and event.
    down: BTreeMap<Host, BTreeMap<Message, Relay>>,
    /// The socket of which the present life of each client was told last.
    told: BTreeMap<Host, Told>,
    /// Whether what is relayed is to be stored.
    stores: bool,
    /// What of it is not on the server's disk yet.
    unpersisted: BTreeSet<Message>,
    lost: Vec<Loss>,
    examined: u64,
}

#[derive(Debug, Clone)]
struct Told {
    socket: Arc<str>,
    /// Over which connection.
    connection: u64,
    /// With which step a fault first touched that one.
    touched: Option<u64>,
    /// Whether its user has disconnected since. The server may not have heard of it yet.
    parted: bool,
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
    pub(super) fn relay(
        &mut self,
        entry: &Entry<'_>,
        client: Host,
        socket: &Arc<str>,
        presences: &Presences,
    ) {
        if self.stores {
            self.unpersisted.insert(entry.message);
        }
        let Some(presence) = presences.of(client).filter(|presence| !presence.leaving) else { return };
        let told = self.told.get(&client).filter(|told| told.socket == *socket);
        if told.is_some_and(|told| told.parted) {
            return;
        }
        self.examined += 1;
        let mut thing = Thing::to(client, presence, entry.step);
        // It may be connected again, and not yet know whether it has its socket: that was on the connection before.
        if let Some(touched) = told.and_then(|told| told.touched) {
            thing.excuse(touched);
        }
        let relay = Relay { socket: Arc::clone(socket), thing };
        self.down.entry(client).or_default().entry(entry.message).or_insert(relay);
    }

    pub(super) fn hear(&mut self, client: Host, message: Message) {
        self.down.get_mut(&client).into_iter().for_each(|down| drop(down.remove(&message)));
    }

    /// The server has it on its disk.
    pub(super) fn persist(&mut self, message: Message) {
        self.unpersisted.remove(&message);
    }

    /// A client is told of its socket. What went to that one is on its way over this connection, whatever touched the ones
    /// before; what went to the one that it had is lost. Where it was told of that one over this very connection, it was told
    /// late, of one that it had before; which faults touched that is not known any more.
    pub(super) fn take_up(&mut self, entry: &Entry<'_>, socket: &Arc<str>, presences: &Presences) {
        let Some(presence) = presences.of(entry.who) else { return };
        let (connection, touched) = (presence.bearer(), presence.touch_of_the_bearer());
        let told = Told { socket: Arc::clone(socket), connection, touched, parted: false };
        let before = self.told.insert(entry.who, told);
        let Some(down) = self.down.get_mut(&entry.who) else { return };
        for (message, relay) in down.extract_if(.., |_, relay| relay.socket != *socket) {
            let is_over = |told: &Told| told.socket == relay.socket && told.connection < connection;
            if before.as_ref().is_some_and(is_over) {
                self.lost.push(relay.thing.lost(Way::Down, message, Some(entry.step)));
            }
        }
        for Relay { thing, .. } in down.values_mut() {
            thing.connection = connection;
            thing.excused = touched.is_some();
            thing.evidence.truncate(1);
            thing.evidence.push(entry.step);
            thing.evidence.extend(touched);
        }
    }

    /// A client's user does not wait for anything any more, nor for what is still sent to the socket that it had.
    pub(super) fn give_up(&mut self, client: Host) {
        self.down.remove(&client);
        self.told.get_mut(&client).into_iter().for_each(|told| told.parted = true);
    }

    /// A process is gone, and with it what only it knew.
    pub(super) fn exit(&mut self, entry: &Entry<'_>) {
        self.told.remove(&entry.who);
        if *entry.host == *SERVER {
            self.lose_unpersisted(entry.step);
        }
    }

    fn lose_unpersisted(&mut self, step: u64) {
        let unpersisted = std::mem::take(&mut self.unpersisted);
        for down in self.down.values_mut() {
            for (message, mut relay) in down.extract_if(.., |message, _| unpersisted.contains(message)) {
                relay.thing.excuse(step);
                self.lost.push(relay.thing.lost(Way::Down, message, Some(step)));
            }
        }
    }

    /// A fault touched a connection between these.
    pub(super) fn touch(&mut self, entry: &Entry<'_>, presences: &Presences) {
        for client in &entry.named {
            if let (Some(told), Some(presence)) = (self.told.get_mut(client), presences.of(*client))
                && presence.concerns(told.connection)
            {
                told.touched.get_or_insert(entry.step);
            }
            for relay in self.down.get_mut(client).into_iter().flat_map(BTreeMap::values_mut) {
                relay.thing.touch(entry, presences);
            }
        }
    }

    /// What is on its way over the sockets of which clients know.
    pub(super) fn open(&self) -> impl Iterator<Item = &Thing> {
        self.known().map(|(_, thing)| thing)
    }

    fn known(&self) -> impl Iterator<Item = (Message, &Thing)> {
        self.down.iter().flat_map(|(client, down)| {
            let told = self.told.get(client).map(|told| &told.socket);
            let known = down.iter().filter(move |(_, relay)| Some(&relay.socket) == told);
            known.map(|(message, relay)| (*message, &relay.thing))
        })
    }

    /// How much was ever on its way.
    pub(super) fn examined(&self) -> u64 {
        self.examined
    }

    /// All that did not come, if the run is over now, of what could have.
    pub(super) fn losses(&self, could_come: impl Fn(&Thing) -> bool) -> impl Iterator<Item = Loss> {
        let known = self.known().filter(move |(_, thing)| could_come(thing));
        self.lost.iter().cloned().chain(known.map(|(message, thing)| thing.lost(Way::Down, message, None)))
    }
}
