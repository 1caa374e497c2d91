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
//! - **refused** where its sender was told that sending failed, and it is too long;
//! - **given up** where its reader wanted to disconnect, and **unsent** where its sender never connected again.
//!
//! Of these only what is lost is a loss.

mod relays;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use squall::store::LogOffset;

use self::relays::Relays;
use super::debts::{Wait, connected_at_the_end};
use super::oversized::Oversized;
use super::presence::{Presence, Presences};
use super::roll::{Entry, Host, Message, Roll, Room};
use super::rooms::Rooms;
use super::table::Table;
use crate::history::Kind;
use crate::plan::{Fault, FaultKind, Plan, Receive, SERVER, Send};

/// Everything that may legally be lost.
#[derive(Debug, Clone)]
pub(super) struct Awaited {
    senders: Table<Host, Send>,
    live: BTreeSet<Host>,
    returning: BTreeSet<Host>,
    /// For whom the world does not heal: what has not come of theirs when the run is over is no loss.
    left: BTreeSet<Host>,
    rooms: Rooms,
    presences: Presences,
    /// In which room.
    committed: Table<Message, Room>,
    oversized: Oversized,
    /// Which messages were sent that are.
    to_refuse: BTreeSet<Message>,
    /// On its way to the server.
    up: BTreeMap<Message, Thing>,
    /// On its way to a client that is shown the chat live.
    down: BTreeMap<(Host, Message), Thing>,
    /// Whose socket of events is connected.
    listening: BTreeSet<Host>,
    /// What each client emitted while it was not.
    buffered: BTreeMap<Host, Vec<Message>>,
    /// On its way to sockets of events.
    relays: Relays,
    /// Which faults of the plan keep the server from storing anything, and those that are on.
    refusing: BTreeSet<usize>,
    refusing_now: BTreeSet<usize>,
    /// With which step the last of them ended.
    refused_until: Option<u64>,
    /// Sent plainly, and its sender waits for no answer any more.
    unanswered: BTreeSet<Message>,
    /// Reported as failed, and not in the log.
    reported: BTreeMap<Message, Thing>,
    lost: Vec<Loss>,
    examined: u64,
}

#[derive(Debug, Clone)]
struct Thing {
    client: Host,
    /// The number of the connection that is to bring it, among the client's.
    connection: u64,
    excused: bool,
    /// The steps that show it.
    evidence: Vec<u64>,
}

/// Where something was going.
#[derive(Debug, Clone, Copy)]
enum Way {
    Up,
    Down,
}

/// Something that did not come.
#[derive(Debug, Clone)]
pub(super) struct Loss {
    client: Host,
    way: Way,
    message: Message,
    /// Whether that is legal.
    pub(super) excused: bool,
    /// The record with which it became true; none for the last one of the run.
    pub(super) step: Option<u64>,
    /// The steps that show it.
    pub(super) evidence: Vec<u64>,
}

impl Awaited {
    pub(super) fn new(plan: &Plan, roll: &mut Roll) -> Self {
        let live = plan.clients.iter().filter(|(_, client)| client.receive == Receive::Live);
        let left = plan.clients.keys().filter(|name| plan.is_left_broken(name));
        Self {
            senders: plan.clients.iter().map(|(name, client)| (roll.host(name), client.send)).collect(),
            live: live.map(|(name, _)| roll.host(name)).collect(),
            returning: connected_at_the_end(plan).map(|name| roll.host(name)).collect(),
            left: left.map(|name| roll.host(name)).collect(),
            rooms: Rooms::new(plan, roll),
            presences: Presences::new(plan, roll),
            committed: Table::default(),
            oversized: Oversized::of(plan),
            to_refuse: BTreeSet::new(),
            up: BTreeMap::new(),
            down: BTreeMap::new(),
            listening: BTreeSet::new(),
            buffered: BTreeMap::new(),
            relays: Relays::new(plan),
            refusing: refusing(plan),
            refusing_now: BTreeSet::new(),
            refused_until: None,
            unanswered: BTreeSet::new(),
            reported: BTreeMap::new(),
            lost: Vec::new(),
            examined: 0,
        }
    }

