//! What is owed, and who waits for what.
//!
//! Owed is: an answer (acknowledged or failed) to each message that a client sent and asked an answer for; each message
//! that was committed or acknowledged, to each client that resumes and is in its room; an answer to each client that asked
//! to be let into or out of a room; a connection to each client that asked for one and never had any. What may legally be
//! lost is waited for too, but nobody owes it: see `awaited`. A client that the plan leaves disconnected is owed nothing and
//! owes no answers: its outbox may wait for ever. A message that is committed twice is owed once; that it was is another's
//! to judge.

use std::collections::BTreeMap;
use std::fmt;

use squall::store::LogOffset;

use super::awaited::Awaited;
use super::ledger::Ledger;
use super::ordered::Ordered;
use super::roll::{Entry, Host, Message, Roll, Room};
use super::rooms::Rooms;
use super::table::{Marks, Table};
use crate::history::{Kind, Word};
use crate::plan::{Act, Name, Op, Plan, Receive, Send};

/// What is owed to all clients.
#[derive(Debug, Clone)]
pub(super) struct Debts {
    clients: Table<Host, Debt>,
    awaited: Awaited,
    rooms: Rooms,
    sent: Table<Message, Room>,
    ledger: Ledger,
    incurred: u64,
}

/// Someone who waits for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// Which client.
    pub who: Name,
    /// What for.
    pub what: String,
    /// How far the server has come with it, where that is known.
    pub so_far: Option<String>,
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.who, self.what)
    }
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
    unanswered: BTreeMap<Message, u64>,
    /// Entitled to and not shown.
    unseen: Ordered<(LogOffset, Message)>,
    /// Shown in any life; also before anyone was entitled to it: that is wrong, but another's to judge.
    seen: Marks<Message>,
    /// What it last asked of each room, where it was not answered.
    asked: BTreeMap<Room, Word>,
    /// Whether it was ever connected, and whether it wants to be.
    was_connected: bool,
    wants_connection: bool,
}

impl Debts {
    /// Nothing has happened yet, so nothing is owed.
    pub(super) fn new(plan: &Plan, roll: &mut Roll) -> Self {
        let debt = |name: &Name| Debt {
            process: 1,
            asks: plan.clients[name].send != Send::Plain,
            keeps: plan.clients[name].send == Send::Outbox,
            resumes: plan.clients[name].receive == Receive::Resume,
            ..Debt::default()
        };
        Self {
            clients: connected_at_the_end(plan).map(|name| (roll.host(name), debt(name))).collect(),
            awaited: Awaited::new(plan, roll),
            rooms: Rooms::new(plan, roll),
            sent: Table::default(),
            ledger: Ledger::default(),
            incurred: 0,
        }
    }

