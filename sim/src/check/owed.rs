//! Records go in; out comes whether anything is still owed, and who waits for what.
//!
//! Owed is: an answer (acknowledged or failed) to each message that a client sent and asked an answer for; each message
//! that was committed or acknowledged, to each client that resumes and is in its room; an answer to each client that asked
//! to be let into or out of a room; a connection to each client that asked for one and never had any. What may legally be lost is waited for too, but nobody owes it: see `awaited`. A client
//! that the plan leaves disconnected is owed nothing and owes no answers: its outbox may wait for ever. A message that is
//! committed twice is owed once; that it was is another's to judge.
//! Knows nothing of what the plan has yet to do; who asks whether a run is over asks after its last op.

use std::collections::{BTreeMap, BTreeSet};

use squall::store::{LogOffset, MessageId};

use super::awaited::Awaited;
use super::ledger::Ledger;
use super::message::Message;
use super::naming::Naming;
use super::rooms::Rooms;
use crate::history::{Kind, Record, Word};
use crate::plan::{Act, Name, Plan, Receive, Send};

/// What is still owed.
#[derive(Debug, Clone)]
pub struct Owed {
    clients: BTreeMap<Name, Debt>,
    naming: Naming,
    awaited: Awaited,
    rooms: Rooms,
    sent: BTreeMap<MessageId, Name>,
    ledger: Ledger,
    incurred: u64,
}

/// What one client waits for.
#[derive(Debug, Clone, Default)]
struct Debt {
    /// Which life of it.
    process: u32,
    /// Whether it asks for answers.
    asks: bool,
    /// Whether a new life still has what an old one sent.
    keeps: bool,
    /// Whether it is owed what it missed.
    resumes: bool,
    /// Sent and not answered, with its number among what this client said.
    unanswered: BTreeMap<MessageId, u64>,
    /// Entitled to and not shown.
    unseen: BTreeSet<(LogOffset, Message)>,
    /// Shown in any life; also before anyone was entitled to it: that is wrong, but another's to judge.
    seen: BTreeSet<Message>,
    /// What it last asked of each room, where it was not answered.
    asked: BTreeMap<Name, Word>,
    /// Whether it was ever connected, and whether it wants to be.
    was_connected: bool,
    wants_connection: bool,
}

impl Owed {
    /// Nothing has happened yet, so nothing is owed.
    pub fn new(plan: &Plan) -> Self {
        let debt = |name: &Name| Debt {
            process: 1,
            asks: plan.clients[name].send != Send::Plain,
            keeps: plan.clients[name].send == Send::Outbox,
            resumes: plan.clients[name].receive == Receive::Resume,
            ..Debt::default()
        };
        Self {
            clients: connected_at_the_end(plan).map(|name| (name.clone(), debt(name))).collect(),
            naming: Naming::default(),
            awaited: Awaited::new(plan),
            rooms: Rooms::new(plan),
            sent: BTreeMap::new(),
            ledger: Ledger::default(),
            incurred: 0,
        }
    }

