//! Storage that writes down what passes it: the white-box part of a history.

use std::collections::BTreeSet;

use squall::store::{
    Appended, Draft, LogOffset, MessageId, MessageLog, OutboxStorage, Pending, StoreError, Stored,
};
use xxhash_rust::xxh3::xxh3_64;

use crate::history::Kind;
use crate::plan::Name;

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
    /// Who dies while SQLite commits does not live to tell. What the log holds in these rooms and nobody told is told now.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(super) fn new(
        mut log: Box<dyn MessageLog>,
        machine: Machine,
        rooms: &BTreeSet<Name>,
    ) -> Result<Self, StoreError> {
        let mut told = LogOffset::START;
        machine.recorder.since(0, |record| {
            if let Kind::Committed { offset, .. } = &record.kind {
                told = told.max(*offset);
            }
        });
        if log.head()? > told {
            let mut untold = Vec::new();
            for room in rooms {
                untold.extend(log.read(room, told, usize::MAX)?);
            }
            untold.sort_by_key(|stored| stored.offset);
            for Stored { offset, room, id, content } in untold {
                machine.record(0, committed(offset, &room, id, &content));
            }
        }
        Ok(Self { log, machine })
    }
}

fn committed(offset: LogOffset, room: &str, id: Option<MessageId>, content: &str) -> Kind {
    Kind::Committed { id, room: room.into(), offset, content: content_hash(content) }
}

impl MessageLog for RecordingLog {
    fn append(&mut self, batch: &[Draft]) -> Result<Vec<Appended>, StoreError> {
        let outcomes = self.log.append(batch)?;
        for (draft, outcome) in batch.iter().zip(&outcomes) {
            let kind = match (outcome, &draft.id) {
                (Appended::Repeat(offset), Some(id)) => Kind::Suppressed { id: id.clone(), offset: *offset },
                (Appended::Conflict, id) => Kind::Trouble {
                    what: format!("another message has the id {}", id.as_ref().map_or("", |id| &*id.0)),
                },
                (Appended::Repeat(offset) | Appended::New(offset), id) => {
                    committed(*offset, &draft.room, id.clone(), &draft.content)
                }
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
    /// As [`RecordingLog::new`]: what the outbox holds and nobody told is told now.
    ///
    /// # Errors
    /// When the outbox cannot be read.
    pub(super) fn new(mut outbox: O, machine: Machine) -> Result<Self, StoreError> {
        let mut told = BTreeSet::new();
        machine.recorder.since(0, |record| {
            if let Kind::Sent { id, .. } = &record.kind {
                told.insert(id.clone());
            }
        });
        let pending = outbox.pending()?;
        let mut recording = Self { outbox, machine, said: 0 };
        for Pending { id, room, content } in pending.into_iter().filter(|pending| !told.contains(&pending.id))
        {
            recording.tell(id, &room, &content);
        }
        Ok(recording)
    }

    fn tell(&mut self, id: MessageId, room: &str, content: &str) {
        self.said += 1;
        let kind = Kind::Sent { id, room: room.into(), n: self.said, content: content_hash(content) };
        self.machine.record(0, kind);
    }
}

impl<O: OutboxStorage> OutboxStorage for RecordingOutbox<O> {
    fn push(&mut self, room: &str, content: &str) -> Result<MessageId, StoreError> {
        let id = self.outbox.push(room, content)?;
        self.tell(id.clone(), room, content);
        Ok(id)
    }

    fn pending(&mut self) -> Result<Vec<Pending>, StoreError> {
        self.outbox.pending()
    }

    fn remove(&mut self, id: &MessageId) -> Result<(), StoreError> {
        self.outbox.remove(id)
    }
}
