//! What the users said, were told and saw becomes a list of what is wrong with it: empty when the promise was kept.
//!
//! Judged by arrival: what a user saw is what the official client handed to its listener, in that order.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What one user did and saw.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Report {
    /// Who.
    pub(crate) client: String,
    /// Message id → what was said.
    pub(crate) said: BTreeMap<String, String>,
    /// Message id → the offset it was acknowledged with.
    pub(crate) acknowledged: BTreeMap<String, u64>,
    /// What arrived, in the order of arrival.
    pub(crate) arrivals: Vec<Arrival>,
    /// How many of its connections went over to WebSocket.
    pub(crate) upgrades: usize,
}

/// A message as it arrived.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Arrival {
    /// Its place in the log.
    pub(crate) offset: u64,
    /// The place of the message before it.
    pub(crate) prev: u64,
    /// Its id.
    pub(crate) id: String,
    /// What was said.
    pub(crate) content: String,
    /// Where.
    pub(crate) room: String,
}

/// What is wrong.
pub(crate) fn judge(reports: &[Report]) -> Vec<String> {
    let mut wrong = Vec::new();
    let Some(first) = reports.first() else { return vec!["nobody reported".to_owned()] };
    for report in reports {
        wrong.extend(one_chain(report));
        if report.arrivals != first.arrivals {
            wrong.push(different(first, report));
        }
    }
    let said: BTreeMap<&String, &String> = reports.iter().flat_map(|report| &report.said).collect();
    for arrival in &first.arrivals {
        match said.get(&arrival.id) {
            None => wrong.push(format!("{} was seen, but nobody said it", arrival.id)),
            Some(content) if **content != arrival.content => {
                wrong.push(format!(
                    "{} was said as {content:?} and seen as {:?}",
                    arrival.id, arrival.content
                ));
            }
            Some(_) => {}
        }
    }
    for report in reports {
        wrong.extend(acknowledged_and_seen(report, &first.arrivals));
    }
    wrong
}

/// Each offset is higher than the one before it, and its `prev` says that nothing is missing between them.
fn one_chain(report: &Report) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut last = 0;
    for Arrival { offset, prev, .. } in &report.arrivals {
        if *offset <= last {
            wrong.push(format!("{} saw offset {offset} after {last}", report.client));
        } else if *prev != last {
            wrong.push(format!("{} saw offset {offset}, which follows {prev}, after {last}", report.client));
        }
        last = *offset;
    }
    wrong
}

fn different(one: &Report, other: &Report) -> String {
    let same = one.arrivals.iter().zip(&other.arrivals).take_while(|(a, b)| a == b).count();
    format!(
        "{} and {} part at message {}: {:?} and {:?}",
        one.client,
        other.client,
        same + 1,
        one.arrivals.get(same),
        other.arrivals.get(same)
    )
}

/// Everything a user said was acknowledged, and is seen exactly once, where the acknowledgement says.
fn acknowledged_and_seen(report: &Report, log: &[Arrival]) -> Vec<String> {
    let mut wrong = Vec::new();
    for id in report.said.keys() {
        let Some(offset) = report.acknowledged.get(id) else {
            wrong.push(format!("{id} was never acknowledged"));
            continue;
        };
        let seen: Vec<u64> =
            log.iter().filter(|arrival| arrival.id == *id).map(|arrival| arrival.offset).collect();
        if seen != [*offset] {
            wrong.push(format!("{id} was acknowledged at offset {offset} and seen at {seen:?}"));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Alice said three messages; she and Bob saw them.
    fn kept() -> Vec<Report> {
        let arrivals: Vec<Arrival> = (1..=3)
            .map(|offset| Arrival {
                offset,
                prev: offset - 1,
                id: format!("a-{offset}"),
                content: format!("message {offset}"),
                room: "general".to_owned(),
            })
            .collect();
        let alice = Report {
            client: "alice".to_owned(),
            said: arrivals.iter().map(|arrival| (arrival.id.clone(), arrival.content.clone())).collect(),
            acknowledged: arrivals.iter().map(|arrival| (arrival.id.clone(), arrival.offset)).collect(),
            arrivals: arrivals.clone(),
            upgrades: 0,
        };
        let bob = Report {
            client: "bob".to_owned(),
            said: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            arrivals,
            upgrades: 0,
        };
        vec![alice, bob]
    }

    /// What is wrong after both users' arrivals were changed alike.
    fn judged(change: impl Fn(&mut Vec<Arrival>)) -> String {
        let mut reports = kept();
        reports.iter_mut().for_each(|report| change(&mut report.arrivals));
        judge(&reports).join("\n")
    }

    #[test]
    fn a_kept_promise_has_nothing_wrong() {
        assert_eq!(judge(&kept()), Vec::<String>::new());
    }

    #[test]
    fn a_lost_message_is_found() {
        let wrong = judged(|arrivals| drop(arrivals.pop()));
        assert_eq!(wrong, "a-3 was acknowledged at offset 3 and seen at []");
    }

    #[test]
    fn a_message_missing_in_the_middle_breaks_the_chain() {
        assert!(
            judged(|arrivals| drop(arrivals.remove(1)))
                .contains("alice saw offset 3, which follows 2, after 1")
        );
    }

    #[test]
    fn a_message_stored_twice_is_found() {
        let wrong = judged(|arrivals| {
            let again = Arrival { offset: 4, prev: 3, ..arrivals[2].clone() };
            arrivals.push(again);
        });
        assert_eq!(wrong, "a-3 was acknowledged at offset 3 and seen at [3, 4]");
    }

    #[test]
    fn a_message_shown_twice_is_found() {
        assert!(
            judged(|arrivals| arrivals.insert(1, arrivals[0].clone())).contains("bob saw offset 1 after 1")
        );
    }

    #[test]
    fn a_swapped_order_is_found() {
        assert!(judged(|arrivals| arrivals.swap(0, 1)).contains("alice saw offset 1 after 2"));
    }

    #[test]
    fn two_users_who_saw_different_orders_are_found() {
        let mut reports = kept();
        reports[1].arrivals[2].content = "something else".to_owned();
        assert!(judge(&reports).join("\n").contains("alice and bob part at message 3"));
    }

    #[test]
    fn a_changed_or_invented_message_is_found() {
        assert!(judged(|arrivals| arrivals[0].content.clear()).contains("and seen as \"\""));
        assert!(
            judged(|arrivals| arrivals[0].id = "b-1".to_owned()).contains("b-1 was seen, but nobody said it")
        );
    }

    #[test]
    fn a_message_without_acknowledgement_is_found() {
        let mut reports = kept();
        reports[0].acknowledged.clear();
        assert!(judge(&reports).join("\n").contains("a-1 was never acknowledged"));
    }
}
