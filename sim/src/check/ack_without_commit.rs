//! *Promise:* what is acknowledged is in the log.
//!
//! *Checked:* when a client is told that the server has a message, the log has committed that message before, at the place
//! that it is told, by this life of the server or an earlier one. A server that names no place need only have committed it.
//! Where several messages were sent under one id, it is the client's own that the log must hold.
//!
//! *Not checked, because:* whether the log still has it after the power was lost: what is gone then is shown to nobody, and
//! is *lost*.

use std::collections::{BTreeMap, BTreeSet};

use squall::store::{LogOffset, MessageId};

use super::roll::{Entry, Host, Message};
use super::table::Table;
use super::{Anomaly, Checker, Finding, Run, Violation, verdict};
use crate::history::{Kind, Record};

/// Looks for [`Anomaly::AckWithoutCommit`].
#[derive(Default)]
pub(super) struct AckWithoutCommit<'r> {
    committed: Table<Message, (BTreeSet<Commit>, &'r Record)>,
    /// Every content that was sent under an id.
    sent: Table<Message, BTreeSet<u64>>,
    /// What each client sent under an id, the last time that it gave it to a message.
    own: BTreeMap<(Host, Message), u64>,
    examined: u64,
    found: Option<Violation>,
}

/// Where something was committed, and its content.
type Commit = (LogOffset, u64);

impl<'r> Checker<'r> for AckWithoutCommit<'r> {
    fn anomaly(&self) -> Anomaly {
        Anomaly::AckWithoutCommit
    }

    fn observe(&mut self, entry: &Entry<'r>) {
        let message = entry.message;
        if let Kind::Sent { content, .. } = &entry.kind {
            self.sent.entry(message).insert(*content);
            self.own.insert((entry.who, message), *content);
        } else if let Kind::Committed { id: Some(_), offset, content, .. } = &entry.kind {
            let (commits, _) =
                self.committed.row(message).get_or_insert_with(|| (BTreeSet::new(), entry.record));
            commits.insert((*offset, *content));
        } else if let Kind::Acknowledged { id, offset } = &entry.kind {
            self.examined += 1;
            self.judge(entry, id, *offset);
        }
    }

    fn finish(self: Box<Self>, _: &Run<'r>) -> Finding {
        verdict(self.found, self.examined).into()
    }
}

impl<'r> AckWithoutCommit<'r> {
    fn judge(&mut self, entry: &Entry<'r>, id: &MessageId, offset: LogOffset) {
        let committed = self.committed.get(entry.message);
        let is_there = |(at, _): &&Commit| offset == LogOffset::START || *at == offset;
        let mut there = committed.into_iter().flat_map(|(commits, _)| commits).filter(is_there).peekable();
        let is_nowhere = there.peek().is_none();
        if there.any(|(_, content)| !self.is_anothers(entry, *content)) {
            return;
        }
        let but = match (committed, is_nowhere) {
            (None, _) => "the log does not hold it",
            (Some(_), true) => "the log holds it at another place",
            (Some(_), false) => "the log holds another message under this id",
        };
        self.found.get_or_insert_with(|| Violation {
            anomaly: Anomaly::AckWithoutCommit,
            says: format!("{} was told that {id} is at offset {offset}, but {but}", entry.host),
            step: entry.step,
            witness: committed
                .map(|(_, commit)| *commit)
                .into_iter()
                .chain([entry.record])
                .cloned()
                .collect(),
        });
    }
}

impl AckWithoutCommit<'_> {
    /// Whether this is the content of another message than the one that the client sent under this id.
    fn is_anothers(&self, entry: &Entry<'_>, content: u64) -> bool {
        let own = self.own.get(&(entry.who, entry.message));
        let is_sent = self.sent.get(entry.message).is_some_and(|contents| contents.contains(&content));
        is_sent && own.is_some_and(|own| *own != content)
    }
}

#[cfg(test)]
mod tests {
    use xxhash_rust::xxh3::xxh3_64;

    use super::*;
    use crate::check::Ending;
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
    fn the_acknowledgement_of_another_message_with_the_same_id_is_found() {
        let sent = |content| Kind::Sent {
            id: MessageId("undefined-0".into()),
            room: "general".into(),
            n: 3,
            content,
        };
        let both = |planted: Planted| {
            let planted = planted.record(ALICE, sent(xxh3_64(b"undefined-0"))).record(BOB, sent(7));
            let planted = planted.commit("undefined-0", 4).ack(ALICE, "undefined-0", 4);
            planted.show(ALICE, "undefined-0", 4).show(BOB, "undefined-0", 4)
        };
        let planted = both(Planted::good()).ack(BOB, "undefined-0", 4);
        let judgement = planted.judged(&Ending::Settled);
        let violation = judgement.violation().unwrap();
        assert_eq!(violation.anomaly, Anomaly::AckWithoutCommit, "{violation:?}");
        assert_eq!(
            violation.says,
            "bob was told that undefined-0 is at offset 4, but the log holds another message under this id"
        );
        let refused = both(Planted::good()).judged(&Ending::Settled);
        assert_eq!(refused.counts().get(&Anomaly::AckWithoutCommit), None);
    }

    #[test]
    fn a_server_may_name_no_place() {
        let planted = Planted::good().say(BOB).commit("bob-2", 4).ack(BOB, "bob-2", 0);
        held(Anomaly::AckWithoutCommit, planted.show(ALICE, "bob-2", 4).show(BOB, "bob-2", 4));
    }
}
