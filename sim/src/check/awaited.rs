//! What may legally be lost: a message sent without an acknowledgement, what a live reader is shown, an event.
//!
//! Records go in; out come what is still on its way, and what did not come with whether that is excused. Each thing goes
//! over one connection of one client: the one that it had, or the next one where it had none. A thing is
//!
//! - **on its way** while it may still come;
//! - **lost** when the connection that was to bring it has been replaced by another, or the run is over;
//! - **excused** where a fault touched that connection, where the process at its end was gone, or where a sender that sends
//!   again was told that sending failed;
//! - **kept** by the server for a client whose socket can be taken up again, when the connection that was to bring it is
//!   gone: where the client's next socket is that one, it is on its way again, and what happened before excuses nothing;
//!   where it is not, it is lost;
//! - **gone with its server** where that stores sessions and died before it was stored: then nobody has heard of it, and who
//!   takes up a socket afterwards need not get it, which is an excuse;
//! - **given up** where its reader wanted to disconnect, and **unsent** where its sender never connected again: neither is a
//!   loss.

use std::collections::{BTreeMap, BTreeSet};

use squall::store::{LogOffset, MessageId};

use super::message::Message;
use super::owed::connected_at_the_end;
use super::presence::{Presence, Presences};
use super::rooms::Rooms;
use crate::history::{Kind, Record};
use crate::plan::{Name, Plan, Receive, SERVER, Send};

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
    /// On its way to a client.
    down: BTreeMap<(Name, Message), Thing>,
    /// Whether sockets are taken up again.
    recovers: bool,
    /// The record with which the server last had a connection of each client.
    served: BTreeMap<Name, u64>,
    /// What the server relayed, as far as it can be kept.
    events: BTreeSet<MessageId>,
    /// What of it is not on the server's disk yet, where it is to be.
    unpersisted: BTreeSet<MessageId>,
    /// Whether it is to be.
    stores: bool,
    /// Kept for a client that may take up its socket.
    kept: BTreeMap<(Name, Message), Thing>,
    /// Relayed before the server told its client of a socket: to the one of which it told then, or to one of which nobody
    /// ever knew. It comes soon or not at all, and no later socket brings it.
    astray: BTreeMap<(Name, Message), Thing>,
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
            recovers: plan.server.recovery.is_some(),
            served: BTreeMap::new(),
            events: BTreeSet::new(),
            unpersisted: BTreeSet::new(),
            stores: plan.server.store_sessions,
            kept: BTreeMap::new(),
            astray: BTreeMap::new(),
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
                self.events.insert(id.clone());
                if self.stores {
                    self.unpersisted.insert(id.clone());
                }
                audience.iter().for_each(|client| self.relay(record, client, id));
            }
            Kind::Delivered { id, offset, .. } => {
                self.down.remove(&(record.host.clone(), Message::seen(id.as_ref(), *offset)));
            }
            Kind::Heard { id, .. } => {
                let key = (record.host.clone(), Message::Id(id.clone()));
                self.down.remove(&key);
                self.kept.remove(&key);
                self.astray.remove(&key);
            }
            Kind::Kept { id, clients } => clients.iter().for_each(|client| self.keep(client, id)),
            Kind::Persisted { id } => drop(self.unpersisted.remove(id)),
            Kind::Resumed { recovered } => self.resume(record, *recovered),
            Kind::Connected { peer: Some(client) } => drop(self.served.insert(client.clone(), record.step)),
            Kind::Connected { peer: None } => self.replace(record),
            Kind::Did { act: "disconnect" } => self.give_up(record),
            Kind::Exited { .. } => self.exit(record),
            Kind::Touched { processes, .. } => self.touch(record, processes),
            Kind::Sent { .. }
            | Kind::Emitted { .. }
            | Kind::Relayed { .. }
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

    /// What is relayed while the server knows only the socket of a former life is owed to nobody: that life is gone.
    fn relay(&mut self, record: &Record, client: &Name, id: &MessageId) {
        let served = self.served.get(client).copied();
        let has_a_socket = |presence: &Presence| {
            presence.knows_a_socket || presence.restarted.is_none_or(|restarted| served > Some(restarted))
        };
        if self.presences.of(client).is_some_and(|presence| !presence.leaving && has_a_socket(presence)) {
            self.expect(record, client, Message::Id(id.clone()));
        }
    }

    /// A client is to be given something. Where it does not know yet that it is connected, the next connection brings it.
    fn expect(&mut self, record: &Record, client: &Name, message: Message) {
        let Some(presence) = self.presences.of(client) else { return };
        self.examined += 1;
        // The server may not know yet that the last one is gone.
        let touch = presence.touched.as_ref().or(presence.touch_of_the_bearer());
        let thing = Thing {
            client: client.clone(),
            connection: presence.connections + u64::from(!presence.connected),
            excused: touch.is_some(),
            evidence: [record].into_iter().chain(touch).cloned().collect(),
        };
        self.down.entry((client.clone(), message)).or_insert(thing);
    }

    /// A new connection: what an older one was to bring will not come any more.
    fn replace(&mut self, record: &Record) {
        let Some(presence) = self.presences.of(&record.host) else { return };
        let connections = presence.connections;
        let replaced = |thing: &Thing| thing.client == record.host && thing.connection < connections;
        let (gone, down) = std::mem::take(&mut self.down).into_iter().partition(|(_, thing)| replaced(thing));
        self.down = down;
        let gone: BTreeMap<(Name, Message), Thing> = gone;
        let is_kept = |message: &Message| match message {
            Message::Id(id) => self.recovers && self.events.contains(id),
            Message::At(_) => false,
        };
        let (kept, gone): (BTreeMap<_, _>, BTreeMap<_, _>) =
            gone.into_iter().partition(|((_, message), _)| is_kept(message));
        self.kept.extend(kept);
        self.lost
            .extend(gone.iter().map(|((_, message), thing)| thing.not_shown(message, Some(record.step))));
    }

    /// What is relayed to a client whose socket is away waits until it is known whether that is taken up again. A process
    /// that was never told of any socket cannot ask for one, be it that another life of it was.
    fn keep(&mut self, client: &Name, id: &MessageId) {
        let key = (client.clone(), Message::Id(id.clone()));
        let knows_of_it = self.presences.of(client).is_some_and(|presence| presence.knows_a_socket);
        if let Some(thing) = self.down.remove(&key).filter(|_| knows_of_it) {
            self.kept.insert(key, thing);
        }
    }

    /// The client knows whether its socket was taken up. If it was, nothing that was sent to it may be missing, whatever
    /// touched its connections before.
    fn resume(&mut self, record: &Record, recovered: bool) {
        let Some(presence) = self.presences.of(&record.host) else { return };
        let ours = |(client, _): &(Name, Message)| *client == record.host;
        let (mut kept, others) = std::mem::take(&mut self.kept).into_iter().partition(|(key, _)| ours(key));
        self.kept = others;
        if recovered {
            self.down.append(&mut kept);
            for ((client, message), thing) in &mut self.down {
                let is_event = matches!(message, Message::Id(id) if self.events.contains(id));
                if *client == record.host && is_event {
                    thing.connection = presence.connections;
                    thing.excused = presence.touched.is_some();
                    thing.evidence.truncate(1);
                    thing.evidence.push(record.clone());
                    thing.evidence.extend(presence.touched.clone());
                }
            }
        } else {
            let served = self.served.get(&record.host).copied().unwrap_or_default();
            let events = &self.events;
            let is_astray = |(client, message): &(Name, Message), thing: &mut Thing| {
                let is_event = matches!(message, Message::Id(id) if events.contains(id));
                let is_older = thing.evidence.first().is_some_and(|relayed| relayed.step < served);
                *client == record.host && is_event && is_older
            };
            self.astray.extend(self.down.extract_if(.., is_astray));
            let kept: BTreeMap<(Name, Message), Thing> = kept;
            self.lost
                .extend(kept.iter().map(|((_, message), thing)| thing.not_shown(message, Some(record.step))));
        }
    }

    /// A user who leaves does not wait for what is on its way.
    fn give_up(&mut self, record: &Record) {
        self.down.retain(|_, thing| thing.client != record.host);
        self.kept.retain(|_, thing| thing.client != record.host);
        self.astray.retain(|_, thing| thing.client != record.host);
    }

    /// What a process had not yet handed to its kernel, or its disk, is gone with it.
    fn exit(&mut self, record: &Record) {
        self.give_up(record);
        if *record.host == *SERVER {
            self.lose_unpersisted(record);
        }
        for thing in self.up.values_mut().filter(|thing| thing.client == record.host) {
            thing.excuse(record);
        }
    }

    fn lose_unpersisted(&mut self, record: &Record) {
        let unpersisted = std::mem::take(&mut self.unpersisted);
        let is_gone = |(_, message): &(Name, Message), _: &mut Thing| match message {
            Message::Id(id) => unpersisted.contains(id),
            Message::At(_) => false,
        };
        let down = self.down.extract_if(.., is_gone);
        for ((_, message), mut thing) in down.chain(self.kept.extract_if(.., is_gone)) {
            thing.excuse(record);
            self.lost.push(thing.not_shown(&message, Some(record.step)));
        }
    }

    fn touch(&mut self, record: &Record, processes: &[Name]) {
        for thing in self.up.values_mut().chain(self.down.values_mut()).chain(self.astray.values_mut()) {
            let concerned = processes.contains(&thing.client)
                && self
                    .presences
                    .of(&thing.client)
                    .is_some_and(|presence| presence.concerns(thing.connection));
            if concerned {
                thing.excuse(record);
            }
        }
    }

    /// How much may still come.
    pub(super) fn open(&self) -> usize {
        let waiting = self.up.values().chain(self.kept.values());
        waiting.filter(|thing| self.returning.contains(&thing.client)).count() + self.down.len()
    }

    /// How much was ever on its way.
    pub(super) fn examined(&self) -> u64 {
        self.examined
    }

    /// Who still waits for what, one line a client and way.
    pub(super) fn describe(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for client in self.senders.keys() {
            let up = self.up.values().filter(|thing| thing.client == *client).count();
            let down =
                self.down.values().chain(self.kept.values()).filter(|thing| thing.client == *client).count();
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
        losses.extend(
            self.down
                .iter()
                .chain(&self.kept)
                .chain(&self.astray)
                .map(|((_, message), thing)| thing.not_shown(message, None)),
        );
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
    fn excuse(&mut self, record: &Record) {
        if !self.excused {
            self.excused = true;
            self.evidence.push(record.clone());
        }
    }

    fn whether_excused(&self) -> &'static str {
        if self.excused { "" } else { ", though no fault touched the connection" }
    }

    fn not_shown(&self, message: &Message, step: Option<u64>) -> Loss {
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
