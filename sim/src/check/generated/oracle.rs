//! The definitions of four anomalies, written down as directly as they can be read, at whatever cost: every pair of
//! records is looked at, and no state is kept.

use std::time::Duration;

use squall::store::{LogOffset, MessageId};

use crate::check::message::Message;
use crate::check::planted::{ALICE, BOB, plan};
use crate::check::{Anomaly, Ending};
use crate::history::{Kind, Record};

pub(super) fn all(records: &[Record], ending: &Ending) -> [(Anomaly, bool); 4] {
    [
        (Anomaly::Lost, lost(records, ending)),
        (Anomaly::DuplicateDelivery, duplicate_delivery(records)),
        (Anomaly::SenderReorder, sender_reorder(records)),
        (Anomaly::TotalOrderDivergence, total_order_divergence(records)),
    ]
}

/// Whether an earlier and a later record are like this.
fn some_pair(records: &[Record], is: impl Fn(&Record, &Record) -> bool) -> bool {
    (0..records.len()).any(|later| (0..later).any(|earlier| is(&records[earlier], &records[later])))
}

fn same_life(one: &Record, other: &Record) -> bool {
    one.host == other.host && one.process == other.process
}

fn shown(record: &Record) -> Option<(Message, &str, LogOffset)> {
    let Kind::Delivered { id, room, offset, .. } = &record.kind else { return None };
    Some((Message::seen(id.as_ref(), *offset), room, *offset))
}

fn committed(record: &Record) -> Option<(Message, &str, LogOffset)> {
    let Kind::Committed { id, room, offset, .. } = &record.kind else { return None };
    Some((Message::seen(id.as_ref(), *offset), room, *offset))
}

fn duplicate_delivery(records: &[Record]) -> bool {
    some_pair(records, |earlier, later| {
        let messages = (shown(earlier).map(|shown| shown.0), shown(later).map(|shown| shown.0));
        same_life(earlier, later) && messages.0.is_some() && messages.0 == messages.1
    })
}

/// The record of sending a message, with its room and number, as known at a step.
fn sent<'a>(records: &'a [Record], wanted: &MessageId, step: u64) -> Option<(&'a Record, &'a str, u64)> {
    records.iter().filter(|record| record.step < step).find_map(|record| {
        let Kind::Sent { id, room, n, .. } = &record.kind else { return None };
        (id == wanted).then_some((record, &**room, *n))
    })
}

/// Who sent a message, in which life and with which number, as known at a step.
fn sender<'a>(records: &'a [Record], wanted: &MessageId, step: u64) -> Option<(&'a str, (u32, u64))> {
    sent(records, wanted, step).map(|(record, _, n)| (&*record.host, (record.process, n)))
}

pub(super) fn sender_reorder(records: &[Record]) -> bool {
    let first = |record: &&Record| {
        let Some((Message::Id(id), ..)) = shown(record) else { return false };
        sender(records, &id, record.step).is_some()
            && !records.iter().any(|earlier| {
                earlier.step < record.step
                    && same_life(earlier, record)
                    && shown(earlier).is_some_and(|(message, ..)| message == Message::Id(id.clone()))
                    && sender(records, &id, earlier.step).is_some()
            })
    };
    let firsts: Vec<Record> = records.iter().filter(first).cloned().collect();
    some_pair(&firsts, |earlier, later| {
        let (Some((Message::Id(one), one_room, _)), Some((Message::Id(two), two_room, _))) =
            (shown(earlier), shown(later))
        else {
            return false;
        };
        let (one, two) = (sender(records, &one, earlier.step), sender(records, &two, later.step));
        let (Some((one_sender, one_place)), Some((two_sender, two_place))) = (one, two) else { return false };
        same_life(earlier, later)
            && one_room == two_room
            && one_sender == two_sender
            && one_place >= two_place
    })
}

fn total_order_divergence(records: &[Record]) -> bool {
    let named =
        |record: &Record| shown(record).or(committed(record)).map(|(message, _, offset)| (message, offset));
    let two_messages = some_pair(records, |earlier, later| match (named(earlier), named(later)) {
        (Some((one, one_offset)), Some((two, two_offset))) => one_offset == two_offset && one != two,
        _ => false,
    });
    let log: Vec<Record> = records.iter().filter(|record| committed(record).is_some()).cloned().collect();
    let clients: Vec<Record> = records.iter().filter(|record| shown(record).is_some()).cloned().collect();
    two_messages || falls(&log, committed, |_, _| true) || falls(&clients, shown, same_life)
}

/// Whether an observer sees a new offset of a room after a higher one.
fn falls(
    records: &[Record],
    sighting: impl Fn(&Record) -> Option<(Message, &str, LogOffset)>,
    same_observer: impl Fn(&Record, &Record) -> bool,
) -> bool {
    let place = |record: &Record| sighting(record).map(|(_, room, offset)| (room.to_owned(), offset));
    some_pair(records, |earlier, later| {
        let (Some((one_room, one)), Some((two_room, two))) = (place(earlier), place(later)) else {
            return false;
        };
        let is_new = !records.iter().any(|before| {
            before.step < later.step && same_observer(before, later) && place(before) == place(later)
        });
        is_new && same_observer(earlier, later) && one_room == two_room && one > two
    })
}

/// What clients are entitled to: message, room, place and since when, by the first record that says so.
fn entitlements(records: &[Record]) -> Vec<(Message, &str, LogOffset, Duration)> {
    let mut entitled: Vec<(Message, &str, LogOffset, Duration)> = Vec::new();
    for record in records {
        let next = if let Kind::Acknowledged { id, offset } = &record.kind {
            sent(records, id, record.step).map(|(_, room, _)| (Message::Id(id.clone()), room, *offset))
        } else {
            committed(record)
        };
        if let Some((message, room, offset)) = next
            && !entitled.iter().any(|(known, ..)| *known == message)
        {
            entitled.push((message, room, offset, record.at));
        }
    }
    entitled
}

fn lost(records: &[Record], ending: &Ending) -> bool {
    entitlements(records).iter().any(|(message, room, offset, since)| {
        [ALICE, BOB].into_iter().any(|client| {
            let mine: Vec<&Record> = records.iter().filter(|record| &*record.host == client).collect();
            let shown: Vec<(Message, &str, LogOffset)> =
                mine.iter().filter_map(|record| shown(record)).collect();
            let is_shown = shown.iter().any(|(other, ..)| other == message);
            let is_skipped = shown.iter().any(|(_, other, later)| other == room && later > offset);
            !is_shown && (is_skipped || *ending == Ending::Settled || is_idle(&mine, records, *since))
        })
    })
}

/// Connected at the end, and for half of the time to settle nothing has happened to this client.
fn is_idle(mine: &[&Record], all: &[Record], since: Duration) -> bool {
    let connection = mine.iter().rev().find(|record| {
        matches!(record.kind, Kind::Connected | Kind::Disconnected { .. } | Kind::Exited { .. })
    });
    let Some(connected) = connection.filter(|record| record.kind == Kind::Connected) else { return false };
    let last_shown = mine.iter().filter(|record| shown(record).is_some()).map(|record| record.at).max();
    let idle_since = connected.at.max(last_shown.unwrap_or_default()).max(since);
    let settle = plan().settle.0;
    let end = all.last().map(|record| record.at).unwrap_or_default().max(settle);
    end.saturating_sub(idle_since) >= settle / 2
}
