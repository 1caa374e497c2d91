//! Storage that writes down what passes it: the white-box part of a history.

use squall::store::{
    Appended, Draft, LogOffset, MessageId, MessageLog, OutboxStorage, Pending, StoreError, Stored,
};
use xxhash_rust::xxh3::xxh3_64;

use crate::history::Kind;

use super::Machine;

/// What a history keeps of a message's content.
pub(super) fn content_hash(content: &str) -> u64 {
    xxh3_64(content.as_bytes())
}

/// A message log that records each commit and each repeat.
pub(super) struct RecordingLog {
    log: Box<dyn MessageLog>,
    machine: Machine,
}

impl RecordingLog {
    pub(super) fn new(log: Box<dyn MessageLog>, machine: Machine) -> Self {
        Self { log, machine }
    }
}

impl MessageLog for RecordingLog {
    fn append(&mut self, batch: &[Draft]) -> Result<Vec<Appended>, StoreError> {
        let outcomes = self.log.append(batch)?;
        for (draft, outcome) in batch.iter().zip(&outcomes) {
            let kind = match (outcome, &draft.id) {
                (Appended::Repeat(offset), Some(id)) => Kind::Suppressed { id: id.clone(), offset: *offset },
                (Appended::Conflict, id) => Kind::Trouble {
                    what: format!("another message has the id {}", id.as_ref().map_or("", |id| &id.0)),
                },
                (Appended::Repeat(offset) | Appended::New(offset), id) => Kind::Committed {
                    id: id.clone(),
                    room: draft.room.as_str().into(),
                    offset: *offset,
                    content: content_hash(&draft.content),
                },
            };
            self.machine.record(0, kind);
        }
        Ok(outcomes)
    }

    fn read(&mut self, room: &str, after: LogOffset, limit: usize) -> Result<Vec<Stored>, StoreError> {
        self.log.read(room, after, limit)
    }

    fn head(&mut self) -> Result<LogOffset, StoreError> {
        self.log.head()
    }
}

/// An outbox that records what the user said, at the moment from which it must not be lost.
pub(super) struct RecordingOutbox<O> {
    outbox: O,
    machine: Machine,
    said: u64,
}

impl<O: OutboxStorage> RecordingOutbox<O> {
    pub(super) fn new(outbox: O, machine: Machine) -> Self {
        Self { outbox, machine, said: 0 }
    }
}

impl<O: OutboxStorage> OutboxStorage for RecordingOutbox<O> {
    fn push(&mut self, room: &str, content: &str) -> Result<MessageId, StoreError> {
        let id = self.outbox.push(room, content)?;
        self.said += 1;
        let kind =
            Kind::Sent { id: id.clone(), room: room.into(), n: self.said, content: content_hash(content) };
        self.machine.record(0, kind);
        Ok(id)
    }

    fn pending(&mut self) -> Result<Vec<Pending>, StoreError> {
        self.outbox.pending()
    }

    fn remove(&mut self, id: &MessageId) -> Result<(), StoreError> {
        self.outbox.remove(id)
    }
}
