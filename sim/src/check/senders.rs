//! Who sent what, and whether its repeats can be told from new messages.

use super::roll::{Entry, Host, Message, Roll};
use super::table::Table;
use crate::history::Kind;
use crate::plan::{Plan, Send};

/// The senders of messages and events.
#[derive(Debug, Clone)]
pub(super) struct Senders {
    sends: Table<Host, Send>,
    sent: Table<Message, Send>,
}

impl Senders {
    pub(super) fn new(plan: &Plan, roll: &mut Roll) -> Self {
        let sends = plan.clients.iter().map(|(name, client)| (roll.host(name), client.send)).collect();
        Self { sends, sent: Table::default() }
    }

    /// Takes the next record.
    pub(super) fn observe(&mut self, entry: &Entry<'_>) {
        if let Kind::Sent { .. } | Kind::Emitted { .. } = &entry.kind
            && let Some(send) = self.sends.get(entry.who)
        {
            self.sent.row(entry.message).get_or_insert(*send);
        }
    }

    /// Whether its sender sends it again without an id, so that the server cannot but take it for another.
    pub(super) fn repeats(&self, message: Message) -> bool {
        matches!(self.sent.get(message), Some(Send::Retry | Send::Manual))
    }
}