    /// Takes the next record.
    pub(super) fn observe(&mut self, entry: &Entry<'_>) {
        self.rooms.observe(entry);
        self.presences.observe(entry);
        let message = entry.message;
        match &entry.kind {
            Kind::Sent { content, .. } => self.say(entry, *content),
            Kind::Emitted { volatile: false, .. } => self.emit(entry),
            Kind::SendFailed { .. } => self.report(entry),
            Kind::Failed { .. } => drop(self.up.remove(&message)),
            Kind::Arrived { .. } => self.arrive(message),
            Kind::Committed { offset, .. } => self.commit(entry, *offset),
            Kind::Relayed { audience, volatile: false, .. } => {
                let to = entry.named.iter().zip(audience);
                to.for_each(|(client, to)| self.relays.relay(entry, *client, &to.socket, &self.presences));
            }
            Kind::Delivered { .. } => drop(self.down.remove(&(entry.who, message))),
            Kind::Heard { .. } => self.relays.hear(entry.who, message),
            Kind::Persisted { .. } => self.relays.persist(message),
            Kind::Resumed { socket, .. } => {
                self.flush(entry);
                self.relays.take_up(entry, socket, &self.presences);
            }
            Kind::Disconnected { .. } => drop(self.listening.remove(&entry.who)),
            Kind::Connected { peer: None } => self.replace(entry),
            Kind::Did { act: "disconnect" } => self.give_up(entry.who),
            Kind::Exited { .. } => self.exit(entry),
            Kind::Touched { fault, .. } => self.touch(entry, *fault),
            Kind::Left { .. } => self.leave(entry),
            Kind::FaultBegan { fault, .. } => self.refusing_now.extend(self.refusing.get(fault)),
            Kind::FaultEnded { fault } if self.refusing_now.remove(fault) => {
                self.refused_until = Some(entry.step)
            }
            Kind::Emitted { .. }
            | Kind::Relayed { .. }
            | Kind::Connected { peer: Some(_) }
            | Kind::Did { .. }
            | Kind::Acknowledged { .. }
            | Kind::Suppressed { .. }
            | Kind::Asked { .. }
            | Kind::Joined { .. }
            | Kind::Answered { .. }
            | Kind::Early { .. }
            | Kind::Trouble { .. }
            | Kind::Started
            | Kind::Skipped { .. }
            | Kind::FaultDisarmed { .. }
            | Kind::FaultEnded { .. } => {}
        }
    }

    /// A user says something: what is not sent plainly will be answered.
    fn say(&mut self, entry: &Entry<'_>, content: u64) {
        if self.oversized.contains(content) {
            self.to_refuse.insert(entry.message);
        }
        if self.senders.get(entry.who) == Some(&Send::Plain) {
            self.send(entry);
        }
    }

    /// A client sends: what is said while it is not connected goes over the next connection.
    fn send(&mut self, entry: &Entry<'_>) {
        let Some(presence) = self.presences.of(entry.who) else { return };
        let touch = presence.touch_of_the_bearer();
        self.examined += 1;
        let thing = Thing {
            client: entry.who,
            connection: presence.bearer(),
            excused: touch.is_some(),
            evidence: [entry.step].into_iter().chain(touch).collect(),
        };
        self.up.insert(entry.message, thing);
    }

    /// An event that is emitted while its socket is not connected waits until that is, over however many connections.
    fn emit(&mut self, entry: &Entry<'_>) {
        self.send(entry);
        if !self.listening.contains(&entry.who) {
            self.buffered.entry(entry.who).or_default().push(entry.message);
        }
    }

    /// A client's socket of events is connected, and sends what waits.
    fn flush(&mut self, entry: &Entry<'_>) {
        self.listening.insert(entry.who);
        let Some(presence) = self.presences.of(entry.who) else { return };
        for message in self.buffered.remove(&entry.who).unwrap_or_default() {
            if let Some(thing) = self.up.get_mut(&message) {
                thing.connection = presence.bearer();
                presence.touch_of_the_bearer().into_iter().for_each(|step| thing.excuse(step));
            }
        }
    }

    /// The server has it.
    fn arrive(&mut self, message: Message) {
        self.up.remove(&message);
        self.unanswered.remove(&message);
        self.reported.remove(&message);
    }

