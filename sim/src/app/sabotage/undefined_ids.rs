//! What the official tutorial's page does before it connects: `${socket.id}-${counter++}` without a socket id.

use std::collections::BTreeMap;

use squall::store::{MessageId, OutboxStorage, Pending, StoreError};

/// An outbox that keeps its messages and calls them, in each life anew, `undefined-0`, `undefined-1` and so on.
pub(in crate::app) struct UndefinedIds<O> {
    outbox: O,
    counter: u64,
    /// What the outbox itself calls each of them.
    kept: BTreeMap<MessageId, MessageId>,
}

impl<O: OutboxStorage> UndefinedIds<O> {
    pub(in crate::app) fn new(outbox: O) -> Self {
        Self { outbox, counter: 0, kept: BTreeMap::new() }
    }

    fn call(&mut self, kept: MessageId) -> MessageId {
        let id = MessageId(format!("undefined-{}", self.counter).into());
        self.counter += 1;
        self.kept.insert(id.clone(), kept);
        id
    }
}

impl<O: OutboxStorage> OutboxStorage for UndefinedIds<O> {
    fn push(&mut self, room: &str, content: &str) -> Result<MessageId, StoreError> {
        let kept = self.outbox.push(room, content)?;
        Ok(self.call(kept))
    }

    fn pending(&mut self) -> Result<Vec<Pending>, StoreError> {
        let pending = self.outbox.pending()?;
        Ok(pending.into_iter().map(|message| Pending { id: self.call(message.id), ..message }).collect())
    }

    fn remove(&mut self, id: &MessageId) -> Result<(), StoreError> {
        self.kept.remove(id).map_or(Ok(()), |kept| self.outbox.remove(&kept))
    }
}
