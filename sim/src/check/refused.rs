//! What the server refused for good, though its log never held it.
//!
//! A plan's messages are such that a server can take them: whoever refuses one in good faith has lost it all the same.

use std::collections::{BTreeMap, BTreeSet};

use squall::store::MessageId;

use super::{Anomaly, Violation};
use crate::history::{Kind, Record};
use crate::plan::Name;

/// A message: what it is called, and what it says; two may be called the same.
type Said = (MessageId, u64);

/// The refusals of a run.
#[derive(Debug, Clone, Default)]
pub(super) struct Refused {
    /// What each client sent under an id, the last time that it gave it to a message.
    sent: BTreeMap<(Name, MessageId), (u64, Record)>,
    committed: BTreeSet<Said>,
    refused: Vec<(Said, [Record; 2])>,
}

impl Refused {
    /// Takes the next record.
    pub(super) fn observe(&mut self, record: &Record) {
        if let Kind::Sent { id, content, .. } = &record.kind {
            self.sent.insert((record.host.clone(), id.clone()), (*content, record.clone()));
        } else if let Kind::Committed { id: Some(id), content, .. } = &record.kind {
            self.committed.insert((id.clone(), *content));
        } else if let Kind::Failed { id, .. } = &record.kind
            && let Some((content, sent)) = self.sent.get(&(record.host.clone(), id.clone()))
        {
            self.refused.push(((id.clone(), *content), [sent.clone(), record.clone()]));
        }
    }

    /// The first message that was refused and is nowhere.
    pub(super) fn first(&self) -> Option<Violation> {
        let lost = self.refused.iter().find(|(said, _)| !self.committed.contains(said));
        lost.map(|(_, [sent, refused])| Violation {
            anomaly: Anomaly::Lost,
            says: format!("{} {}", refused.host, refused.kind),
            step: refused.step,
            witness: vec![sent.clone(), refused.clone()],
        })
    }
}
