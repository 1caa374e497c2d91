//! What no server takes: the messages of a plan that are longer than the chat takes.
//!
//! In: a plan. Out: whether a content is of such a message. Its sender is owed an answer as to any other, and the answer is a
//! refusal; nobody is owed the message.

use std::collections::BTreeSet;

use crate::history::content_digest;
use crate::plan::Plan;
use crate::scenario::limits::content_bytes_max;

/// What is too long, by the digests of what it says.
#[derive(Debug, Clone, Default)]
pub(super) struct Oversized(BTreeSet<u64>);

impl Oversized {
    pub(super) fn of(plan: &Plan) -> Self {
        let said = plan.ops.iter().filter(|op| op.act.is_say()).filter_map(|op| op.act.text());
        let too_long = said.filter(|(content, _)| content.len() as u64 > content_bytes_max());
        Self(too_long.map(|(content, _)| content_digest(content, None)).collect())
    }

    pub(super) fn contains(&self, content: u64) -> bool {
        self.0.contains(&content)
    }
}
