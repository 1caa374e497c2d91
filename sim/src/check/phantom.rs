//! *Promise:* what is committed, shown or heard is what someone sent.
//!
//! *Checked:* every message that is committed or shown has the id of a message that some client sent; one without an id
//! has the content of one. Every event that arrives or is heard has the id of one that some client emitted. A record of
//! sending may come after the sighting, because it is written when the outbox has answered, and so only what nobody sent in
//! the whole run is a phantom.
//!
//! *Not checked, because:* whether a message that was reported as failed is shown, because the sender knows of it. That
//! what was sent is also unchanged is `corrupted`'s, and in its room `room_leak`'s.

use std::collections::BTreeSet;

use super::roll::{Entry, Message};
use super::table::Marks;
use super::{Anomaly, Checker, Finding, Run, Violation, verdict};
use crate::history::{Kind, Record};

/// Looks for [`Anomaly::Phantom`].
#[derive(Default)]
pub(super) struct Phantom<'r> {
    sent: Marks<Message>,
    /// Hashes of what was said.
    said: BTreeSet<u64>,
    /// Sightings whose message had not been sent yet.
    unsent: Vec<Unsent<'r>>,
    examined: u64,
}

/// A sighting, and what it claims was sent.
struct Unsent<'r> {
    record: &'r Record,
    claim: Claim,
}

/// What a sighting claims was sent.
#[derive(Clone, Copy)]
enum Claim {
    /// A message or event, by its id.
    Sent(Message),
    /// Where it has none, what it says.
    Said(u64),
}

impl<'r> Checker<'r> for Phantom<'r> {
    fn anomaly(&self) -> Anomaly {
        Anomaly::Phantom
    }

    fn observe(&mut self, entry: &Entry<'r>) {
        if let Kind::Sent { content, .. } | Kind::Emitted { content, .. } = &entry.kind {
            self.sent.insert(entry.message);
            self.said.insert(*content);
        } else if let Some(claim) = claim(entry) {
            self.examined += 1;
            if !self.is_true(claim) {
                self.unsent.push(Unsent { record: entry.record, claim });
            }
        }
    }

    fn finish(self: Box<Self>, _: &Run<'r>) -> Finding {
        let phantom = self.unsent.iter().find(|unsent| !self.is_true(unsent.claim));
        let found = phantom.map(|Unsent { record, .. }| Violation {
            anomaly: Anomaly::Phantom,
            says: format!("{} {}, which nobody sent", record.host, record.kind),
            step: record.step,
            witness: vec![Record::clone(record)],
        });
        verdict(found, self.examined).into()
    }
}

impl Phantom<'_> {
    fn is_true(&self, claim: Claim) -> bool {
        match claim {
            Claim::Sent(message) => self.sent.contains(message),
            Claim::Said(content) => self.said.contains(&content),
        }
    }
}

/// What a record claims was sent, if it claims that.
fn claim(entry: &Entry<'_>) -> Option<Claim> {
    if let Kind::Delivered { id: None, content, .. } | Kind::Committed { id: None, content, .. } = &entry.kind
    {
        Some(Claim::Said(*content))
    } else if let Kind::Delivered { .. }
    | Kind::Committed { .. }
    | Kind::Arrived { .. }
    | Kind::Heard { .. } = &entry.kind
    {
        Some(Claim::Sent(entry.message))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Ending;
    use crate::check::planted::{BOB, Planted, broken, held, nameless};

    #[test]
    fn what_nobody_sent_is_a_phantom() {
        let violation = broken(Anomaly::Phantom, Planted::good().show(BOB, "mallory-1", 9), &Ending::Settled);
        assert_eq!(violation.says, "bob delivered mallory-1 at 9 of general, which nobody sent");
        assert_eq!(violation.witness.len(), 1);
    }

    #[test]
    fn a_message_without_id_that_says_what_nobody_said_is_a_phantom() {
        let planted = Planted::good().record(BOB, nameless("alice-3", 4));
        broken(Anomaly::Phantom, planted, &Ending::Settled);
    }

    #[test]
    fn an_event_that_nobody_emitted_is_a_phantom() {
        let violation =
            broken(Anomaly::Phantom, Planted::good().hear(BOB, "mallory emit 1"), &Ending::Settled);
        assert_eq!(violation.says, "bob heard mallory emit 1, which nobody sent");
    }

    #[test]
    fn a_record_of_sending_may_come_late() {
        let planted = Planted::good().commit("bob-2", 4).say(BOB).ack(BOB, "bob-2", 4);
        held(Anomaly::Phantom, planted.show(BOB, "bob-2", 4).show("alice", "bob-2", 4));
    }
}
