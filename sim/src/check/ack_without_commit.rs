//! *Promise:* what is acknowledged is in the log.
//!
//! *Checked:* when a client is told that the server has a message, the log has committed that message before, at the place
//! that it is told, by this life of the server or an earlier one. A server that names no place need only have committed it.
//!
//! *Not checked, because:* whether the log still has it after the power was lost: what is gone then is shown to nobody, and
//! is *lost*.

use std::collections::{BTreeMap, BTreeSet};

use squall::store::{LogOffset, MessageId};

use super::{Anomaly, Checker, Ending, Finding, Violation, verdict};
use crate::history::{Kind, Record};

/// Looks for [`Anomaly::AckWithoutCommit`].
#[derive(Default)]
pub(super) struct AckWithoutCommit {
    committed: BTreeMap<MessageId, (BTreeSet<LogOffset>, Record)>,
    examined: u64,
    found: Option<Violation>,
}

impl Checker for AckWithoutCommit {
    fn anomaly(&self) -> Anomaly {
        Anomaly::AckWithoutCommit
    }

    fn observe(&mut self, record: &Record) {
        if let Kind::Committed { id: Some(id), offset, .. } = &record.kind {
            let (offsets, _) =
                self.committed.entry(id.clone()).or_insert_with(|| (BTreeSet::new(), record.clone()));
            offsets.insert(*offset);
        } else if let Kind::Acknowledged { id, offset } = &record.kind {
            self.examined += 1;
            self.judge(record, id, *offset);
        }
    }

    fn finish(self: Box<Self>, _: &Ending) -> Finding {
        verdict(self.found, self.examined).into()
    }
}

impl AckWithoutCommit {
    fn judge(&mut self, record: &Record, id: &MessageId, offset: LogOffset) {
        let committed = self.committed.get(id);
        let holds = |(offsets, _): &(BTreeSet<LogOffset>, Record)| {
            offset == LogOffset::START || offsets.contains(&offset)
        };
        if committed.is_some_and(holds) {
            return;
        }
        let but = committed.map_or("the log does not hold it", |_| "the log holds it at another place");
        self.found.get_or_insert_with(|| Violation {
            anomaly: Anomaly::AckWithoutCommit,
            says: format!("{} was told that {id} is at offset {offset}, but {but}", record.host),
            step: record.step,
            witness: committed.map(|(_, commit)| commit).into_iter().chain([record]).cloned().collect(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::planted::{ALICE, BOB, Planted, broken, held};

    #[test]
    fn what_is_acknowledged_before_it_is_committed_is_found() {
        let planted = Planted::good().say(ALICE).ack(ALICE, "alice-3", 4).commit("alice-3", 4);
        let planted = planted.show(ALICE, "alice-3", 4).show(BOB, "alice-3", 4);
        let violation = broken(Anomaly::AckWithoutCommit, planted, &Ending::Settled);
        assert_eq!(
            violation.says,
            "alice was told that alice-3 is at offset 4, but the log does not hold it"
        );
    }

    #[test]
    fn an_acknowledgement_of_another_messages_place_is_found() {
        let planted = Planted::good().say(BOB).commit("bob-2", 4).ack(BOB, "bob-2", 1);
        let planted = planted.show(ALICE, "bob-2", 4).show(BOB, "bob-2", 4);
        let violation = broken(Anomaly::AckWithoutCommit, planted, &Ending::Settled);
        assert!(violation.says.ends_with("but the log holds it at another place"), "{}", violation.says);
        assert_eq!(violation.witness.len(), 2);
    }

    #[test]
    fn a_server_may_name_no_place() {
        let planted = Planted::good().say(BOB).commit("bob-2", 4).ack(BOB, "bob-2", 0);
        held(Anomaly::AckWithoutCommit, planted.show(ALICE, "bob-2", 4).show(BOB, "bob-2", 4));
    }
}
