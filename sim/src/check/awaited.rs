//! What may legally be lost: a message sent without an acknowledgement, what a live reader is shown, an event.
//!
//! Records go in; out come what is still on its way, and what did not come with whether that is excused. Each thing goes
//! over one connection of one client: the one that it had, or the next one where it had none. What a server relays to a
//! socket goes with that socket, from one connection to the next: see `relays`. A thing is
//!
//! - **on its way** while it may still come;
//! - **lost** when the connection that was to bring it has been replaced by another, or the run is over;
//! - **excused** where a fault touched that connection, where the process at its end was gone, or where a sender that sends
//!   again was told that sending failed;
//! - **given up** where its reader wanted to disconnect, and **unsent** where its sender never connected again: neither is a
//!   loss.

mod relays;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use squall::store::{LogOffset, MessageId};

use self::relays::Relays;
use super::message::Message;
use super::owed::connected_at_the_end;
use super::presence::{Presence, Presences};
use super::rooms::Rooms;
use crate::history::{Kind, Record};
use crate::plan::{Name, Plan, Receive, Send};

/// Everything that may legally be lost.
#[derive(Debug, Clone)]
pub(super) struct Awaited {
    senders: BTreeMap<Name, Send>,
    live: BTreeSet<Name>,
    returning: BTreeSet<Name>,
    rooms: Rooms,
    presences: Presences,
    committed: BTreeSet<Message>,
    /// On its way to the server.
    up: BTreeMap<MessageId, Thing>,
    /// On its way to a client that is shown the chat live.
    down: BTreeMap<(Name, Message), Thing>,
    /// On its way to sockets of events.
    relays: Relays,
    /// Reported as failed, and not in the log.
    reported: BTreeMap<MessageId, Thing>,
    lost: Vec<Loss>,
    examined: u64,
}

#[derive(Debug, Clone)]
struct Thing {
    client: Name,
    /// The number of the connection that is to bring it, among the client's.
    connection: u64,
    excused: bool,
    /// The records that show it.
    evidence: Vec<Record>,
}

/// Something that did not come.
#[derive(Debug, Clone)]
pub(super) struct Loss {
    /// One sentence.
    pub(super) says: String,
    /// Whether that is legal.
    pub(super) excused: bool,
    /// The record with which it became true; none for the last one of the run.
    pub(super) step: Option<u64>,
    /// The records that show it.
    pub(super) evidence: Vec<Record>,
}

impl Awaited {
    pub(super) fn new(plan: &Plan) -> Self {
        let live = plan.clients.iter().filter(|(_, client)| client.receive == Receive::Live);
        Self {
            senders: plan.clients.iter().map(|(name, client)| (name.clone(), client.send)).collect(),
            live: live.map(|(name, _)| name.clone()).collect(),
            returning: connected_at_the_end(plan).cloned().collect(),
            rooms: Rooms::new(plan),
            presences: Presences::new(plan),
            committed: BTreeSet::new(),
            up: BTreeMap::new(),
            down: BTreeMap::new(),
            relays: Relays::new(plan),
            reported: BTreeMap::new(),
            lost: Vec::new(),
            examined: 0,
        }
    }

