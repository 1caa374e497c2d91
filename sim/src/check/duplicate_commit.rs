//! *Promise:* the log holds each message at one place, however often it was sent.
//!
//! *Checked:* no id is committed at two offsets, by any life of the server. Suppressing a repeat is how the promise is
//! kept, so a suppression is never counted against it.
//!
//! *Not checked, because:* a message without an id, because its sender did not ask for repeats to be recognised.

use std::collections::BTreeMap;

use squall::store::{LogOffset, MessageId};

use super::{Anomaly, Checker, Ending, Verdict, Violation, verdict};
use crate::history::{Kind, Record};

/// Looks for [`Anomaly::DuplicateCommit`].
#[derive(Default)]
pub(super) struct DuplicateCommit {
    committed: BTreeMap<MessageId, (LogOffset, Record)>,
    examined: u64,
    found: Option<Violation>,
}

impl Checker for DuplicateCommit {
    fn anomaly(&self) -> Anomaly {
        Anomaly::DuplicateCommit
    }

    fn observe(&mut self, record: &Record) {
        let Kind::Committed { id: Some(id), offset, .. } = &record.kind else { return };
        self.examined += 1;
        match self.committed.get(id) {
            None => {
                self.committed.insert(id.clone(), (*offset, record.clone()));
            }
            Some((first, _)) if first == offset => {}
            Some((first, evidence)) => {
                self.found.get_or_insert_with(|| Violation {
                    anomaly: Anomaly::DuplicateCommit,
                    says: format!("{id} was committed at offset {first} and again at offset {offset}"),
                    step: record.step,
                    witness: vec![evidence.clone(), record.clone()],
                });
            }
        }
    }

    fn finish(self: Box<Self>, _: &Ending) -> Verdict {
        verdict(self.found, self.examined)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::planted::{Planted, broken, held};

    #[test]
    fn one_id_at_two_offsets_is_a_duplicate() {
        let violation =
            broken(Anomaly::DuplicateCommit, Planted::good().commit("alice-1", 9), &Ending::Settled);
        assert_eq!(violation.says, "alice-1 was committed at offset 1 and again at offset 9");
        assert_eq!(violation.witness.len(), 2);
    }

    #[test]
    fn a_suppressed_repeat_is_none() {
        held(Anomaly::DuplicateCommit, Planted::good().suppress("alice-1", 1));
    }
}
