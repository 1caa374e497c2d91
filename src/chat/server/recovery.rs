//! Where chat and connection state recovery meet: a socket that was taken up again has been sent messages that its CONNECT
//! did not know of.
//!
//! In goes what was replayed, out comes from where each room is read. Promise: what was replayed is not sent again, and what
//! was not is.

use std::collections::BTreeMap;

use crate::chat::wire::{CHAT_MESSAGE, Meta};
use crate::socket::Args;
use crate::store::LogOffset;

/// The messages that were replayed to a socket, by room and in order: the offset before each, and its own.
#[derive(Debug, Default)]
pub(super) struct Replayed(BTreeMap<String, Vec<(LogOffset, LogOffset)>>);

impl Replayed {
    /// Of the events that were replayed.
    pub(super) fn new(events: &[(String, Args)]) -> Self {
        let mut replayed = Self::default();
        let messages = events.iter().filter(|(name, _)| name == CHAT_MESSAGE);
        for (offset, Meta { room, prev, .. }) in messages.filter_map(|(_, args)| read(args)) {
            replayed.0.entry(room).or_default().push((prev, offset));
        }
        replayed
    }

    /// After which offset a room is read, of which its client says that it has read up to `since` (`None`: it reads live).
    ///
    /// Who goes back, by joining a room once more from an earlier offset on, is sent everything from there: what was
    /// replayed does not follow on it.
    pub(super) fn behind(&self, room: &str, since: Option<LogOffset>) -> Option<LogOffset> {
        let messages = self.0.get(room).map_or(&[][..], Vec::as_slice);
        let Some(since) = since else { return messages.last().map(|&(_, offset)| offset) };
        let follow = |read: LogOffset, &(prev, offset): &(LogOffset, LogOffset)| {
            if prev <= read { read.max(offset) } else { read }
        };
        Some(messages.iter().fold(since, follow))
    }
}

fn read(args: &Args) -> Option<(LogOffset, Meta)> {
    Some((args.get(1).ok()?, args.get(2).ok()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(room: &str, prev: u64, offset: u64) -> (String, Args) {
        let meta = json!({ "room": room, "id": null, "prev": prev });
        (CHAT_MESSAGE.to_owned(), Args::from(vec![json!("text"), json!(offset), meta]))
    }

    fn behind(replayed: &Replayed, since: u64) -> Option<u64> {
        replayed.behind("a", Some(LogOffset(since))).map(|offset| offset.0)
    }

    #[test]
    fn a_room_is_read_behind_what_was_replayed_of_it() {
        let other = (CHAT_MESSAGE.to_owned(), Args::none());
        let replayed = Replayed::new(&[message("a", 3, 5), message("b", 3, 9), message("a", 5, 7), other]);

        assert_eq!(behind(&replayed, 3), Some(7));
        assert_eq!(behind(&replayed, 6), Some(7), "some of it was known");
        assert_eq!(behind(&replayed, 8), Some(8), "all of it was");
        assert_eq!(replayed.behind("a", None), Some(LogOffset(7)), "live goes on where it broke");
        assert_eq!(replayed.behind("c", None), None);
    }

    #[test]
    fn what_was_replayed_is_no_reason_to_skip_what_was_not() {
        let replayed = Replayed::new(&[message("a", 3, 5), message("a", 5, 7)]);

        assert_eq!(behind(&replayed, 0), Some(0));
    }
}
