//! *Promise:* the log holds each message at one place, however often it was sent.
//!
//! *Checked:* no id is committed at two offsets, by any life of the server. Suppressing a repeat is how the promise is
//! kept, so a suppression is never counted against it. *Allowed:* a message whose sender sends again without an id, because
//! nobody can tell it from a new one.
//!
//! *Not checked, because:* a message without an id that nobody is known to have sent, because it may be another one.

use squall::store::LogOffset;

use super::roll::{Entry, Message, Roll};
use super::senders::Senders;
use super::table::Table;
use super::{Anomaly, Checker, Finding, Run, Violation, verdict};
use crate::history::{Kind, Record};
use crate::plan::Plan;

/// Looks for [`Anomaly::DuplicateCommit`].
pub(super) struct DuplicateCommit<'r> {
    senders: Senders,
    committed: Table<Message, (LogOffset, &'r Record)>,
    examined: u64,
    allowed: u64,
    found: Option<Violation>,
}

impl DuplicateCommit<'_> {
    pub(super) fn new(plan: &Plan, roll: &mut Roll) -> Self {
        let (senders, committed) = (Senders::new(plan, roll), Table::default());
        Self { senders, committed, examined: 0, allowed: 0, found: None }
    }
}

impl<'r> Checker<'r> for DuplicateCommit<'r> {
    fn anomaly(&self) -> Anomaly {
        Anomaly::DuplicateCommit
    }

    fn observe(&mut self, entry: &Entry<'r>) {
        self.senders.observe(entry);
        let Kind::Committed { id: Some(id), offset, .. } = &entry.kind else { return };
        self.examined += 1;
        let committed = self.committed.row(entry.message);
        match committed {
            None => *committed = Some((*offset, entry.record)),
            Some((first, _)) if first == offset => {}
            Some(_) if self.senders.repeats(entry.message) => self.allowed += 1,
            Some((first, evidence)) => {
                self.found.get_or_insert_with(|| Violation {
                    anomaly: Anomaly::DuplicateCommit,
                    says: format!("{id} was committed at offset {first} and again at offset {offset}"),
                    step: entry.step,
                    witness: vec![Record::clone(evidence), entry.record.clone()],
                });
            }
        }
    }

    fn finish(self: Box<Self>, _: &Run<'r>) -> Finding {
        Finding { verdict: verdict(self.found, self.examined), allowed: self.allowed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Ending;
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
