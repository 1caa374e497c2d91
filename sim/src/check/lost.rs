//! *Promise:* every message that was acknowledged or committed is shown to every client that is entitled to it; and what was
//! sent without asking for an answer arrives.
//!
//! *Checked:* at the end of the run, a message that a client that resumes was in no life shown, though it is in one of the
//! stays of its life, is lost to it if it will never come:
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
//! What an outbox was told that the server will never take, and the log never held, is lost too, unless it is too long.
//!
//! What may legally be lost is in `awaited`: a loss that is excused there is counted as allowed.
//!
//! *Not checked, because:* what was on its way to a reader who left its room, because its user does not wait for it; a hole
//! in what it was shown stays one. Whether a new life of a client shows again what an earlier life has shown: its user saw it.

use std::collections::BTreeSet;
use std::time::Duration;

use squall::store::LogOffset;

use super::awaited::Awaited;
use super::debts::connected_at_the_end;
use super::ledger::Ledger;
use super::refused::Refused;
use super::roll::{Entry, Host, Message, Roll, Room};
use super::rooms::Rooms;
use super::table::{Marks, Table};
use super::view::View;
use super::{Anomaly, Checker, Ending, Finding, Run, Violation, WITNESS_MAX, verdict};
use crate::history::{Kind, Record};
use crate::plan::{Fault, Name, Plan, Receive};

/// Looks for [`Anomaly::Lost`].
pub(super) struct Lost<'r> {
    clients: Table<Host, Client<'r>>,
    rooms: Rooms,
    awaited: Awaited,
    refused: Refused<'r>,
    /// What was sent, and the room it was sent to.
    sent: Table<Message, (Room, &'r Record)>,
    ledger: Ledger,
    /// What became known of every message in the ledger.
    known: Table<Message, Known<'r>>,
    /// When the run ends if it does not settle.
    deadline: Duration,
    settle: Duration,
    patience: Duration,
    last_step: u64,
    last_at: Duration,
    examined: u64,
}

/// What became known of a message.
struct Known<'r> {
    /// Sent, committed, acknowledged: as far as they happened.
    evidence: Vec<&'r Record>,
    /// When the first of these made clients entitled to it.
    since: Duration,
}

struct Client<'r> {
    in_scope: bool,
    process: u32,
    connected_since: Option<Duration>,
    last_shown: Duration,
    /// In any life; also before anyone was entitled to it.
    shown: Marks<Message>,
    views: Table<Room, View<'r>>,
}

/// A message that a client will never be shown.
pub(super) struct Loss<'r> {
    client: Host,
    message: Message,
    /// The later one that was shown, if one was.
    skipped_by: Option<&'r Record>,
    step: u64,
    /// Whether the plan leaves the client connected.
    pub(super) in_scope: bool,
}

impl<'r> Lost<'r> {
    pub(super) fn new(plan: &Plan, roll: &mut Roll) -> Self {
        let in_scope: BTreeSet<&Name> = connected_at_the_end(plan).collect();
        let client = |name: &Name| Client {
            in_scope: in_scope.contains(name),
            process: 1,
            connected_since: None,
            last_shown: Duration::ZERO,
            shown: Marks::default(),
            views: Table::default(),
        };
        let resuming = plan.clients.iter().filter(|(_, client)| client.receive == Receive::Resume);
        let ops = plan.ops.iter().map(|op| op.at.0);
        let faults = plan.faults.iter().map(Fault::soonest_end);
        Self {
            clients: resuming.map(|(name, _)| (roll.host(name), client(name))).collect(),
            rooms: Rooms::new(plan, roll),
            awaited: Awaited::new(plan, roll),
            refused: Refused::new(plan),
            sent: Table::default(),
            ledger: Ledger::default(),
            known: Table::default(),
            deadline: ops.chain(faults).max().unwrap_or_default() + plan.settle.0,
            settle: plan.settle.0,
            patience: plan.settle.0 / 2,
            last_step: 0,
            last_at: Duration::ZERO,
            examined: 0,
        }
    }