    /// To be told of a loss does not make it legal for who sends once, but it does where nothing was sent: what waits for a
    /// connection is forgotten when its time is over.
    fn report(&mut self, entry: &Entry<'_>) {
        if self.to_refuse.contains(&entry.message) || self.is_unsent(entry.message) {
            self.up.remove(&entry.message);
            return;
        }
        if self.senders.get(entry.who) == Some(&Send::Plain) {
            // The server's disk took nothing, and it said so.
            let until = if self.refusing_now.is_empty() { self.refused_until } else { Some(entry.step) };
            if let (Some(until), Some(thing)) = (until, self.up.get_mut(&entry.message))
                && thing.evidence.first().is_some_and(|sent| *sent < until)
            {
                thing.excuse(until);
            }
            self.unanswered.insert(entry.message);
            return;
        }
        let sent = self.up.remove(&entry.message);
        if self.committed.contains(entry.message) {
            return;
        }
        self.examined += u64::from(sent.is_none());
        let evidence = sent.into_iter().flat_map(|thing| thing.evidence).chain([entry.step]).collect();
        let thing = Thing { client: entry.who, connection: 0, excused: true, evidence };
        self.reported.insert(entry.message, thing);
    }

    /// Whether its sender has not been connected since it was sent.
    fn is_unsent(&self, message: Message) -> bool {
        let Some(thing) = self.up.get(&message) else { return false };
        let is_buffered = self.buffered.get(&thing.client).is_some_and(|waiting| waiting.contains(&message));
        let connections = self.presences.of(thing.client).map(|presence| presence.connections);
        is_buffered || connections.is_some_and(|connections| thing.connection > connections)
    }

    fn commit(&mut self, entry: &Entry<'_>, offset: LogOffset) {
        self.arrive(entry.message);
        if self.committed.contains(entry.message) {
            return;
        }
        *self.committed.row(entry.message) = Some(entry.room);
        let present = |client: &&Host| {
            self.presences.of(**client).is_some_and(|presence| {
                let entitled = self.rooms.entitles((**client, presence.process), entry.room, offset);
                presence.connected && !presence.leaving && entitled
            })
        };
        let readers: Vec<Host> = self.live.iter().filter(present).copied().collect();
        readers.iter().for_each(|client| self.expect(entry, *client));
    }

    /// A client is to be given something.
    fn expect(&mut self, entry: &Entry<'_>, client: Host) {
        let Some(presence) = self.presences.of(client) else { return };
        self.examined += 1;
        self.down.entry((client, entry.message)).or_insert(Thing::to(client, presence, entry.step));
    }

    /// A new connection: what an older one was to bring will not come any more.
    fn replace(&mut self, entry: &Entry<'_>) {
        let Some(presence) = self.presences.of(entry.who) else { return };
        let replaced = |thing: &Thing| thing.connection < presence.connections;
        let gone = self.down.extract_if(all_of(entry.who), |_, thing| replaced(thing));
        self.lost.extend(gone.map(|((_, message), thing)| thing.lost(Way::Down, message, Some(entry.step))));
    }

    /// A user who leaves does not wait for what is on its way.
    fn give_up(&mut self, client: Host) {
        self.down.extract_if(all_of(client), |_, _| true).for_each(drop);
        self.relays.give_up(client);
    }

    /// Who has left a room does not wait for what was said there, also where the server knew of it before the client did.
    fn leave(&mut self, entry: &Entry<'_>) {
        let is_there = |message: &Message| self.committed.get(*message) == Some(&entry.room);
        self.down.extract_if(all_of(entry.who), |(_, message), _| is_there(message)).for_each(drop);
    }

    /// What a process had not yet handed to its kernel, or its disk, is gone with it.
    fn exit(&mut self, entry: &Entry<'_>) {
        self.give_up(entry.who);
        self.relays.exit(entry);
        self.listening.remove(&entry.who);
        self.buffered.remove(&entry.who);
        for thing in self.up.values_mut().filter(|thing| thing.client == entry.who) {
            thing.excuse(entry.step);
        }
    }

    fn touch(&mut self, entry: &Entry<'_>, fault: usize) {
        if self.refusing.contains(&fault) {
            self.refuse_unanswered(entry.step);
        }
        self.relays.touch(entry, &self.presences);
        for thing in self.up.values_mut().chain(self.down.values_mut()) {
            thing.touch(entry, &self.presences);
        }
    }

    /// The server's disk took something not. If it was what a sender waits for no more, there was nobody to be told.
    fn refuse_unanswered(&mut self, step: u64) {
        for message in &self.unanswered {
            self.up.get_mut(message).into_iter().for_each(|thing| thing.excuse(step));
        }
    }

