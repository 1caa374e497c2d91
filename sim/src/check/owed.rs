//! Records go in; out comes whether anything is still owed, and who waits for what.
//!
//! Owed is: an answer (acknowledged or failed) to each message that a client sent, and each message that was committed or
//! acknowledged to each client. A client that the plan leaves disconnected is owed nothing and owes no answers: its outbox
//! may wait for ever. A message that is committed twice is owed once; that it was is another's to judge.
//! Knows nothing of what the plan has yet to do; who asks whether a run is over asks after its last op.

use std::collections::{BTreeMap, BTreeSet};

use squall::store::{LogOffset, MessageId};

use super::message::Message;
use crate::history::{Kind, Record};
use crate::plan::{Act, FaultAct, Name, Plan};

/// What is still owed.
#[derive(Debug, Clone)]
pub struct Owed {
    clients: BTreeMap<Name, Debt>,
    sent: BTreeSet<MessageId>,
    /// Every message that clients are entitled to, and where it was first said to be.
    entitled: BTreeMap<Message, LogOffset>,
    /// All debts together, so that asking costs nothing.
    open: usize,
    incurred: u64,
}

/// What one client waits for.
#[derive(Debug, Clone, Default)]
struct Debt {
    /// Sent and not answered, with its number among what this client said.
    unanswered: BTreeMap<MessageId, u64>,
    /// Entitled to and not shown.
    unseen: BTreeSet<(LogOffset, Message)>,
    /// Shown before anyone was entitled to it: wrong, but another's to judge; it is not owed once someone is.
    early: BTreeSet<Message>,
}

impl Owed {
    /// Nothing has happened yet, so nothing is owed.
    pub fn new(plan: &Plan) -> Self {
        let clients = connected_at_the_end(plan).map(|name| (Name::clone(name), Debt::default())).collect();
        Self { clients, sent: BTreeSet::new(), entitled: BTreeMap::new(), open: 0, incurred: 0 }
    }

    /// Takes the next record.
    pub fn observe(&mut self, record: &Record) {
        match &record.kind {
            Kind::Sent { id, n, .. } => self.on_sent(&record.host, id, *n),
            Kind::Acknowledged { id, offset } => {
                self.on_answered(&record.host, id);
                if self.sent.contains(id) {
                    self.on_entitled(Message::Id(id.clone()), *offset);
                }
            }
            Kind::Failed { id, .. } => self.on_answered(&record.host, id),
            Kind::Committed { id, offset, .. } => {
                self.on_entitled(Message::seen(id.as_ref(), *offset), *offset);
            }
            Kind::Delivered { id, offset, .. } => {
                self.on_delivered(&record.host, Message::seen(id.as_ref(), *offset));
            }
            Kind::Suppressed { .. }
            | Kind::Trouble { .. }
            | Kind::Connected
            | Kind::Disconnected { .. }
            | Kind::Did { .. }
            | Kind::Started
            | Kind::Exited { .. }
            | Kind::FaultBegan { .. }
            | Kind::FaultEnded { .. }
            | Kind::SendFailed { .. }
            | Kind::Asked { .. }
            | Kind::Joined { .. }
            | Kind::Left { .. }
            | Kind::Emitted { .. }
            | Kind::Arrived { .. }
            | Kind::Relayed { .. }
            | Kind::Heard { .. }
            | Kind::Answered { .. }
            | Kind::Touched { .. } => {}
        }
    }

    fn on_sent(&mut self, client: &Name, id: &MessageId, n: u64) {
        self.sent.insert(id.clone());
        if let Some(debt) = self.clients.get_mut(client)
            && debt.unanswered.insert(id.clone(), n).is_none()
        {
            self.open += 1;
            self.incurred += 1;
        }
    }

    fn on_answered(&mut self, client: &Name, id: &MessageId) {
        if let Some(debt) = self.clients.get_mut(client)
            && debt.unanswered.remove(id).is_some()
        {
            self.open -= 1;
        }
    }

    fn on_entitled(&mut self, message: Message, offset: LogOffset) {
        if self.entitled.contains_key(&message) {
            return;
        }
        for debt in self.clients.values_mut() {
            self.incurred += 1;
            if !debt.early.remove(&message) {
                debt.unseen.insert((offset, message.clone()));
                self.open += 1;
            }
        }
        self.entitled.insert(message, offset);
    }

    fn on_delivered(&mut self, client: &Name, message: Message) {
        let Some(debt) = self.clients.get_mut(client) else { return };
        match self.entitled.get(&message) {
            Some(offset) => {
                if debt.unseen.remove(&(*offset, message)) {
                    self.open -= 1;
                }
            }
            None => {
                debt.early.insert(message);
            }
        }
    }

    /// Whether nothing is owed.
    pub fn is_settled(&self) -> bool {
        self.open == 0
    }

    /// Who still waits for what, one line a waiter and kind of debt, by name.
    pub fn describe(&self) -> Vec<String> {
        self.clients.iter().flat_map(|(name, debt)| debt.describe(name)).collect()
    }

    /// How much is owed.
    pub(super) fn open(&self) -> usize {
        self.open
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
    use crate::check::planted::{ALICE, BOB, Planted, plan};
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
