//! An outbox that ends with its process: for clients that promise no more than that.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::engine::Entropy;

use super::outbox::{draw_client_id, draw_message_id};
use super::{MessageId, OutboxStorage, Pending, StoreError};

/// An outbox in memory, with ids of the same shape as those of [`super::SqliteOutbox`].
pub struct MemoryOutbox {
    entropy: Arc<dyn Entropy>,
    client_id: String,
    next: i64,
    pending: VecDeque<Pending>,
}

impl MemoryOutbox {
    /// An empty one, of a client that never was before.
    pub fn new(entropy: Arc<dyn Entropy>) -> Self {
        let client_id = draw_client_id(&*entropy);
        Self { entropy, client_id, next: 1, pending: VecDeque::new() }
    }
}

impl OutboxStorage for MemoryOutbox {
    fn push(&mut self, room: &str, content: &str) -> Result<MessageId, StoreError> {
        let id = draw_message_id(&self.client_id, self.next, &*self.entropy);
        self.next += 1;
        self.pending.push_back(Pending {
            id: id.clone(),
            room: room.to_owned(),
            content: content.to_owned(),
        });
        Ok(id)
    }

    fn pending(&mut self) -> Result<Vec<Pending>, StoreError> {
        Ok(self.pending.iter().cloned().collect())
    }

    fn remove(&mut self, id: &MessageId) -> Result<(), StoreError> {
        self.pending.retain(|pending| pending.id != *id);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::store::testing::CountingEntropy;

    use super::*;

    #[test]
    fn what_is_pending_stays_in_order_until_it_is_removed() {
        let mut outbox = MemoryOutbox::new(Arc::new(CountingEntropy::default()));
        let ids: Vec<_> = ["a", "b", "c"].map(|content| outbox.push("general", content).unwrap()).into();

        outbox.remove(&ids[1]).unwrap();

        let left: Vec<_> = outbox.pending().unwrap().into_iter().map(|pending| pending.id).collect();
        assert_eq!(left, [ids[0].clone(), ids[2].clone()]);
    }
}
