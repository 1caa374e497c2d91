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

use squall::store::MessageId;

use super::{Anomaly, Checker, Ending, Finding, Violation, verdict};
use crate::history::{Kind, Record};

/// Looks for [`Anomaly::Phantom`].
#[derive(Default)]
pub(super) struct Phantom {
    sent: BTreeSet<MessageId>,
    /// Hashes of what was said.
    said: BTreeSet<u64>,
    /// Sightings whose message had not been sent yet.
    unsent: Vec<Record>,
    examined: u64,
}

impl Checker for Phantom {
    fn anomaly(&self) -> Anomaly {
        Anomaly::Phantom
    }

    fn observe(&mut self, record: &Record) {
        if let Kind::Sent { id, content, .. } | Kind::Emitted { id, content, .. } = &record.kind {
            self.sent.insert(id.clone());
            self.said.insert(*content);
        } else if sighting(record).is_some() {
            self.examined += 1;
            if !self.is_sent(record) {
                self.unsent.push(record.clone());
            }
        }
    }

    fn finish(self: Box<Self>, _: &Ending) -> Finding {
        let phantom = self.unsent.iter().find(|record| !self.is_sent(record));
        let found = phantom.map(|record| Violation {
            anomaly: Anomaly::Phantom,
            says: format!("{} {}, which nobody sent", record.host, record.kind),
            step: record.step,
            witness: vec![record.clone()],
        });
        verdict(found, self.examined).into()
    }
}

impl Phantom {
    fn is_sent(&self, record: &Record) -> bool {
        match sighting(record) {
            Some((Some(id), _)) => self.sent.contains(id),
            Some((None, content)) => self.said.contains(&content),
            None => true,
        }
    }
}

/// What a record claims was sent, if it claims that: its id, and a hash of what it says.
fn sighting(record: &Record) -> Option<(Option<&MessageId>, u64)> {
    if let Kind::Delivered { id, content, .. } | Kind::Committed { id, content, .. } = &record.kind {
        Some((id.as_ref(), *content))
    } else if let Kind::Arrived { id, content } | Kind::Heard { id, content } = &record.kind {
        Some((Some(id), *content))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
