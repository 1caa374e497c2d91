//! The definitions of ten anomalies, written down as directly as they can be read, at whatever cost: every pair of
//! records is looked at, and no state is kept.

use std::time::Duration;

use squall::store::{LogOffset, MessageId};

use crate::check::planted::{ALICE, BOB, plan};
use crate::check::roll::MessageName;
use crate::check::{Anomaly, Ending};
use crate::history::{Kind, Record};

pub(super) fn all(records: &[Record], ending: &Ending) -> [(Anomaly, bool); 10] {
    [
        (Anomaly::Lost, lost(records, ending) || refused(records)),
        (Anomaly::DuplicateDelivery, duplicate_delivery(records)),
        (Anomaly::DuplicateCommit, duplicate_commit(records)),
        (Anomaly::Corrupted, corrupted(records)),
        (Anomaly::AckWithoutCommit, ack_without_commit(records)),
        (Anomaly::ContradictoryAck, contradictory_ack(records)),
        (Anomaly::InconsistentOffset, inconsistent_offset(records)),
        (Anomaly::SenderReorder, sender_reorder(records)),
        (Anomaly::NonmonotonicOffset, nonmonotonic_offset(records)),
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

fn shown(record: &Record) -> Option<(MessageName, &str, LogOffset)> {
    let Kind::Delivered { id, room, offset, .. } = &record.kind else { return None };
    Some((MessageName::seen(id.as_ref(), *offset), room, *offset))
}

fn committed(record: &Record) -> Option<(MessageName, &str, LogOffset)> {
    let Kind::Committed { id, room, offset, .. } = &record.kind else { return None };
    Some((MessageName::seen(id.as_ref(), *offset), room, *offset))
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
        let Some((MessageName::Id(id), ..)) = shown(record) else { return false };
        sender(records, &id, record.step).is_some()
            && !records.iter().any(|earlier| {
                earlier.step < record.step
                    && same_life(earlier, record)
                    && shown(earlier).is_some_and(|(message, ..)| message == MessageName::Id(id.clone()))
                    && sender(records, &id, earlier.step).is_some()
            })
    };
    let firsts: Vec<Record> = records.iter().filter(first).cloned().collect();
    some_pair(&firsts, |earlier, later| {
        let (Some((MessageName::Id(one), one_room, _)), Some((MessageName::Id(two), two_room, _))) =
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

fn duplicate_commit(records: &[Record]) -> bool {
    some_pair(records, |earlier, later| match (committed(earlier), committed(later)) {
        (Some((MessageName::Id(one), _, first)), Some((MessageName::Id(two), _, second))) => {
            one == two && first != second
        }
        _ => false,
    })
}

fn corrupted(records: &[Record]) -> bool {
    let content = |record: &Record| {
        if let Kind::Delivered { id: Some(id), content, .. } | Kind::Committed { id: Some(id), content, .. } =
            &record.kind
        {
            Some((id.clone(), *content))
        } else {
            None
        }
    };
    records.iter().filter_map(content).any(|(seen, content)| {
        let sent: Vec<u64> = records
            .iter()
            .filter_map(|record| said(record))
            .filter(|(id, _)| **id == seen)
            .map(|(_, said)| said)
            .collect();
        !sent.is_empty() && !sent.contains(&content)
    })
}

fn ack_without_commit(records: &[Record]) -> bool {
    records.iter().any(|record| {
        let Kind::Acknowledged { id, offset } = &record.kind else { return false };
        let earlier: Vec<&Record> = records.iter().filter(|other| other.step < record.step).collect();
        let of_this_id = |record: &Record| said(record).filter(|(said, _)| *said == id).map(|(_, said)| said);
        let own = earlier
            .iter()
            .rev()
            .filter(|other| other.host == record.host)
            .find_map(|other| of_this_id(other));
        let is_sent = |content: u64| earlier.iter().any(|other| of_this_id(other) == Some(content));
        !earlier.iter().any(|other| {
            let Kind::Committed { content, .. } = &other.kind else { return false };
            committed(other)
                .is_some_and(|(message, _, at)| message == MessageName::Id(id.clone()) && at == *offset)
                && own.is_none_or(|own| own == *content || !is_sent(*content))
        })
    })
}

/// What a user said, and under which id.
fn said(record: &Record) -> Option<(&MessageId, u64)> {
    let Kind::Sent { id, content, .. } = &record.kind else { return None };
    Some((id, *content))
}

fn contradictory_ack(records: &[Record]) -> bool {
    let answer = |record: &Record| {
        if let Kind::Acknowledged { id, offset } = &record.kind {
            Some((id.clone(), Some(*offset)))
        } else if let Kind::Failed { id, .. } | Kind::SendFailed { id, .. } = &record.kind {
            Some((id.clone(), None))
        } else {
            None
        }
    };
    some_pair(records, |earlier, later| match (answer(earlier), answer(later)) {
        (Some((one, first)), Some((two, second))) => {
            let elsewhere = first.zip(second).is_some_and(|(first, second)| first != second);
            one == two && (same_life(earlier, later) || elsewhere)
        }
        _ => false,
    })
}

fn inconsistent_offset(records: &[Record]) -> bool {
    let named =
        |record: &Record| shown(record).or(committed(record)).map(|(message, _, offset)| (message, offset));
    let two_messages = some_pair(records, |earlier, later| match (named(earlier), named(later)) {
        (Some((one, one_offset)), Some((two, two_offset))) => one_offset == two_offset && one != two,
        _ => false,
    });
    let seen = |record: &Record| {
        if let Kind::Suppressed { id, offset } = &record.kind {
            return Some((MessageName::Id(id.clone()), *offset));
        }
        shown(record).map(|(message, _, offset)| (message, offset))
    };
    let is_commit_of = |record: &Record, message: &MessageName| {
        committed(record).is_some_and(|(committed, ..)| committed == *message)
    };
    let places = |message: &MessageName, before: u64| -> Vec<LogOffset> {
        let earlier = records.iter().filter(|record| record.step < before);
        earlier
            .filter(|record| is_commit_of(record, message))
            .filter_map(|record| committed(record).map(|(_, _, offset)| offset))
            .collect()
    };
    let elsewhere = records.iter().any(|record| {
        let Some((message, offset)) = seen(record) else { return false };
        let known = places(&message, record.step);
        if !known.is_empty() {
            return !known.contains(&offset);
        }
        // Until its first commit all see it at one place, and then it is committed there.
        let commit = records.iter().find(|later| is_commit_of(later, &message));
        let until = commit.map_or(u64::MAX, |commit| commit.step);
        let others = records.iter().filter(|other| other.step < until).filter_map(seen);
        others
            .chain(commit.and_then(committed).map(|(message, _, offset)| (message, offset)))
            .any(|(other, other_offset)| other == message && other_offset != offset)
    });
    two_messages || elsewhere
}

/// The steps back of one life of a client in one room, and whether each is one within its connection.
fn steps_back(records: &[Record]) -> Vec<bool> {
    let place = |record: &Record| shown(record).map(|(_, room, offset)| (room.to_owned(), offset));
    let is_new = |record: &Record| {
        place(record).is_some()
            && !records.iter().any(|before| {
                before.step < record.step && same_life(before, record) && place(before) == place(record)
            })
    };
    let higher = |earlier: &Record, later: &Record| match (place(earlier), place(later)) {
        (Some((one_room, one)), Some((two_room, two))) => {
            earlier.step < later.step && same_life(earlier, later) && one_room == two_room && one > two
        }
        _ => false,
    };
    let new: Vec<&Record> = records.iter().filter(|record| is_new(record)).collect();
    let back = new.iter().filter(|later| new.iter().any(|earlier| higher(earlier, later)));
    back.map(|later| new.iter().any(|earlier| higher(earlier, later) && earlier.session == later.session))
        .collect()
}

pub(super) fn nonmonotonic_offset(records: &[Record]) -> bool {
    steps_back(records).contains(&true)
}

pub(super) fn total_order_divergence(records: &[Record]) -> bool {
    let log: Vec<(&str, LogOffset)> =
        records.iter().filter_map(committed).map(|(_, room, offset)| (room, offset)).collect();
    let falls = (0..log.len()).any(|later| {
        let is_new = !log[..later].contains(&log[later]);
        is_new && log[..later].iter().any(|(room, offset)| *room == log[later].0 && *offset > log[later].1)
    });
    falls || steps_back(records).contains(&false)
}

/// What clients are entitled to: message, room, place and since when, by the first record that says so.
fn entitlements(records: &[Record]) -> Vec<(MessageName, &str, LogOffset, Duration)> {
    let mut entitled: Vec<(MessageName, &str, LogOffset, Duration)> = Vec::new();
    for record in records {
        let next = if let Kind::Acknowledged { id, offset } = &record.kind {
            sent(records, id, record.step).map(|(_, room, _)| (MessageName::Id(id.clone()), room, *offset))
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
            let shown: Vec<(MessageName, &str, LogOffset)> =
                mine.iter().filter_map(|record| shown(record)).collect();
            let is_shown = shown.iter().any(|(other, ..)| other == message);
            let is_skipped = shown.iter().any(|(_, other, later)| other == room && later > offset);
            !is_shown && (is_skipped || *ending == Ending::Settled || is_idle(&mine, records, *since))
        })
    })
}

/// Refused, though the log never holds what its client said last under that id.
fn refused(records: &[Record]) -> bool {
    records.iter().any(|record| {
        let Kind::Failed { id: refused, .. } = &record.kind else { return false };
        let before = records.iter().rev().skip_while(|other| other.step >= record.step);
        let mut mine = before.filter(|other| other.host == record.host).filter_map(said);
        let Some((_, own)) = mine.find(|(id, _)| *id == refused) else { return false };
        !records.iter().any(|other| {
            matches!(&other.kind, Kind::Committed { id: Some(id), content, .. } if id == refused && *content == own)
        })
    })
}

/// Connected at the end, and for half of the time to settle nothing has happened to this client.
fn is_idle(mine: &[&Record], all: &[Record], since: Duration) -> bool {
    let connection = mine.iter().rev().find(|record| {
        matches!(record.kind, Kind::Connected { .. } | Kind::Disconnected { .. } | Kind::Exited { .. })
    });
    let Some(connected) = connection.filter(|record| matches!(record.kind, Kind::Connected { .. })) else {
        return false;
    };
    let last_shown = mine.iter().filter(|record| shown(record).is_some()).map(|record| record.at).max();
    let idle_since = connected.at.max(last_shown.unwrap_or_default()).max(since);
    let settle = plan().settle.0;
    let end = all.last().map(|record| record.at).unwrap_or_default().max(settle);
    end.saturating_sub(idle_since) >= settle / 2
}
