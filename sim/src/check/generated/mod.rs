//! Tests of the checkers on histories that chance writes.
//!
//! A model of a chat (one log, clients that read it) writes histories that keep every promise; one mutation then breaks
//! one. And on histories without any sense, checkers that look at every pair of records must agree.

mod model;
mod oracle;

use proptest::prelude::*;
use proptest::sample::Index;
use squall::store::{LogOffset, MessageId};

use self::model::{renumbered, well_formed};
use super::naming::named;
use super::planted::{plan, unsettled};
use super::{Anomaly, Ending, Verdict, judge};
use crate::history::{History, Kind, Record};

fn broken(history: &History, ending: &Ending) -> Vec<Anomaly> {
    let verdicts = judge(&plan(), history, ending).verdicts.into_iter();
    verdicts
        .filter(|(_, verdict)| matches!(verdict, Verdict::Broken(_)))
        .map(|(anomaly, _)| anomaly)
        .collect()
}

fn leads(history: &History, ending: &Ending) -> Option<Anomaly> {
    judge(&plan(), history, ending).violation().map(|violation| violation.anomaly)
}

/// The places of all deliveries; a well-formed history has at least two at one client.
fn deliveries(history: &History) -> Vec<usize> {
    places(history, |record| matches!(record.kind, Kind::Delivered { .. }))
}

fn places(history: &History, is: impl Fn(&Record) -> bool) -> Vec<usize> {
    (0..history.records.len()).filter(|place| is(&history.records[*place])).collect()
}

/// Whether a message of the room in which everyone stays is shown.
fn in_general(record: &Record) -> bool {
    matches!(&record.kind, Kind::Delivered { room, .. } if **room == *"general")
}

fn last_offset(history: &History) -> LogOffset {
    let offset = |record: &Record| {
        if let Kind::Committed { offset, .. } = record.kind { offset } else { LogOffset::START }
    };
    history.records.iter().map(offset).max().unwrap()
}

proptest! {
    #[test]
    fn a_well_formed_history_keeps_every_promise(history in well_formed()) {
        for (anomaly, verdict) in judge(&plan(), &history, &Ending::Settled).verdicts {
            // The model has no faults, and of connections only the clients' ends.
            let is_beyond =
                matches!(anomaly, Anomaly::EarlyEvent | Anomaly::Unrecovered | Anomaly::LateDeath);
            let idle = is_beyond && verdict == Verdict::Idle;
            prop_assert!(idle || matches!(verdict, Verdict::Held { .. }), "{anomaly}: {verdict:?}");
        }
    }

    #[test]
    fn a_dropped_delivery_is_lost(history in well_formed(), which: Index) {
        // Who leaves the other room does not wait for what is on its way.
        let mut records = history.records.clone();
        records.remove(*which.get(&places(&history, in_general)));
        prop_assert_eq!(broken(&renumbered(records), &unsettled()), [Anomaly::Lost]);
    }

    #[test]
    fn a_repeated_delivery_is_a_duplicate(history in well_formed(), which: Index, later: Index) {
        let place = *which.get(&deliveries(&history));
        let mut records = history.records.clone();
        let repeat = Record { session: records[place].session + 1, ..records[place].clone() };
        records.insert(place + 1 + later.index(records.len() - place), repeat);
        prop_assert_eq!(broken(&renumbered(records), &Ending::Settled), [Anomaly::DuplicateDelivery]);
    }

    #[test]
    fn two_swapped_deliveries_are_out_of_order(history in well_formed(), which: Index, other: Index) {
        let one = *which.get(&places(&history, in_general));
        let host = history.records[one].host.clone();
        let same = |record: &Record| in_general(record) && record.host == host && record.step != one as u64;
        let others = places(&history, same);
        let mut records = history.records.clone();
        let two = *other.get(&others);
        let kind = records[one].kind.clone();
        records[one].kind = std::mem::replace(&mut records[two].kind, kind);
        let mutant = renumbered(records);

        let broken = broken(&mutant, &Ending::Settled);

        // Two messages of one sender are also in that sender's wrong order.
        let mut expected = Vec::new();
        if oracle::sender_reorder(&mutant.records) {
            expected.push(Anomaly::SenderReorder);
        }
        if oracle::nonmonotonic_offset(&mutant.records) {
            expected.push(Anomaly::NonmonotonicOffset);
        }
        if oracle::total_order_divergence(&mutant.records) {
            expected.push(Anomaly::TotalOrderDivergence);
        }
        let out_of_order = [Anomaly::NonmonotonicOffset, Anomaly::TotalOrderDivergence];
        prop_assert!(expected.iter().any(|anomaly| out_of_order.contains(anomaly)));
        prop_assert_eq!(broken, expected);
    }

    #[test]
    fn a_delivery_that_nobody_sent_is_a_phantom(history in well_formed(), which: Index, unused_offset: bool) {
        let place = *which.get(&deliveries(&history));
        let mut records = history.records.clone();
        let mut phantom = records[place].clone();
        if let Kind::Delivered { id, offset, .. } = &mut phantom.kind {
            *id = Some(MessageId("mallory-1".into()));
            if unused_offset {
                *offset = LogOffset(last_offset(&history).0 + 1);
            }
        }
        records.insert(place + 1, phantom);
        prop_assert_eq!(leads(&renumbered(records), &Ending::Settled), Some(Anomaly::Phantom));
    }

    #[test]
    fn a_second_commit_is_a_duplicate(history in well_formed(), which: Index) {
        let commits = places(&history, |record| matches!(record.kind, Kind::Committed { .. }));
        let mut records = history.records.clone();
        let mut again = records[*which.get(&commits)].clone();
        if let Kind::Committed { offset, .. } = &mut again.kind {
            *offset = LogOffset(last_offset(&history).0 + 1);
        }
        records.push(again);
        prop_assert_eq!(broken(&renumbered(records), &Ending::Settled), [Anomaly::DuplicateCommit]);
    }

    #[test]
    fn who_looks_at_every_pair_agrees(records in model::senseless(), settled: bool) {
        let history = renumbered(records);
        let ending = if settled { Ending::Settled } else { unsettled() };
        let broken = broken(&history, &ending);
        for (anomaly, found) in oracle::all(&named(&history.records), &ending) {
            prop_assert_eq!(broken.contains(&anomaly), found, "{}", anomaly);
        }
    }
}