    /// How much may still come.
    pub(super) fn open(&self) -> usize {
        let waiting = self.up.values().chain(self.down.values()).chain(self.relays.open());
        waiting.filter(|thing| self.returning.contains(&thing.client)).count()
    }

    /// How much was ever on its way.
    pub(super) fn examined(&self) -> u64 {
        self.examined + self.relays.examined()
    }

    /// Who still waits for what, one a client and way.
    pub(super) fn waits(&self, roll: &Roll) -> Vec<Wait> {
        let mut waits = Vec::new();
        for client in &self.returning {
            let of = |thing: &&Thing| thing.client == *client;
            let up = self.up.values().filter(of).count();
            let down = self.down.values().chain(self.relays.open()).filter(of).count();
            let wait = |what| Wait { who: roll.host_name(*client).clone(), what, so_far: None };
            if up > 0 {
                waits.push(wait(format!("{up} sent without acknowledgement have not arrived")));
            }
            if down > 0 {
                waits.push(wait(format!("{down} on their way to it have not arrived")));
            }
        }
        waits
    }

    /// All that did not come, now that the run is over.
    pub(super) fn losses(&self) -> Vec<Loss> {
        let mut losses = self.lost.clone();
        let could_come = |thing: &Thing| !self.left.contains(&thing.client);
        let down = self.down.iter().filter(|(_, thing)| could_come(thing));
        losses.extend(down.map(|((_, message), thing)| thing.lost(Way::Down, *message, None)));
        losses.extend(self.relays.losses(could_come));
        let sent = |thing: &&Thing| {
            self.presences.of(thing.client).is_some_and(|presence| thing.connection <= presence.connections)
        };
        let up = self.up.iter().filter(|(_, thing)| sent(thing) && could_come(thing)).chain(&self.reported);
        losses.extend(up.map(|(message, thing)| thing.lost(Way::Up, *message, None)));
        losses
    }
}

/// The faults with which the server tells senders that it cannot store what they say.
fn refusing(plan: &Plan) -> BTreeSet<usize> {
    let refuses = |fault: &Fault| {
        let kind = fault.what.kind();
        matches!(kind, FaultKind::DiskFull | FaultKind::DiskError)
            && fault.what.victims().contains(&SERVER.into())
    };
    let faults = plan.faults.iter().enumerate();
    faults.filter(|(_, fault)| refuses(fault)).map(|(place, _)| place).collect()
}

/// What there is of a client, whichever message it is.
fn all_of(client: Host) -> RangeInclusive<(Host, Message)> {
    (client, Message::FIRST)..=(client, Message::LAST)
}

impl Thing {
    /// On its way to a client by what is recorded. Where the client does not know yet that it is connected, the next connection
    /// brings it.
    fn to(client: Host, presence: &Presence, step: u64) -> Self {
        // The server may not know yet that the last one is gone.
        let touch = presence.touched.or(presence.touch_of_the_bearer());
        Self {
            client,
            connection: presence.bearer(),
            excused: touch.is_some(),
            evidence: [step].into_iter().chain(touch).collect(),
        }
    }

    /// A fault touched a connection between these.
    fn touch(&mut self, entry: &Entry<'_>, presences: &Presences) {
        let presence = presences.of(self.client).filter(|_| entry.named.contains(&self.client));
        if presence.is_some_and(|presence| presence.concerns(self.connection)) {
            self.excuse(entry.step);
        }
    }

    fn excuse(&mut self, step: u64) {
        if !self.excused {
            self.excused = true;
            self.evidence.push(step);
        }
    }

    fn lost(&self, way: Way, message: Message, step: Option<u64>) -> Loss {
        let Self { client, connection: _, excused, evidence } = self;
        Loss { client: *client, way, message, excused: *excused, step, evidence: evidence.clone() }
    }
}

impl Loss {
    /// What did not come, in one sentence.
    pub(super) fn says(&self, roll: &Roll) -> String {
        let (client, message) = (roll.host_name(self.client), roll.message_name(self.message));
        let unexcused = if self.excused { "" } else { ", though no fault touched the connection" };
        match self.way {
            Way::Up => format!("{message}, sent by {client}, never arrived{unexcused}"),
            Way::Down => format!("{message} never reached {client}{unexcused}"),
        }
    }
}

#[cfg(test)]
mod tests;
