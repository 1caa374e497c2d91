//! *Promise:* every message that was acknowledged or committed is shown to every client.
//!
//! *Checked:* at the end of the run, a message that a client was in no life shown is lost to it if it will never come:
//!
//! - **skipped**: the client was shown a later offset of the same room. Its cursor has passed, wherever the plan
//!   leaves the client. A hole that is filled later is no loss but a divergence of order.
//! - **missed**: nothing later was shown, but the client is connected at the end and idle: for at least half of the time to
//!   settle, the message was there, the connection stood, and nothing at all was shown. Half, because a client that is busy
//!   catching up, or has just come back, may still get there.
//! - **settled**: the run ended because nothing was owed, and so nobody will deliver it.
//!
//! What else a client was not shown still waits, and is *no progress*. So the two names divide: lost will never come,
//! no progress has not come yet. [`Anomaly::NoProgress`] leaves alone what is named here.
//!
//! *Not checked, because:* whether a new life of a client shows again what an earlier life has shown: its user saw it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use squall::store::{LogOffset, MessageId};

use super::message::Message;
use super::owed::connected_at_the_end;
use super::{Anomaly, Checker, Ending, Verdict, Violation, verdict};
use crate::history::{Kind, Record};
use crate::plan::{Name, Plan};

/// Looks for [`Anomaly::Lost`].
pub(super) struct Lost {
    clients: BTreeMap<Name, Client>,
    /// What was sent, and the room it was sent to.
    sent: BTreeMap<MessageId, (Arc<str>, Record)>,
    /// Every message that clients are entitled to.
    entitled: BTreeMap<Message, Entitled>,
    /// When the run ends if it does not settle.
    deadline: Duration,
    patience: Duration,
    last_step: u64,
    last_at: Duration,
    examined: u64,
}

/// What became known of a message.
struct Entitled {
    room: Arc<str>,
    /// Where it was first said to be.
    offset: LogOffset,
    /// Sent, committed, acknowledged: as far as they happened.
    evidence: Vec<Record>,
    /// When the first of these made clients entitled to it.
    since: Duration,
}

struct Client {
    in_scope: bool,
    connected_since: Option<Duration>,
    last_shown: Duration,
    /// Shown before anyone was entitled to it.
    early: BTreeSet<Message>,
    rooms: BTreeMap<Arc<str>, View>,
}

/// What a client has of a room.
#[derive(Default)]
struct View {
    highest: Option<(LogOffset, Record)>,
    /// Not shown, and nothing after it either.
    waiting: BTreeSet<(LogOffset, Message)>,
    /// Not shown though a later one was: since which step, and the record that shows the later one.
    skipped: BTreeMap<(LogOffset, Message), (u64, Record)>,
}

/// A message that a client will never be shown.
pub(super) struct Loss<'a> {
    client: &'a Name,
    message: &'a Message,
    /// The later one that was shown, if one was.
    skipped_by: Option<&'a Record>,
    step: u64,
    /// Whether the plan leaves the client connected.
    pub(super) in_scope: bool,
}

impl Lost {
    pub(super) fn new(plan: &Plan) -> Self {
        let in_scope: BTreeSet<&Name> = connected_at_the_end(plan).collect();
        let client = |name: &Name| Client {
            in_scope: in_scope.contains(name),
            connected_since: None,
            last_shown: Duration::ZERO,
            early: BTreeSet::new(),
            rooms: BTreeMap::new(),
        };
        let ops = plan.ops.iter().map(|op| op.at.0);
        let faults = plan.faults.iter().map(|fault| fault.until.unwrap_or(fault.at).0);
        Self {
            clients: plan.clients.keys().map(|name| (Name::clone(name), client(name))).collect(),
            sent: BTreeMap::new(),
            entitled: BTreeMap::new(),
            deadline: ops.chain(faults).max().unwrap_or_default() + plan.settle.0,
            patience: plan.settle.0 / 2,
            last_step: 0,
            last_at: Duration::ZERO,
            examined: 0,
        }
    }

