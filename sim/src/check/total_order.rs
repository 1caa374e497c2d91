//! *Promise:* all observers agree on the order of any two messages of a room.
//!
//! *Checked:* an observer is the log, which sees messages as they are committed, or one life of a client, which sees them
//! as they are shown. (1) One offset holds one message, whoever sees it. (2) In each room, each observer sees new offsets in rising order. Where both hold, any two observers agree, so no
//! cycle needs to be looked for. An offset seen again is no new sighting; that it is seen again is a duplicate.
//!
//! *Not checked, because:* the order of messages of different rooms, because it is not promised; the offset that an
//! acknowledgement names, because its sender has not seen a message there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use squall::store::LogOffset;

use super::message::Message;
use super::{Anomaly, Checker, Ending, Verdict, Violation, verdict};
use crate::history::{Kind, Record};
use crate::plan::Name;

/// Looks for [`Anomaly::TotalOrderDivergence`].
#[derive(Default)]
pub(super) struct TotalOrder {
    /// What each offset holds, and who said so first.
    holds: BTreeMap<LogOffset, (Message, Record)>,
    views: BTreeMap<(Observer, Arc<str>), View>,
    examined: u64,
    found: Option<Violation>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Observer {
    /// Outlives the server's process.
    Log,
    /// One life of a client.
    Client(Name, u32),
}

/// What one observer has seen of one room.
#[derive(Default)]
struct View {
    seen: BTreeSet<LogOffset>,
    highest: Option<Record>,
}

impl Checker for TotalOrder {
    fn anomaly(&self) -> Anomaly {
        Anomaly::TotalOrderDivergence
    }

    fn observe(&mut self, record: &Record) {
        let broken = match &record.kind {
            Kind::Committed { id, room, offset, .. } => {
                let holds = self.holds(record, Message::seen(id.as_ref(), *offset), *offset);
                holds.or(self.sees(record, Observer::Log, room, *offset))
            }
            Kind::Delivered { id, room, offset, .. } => {
                let holds = self.holds(record, Message::seen(id.as_ref(), *offset), *offset);
                let client = Observer::Client(Name::clone(&record.host), record.process);
                holds.or(self.sees(record, client, room, *offset))
            }
            Kind::Sent { .. }
            | Kind::Acknowledged { .. }
            | Kind::Suppressed { .. }
            | Kind::Failed { .. }
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
            | Kind::Touched { .. } => return,
        };
        self.examined += 1;
        self.found = self.found.take().or(broken);
    }

    fn finish(self: Box<Self>, _: &Ending) -> Verdict {
        verdict(self.found, self.examined)
    }
}

impl TotalOrder {
    /// (1) One offset holds one message.
    fn holds(&mut self, record: &Record, message: Message, offset: LogOffset) -> Option<Violation> {
        let Some((held, evidence)) = self.holds.get(&offset) else {
            self.holds.insert(offset, (message, record.clone()));
            return None;
        };
        (*held != message).then(|| Violation {
            anomaly: Anomaly::TotalOrderDivergence,
            says: format!(
                "offset {offset} holds two messages: {} {}, but {} {}",
                evidence.host, evidence.kind, record.host, record.kind
            ),
            step: record.step,
            witness: vec![evidence.clone(), record.clone()],
        })
    }

    /// (2) New offsets rise.
    fn sees(
        &mut self,
        record: &Record,
        observer: Observer,
        room: &Arc<str>,
        offset: LogOffset,
    ) -> Option<Violation> {
        let view = self.views.entry((observer, Arc::clone(room))).or_default();
        if !view.seen.insert(offset) {
            return None;
        }
        // The set has the new offset, so its last is no smaller, and `highest` is of the last one before.
        if view.seen.last() == Some(&offset) {
            view.highest = Some(record.clone());
            return None;
        }
        let highest = view.highest.clone()?;
        let commits = [&highest, record].into_iter().filter_map(|seen| self.commit_of(seen));
        let mut witness: Vec<Record> = commits.chain([highest.clone(), record.clone()]).collect();
        witness.sort_by_key(|record| record.step);
        witness.dedup();
        Some(Violation {
            anomaly: Anomaly::TotalOrderDivergence,
            says: format!("{} {} only after it {}", record.host, record.kind, highest.kind),
            step: record.step,
            witness,
        })
    }

    /// The record that put what was seen in its place.
    fn commit_of(&self, seen: &Record) -> Option<Record> {
        let (Kind::Delivered { offset, .. } | Kind::Committed { offset, .. }) = &seen.kind else {
            return None;
        };
        let (_, first) = self.holds.get(offset)?;
        matches!(first.kind, Kind::Committed { .. }).then(|| first.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::planted::{ALICE, BOB, Planted, broken, held};

    fn two_committed() -> Planted {
        let planted = Planted::new().say(ALICE).say(BOB).commit("alice-1", 1).commit("bob-1", 2);
        let planted = planted.ack(ALICE, "alice-1", 1).ack(BOB, "bob-1", 2);
        planted.show(ALICE, "alice-1", 1).show(ALICE, "bob-1", 2)
    }

    #[test]
    fn a_client_that_shows_two_messages_against_the_order_of_the_log_diverges() {
        let planted = two_committed().show(BOB, "bob-1", 2).show(BOB, "alice-1", 1);

        let violation = broken(Anomaly::TotalOrderDivergence, planted, &Ending::Settled);

        assert_eq!(
            violation.says,
            "bob delivered alice-1 at 1 of general only after it delivered bob-1 at 2 of general"
        );
        assert_eq!(violation.witness.len(), 4, "two commits and two deliveries");
    }

    #[test]
    fn one_offset_with_two_messages_diverges() {
        let planted = two_committed().show(BOB, "bob-1", 1).show(BOB, "alice-1", 2);

        let violation = broken(Anomaly::TotalOrderDivergence, planted, &Ending::Settled);

        assert_eq!(
            violation.says,
            "offset 1 holds two messages: server committed alice-1 at 1 of general, \
             but bob delivered bob-1 at 1 of general"
        );
    }

    #[test]
    fn an_acknowledgement_is_no_sighting() {
        let planted = two_committed().show(BOB, "alice-1", 1).show(BOB, "bob-1", 2).ack(BOB, "bob-1", 1);
        held(Anomaly::TotalOrderDivergence, planted);
    }

    #[test]
    fn a_log_that_fills_a_hole_diverges_from_its_own_order() {
        let planted = Planted::good().say(ALICE).say(BOB).commit("alice-3", 9).commit("bob-2", 8);
        let planted = planted.ack(ALICE, "alice-3", 9).ack(BOB, "bob-2", 8);
        let planted = [ALICE, BOB]
            .into_iter()
            .fold(planted, |planted, client| planted.show(client, "bob-2", 8).show(client, "alice-3", 9));
        broken(Anomaly::TotalOrderDivergence, planted, &Ending::Settled);
    }

    #[test]
    fn a_client_that_starts_again_sees_the_log_again() {
        let planted = Planted::good().restart(BOB).show(BOB, "alice-1", 1).show(BOB, "bob-1", 2);
        held(Anomaly::TotalOrderDivergence, planted);
    }
}
