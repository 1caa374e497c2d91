//! Records go in; out comes whether anything is still owed, and who waits for what.
//!
//! Owed is: an answer (acknowledged or failed) to each message that a client sent and asked an answer for; each message
//! that was committed or acknowledged, to each client that resumes and is in its room; an answer to each client that asked
//! to be let into or out of a room. What may legally be lost is waited for too, but nobody owes it: see `awaited`. A client
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
use crate::plan::{Act, FaultAct, Name, Plan, Receive, Send};

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
            Kind::Suppressed { .. }
            | Kind::Trouble { .. }
            | Kind::Emitted { .. }
            | Kind::Arrived { .. }
            | Kind::Relayed { .. }
            | Kind::Heard { .. }
            | Kind::Answered { .. }
            | Kind::Connected
            | Kind::Disconnected { .. }
            | Kind::Did { .. }
            | Kind::Exited { .. }
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
        let open = |debt: &Debt| debt.unanswered.len() + debt.unseen.len() + debt.asked.len();
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
    plan.faults.iter().any(|fault| match &fault.what {
        FaultAct::Kill(name) | FaultAct::Shutdown(name) => name == client && fault.until.is_none(),
        FaultAct::Delay(_)
        | FaultAct::Loss(_)
        | FaultAct::Slow(_)
        | FaultAct::Stall(_)
        | FaultAct::Partition(_)
        | FaultAct::HalfOpen(_)
        | FaultAct::Reset(_)
        | FaultAct::Cut(_)
        | FaultAct::Reload(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::planted::{ALICE, BOB, Planted, plan, with_send};
    use crate::plan::Op;
    use crate::units::Span;

    fn after(plan: &Plan, planted: Planted) -> Owed {
        let mut owed = Owed::new(plan);
        planted.finish().records.iter().for_each(|record| owed.observe(record));
        owed
    }

    #[test]
    fn nothing_is_owed_before_and_after_everything_happened() {
        let owed = after(&plan(), Planted::new());
        assert!(owed.is_settled());
        let owed = after(&plan(), Planted::new().say(ALICE).commit("alice-1", 1).ack(ALICE, "alice-1", 1));
        assert!(!owed.is_settled());
        let owed = after(&plan(), Planted::good());
        assert!(owed.is_settled() && owed.describe().is_empty());
    }

    #[test]
    fn it_says_who_waits_for_what() {
        let planted =
            Planted::new().say(ALICE).say(ALICE).say(ALICE).commit("alice-1", 17).commit("alice-2", 18);
        let owed = after(&plan(), planted.ack(ALICE, "alice-1", 17).show(ALICE, "alice-1", 17));
        assert_eq!(
            owed.describe(),
            [
                "alice: 2 messages not acknowledged, the oldest alice-2",
                "alice: has not been shown 1 committed message, at offset 18",
                "bob: has not been shown 2 committed messages, the first at offset 17",
            ]
        );
        assert_eq!((owed.open(), owed.is_settled()), (5, false));
    }

    #[test]
    fn who_is_left_disconnected_owes_and_is_owed_nothing() {
        let mut plan = plan();
        plan.ops.push(Op { at: Span::default(), who: BOB.into(), act: Act::Disconnect });
        let planted = Planted::new().say(BOB).say(ALICE).commit("alice-1", 1).ack(ALICE, "alice-1", 1);
        let owed = after(&plan, planted.show(ALICE, "alice-1", 1));
        assert!(owed.is_settled(), "{:?}", owed.describe());
    }

    #[test]
    fn a_failure_is_an_answer() {
        let failed = Kind::Failed { id: MessageId("alice-1".into()), reason: "too large".into() };
        let owed = after(&plan(), Planted::new().say(ALICE).record(ALICE, failed));
        assert!(owed.is_settled());
    }

    #[test]
    fn who_sends_again_is_owed_an_answer_and_giving_up_is_one() {
        let retrying = with_send(Send::Retry);
        let failed = Kind::SendFailed { id: MessageId("alice-1".into()), reason: "timed out".into() };
        assert!(!after(&retrying, Planted::new().say(ALICE)).is_settled());
        assert!(after(&retrying, Planted::new().say(ALICE).record(ALICE, failed)).is_settled());
        assert!(after(&retrying, Planted::new().say(ALICE).restart(ALICE)).is_settled(), "it is forgotten");
        assert!(!after(&plan(), Planted::new().say(ALICE).restart(ALICE)).is_settled(), "an outbox is not");
    }

    #[test]
    fn who_asks_to_be_let_in_is_owed_an_answer() {
        let asked = || Planted::new().record(BOB, Kind::Asked { act: "join", room: "attic".into() });
        let owed = after(&plan(), asked());
        assert_eq!(owed.describe(), ["bob: asked to join attic, not answered"]);
        assert!(after(&plan(), asked().join(BOB, "attic", 0)).is_settled());
        assert!(after(&plan(), asked().restart(BOB)).is_settled(), "a new life has not asked");
        let leave = || Kind::Asked { act: "leave", room: "attic".into() };
        assert!(after(&plan(), asked().record(BOB, leave())).is_settled(), "it changed its mind");
        let left = asked().join(BOB, "attic", 0).record(BOB, leave());
        assert!(!after(&plan(), left).is_settled());
        let back = asked().join(BOB, "attic", 0).record(BOB, leave());
        let back = back.record(BOB, Kind::Asked { act: "join", room: "attic".into() });
        assert!(!after(&plan(), back).is_settled(), "it left, and wants to be in again");
    }

    #[test]
    fn to_ask_for_what_one_has_is_to_ask_for_nothing() {
        let ask = |act, room: &str| Planted::new().record(BOB, Kind::Asked { act, room: room.into() });
        assert!(after(&plan(), ask("join", "lobby")).is_settled());
        assert!(after(&plan(), ask("leave", "attic")).is_settled());
    }

    #[test]
    fn who_is_in_a_room_is_owed_what_is_said_there() {
        let said = |planted: Planted| {
            let planted = planted.say_in("attic", ALICE).commit_in("attic", "alice-1", 1);
            planted.ack(ALICE, "alice-1", 1)
        };
        assert!(after(&plan(), said(Planted::new())).is_settled(), "nobody is there");
        assert_eq!(after(&plan(), said(Planted::new().join(BOB, "attic", 0))).open(), 1);
        assert_eq!(after(&plan(), said(Planted::new()).join_since(BOB, "attic", 1, 0)).open(), 1);
        let leaves = said(Planted::new().join(BOB, "attic", 0)).leave(BOB, "attic", 0);
        assert!(after(&plan(), leaves).is_settled(), "what was said after leaving is not owed");
    }

    #[test]
    fn repeats_and_strays_settle_nothing() {
        let planted = Planted::new().say(ALICE).commit("alice-1", 1).show(ALICE, "alice-1", 1);
        let owed =
            after(&plan(), planted.show(ALICE, "alice-1", 1).show(BOB, "stray", 9).ack(BOB, "stray", 9));
        assert_eq!(owed.open(), 2, "{:?}", owed.describe());
    }

    #[test]
    fn what_was_shown_before_its_commit_is_not_owed_after_it() {
        let planted = Planted::new().say(ALICE).show(ALICE, "alice-1", 1).show(BOB, "alice-1", 1);
        let owed = after(&plan(), planted.commit("alice-1", 1).ack(ALICE, "alice-1", 1));
        assert!(owed.is_settled(), "{:?}", owed.describe());
    }
}