    /// Everything that is owed and lost, by client and room.
    pub(super) fn losses(&self, ending: &Ending) -> Vec<Loss<'r>> {
        let mut losses = Vec::new();
        for (client, state) in self.clients.iter() {
            for view in state.views.values() {
                let loss = |message, skipped_by, step| Loss {
                    client,
                    message,
                    skipped_by,
                    step,
                    in_scope: state.in_scope,
                };
                let skipped = view.skipped.iter();
                losses.extend(skipped.map(|((_, message), (step, by))| loss(*message, Some(*by), *step)));
                let waiting = view.waiting.iter().map(|(_, message)| *message);
                let missed = waiting.filter(|message| self.is_missed(state, *message, ending));
                losses.extend(missed.map(|message| loss(message, None, self.last_step)));
            }
        }
        losses
    }

    fn is_missed(&self, client: &Client<'_>, message: Message, ending: &Ending) -> bool {
        let (true, Some(known)) = (client.in_scope, self.known.get(message)) else { return false };
        match ending {
            Ending::Settled => true,
            Ending::Unsettled { .. } => client.connected_since.is_some_and(|connected| {
                let idle_since = connected.max(client.last_shown).max(known.since);
                self.deadline.max(self.last_at).saturating_sub(idle_since) >= self.patience
            }),
        }
    }

    fn violation(&self, loss: &Loss<'_>, more: usize, run: &Run<'_>) -> Violation {
        let known = self.known.get(loss.message);
        let evidence = known.into_iter().flat_map(|known| known.evidence.iter().copied());
        let steps = evidence.chain(loss.skipped_by).map(|record| record.step);
        let because = match loss.skipped_by {
            Some(_) => "though a later one of the room was",
            None => "though it is connected and nothing is on its way",
        };
        let (client, message) = (run.roll.host_name(loss.client), run.roll.message_name(loss.message));
        let more = and_more(more);
        Violation {
            anomaly: Anomaly::Lost,
            says: format!("{client} was never shown {message}, {because}{more}"),
            step: loss.step,
            witness: run.witness(steps),
        }
    }

    /// The first of what nobody owed and nothing excuses.
    fn unexcused(&self, losses: &[super::awaited::Loss], run: &Run<'_>) -> Option<Violation> {
        let unexcused = losses.iter().filter(|loss| !loss.excused);
        let step = |loss: &super::awaited::Loss| loss.step.unwrap_or(self.last_step);
        let first = unexcused.clone().min_by_key(|loss| step(loss))?;
        let evidence = first.evidence.iter().copied().take(WITNESS_MAX);
        Some(Violation {
            anomaly: Anomaly::Lost,
            says: format!("{}{}", first.says(run.roll), and_more(unexcused.count() - 1)),
            step: step(first),
            witness: evidence.filter_map(|step| run.record(step)).cloned().collect(),
        })
    }
}

fn and_more(more: usize) -> String {
    if more == 0 { String::new() } else { format!(" (and {more} more)") }
}

impl<'r> Checker<'r> for Lost<'r> {
    fn anomaly(&self) -> Anomaly {
        Anomaly::Lost
    }

    fn observe(&mut self, entry: &Entry<'r>) {
        (self.last_step, self.last_at) = (entry.step, entry.at);
        self.rooms.observe(entry);
        self.awaited.observe(entry);
        self.refused.observe(entry);
        match &entry.kind {
            Kind::Sent { .. } => {
                self.sent.row(entry.message).get_or_insert((entry.room, entry.record));
            }
            Kind::Committed { offset, .. } => self.on_entitled(entry, entry.room, *offset),
            Kind::Acknowledged { offset, .. } => {
                // Where nobody sent it, there is nothing to lose.
                if let Some((room, _)) = self.sent.get(entry.message).copied() {
                    self.on_entitled(entry, room, *offset);
                }
            }
            Kind::Delivered { offset, .. } => self.on_delivered(entry, *offset),
            Kind::Connected { .. } => self.on_connection(entry, Some(entry.at)),
            Kind::Disconnected { .. } | Kind::Exited { .. } => self.on_connection(entry, None),
            Kind::Joined { since: Some(_), .. } => self.on_joined_again(entry),
            Kind::Joined { since: None, .. } | Kind::Left { .. } | Kind::Started => self.look_again(entry),
            Kind::Failed { .. }
            | Kind::SendFailed { .. }
            | Kind::Trouble { .. }
            | Kind::Suppressed { .. }
            | Kind::Asked { .. }
            | Kind::Emitted { .. }
            | Kind::Arrived { .. }
            | Kind::Relayed { .. }
            | Kind::Heard { .. }
            | Kind::Answered { .. }
            | Kind::Persisted { .. }
            | Kind::Resumed { .. }
            | Kind::Early { .. }
            | Kind::Did { .. }
            | Kind::Skipped { .. }
            | Kind::FaultBegan { .. }
            | Kind::FaultDisarmed { .. }
            | Kind::Touched { .. } => {}
            // Which the plan may not know before.
            Kind::FaultEnded { .. } => self.deadline = self.deadline.max(entry.at + self.settle),
        }
    }

    fn finish(self: Box<Self>, run: &Run<'r>) -> Finding {
        let losses = self.losses(run.ending);
        let first = losses.iter().min_by_key(|loss| loss.step);
        let owed = first.map(|loss| self.violation(loss, losses.len() - 1, run));
        let awaited = self.awaited.losses();
        let others = self.unexcused(&awaited, run).into_iter().chain(self.refused.first());
        let found = owed.into_iter().chain(others).min_by_key(|violation| violation.step);
        let allowed = awaited.iter().filter(|loss| loss.excused).count() as u64;
        Finding { verdict: verdict(found, self.examined + self.awaited.examined()), allowed }
    }
}

