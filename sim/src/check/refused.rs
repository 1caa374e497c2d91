//! What the server refused for good, though its log never held it.
//!
//! A plan's messages are such that a server can take them, but for those that are too long: whoever refuses another in good
//! faith has lost it all the same.

use std::collections::{BTreeMap, BTreeSet};

use super::oversized::Oversized;
use super::roll::{Entry, Host, Message};
use super::{Anomaly, Violation};
use crate::history::{Kind, Record};
use crate::plan::Plan;

/// A message: what it is called, and what it says; two may be called the same.
type Said = (Message, u64);

/// The refusals of a run.
#[derive(Debug, Clone)]
pub(super) struct Refused<'r> {
    oversized: Oversized,
    /// What each client sent under an id, the last time that it gave it to a message.
    sent: BTreeMap<(Host, Message), (u64, &'r Record)>,
    committed: BTreeSet<Said>,
    refused: Vec<(Said, [&'r Record; 2])>,
}

impl<'r> Refused<'r> {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            oversized: Oversized::of(plan),
            sent: BTreeMap::new(),
            committed: BTreeSet::new(),
            refused: Vec::new(),
        }
    }

    /// Takes the next record.
    pub(super) fn observe(&mut self, entry: &Entry<'r>) {
        let message = entry.message;
        if let Kind::Sent { content, .. } = &entry.kind {
            self.sent.insert((entry.who, message), (*content, entry.record));
        } else if let Kind::Committed { id: Some(_), content, .. } = &entry.kind {
            self.committed.insert((message, *content));
        } else if let Kind::Failed { .. } = &entry.kind
            && let Some((content, sent)) = self.sent.get(&(entry.who, message))
            && !self.oversized.contains(*content)
        {
            self.refused.push(((message, *content), [sent, entry.record]));
        }
    }

    /// The first message that was refused and is nowhere.
    pub(super) fn first(&self) -> Option<Violation> {
        let lost = self.refused.iter().find(|(said, _)| !self.committed.contains(said));
        lost.map(|(_, [sent, refused])| Violation {
            anomaly: Anomaly::Lost,
            says: format!("{} {}", refused.host, refused.kind),
            step: refused.step,
            witness: vec![Record::clone(sent), Record::clone(refused)],
        })
    }
}