    /// Everything that is lost, by client and room.
    pub(super) fn losses(&self, ending: &Ending) -> Vec<Loss<'_>> {
        let mut losses = Vec::new();
        for (client, state) in &self.clients {
            for view in state.rooms.values() {
                let loss = |message, skipped_by, step| Loss {
                    client,
                    message,
                    skipped_by,
                    step,
                    in_scope: state.in_scope,
                };
                let skipped = view.skipped.iter();
                losses.extend(skipped.map(|((_, message), (step, by))| loss(message, Some(by), *step)));
                let waiting = view.waiting.iter().map(|(_, message)| message);
                let missed = waiting.filter(|message| self.is_missed(state, message, ending));
                losses.extend(missed.map(|message| loss(message, None, self.last_step)));
            }
        }
        losses
    }

    fn is_missed(&self, client: &Client, message: &Message, ending: &Ending) -> bool {
        let (true, Some(entitled)) = (client.in_scope, self.entitled.get(message)) else { return false };
        match ending {
            Ending::Settled => true,
            Ending::Unsettled { .. } => client.connected_since.is_some_and(|connected| {
                let idle_since = connected.max(client.last_shown).max(entitled.since);
                self.deadline.max(self.last_at).saturating_sub(idle_since) >= self.patience
            }),
        }
    }

    fn violation(&self, loss: &Loss<'_>, more: usize) -> Violation {
        let entitled = self.entitled.get(loss.message);
        let mut witness = entitled.map_or_else(Vec::new, |entitled| entitled.evidence.clone());
        witness.extend(loss.skipped_by.cloned());
        witness.sort_by_key(|record| record.step);
        witness.dedup();
        let because = match loss.skipped_by {
            Some(_) => "though a later one of the room was",
            None => "though it is connected and nothing is on its way",
        };
        let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
        Violation {
            anomaly: Anomaly::Lost,
            says: format!("{} was never shown {}, {because}{more}", loss.client, loss.message),
            step: loss.step,
            witness,
        }
    }
}

impl Checker for Lost {
    fn anomaly(&self) -> Anomaly {
        Anomaly::Lost
    }

