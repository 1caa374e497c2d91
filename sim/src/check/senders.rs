//! Who sent what, and whether its repeats can be told from new messages.

use std::collections::BTreeMap;

use squall::store::MessageId;

use super::message::Message;
use crate::history::{Kind, Record};
use crate::plan::{Name, Plan, Send};

/// The senders of messages and events.
#[derive(Debug, Clone)]
pub(super) struct Senders {
    sends: BTreeMap<Name, Send>,
    sent: BTreeMap<MessageId, Send>,
}

impl Senders {
    pub(super) fn new(plan: &Plan) -> Self {
        let sends = plan.clients.iter().map(|(name, client)| (name.clone(), client.send)).collect();
        Self { sends, sent: BTreeMap::new() }
    }

    /// Takes the next record.
    pub(super) fn observe(&mut self, record: &Record) {
        if let Kind::Sent { id, .. } | Kind::Emitted { id, .. } = &record.kind
            && let Some(send) = self.sends.get(&record.host)
        {
            self.sent.entry(id.clone()).or_insert(*send);
        }
    }

    /// Whether its sender sends it again without an id, so that the server cannot but take it for another.
    pub(super) fn repeats(&self, message: &Message) -> bool {
        let Message::Id(id) = message else { return false };
        matches!(self.sent.get(id), Some(Send::Retry | Send::Manual))
    }
}