    /// Takes the next record.
    pub(super) fn observe(&mut self, record: &Record) {
        self.rooms.observe(record);
        self.presences.observe(record);
        match &record.kind {
            Kind::Sent { id, .. } if self.senders.get(&record.host) == Some(&Send::Plain) => {
                self.send(record, id);
            }
            Kind::Emitted { id, volatile: false, .. } => self.send(record, id),
            Kind::SendFailed { id, .. } => self.report(record, id),
            Kind::Failed { id, .. } => drop(self.up.remove(id)),
            Kind::Arrived { id, .. } => {
                self.up.remove(id);
                self.reported.remove(id);
            }
            Kind::Committed { id, room, offset, .. } => self.commit(record, id.as_ref(), room, *offset),
            Kind::Relayed { id, audience, volatile: false, .. } => {
                audience.iter().for_each(|listener| self.relays.relay(record, listener, id, &self.presences));
            }
            Kind::Delivered { id, offset, .. } => {
                self.down.remove(&(record.host.clone(), Message::seen(id.as_ref(), *offset)));
            }
            Kind::Heard { id, .. } => self.relays.hear(&record.host, id),
            Kind::Persisted { id } => self.relays.persist(id),
            Kind::Resumed { socket, .. } => self.relays.take_up(record, socket, &self.presences),
            Kind::Connected { peer: None } => self.replace(record),
            Kind::Did { act: "disconnect" } => self.give_up(record),
            Kind::Exited { .. } => self.exit(record),
            Kind::Touched { processes, .. } => self.touch(record, processes),
            Kind::Sent { .. }
            | Kind::Emitted { .. }
            | Kind::Relayed { .. }
            | Kind::Connected { peer: Some(_) }
            | Kind::Did { .. }
            | Kind::Acknowledged { .. }
            | Kind::Suppressed { .. }
            | Kind::Asked { .. }
            | Kind::Joined { .. }
            | Kind::Left { .. }
            | Kind::Answered { .. }
            | Kind::Disconnected { .. }
            | Kind::Early { .. }
            | Kind::Trouble { .. }
            | Kind::Started
            | Kind::Skipped { .. }
            | Kind::FaultBegan { .. }
            | Kind::FaultEnded { .. } => {}
        }
    }

    /// A client sends: what is said while it is not connected goes over the next connection.
    fn send(&mut self, record: &Record, id: &MessageId) {
        let Some(presence) = self.presences.of(&record.host) else { return };
        let connection = presence.connections + u64::from(!presence.connected);
        let touch = presence.touch_of_the_bearer();
        self.examined += 1;
        let thing = Thing {
            client: record.host.clone(),
            connection,
            excused: touch.is_some(),
            evidence: [record].into_iter().chain(touch).cloned().collect(),
        };
        self.up.insert(id.clone(), thing);
    }

    /// To be told of a loss does not make it legal for who sends once.
    fn report(&mut self, record: &Record, id: &MessageId) {
        if self.senders.get(&record.host) == Some(&Send::Plain) {
            return;
        }
        let sent = self.up.remove(id);
        if self.committed.contains(&Message::Id(id.clone())) {
            return;
        }
        self.examined += u64::from(sent.is_none());
        let evidence = sent.into_iter().flat_map(|thing| thing.evidence).chain([record.clone()]).collect();
        let thing = Thing { client: record.host.clone(), connection: 0, excused: true, evidence };
        self.reported.insert(id.clone(), thing);
    }

    fn commit(&mut self, record: &Record, id: Option<&MessageId>, room: &Name, offset: LogOffset) {
        let message = Message::seen(id, offset);
        if let Some(id) = id {
            self.up.remove(id);
            self.reported.remove(id);
        }
        if !self.committed.insert(message.clone()) {
            return;
        }
        let present = |client: &&Name| {
            self.presences.of(client).is_some_and(|presence| {
                let entitled = self.rooms.entitles(client, presence.process, room, offset);
                presence.connected && !presence.leaving && entitled
            })
        };
        let readers: Vec<Name> = self.live.iter().filter(present).cloned().collect();
        readers.iter().for_each(|client| self.expect(record, client, message.clone()));
    }

    /// A client is to be given something.
    fn expect(&mut self, record: &Record, client: &Name, message: Message) {
        let Some(presence) = self.presences.of(client) else { return };
        self.examined += 1;
        self.down.entry((client.clone(), message)).or_insert(Thing::to(client, presence, record));
    }

    /// A new connection: what an older one was to bring will not come any more.
    fn replace(&mut self, record: &Record) {
        let Some(presence) = self.presences.of(&record.host) else { return };
        let connections = presence.connections;
        let replaced = |thing: &Thing| thing.client == record.host && thing.connection < connections;
        let (gone, down) = std::mem::take(&mut self.down).into_iter().partition(|(_, thing)| replaced(thing));
        self.down = down;
        let gone: BTreeMap<(Name, Message), Thing> = gone;
        self.lost
            .extend(gone.iter().map(|((_, message), thing)| thing.not_shown(message, Some(record.step))));
    }