impl<'r> Lost<'r> {
    fn on_entitled(&mut self, entry: &Entry<'r>, room: Room, offset: LogOffset) {
        let message = entry.message;
        if !self.ledger.enter(message, room, offset) {
            self.on_more_evidence(entry);
            return;
        }
        for (name, client) in self.clients.iter_mut() {
            if self.rooms.owes((name, client.process), room, offset) {
                self.examined += 1;
                if !client.shown.contains(message) {
                    client.views.entry(room).entitle(entry.record, (offset, message));
                }
            }
        }
        let sent = self.sent.get(message).map(|(_, sent)| *sent);
        let evidence = sent.into_iter().chain([entry.record]).collect();
        *self.known.row(message) = Some(Known { evidence, since: entry.at });
    }

    /// A repeat shows nothing new: a witness has room for one record of each kind.
    fn on_more_evidence(&mut self, entry: &Entry<'r>) {
        let same =
            |other: &&Record| std::mem::discriminant(&other.kind) == std::mem::discriminant(&entry.kind);
        if let Some(known) = self.known.get_mut(entry.message)
            && !known.evidence.iter().any(same)
        {
            known.evidence.push(entry.record);
        }
    }

    fn on_delivered(&mut self, entry: &Entry<'r>, offset: LogOffset) {
        let Some(client) = self.clients.get_mut(entry.who) else { return };
        client.last_shown = entry.at;
        if let Some((entered, place)) = self.ledger.place(entry.message) {
            client.views.entry(entered).show((place, entry.message));
        }
        client.shown.insert(entry.message);
        client.views.entry(entry.room).reach(entry.record, offset);
    }

    fn on_connection(&mut self, entry: &Entry<'r>, since: Option<Duration>) {
        if let Some(client) = self.clients.get_mut(entry.who) {
            client.connected_since = since;
        }
    }

    /// Who joins a room so is shown it from an earlier offset on.
    fn on_joined_again(&mut self, entry: &Entry<'r>) {
        if let Some(client) = self.clients.get_mut(entry.who) {
            client.views.entry(entry.room).rewind();
        }
        self.look_again(entry);
    }

    /// What a client is entitled to has changed.
    fn look_again(&mut self, entry: &Entry<'r>) {
        let Some(client) = self.clients.get_mut(entry.who) else { return };
        client.process = entry.process;
        for (room, offset, message) in self.ledger.iter() {
            let view = client.views.entry(room);
            let is = |entitled: bool| entitled && !client.shown.contains(message);
            if is(self.rooms.owes(entry.life(), room, offset)) {
                view.entitle(entry.record, (offset, message));
            } else if is(self.rooms.entitles(entry.life(), room, offset)) {
                view.give_up((offset, message));
            } else {
                view.show((offset, message));
            }
        }
    }
}

#[cfg(test)]
mod tests;
