//! Gives a message that was sent without an id the id that its sender's record has, by its content.
//!
//! Records go in and come out, in order. What a plan has users say without ids is different each time, so the content
//! tells; where two messages say the same after all, neither is named. Only messages whose record of sending came before
//! are.

use std::borrow::Cow;
use std::collections::BTreeMap;

use squall::store::MessageId;

use crate::history::{Kind, Record};

/// What was sent so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Naming {
    /// None where two messages have this content.
    sent: BTreeMap<u64, Option<MessageId>>,
}

/// The records of a run, with the ids of their messages as far as those can be told.
pub(super) fn named(records: &[Record]) -> Cow<'_, [Record]> {
    if !records.iter().any(|record| nameless(record).is_some()) {
        return Cow::Borrowed(records);
    }
    let mut naming = Naming::default();
    records.iter().map(|record| naming.name(record).unwrap_or_else(|| record.clone())).collect()
}

/// The content of a message that came without an id.
fn nameless(record: &Record) -> Option<u64> {
    if let Kind::Committed { id: None, content, .. } | Kind::Delivered { id: None, content, .. } =
        &record.kind
    {
        Some(*content)
    } else {
        None
    }
}

impl Naming {
    /// The record with its message's id, where it has none and that can be told.
    pub(super) fn name(&mut self, record: &Record) -> Option<Record> {
        if let Kind::Sent { id, content, .. } = &record.kind {
            let known = self.sent.entry(*content).or_insert_with(|| Some(id.clone()));
            if known.as_ref().is_some_and(|known| known != id) {
                *known = None;
            }
        }
        let name = self.sent.get(&nameless(record)?)?.as_ref()?;
        let mut named = record.clone();
        if let Kind::Committed { id, .. } | Kind::Delivered { id, .. } = &mut named.kind {
            *id = Some(name.clone());
        }
        Some(named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::planted::{ALICE, BOB, Planted, nameless};

    fn names(planted: Planted) -> Vec<Option<String>> {
        let history = planted.finish();
        let named = named(&history.records);
        let delivered = named.iter().filter_map(|record| {
            let Kind::Delivered { id, .. } = &record.kind else { return None };
            Some(id.as_ref().map(ToString::to_string))
        });
        delivered.collect()
    }

    #[test]
    fn a_message_without_id_is_the_one_with_its_content() {
        let planted = Planted::new().say(ALICE).record(BOB, nameless("alice-1", 1));
        assert_eq!(names(planted), [Some("alice-1".to_owned())]);
    }

    #[test]
    fn what_nobody_sent_or_two_did_has_no_name() {
        let planted = Planted::new().record(BOB, nameless("alice-1", 1)).say(ALICE);
        let twin = Kind::Sent {
            id: MessageId("bob-1".into()),
            room: "general".into(),
            n: 1,
            content: crate::history::content_digest("alice-1", None),
        };
        assert_eq!(names(planted.record(BOB, twin).record(BOB, nameless("alice-1", 1))), [None, None]);
    }
}