    /// A user who leaves does not wait for what is on its way.
    fn give_up(&mut self, record: &Record) {
        self.down.retain(|_, thing| thing.client != record.host);
        self.relays.give_up(&record.host);
    }

    /// What a process had not yet handed to its kernel, or its disk, is gone with it.
    fn exit(&mut self, record: &Record) {
        self.give_up(record);
        self.relays.exit(record);
        for thing in self.up.values_mut().filter(|thing| thing.client == record.host) {
            thing.excuse(record);
        }
    }

    fn touch(&mut self, record: &Record, processes: &[Name]) {
        self.relays.touch(record, processes, &self.presences);
        for thing in self.up.values_mut().chain(self.down.values_mut()) {
            thing.touch(record, processes, &self.presences);
        }
    }

    /// How much may still come.
    pub(super) fn open(&self) -> usize {
        let up = self.up.values().filter(|thing| self.returning.contains(&thing.client)).count();
        up + self.down.len()
            + self.relays.open().filter(|thing| self.returning.contains(&thing.client)).count()
    }

    /// How much was ever on its way.
    pub(super) fn examined(&self) -> u64 {
        self.examined + self.relays.examined()
    }

    /// Who still waits for what, one line a client and way.
    pub(super) fn describe(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for client in self.senders.keys() {
            let up = self.up.values().filter(|thing| thing.client == *client).count();
            let down = self.down.values().chain(self.relays.open());
            let down = down.filter(|thing| thing.client == *client).count();
            if up > 0 {
                lines.push(format!("{client}: {up} sent without acknowledgement have not arrived"));
            }
            if down > 0 {
                lines.push(format!("{client}: {down} on their way to it have not arrived"));
            }
        }
        lines
    }

    /// All that did not come, now that the run is over.
    pub(super) fn losses(&self) -> Vec<Loss> {
        let mut losses = self.lost.clone();
        losses.extend(self.down.iter().map(|((_, message), thing)| thing.not_shown(message, None)));
        losses.extend(self.relays.losses());
        let sent = |thing: &&Thing| {
            self.presences.of(&thing.client).is_some_and(|presence| thing.connection <= presence.connections)
        };
        let unarrived = |(id, thing): (&MessageId, &Thing)| Loss {
            says: format!("{id}, sent by {}, never arrived{}", thing.client, thing.whether_excused()),
            excused: thing.excused,
            step: None,
            evidence: thing.evidence.clone(),
        };
        losses.extend(self.up.iter().filter(|(_, thing)| sent(thing)).map(unarrived));
        losses.extend(self.reported.iter().map(unarrived));
        losses
    }
}

impl Thing {
    /// On its way to a client by what is recorded. Where the client does not know yet that it is connected, the next connection
    /// brings it.
    fn to(client: &Name, presence: &Presence, record: &Record) -> Self {
        // The server may not know yet that the last one is gone.
        let touch = presence.touched.as_ref().or(presence.touch_of_the_bearer());
        Self {
            client: client.clone(),
            connection: presence.connections + u64::from(!presence.connected),
            excused: touch.is_some(),
            evidence: [record].into_iter().chain(touch).cloned().collect(),
        }
    }

    /// A fault touched a connection between these.
    fn touch(&mut self, record: &Record, processes: &[Name], presences: &Presences) {
        let presence = presences.of(&self.client).filter(|_| processes.contains(&self.client));
        if presence.is_some_and(|presence| presence.concerns(self.connection)) {
            self.excuse(record);
        }
    }

    fn excuse(&mut self, record: &Record) {
        if !self.excused {
            self.excused = true;
            self.evidence.push(record.clone());
        }
    }

    fn whether_excused(&self) -> &'static str {
        if self.excused { "" } else { ", though no fault touched the connection" }
    }

    fn not_shown(&self, message: &impl fmt::Display, step: Option<u64>) -> Loss {
        Loss {
            says: format!("{message} never reached {}{}", self.client, self.whether_excused()),
            excused: self.excused,
            step,
            evidence: self.evidence.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