    /// Takes the next record.
    pub(super) fn observe(&mut self, entry: &Entry<'_>) {
        self.rooms.observe(entry);
        self.awaited.observe(entry);
        match &entry.kind {
            Kind::Sent { n, .. } => self.on_sent(entry, *n),
            Kind::Acknowledged { offset, .. } => {
                self.on_answered(entry);
                if let Some(room) = self.sent.get(entry.message).copied() {
                    self.on_entitled(entry.message, room, *offset);
                }
            }
            Kind::Failed { .. } | Kind::SendFailed { .. } => self.on_answered(entry),
            Kind::Committed { offset, .. } => self.on_entitled(entry.message, entry.room, *offset),
            Kind::Delivered { .. } => self.on_delivered(entry),
            Kind::Asked { act, .. } => self.on_asked(entry, act),
            Kind::Joined { .. } => self.on_told(entry, "join"),
            Kind::Left { .. } => self.on_told(entry, "leave"),
            Kind::Started => self.on_started(entry),
            Kind::Did { act } => self.on_did(entry.who, act),
            Kind::Connected { .. } => {
                self.clients.get_mut(entry.who).into_iter().for_each(|debt| debt.was_connected = true);
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
            | Kind::FaultDisarmed { .. }
            | Kind::FaultEnded { .. }
            | Kind::Touched { .. } => {}
        }
    }

    fn on_sent(&mut self, entry: &Entry<'_>, n: u64) {
        *self.sent.row(entry.message) = Some(entry.room);
        if let Some(debt) = self.clients.get_mut(entry.who).filter(|debt| debt.asks)
            && debt.unanswered.insert(entry.message, n).is_none()
        {
            self.incurred += 1;
        }
    }

    fn on_did(&mut self, client: Host, act: &str) {
        if let Some(debt) = self.clients.get_mut(client) {
            debt.wants_connection = act == "connect";
        }
    }

    fn on_answered(&mut self, entry: &Entry<'_>) {
        if let Some(debt) = self.clients.get_mut(entry.who) {
            debt.unanswered.remove(&entry.message);
        }
    }

    fn on_entitled(&mut self, message: Message, room: Room, offset: LogOffset) {
        if !self.ledger.enter(message, room, offset) {
            return;
        }
        for (client, debt) in self.clients.iter_mut().filter(|(_, debt)| debt.resumes) {
            if self.rooms.owes((client, debt.process), room, offset) {
                self.incurred += 1;
                if !debt.seen.contains(message) {
                    debt.unseen.insert((offset, message));
                }
            }
        }
    }

    fn on_delivered(&mut self, entry: &Entry<'_>) {
        let Some(debt) = self.clients.get_mut(entry.who) else { return };
        if let Some((_, offset)) = self.ledger.place(entry.message) {
            debt.unseen.remove(&(offset, entry.message));
        }
        debt.seen.insert(entry.message);
    }

    /// To join where one is, or to leave where one is not, changes nothing, and nothing is said of it.
    fn on_asked(&mut self, entry: &Entry<'_>, act: Word) {
        let Some(debt) = self.clients.get_mut(entry.who) else { return };
        let stays = self.rooms.stays((entry.who, debt.process), entry.room);
        let is_in = stays.iter().any(|stay| stay.until.is_none());
        let is_leaving = debt.asked.get(&entry.room) == Some(&"leave");
        if (act == "join") == (is_in && !is_leaving) {
            debt.asked.remove(&entry.room);
        } else {
            self.incurred += 1;
            debt.asked.insert(entry.room, act);
        }
    }

    fn on_told(&mut self, entry: &Entry<'_>, act: Word) {
        if let Some(debt) = self.clients.get_mut(entry.who)
            && debt.asked.get(&entry.room) == Some(&act)
        {
            debt.asked.remove(&entry.room);
        }
        self.look_again(entry.who);
    }

    /// A new life is in the rooms of the plan, and has asked for nothing. An outbox is kept, and so is what it owes; what
    /// was sent in any other way is forgotten.
    fn on_started(&mut self, entry: &Entry<'_>) {
        let Some(debt) = self.clients.get_mut(entry.who) else { return };
        debt.process = entry.process;
        debt.asked.clear();
        if !debt.keeps {
            debt.unanswered.clear();
        }
        self.look_again(entry.who);
    }

    /// What a client is entitled to has changed.
    fn look_again(&mut self, client: Host) {
        let Some(debt) = self.clients.get_mut(client).filter(|debt| debt.resumes) else { return };
        debt.unseen.clear();
        for (room, offset, message) in self.ledger.iter() {
            if !debt.seen.contains(message) && self.rooms.owes((client, debt.process), room, offset) {
                debt.unseen.insert((offset, message));
            }
        }
    }

    /// Whether nothing is owed, and nothing is on its way that may come.
    pub(super) fn is_settled(&self) -> bool {
        self.open() == 0 && self.awaited.open() == 0
    }

    /// Who still waits for what, one a waiter and kind of debt: what is owed first, each by name.
    pub(super) fn waits(&self, roll: &Roll) -> Vec<Wait> {
        let owed = self.clients.iter().flat_map(|(client, debt)| debt.waits(client, &self.ledger, roll));
        owed.chain(self.awaited.waits(roll)).collect()
    }

    /// The same, a line each.
    pub(super) fn describe(&self, roll: &Roll) -> Vec<String> {
        self.waits(roll).iter().map(ToString::to_string).collect()
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
            let unseen = debt.unseen.iter().map(|(_, message)| *message);
            debt.unanswered.keys().copied().chain(unseen)
        })
    }
}

impl Debt {
    fn waits_for_connection(&self) -> bool {
        self.wants_connection && !self.was_connected
    }

    fn waits(&self, client: Host, ledger: &Ledger, roll: &Roll) -> Vec<Wait> {
        let wait = |what, so_far| Wait { who: roll.host_name(client).clone(), what, so_far };
        let mut waits = Vec::new();
        if let Some((oldest, _)) = self.unanswered.iter().min_by_key(|(_, n)| **n) {
            let name = roll.message_name(*oldest);
            let what = match self.unanswered.len() {
                1 => format!("1 message not acknowledged: {name}"),
                many => format!("{many} messages not acknowledged, the oldest {name}"),
            };
            let so_far = match ledger.place(*oldest) {
                Some((_, offset)) => format!("has committed it at offset {offset}"),
                None => "has not committed it".to_owned(),
            };
            waits.push(wait(what, Some(so_far)));
        }
        if let Some((first, _)) = self.unseen.first() {
            let what = match self.unseen.len() {
                1 => format!("has not been shown 1 committed message, at offset {first}"),
                many => format!("has not been shown {many} committed messages, the first at offset {first}"),
            };
            waits.push(wait(what, None));
        }
        if self.waits_for_connection() {
            waits.push(wait("was never connected".to_owned(), None));
        }
        let asked = self.asked.iter().map(|(room, act)| (roll.room_name(*room), act));
        waits.extend(asked.map(|(room, act)| wait(format!("asked to {act} {room}, not answered"), None)));
        waits
    }
}

/// The clients that the plan leaves connected: their last connect or disconnect is no disconnect, and the world heals for
/// them.
pub(super) fn connected_at_the_end(plan: &Plan) -> impl Iterator<Item = &Name> {
    let mut last: BTreeMap<&Name, &Op> = BTreeMap::new();
    for op in plan.ops.iter().filter(|op| matches!(op.act, Act::Connect | Act::Disconnect)) {
        let last = last.entry(&op.who).or_insert(op);
        if op.at >= last.at {
            *last = op;
        }
    }
    let is_left = move |name: &Name| last.get(name).is_some_and(|op| op.act == Act::Disconnect);
    plan.clients.keys().filter(move |name| !is_left(name) && !plan.is_left_broken(name))
}
