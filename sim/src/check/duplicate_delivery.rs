//! *Promise:* a client shows each message at most once.
//!
//! *Checked:* within one life of a client's process, across all its connections, every message that is shown was not
//! shown before.
//!
//! *Not checked, because:* across lives of the process, because what a client has shown lives in its memory, as on a page
//! that is reloaded: a new life shows the log from the start.

use std::collections::BTreeMap;

use super::message::Message;
use super::{Anomaly, Checker, Ending, Verdict, Violation, verdict};
use crate::history::{Kind, Record};
use crate::plan::Name;

/// Looks for [`Anomaly::DuplicateDelivery`].
#[derive(Default)]
pub(super) struct DuplicateDelivery {
    /// What each life of each client was first shown.
    shown: BTreeMap<(Name, u32), BTreeMap<Message, Record>>,
    examined: u64,
    found: Option<Violation>,
}

impl Checker for DuplicateDelivery {
    fn anomaly(&self) -> Anomaly {
        Anomaly::DuplicateDelivery
    }

    fn observe(&mut self, record: &Record) {
        let Kind::Delivered { id, offset, .. } = &record.kind else { return };
        self.examined += 1;
        let life = (Name::clone(&record.host), record.process);
        let message = Message::seen(id.as_ref(), *offset);
        let shown = self.shown.entry(life).or_default();
        let Some(first) = shown.get(&message) else {
            shown.insert(message, record.clone());
            return;
        };
        self.found.get_or_insert_with(|| Violation {
            anomaly: Anomaly::DuplicateDelivery,
            says: format!("{} was shown {message} twice", record.host),
            step: record.step,
            witness: vec![first.clone(), record.clone()],
        });
    }

    fn finish(self: Box<Self>, _: &Ending) -> Verdict {
        verdict(self.found, self.examined)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::planted::{BOB, Planted, broken, held};

    #[test]
    fn a_message_shown_again_after_a_reconnection_is_a_duplicate() {
        let planted = Planted::good().connect(BOB).show(BOB, "alice-1", 1);

        let violation = broken(Anomaly::DuplicateDelivery, planted, &Ending::Settled);

        assert_eq!(violation.says, "bob was shown alice-1 twice");
        assert_eq!(violation.witness.iter().map(|record| record.session).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn a_new_life_may_show_the_log_from_the_start() {
        held(Anomaly::DuplicateDelivery, Planted::good().restart(BOB).show(BOB, "alice-1", 1));
    }
}