    fn observe(&mut self, record: &Record) {
        (self.last_step, self.last_at) = (record.step, record.at);
        match &record.kind {
            Kind::Sent { id, room, .. } => {
                self.sent.entry(id.clone()).or_insert_with(|| (Arc::clone(room), record.clone()));
            }
            Kind::Committed { id, room, offset, .. } => {
                self.on_entitled(record, Message::seen(id.as_ref(), *offset), room, *offset);
            }
            Kind::Acknowledged { id, offset } => {
                // Where nobody sent it, there is nothing to lose.
                if let Some((room, _)) = self.sent.get(id) {
                    let room = Arc::clone(room);
                    self.on_entitled(record, Message::Id(id.clone()), &room, *offset);
                }
            }
            Kind::Delivered { id, room, offset, .. } => {
                self.on_delivered(record, Message::seen(id.as_ref(), *offset), room, *offset);
            }
            Kind::Connected => self.on_connection(record, Some(record.at)),
            Kind::Disconnected { .. } | Kind::Exited { .. } => self.on_connection(record, None),
            Kind::Failed { .. }
            | Kind::Trouble { .. }
            | Kind::Suppressed { .. }
            | Kind::Did { .. }
            | Kind::Started
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

    fn finish(self: Box<Self>, ending: &Ending) -> Verdict {
        let losses = self.losses(ending);
        let first = losses.iter().min_by_key(|loss| loss.step);
        verdict(first.map(|loss| self.violation(loss, losses.len() - 1)), self.examined)
    }
}

impl Lost {
    fn on_entitled(&mut self, record: &Record, message: Message, room: &Arc<str>, offset: LogOffset) {
        if let Some(known) = self.entitled.get_mut(&message) {
            // A repeat shows nothing new: a witness has room for one record of each kind.
            let same =
                |other: &Record| std::mem::discriminant(&other.kind) == std::mem::discriminant(&record.kind);
            if !known.evidence.iter().any(same) {
                known.evidence.push(record.clone());
            }
            return;
        }
        for client in self.clients.values_mut() {
            self.examined += 1;
            if !client.early.remove(&message) {
                client.rooms.entry(Arc::clone(room)).or_default().entitle(record, &message, offset);
            }
        }
        let sent = match &message {
            Message::Id(id) => self.sent.get(id).map(|(_, sent)| sent.clone()),
            Message::At(_) => None,
        };
        let evidence = sent.into_iter().chain([record.clone()]).collect();
        self.entitled
            .insert(message, Entitled { room: Arc::clone(room), offset, evidence, since: record.at });
    }

    fn on_delivered(&mut self, record: &Record, message: Message, room: &Arc<str>, offset: LogOffset) {
        let Some(client) = self.clients.get_mut(&record.host) else { return };
        client.last_shown = record.at;
        match self.entitled.get(&message) {
            Some(entitled) => {
                let view = client.rooms.entry(Arc::clone(&entitled.room)).or_default();
                let key = (entitled.offset, message);
                view.waiting.remove(&key);
                view.skipped.remove(&key);
            }
            None => {
                client.early.insert(message);
            }
        }
        client.rooms.entry(Arc::clone(room)).or_default().reach(record, offset);
    }

    fn on_connection(&mut self, record: &Record, since: Option<Duration>) {
        if let Some(client) = self.clients.get_mut(&record.host) {
            client.connected_since = since;
        }
    }
}

impl View {
    /// The client is entitled to a message from now on.
    fn entitle(&mut self, record: &Record, message: &Message, offset: LogOffset) {
        let key = (offset, message.clone());
        match &self.highest {
            Some((highest, by)) if *highest > offset => {
                self.skipped.insert(key, (record.step, by.clone()));
            }
            Some(_) | None => {
                self.waiting.insert(key);
            }
        }
    }

    /// The client is shown `offset`; what it was not shown before it is skipped.
    fn reach(&mut self, record: &Record, offset: LogOffset) {
        if self.highest.as_ref().is_some_and(|(highest, _)| *highest >= offset) {
            return;
        }
        self.highest = Some((offset, record.clone()));
        while self.waiting.first().is_some_and(|(waiting, _)| *waiting < offset)
            && let Some(key) = self.waiting.pop_first()
        {
            self.skipped.insert(key, (record.step, record.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::planted::{ALICE, BOB, Planted, broken, held, seconds, unsettled};

    /// Bob waits for the second of two messages.
    fn bob_lacks_the_last() -> Planted {
        let planted = Planted::new().say(ALICE).say(ALICE).commit("alice-1", 1).commit("alice-2", 2);
        let planted = planted.ack(ALICE, "alice-1", 1).ack(ALICE, "alice-2", 2);
        planted.show(ALICE, "alice-1", 1).show(ALICE, "alice-2", 2).show(BOB, "alice-1", 1)
    }

    #[test]
    fn what_a_client_skipped_is_lost_at_the_record_that_skips_it() {
        let planted = bob_lacks_the_last().say(ALICE).commit("alice-3", 3).ack(ALICE, "alice-3", 3);
        let planted = planted.show(BOB, "alice-3", 3).show(ALICE, "alice-3", 3);
        let skipping = planted.steps() - 2;

        let violation = broken(Anomaly::Lost, planted, &unsettled());

        assert_eq!(violation.says, "bob was never shown alice-2, though a later one of the room was");
        assert_eq!((violation.step, violation.witness.len()), (skipping, 4));
    }

    #[test]
    fn what_a_connected_and_idle_client_is_not_shown_is_lost() {
        let planted = bob_lacks_the_last();
        let last = planted.steps() - 1;

        let violation = broken(Anomaly::Lost, planted, &unsettled());

        assert_eq!(
            violation.says,
            "bob was never shown alice-2, though it is connected and nothing is on its way"
        );
        assert_eq!(violation.step, last);
    }

    #[test]
    fn what_was_acknowledged_and_never_committed_is_lost() {
        let planted = Planted::good().say(ALICE).ack(ALICE, "alice-3", 4);
        let violation = broken(Anomaly::Lost, planted, &unsettled());
        assert!(violation.says.ends_with("(and 1 more)"), "{}", violation.says);
    }

    /// What still waits is no progress, not lost.
    fn waits(planted: Planted) {
        broken(Anomaly::NoProgress, planted, &unsettled());
    }

    #[test]
    fn a_client_that_is_not_connected_at_the_end_still_waits() {
        waits(bob_lacks_the_last().disconnect(BOB));
    }

    #[test]
    fn a_client_that_has_just_come_back_still_waits() {
        waits(bob_lacks_the_last().disconnect(BOB).pass(seconds(50)).connect(BOB));
    }

    #[test]
    fn a_client_that_is_busy_catching_up_still_waits() {
        let planted = bob_lacks_the_last().say(ALICE).commit("alice-3", 3).ack(ALICE, "alice-3", 3);
        waits(planted.show(ALICE, "alice-3", 3).pass(seconds(50)).show(BOB, "alice-2", 2));
    }

    #[test]
    fn a_hole_that_is_filled_is_no_loss() {
        let planted = bob_lacks_the_last().say(BOB).commit("bob-1", 3).ack(BOB, "bob-1", 3);
        let planted = planted.show(ALICE, "bob-1", 3).show(BOB, "bob-1", 3).show(BOB, "alice-2", 2);
        broken(Anomaly::TotalOrderDivergence, planted, &Ending::Settled);
    }

    #[test]
    fn everything_shown_to_everyone_is_held() {
        held(Anomaly::Lost, Planted::good());
    }
}
