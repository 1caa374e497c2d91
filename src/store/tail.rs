//! The end of the message log, in memory: what was committed lately goes in, pages for readers come out.
//!
//! Promise: a page is given only where nothing is missing between its first message and what the reader already has.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{LogOffset, Stored};

/// How many messages are kept.
const MESSAGES_MAX: usize = 1024;

/// How many bytes of content are kept, so that a few large messages cannot take the memory of many small ones.
const BYTES_MAX: usize = 4 << 20;

/// The last messages of the log, all rooms.
#[derive(Debug)]
pub(super) struct Tail {
    messages: VecDeque<Arc<Stored>>,
    bytes: usize,
    /// Every committed message after this one is here.
    covers_after: LogOffset,
}

impl Tail {
    /// Of a log whose last offset is `head`.
    pub(super) fn new(head: LogOffset) -> Self {
        Self { messages: VecDeque::new(), bytes: 0, covers_after: head }
    }

    /// Takes a message that was just committed: the one after all that came before.
    pub(super) fn push(&mut self, message: Stored) {
        debug_assert!(message.offset > self.head(), "offsets are given in the order of commits");
        self.bytes += message.content.len();
        self.messages.push_back(Arc::new(message));
        while self.messages.len() > MESSAGES_MAX || self.bytes > BYTES_MAX {
            let Some(oldest) = self.messages.pop_front() else { break };
            self.bytes -= oldest.content.len();
            self.covers_after = oldest.offset;
        }
    }

    /// The first `limit` messages of a room after `after`; `None` where older ones are needed.
    pub(super) fn read(&self, room: &str, after: LogOffset, limit: usize) -> Option<Vec<Arc<Stored>>> {
        if after < self.covers_after {
            return None;
        }
        let first = self.messages.partition_point(|message| message.offset <= after);
        let page = self.messages.range(first..).filter(|message| message.room == room).take(limit);
        Some(page.cloned().collect())
    }

    /// The last committed offset.
    pub(super) fn head(&self) -> LogOffset {
        self.messages.back().map_or(self.covers_after, |last| last.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(offset: u64, content: &str) -> Stored {
        let room = if offset.is_multiple_of(2) { "even" } else { "odd" };
        Stored { offset: LogOffset(offset), room: room.to_owned(), id: None, content: content.to_owned() }
    }

    fn offsets(page: Option<Vec<Arc<Stored>>>) -> Option<Vec<u64>> {
        page.map(|page| page.iter().map(|message| message.offset.0).collect())
    }

    #[test]
    fn pages_are_of_one_room_in_order_and_limited() {
        let mut tail = Tail::new(LogOffset(10));
        (11..=18).for_each(|offset| tail.push(message(offset, "x")));

        assert_eq!(offsets(tail.read("odd", LogOffset(10), 2)), Some(vec![11, 13]));
        assert_eq!(offsets(tail.read("odd", LogOffset(13), 9)), Some(vec![15, 17]));
        assert_eq!(offsets(tail.read("odd", LogOffset(17), 9)), Some(vec![]));
    }

    #[test]
    fn a_page_is_refused_where_messages_before_it_are_not_here() {
        let tail = Tail::new(LogOffset(10));
        assert_eq!(offsets(tail.read("odd", LogOffset(9), 1)), None);
        assert_eq!(offsets(tail.read("odd", LogOffset(10), 1)), Some(vec![]));
    }

    #[test]
    fn the_oldest_messages_make_room_and_are_no_longer_covered() {
        let mut tail = Tail::new(LogOffset::START);
        (1..=MESSAGES_MAX as u64 + 2).for_each(|offset| tail.push(message(offset, "x")));

        assert_eq!(offsets(tail.read("odd", LogOffset(1), 1)), None);
        assert_eq!(offsets(tail.read("odd", LogOffset(2), 1)), Some(vec![3]));
    }

    #[test]
    fn large_messages_are_bounded_by_bytes() {
        let mut tail = Tail::new(LogOffset::START);
        let large = "x".repeat(BYTES_MAX / 2);
        (1..=3).for_each(|offset| tail.push(message(offset, &large)));

        assert_eq!(offsets(tail.read("odd", LogOffset::START, 9)), None);
        assert_eq!(offsets(tail.read("odd", LogOffset(1), 9)), Some(vec![3]));
    }
}
