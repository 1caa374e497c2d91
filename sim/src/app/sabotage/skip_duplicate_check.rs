//! What a log without a unique index does: a repeat is stored again.

use squall::store::{Appended, Draft, LogOffset, MessageId, MessageLog, StoreError, Stored};

/// A message log that stores a repeat as if it were new: each message gets an id of its own, which readers do not see.
pub(in crate::app) struct SkipDuplicateCheck<L> {
    log: L,
    stored: u64,
}

/// Stands between a message's id and what makes it unique.
const SALT: char = '#';

impl<L: MessageLog> SkipDuplicateCheck<L> {
    pub(in crate::app) fn new(log: L) -> Self {
        Self { log, stored: 0 }
    }

    fn salted(&mut self, draft: &Draft) -> Result<Draft, StoreError> {
        // Offsets outlive a restart of the server, a counter alone would not.
        let head = self.log.head()?;
        self.stored += 1;
        let salted = |id: &MessageId| MessageId(format!("{id}{SALT}{head}.{}", self.stored).into());
        Ok(Draft { id: draft.id.as_ref().map(salted), ..draft.clone() })
    }
}

impl<L: MessageLog> MessageLog for SkipDuplicateCheck<L> {
    fn append(&mut self, batch: &[Draft]) -> Result<Vec<Appended>, StoreError> {
        let salted = batch.iter().map(|draft| self.salted(draft)).collect::<Result<Vec<_>, _>>()?;
        self.log.append(&salted)
    }

    fn read(&mut self, room: &str, after: LogOffset, limit: usize) -> Result<Vec<Stored>, StoreError> {
        let unsalted = |id: MessageId| MessageId(id.0.split(SALT).next().unwrap_or_default().into());
        let stored = self.log.read(room, after, limit)?;
        Ok(stored.into_iter().map(|message| Stored { id: message.id.map(unsalted), ..message }).collect())
    }

    fn head(&mut self) -> Result<LogOffset, StoreError> {
        self.log.head()
    }
}
