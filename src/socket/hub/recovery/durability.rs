//! What must not be said before it is kept: outputs go in, with what changed; out come those that may go now.
//!
//! Promise: what one input makes the hub say waits until all that changed up to that input is kept, and nothing that is said
//! overtakes anything that was said before. Events of the application do not wait: nobody outside hears of them. While a
//! batch is being kept, what comes meanwhile becomes the next one.

use std::collections::VecDeque;

use super::super::HubOutput;
use super::stored::{BatchId, SessionBatch, SessionChange};

/// What is to be kept, and what waits for that.
#[derive(Debug, Default)]
pub(in crate::socket::hub) struct Durability {
    /// How many batches there were.
    batches: u64,
    /// What waits for the batch that is being kept now; `None` where none is.
    flying: Option<Vec<HubOutput>>,
    next: Next,
}

/// What comes after the batch that is being kept.
#[derive(Debug, Default)]
struct Next {
    changes: Vec<SessionChange>,
    waiting: Vec<HubOutput>,
}

impl Durability {
    /// What one input changed and made the hub say; of the latter what may go at once.
    pub(in crate::socket::hub) fn pass(
        &mut self,
        changes: Vec<SessionChange>,
        outputs: VecDeque<HubOutput>,
    ) -> VecDeque<HubOutput> {
        self.next.changes.extend(changes);
        outputs.into_iter().filter_map(|output| self.hold(output)).collect()
    }

    /// Gives back what does not wait.
    fn hold(&mut self, output: HubOutput) -> Option<HubOutput> {
        let waits = match &output {
            HubOutput::Transmit(..) | HubOutput::TransmitVolatile(..) | HubOutput::Close(_) => true,
            HubOutput::Event(_) | HubOutput::Persist(_) | HubOutput::Wait { .. } => false,
        };
        match &mut self.flying {
            _ if !waits => Some(output),
            _ if !self.next.changes.is_empty() => {
                self.next.waiting.push(output);
                None
            }
            Some(flying) => {
                flying.push(output);
                None
            }
            None => Some(output),
        }
    }

    /// The next batch, when it is its turn.
    pub(in crate::socket::hub) fn next_batch(&mut self, epoch: &str, head: u64) -> Option<SessionBatch> {
        if self.flying.is_some() || self.next.changes.is_empty() {
            return None;
        }
        let Next { changes, waiting } = std::mem::take(&mut self.next);
        self.flying = Some(waiting);
        self.batches += 1;
        Some(SessionBatch { id: BatchId(self.batches), epoch: epoch.to_owned(), head, changes })
    }

    /// A batch is kept; what waited for it.
    pub(in crate::socket::hub) fn persisted(&mut self, batch: BatchId) -> Vec<HubOutput> {
        assert_eq!(batch.0, self.batches, "one batch at a time is given to the store");
        self.flying.take().expect("a batch is kept once")
    }

    /// Nothing is kept any more; all that waited.
    pub(in crate::socket::hub) fn give_up(self) -> impl Iterator<Item = HubOutput> {
        self.flying.into_iter().flatten().chain(self.next.waiting)
    }

    /// The batch with which all that was said so far may go; `None` where it has gone.
    pub(in crate::socket::hub) fn awaited(&self) -> Option<BatchId> {
        let flying = self.flying.as_ref().map(|_| BatchId(self.batches));
        if self.next.changes.is_empty() { flying } else { Some(BatchId(self.batches + 1)) }
    }
}