    /// Takes the next record.
    pub fn observe(&mut self, record: &Record) {
        let record = &*self.naming.name(record);
        self.rooms.observe(record);
        self.awaited.observe(record);
        match &record.kind {
            Kind::Sent { id, room, n, .. } => self.on_sent(&record.host, id, room, *n),
            Kind::Acknowledged { id, offset } => {
                self.on_answered(&record.host, id);
                if let Some(room) = self.sent.get(id).cloned() {
                    self.on_entitled(&Message::Id(id.clone()), &room, *offset);
                }
            }
            Kind::Failed { id, .. } | Kind::SendFailed { id, .. } => self.on_answered(&record.host, id),
            Kind::Committed { id, room, offset, .. } => {
                self.on_entitled(&Message::seen(id.as_ref(), *offset), room, *offset);
            }
            Kind::Delivered { id, offset, .. } => {
                self.on_delivered(&record.host, Message::seen(id.as_ref(), *offset));
            }
            Kind::Asked { act, room } => self.on_asked(&record.host, room, act),
            Kind::Joined { room, .. } => self.on_told(record, room, "join"),
            Kind::Left { room, .. } => self.on_told(record, room, "leave"),
            Kind::Started => self.on_started(record),
            Kind::Did { act } => self.on_did(&record.host, act),
            Kind::Connected { .. } => {
                self.clients.get_mut(&record.host).into_iter().for_each(|debt| debt.was_connected = true);
            }
            Kind::Suppressed { .. }
            | Kind::Trouble { .. }
            | Kind::Emitted { .. }
            | Kind::Arrived { .. }
            | Kind::Relayed { .. }
            | Kind::Heard { .. }
            | Kind::Answered { .. }
            | Kind::Persisted { .. }
            | Kind::Resumed { .. }
            | Kind::Early { .. }
            | Kind::Disconnected { .. }
            | Kind::Exited { .. }
            | Kind::Skipped { .. }
            | Kind::FaultBegan { .. }
            | Kind::FaultEnded { .. }
            | Kind::Touched { .. } => {}
        }
    }

    fn on_sent(&mut self, client: &Name, id: &MessageId, room: &Name, n: u64) {
        self.sent.insert(id.clone(), room.clone());
        if let Some(debt) = self.clients.get_mut(client).filter(|debt| debt.asks)
            && debt.unanswered.insert(id.clone(), n).is_none()
        {
            self.incurred += 1;
        }
    }

    fn on_did(&mut self, client: &Name, act: &str) {
        if let Some(debt) = self.clients.get_mut(client) {
            debt.wants_connection = act == "connect";
        }
    }

    fn on_answered(&mut self, client: &Name, id: &MessageId) {
        if let Some(debt) = self.clients.get_mut(client) {
            debt.unanswered.remove(id);
        }
    }

    fn on_entitled(&mut self, message: &Message, room: &Name, offset: LogOffset) {
        if !self.ledger.enter(message, room, offset) {
            return;
        }
        for (name, debt) in self.clients.iter_mut().filter(|(_, debt)| debt.resumes) {
            if self.rooms.owes(name, debt.process, room, offset) {
                self.incurred += 1;
                if !debt.seen.contains(message) {
                    debt.unseen.insert((offset, message.clone()));
                }
            }
        }
    }

    fn on_delivered(&mut self, client: &Name, message: Message) {
        let Some(debt) = self.clients.get_mut(client) else { return };
        if let Some((_, offset)) = self.ledger.place(&message) {
            debt.unseen.remove(&(*offset, message.clone()));
        }
        debt.seen.insert(message);
    }

    /// To join where one is, or to leave where one is not, changes nothing, and nothing is said of it.
    fn on_asked(&mut self, client: &Name, room: &Name, act: Word) {
        let Some(debt) = self.clients.get_mut(client) else { return };
        let stays = self.rooms.stays(client, debt.process, room);
        let is_in = stays.iter().any(|stay| stay.until.is_none());
        let is_leaving = debt.asked.get(room) == Some(&"leave");
        if (act == "join") == (is_in && !is_leaving) {
            debt.asked.remove(room);
        } else {
            self.incurred += 1;
            debt.asked.insert(room.clone(), act);
        }
    }

    fn on_told(&mut self, record: &Record, room: &Name, act: Word) {
        if let Some(debt) = self.clients.get_mut(&record.host)
            && debt.asked.get(room) == Some(&act)
        {
            debt.asked.remove(room);
        }
        self.look_again(&record.host);
    }

    /// A new life is in the rooms of the plan, and has asked for nothing. An outbox is kept, and so is what it owes; what
    /// was sent in any other way is forgotten.
    fn on_started(&mut self, record: &Record) {
        let Some(debt) = self.clients.get_mut(&record.host) else { return };
        debt.process = record.process;
        debt.asked.clear();
        if !debt.keeps {
            debt.unanswered.clear();
        }
        self.look_again(&record.host);
    }

