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

impl Naming {
    /// The record, with its message's id if that can be told.
    pub(super) fn name<'a>(&mut self, record: &'a Record) -> Cow<'a, Record> {
        if let Kind::Sent { id, content, .. } = &record.kind {
            let known = self.sent.entry(*content).or_insert_with(|| Some(id.clone()));
            if known.as_ref().is_some_and(|known| known != id) {
                *known = None;
            }
        }
        let (Kind::Committed { id: None, content, .. } | Kind::Delivered { id: None, content, .. }) =
            &record.kind
        else {
            return Cow::Borrowed(record);
        };
        let Some(Some(name)) = self.sent.get(content) else { return Cow::Borrowed(record) };
        let mut named = record.clone();
        if let Kind::Committed { id, .. } | Kind::Delivered { id, .. } = &mut named.kind {
            *id = Some(name.clone());
        }
        Cow::Owned(named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::planted::{ALICE, BOB, Planted, nameless};

    fn names(planted: Planted) -> Vec<Option<String>> {
        let mut naming = Naming::default();
        let history = planted.finish();
        let named = history.records.iter().map(|record| naming.name(record).into_owned());
        named
            .filter_map(|record| {
                let Kind::Delivered { id, .. } = record.kind else { return None };
                Some(id.map(|id| id.to_string()))
            })
            .collect()
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
