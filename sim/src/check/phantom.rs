//! *Promise:* what is committed or shown is what someone sent.
//!
//! *Checked:* every message that is committed or shown has the id, the room and the content of a message that some client
//! sent; one without an id has the room and the content of one. A record of sending may come after the sighting,
//! because it is written when the outbox has answered, and so only what nobody sent in the whole run is a phantom.
//!
//! *Not checked, because:* whether a message that was reported as failed is shown, because the sender knows of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use squall::store::MessageId;

use super::{Anomaly, Checker, Ending, Verdict, Violation, verdict};
use crate::history::{Kind, Record};

/// What was said: room and hash of the content.
type Said = (Arc<str>, u64);

/// Looks for [`Anomaly::Phantom`].
#[derive(Default)]
pub(super) struct Phantom {
    sent: BTreeMap<MessageId, (Said, Record)>,
    said: BTreeSet<Said>,
    /// Sightings whose message has not been sent yet.
    unsent: Vec<Record>,
    examined: u64,
    /// The earliest sighting of a message that was sent, but not like this.
    altered: Option<Violation>,
}

impl Checker for Phantom {
    fn anomaly(&self) -> Anomaly {
        Anomaly::Phantom
    }

    fn observe(&mut self, record: &Record) {
        match &record.kind {
            Kind::Sent { id, room, content, .. } => {
                let said = (Arc::clone(room), *content);
                self.said.insert(said.clone());
                self.sent.entry(id.clone()).or_insert_with(|| (said, record.clone()));
            }
            Kind::Delivered { .. } | Kind::Committed { .. } => {
                self.examined += 1;
                match self.judge(record) {
                    Judged::Sent => {}
                    Judged::Unsent => self.unsent.push(record.clone()),
                    Judged::Altered(violation) => {
                        self.altered.get_or_insert(violation);
                    }
                }
            }
            Kind::Acknowledged { .. }
            | Kind::Failed { .. }
            | Kind::Trouble { .. }
            | Kind::Suppressed { .. }
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

    fn finish(mut self: Box<Self>, _: &Ending) -> Verdict {
        let suspects = std::mem::take(&mut self.unsent);
        let late = suspects.iter().find_map(|record| match self.judge(record) {
            Judged::Sent => None,
            Judged::Unsent => Some(unsent(record)),
            Judged::Altered(violation) => Some(violation),
        });
        let found = late.into_iter().chain(self.altered).min_by_key(|violation| violation.step);
        verdict(found, self.examined)
    }
}

enum Judged {
    Sent,
    Unsent,
    Altered(Violation),
}

impl Phantom {
    fn judge(&self, record: &Record) -> Judged {
        let Some((id, said)) = sighting(record) else { return Judged::Sent };
        let Some(id) = id else {
            return if self.said.contains(&said) { Judged::Sent } else { Judged::Unsent };
        };
        match self.sent.get(id) {
            None => Judged::Unsent,
            Some((sent, _)) if *sent == said => Judged::Sent,
            Some((sent, evidence)) => {
                let what = if sent.0 == said.0 { "content" } else { "room" };
                Judged::Altered(Violation {
                    anomaly: Anomaly::Phantom,
                    says: format!("{} with another {what} than {} sent", doing(record), evidence.host),
                    step: record.step,
                    witness: vec![evidence.clone(), record.clone()],
                })
            }
        }
    }
}

fn unsent(record: &Record) -> Violation {
    Violation {
        anomaly: Anomaly::Phantom,
        says: format!("{}, which nobody sent", doing(record)),
        step: record.step,
        witness: vec![record.clone()],
    }
}

/// What a record claims was said, if it claims that.
fn sighting(record: &Record) -> Option<(Option<&MessageId>, Said)> {
    let (Kind::Delivered { id, room, content, .. } | Kind::Committed { id, room, content, .. }) =
        &record.kind
    else {
        return None;
    };
    Some((id.as_ref(), (Arc::clone(room), *content)))
}

fn doing(record: &Record) -> String {
    format!("{} {}", record.host, record.kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::planted::{BOB, Planted, broken, delivered, held};

    #[test]
    fn what_nobody_sent_is_a_phantom() {
        let violation = broken(Anomaly::Phantom, Planted::good().show(BOB, "mallory-1", 9), &Ending::Settled);
        assert_eq!(violation.says, "bob delivered mallory-1 at 9 of general, which nobody sent");
        assert_eq!(violation.witness.len(), 1);
    }

    #[test]
    fn what_was_sent_with_other_content_is_a_phantom() {
        let planted = Planted::new().say("alice").commit("alice-1", 1).ack("alice", "alice-1", 1);
        let planted = planted.show("alice", "alice-1", 1).record(BOB, delivered("alice-1", 1, 666));

        let violation = broken(Anomaly::Phantom, planted, &Ending::Settled);

        assert_eq!(
            violation.says,
            "bob delivered alice-1 at 1 of general with another content than alice sent"
        );
    }

    #[test]
    fn a_record_of_sending_may_come_late() {
        let planted = Planted::good().commit("bob-2", 4).say(BOB).ack(BOB, "bob-2", 4);
        held(Anomaly::Phantom, planted.show(BOB, "bob-2", 4).show("alice", "bob-2", 4));
    }
}