    /// What a client is entitled to has changed.
    fn look_again(&mut self, client: &Name) {
        let Some(debt) = self.clients.get_mut(client).filter(|debt| debt.resumes) else { return };
        debt.unseen.clear();
        for (room, (offset, message)) in self.ledger.iter() {
            if !debt.seen.contains(message) && self.rooms.owes(client, debt.process, room, *offset) {
                debt.unseen.insert((*offset, message.clone()));
            }
        }
    }

    /// Whether nothing is owed, and nothing is on its way that may come.
    pub fn is_settled(&self) -> bool {
        self.open() == 0 && self.awaited.open() == 0
    }

    /// Who still waits for what, one line a waiter and kind of debt, by name.
    pub fn describe(&self) -> Vec<String> {
        let owed = self.clients.iter().flat_map(|(name, debt)| debt.describe(name));
        owed.chain(self.awaited.describe()).collect()
    }

    /// How much is owed.
    pub(super) fn open(&self) -> usize {
        let open = |debt: &Debt| {
            let owed = debt.unanswered.len() + debt.unseen.len() + debt.asked.len();
            owed + usize::from(debt.waits_for_connection())
        };
        self.clients.values().map(open).sum()
    }

    /// How much is waited for that nobody owes.
    pub(super) fn awaited(&self) -> usize {
        self.awaited.open()
    }

    /// How much was ever owed.
    pub(super) fn incurred(&self) -> u64 {
        self.incurred
    }

    /// What someone still waits for; a message may come up more than once.
    pub(super) fn messages(&self) -> impl Iterator<Item = Message> {
        self.clients.values().flat_map(|debt| {
            let unanswered = debt.unanswered.keys().cloned().map(Message::Id);
            unanswered.chain(debt.unseen.iter().map(|(_, message)| message.clone()))
        })
    }
}

impl Debt {
    fn waits_for_connection(&self) -> bool {
        self.wants_connection && !self.was_connected
    }

    fn describe(&self, name: &str) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some((oldest, _)) = self.unanswered.iter().min_by_key(|(_, n)| **n) {
            lines.push(match self.unanswered.len() {
                1 => format!("{name}: 1 message not acknowledged: {oldest}"),
                many => format!("{name}: {many} messages not acknowledged, the oldest {oldest}"),
            });
        }
        if let Some((first, _)) = self.unseen.first() {
            lines.push(match self.unseen.len() {
                1 => format!("{name}: has not been shown 1 committed message, at offset {first}"),
                many => {
                    format!(
                        "{name}: has not been shown {many} committed messages, the first at offset {first}"
                    )
                }
            });
        }
        if self.waits_for_connection() {
            lines.push(format!("{name}: was never connected"));
        }
        lines.extend(
            self.asked.iter().map(|(room, act)| format!("{name}: asked to {act} {room}, not answered")),
        );
        lines
    }
}

/// The clients that the plan leaves connected: their last connect or disconnect is no disconnect, and no fault leaves
/// them dead.
pub(super) fn connected_at_the_end(plan: &Plan) -> impl Iterator<Item = &Name> {
    plan.clients.keys().filter(|name| !left_disconnected(plan, name) && !left_dead(plan, name))
}

fn left_disconnected(plan: &Plan, client: &Name) -> bool {
    plan.ops
        .iter()
        .filter(|op| op.who == *client && matches!(op.act, Act::Connect | Act::Disconnect))
        .max_by_key(|op| op.at)
        .is_some_and(|op| op.act == Act::Disconnect)
}

fn left_dead(plan: &Plan, client: &Name) -> bool {
    plan.faults.iter().any(|fault| fault.what.stops() == Some(client) && fault.lasts.is_none())
}

#[cfg(test)]
mod tests;
