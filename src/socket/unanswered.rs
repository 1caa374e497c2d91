//! The events of a peer that ask for an acknowledgement and have none yet.

use std::collections::BTreeSet;

use super::AckId;

/// How many are remembered: 2^17 of the smallest events fill 1 MiB, what a server keeps for a slow handler. A peer that
/// asks for more and lets its handlers answer none costs no more memory than that.
const UNANSWERED_MAX: usize = 1 << 17;

/// The ids that may still be answered, on one connection to a namespace.
#[derive(Debug, Default)]
pub(super) struct Unanswered(BTreeSet<AckId>);

impl Unanswered {
    /// The peer asked. Ids count upwards, so that past the limit the oldest one is forgotten.
    pub(super) fn asked(&mut self, id: AckId) {
        self.0.insert(id);
        if self.0.len() > UNANSWERED_MAX {
            self.0.pop_first();
        }
    }

    /// Whether this is the first answer to something asked.
    pub(super) fn answer(&mut self, id: AckId) -> bool {
        self.0.remove(&id)
    }

    /// The connection is gone, and with it whoever asked.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_is_answered_once() {
        let mut unanswered = Unanswered::default();
        unanswered.asked(AckId(1));

        assert!(unanswered.answer(AckId(1)));
        assert!(!unanswered.answer(AckId(1)));
        assert!(!unanswered.answer(AckId(2)));
    }

    #[test]
    fn a_peer_that_asks_without_end_is_forgotten_from_the_oldest_on() {
        let mut unanswered = Unanswered::default();
        let asked = UNANSWERED_MAX as u64 + 10;
        (0..asked).for_each(|id| unanswered.asked(AckId(id)));

        assert!(!unanswered.answer(AckId(9)));
        assert!(unanswered.answer(AckId(10)));
        assert!(unanswered.answer(AckId(asked - 1)));
    }
}
