//! Who waits for an acknowledgement, and until when.
//!
//! Promise: whoever waits is settled once: by an answer, by the loss of who was asked, or by time.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeBounds;

use thiserror::Error;

use crate::engine::Time;

/// An emit that waits for its acknowledgement, numbered by the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EmitId(pub u64);

/// Why an acknowledgement will not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AckError {
    /// It did not come in time. The event may have arrived all the same.
    #[error("operation has timed out")]
    TimedOut,
    /// The socket was disconnected after the event was sent. The event may have arrived all the same.
    #[error("socket has been disconnected")]
    Disconnected,
}

/// Those who wait, by what they wait for.
#[derive(Debug)]
pub(super) struct Waiters<K, W> {
    waiting: BTreeMap<K, (W, Option<Time>)>,
    deadlines: BTreeSet<(Time, K)>,
}

impl<K, W> Default for Waiters<K, W> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), deadlines: BTreeSet::new() }
    }
}

impl<K: Ord + Clone, W> Waiters<K, W> {
    /// One more, for so long (`None`: for ever).
    pub(super) fn wait(&mut self, key: K, who: W, until: Option<Time>) {
        self.deadlines.extend(until.map(|until| (until, key.clone())));
        self.waiting.insert(key, (who, until));
    }

    /// Who waits for this, if anyone does.
    pub(super) fn settle(&mut self, key: &K) -> Option<W> {
        let (who, until) = self.waiting.remove(key)?;
        if let Some(until) = until {
            self.deadlines.remove(&(until, key.clone()));
        }
        Some(who)
    }

    /// Everyone who waits for one of these, in their order.
    pub(super) fn settle_range(&mut self, keys: impl RangeBounds<K>) -> Vec<W> {
        let keys: Vec<K> = self.waiting.range(keys).map(|(key, _)| key.clone()).collect();
        keys.iter().filter_map(|key| self.settle(key)).collect()
    }

    /// Who has waited too long, and for what; who has waited longest past the time comes first.
    pub(super) fn expire(&mut self, now: Time) -> Vec<(K, W)> {
        let due = self.deadlines.iter().take_while(|&&(until, _)| until <= now);
        let due: Vec<K> = due.map(|(_, key)| key.clone()).collect();
        due.into_iter().filter_map(|key| self.settle(&key).map(|who| (key, who))).collect()
    }

    /// When the next one will have waited too long.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.deadlines.first().map(|&(until, _)| until)
    }

    /// How many wait.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::at;
    use super::*;

    fn waiters() -> Waiters<u8, &'static str> {
        let mut waiters = Waiters::default();
        waiters.wait(1, "one", Some(at(9)));
        waiters.wait(2, "two", None);
        waiters.wait(3, "three", Some(at(5)));
        waiters
    }

    #[test]
    fn an_answer_settles_once_and_takes_its_deadline_along() {
        let mut waiters = waiters();
        assert_eq!(waiters.deadline(), Some(at(5)));

        assert_eq!(waiters.settle(&3), Some("three"));
        assert_eq!(waiters.settle(&3), None);
        assert_eq!(waiters.deadline(), Some(at(9)));
    }

    #[test]
    fn time_settles_the_earliest_first() {
        let mut waiters = waiters();

        assert_eq!(waiters.expire(at(4)), []);
        assert_eq!(waiters.expire(at(9)), [(3, "three"), (1, "one")]);
        assert_eq!(waiters.deadline(), None, "who waits for ever has none");
        assert_eq!(waiters.len(), 1);
    }

    #[test]
    fn a_loss_settles_its_own_only() {
        let mut waiters = waiters();

        assert_eq!(waiters.settle_range(2..), ["two", "three"]);
        assert_eq!(waiters.expire(at(99)), [(1, "one")]);
    }
}
