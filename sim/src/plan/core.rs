//! Who is well in the end: everyone, or a core of the server and some clients, for whom alone the world heals.
//!
//! In: the clients of the core, and what breaks. Out: which faults never end. Of what breaks a client outside of the core,
//! that which would end last stays, for good; all before it ends as planned. So the story is the same up to its end, and only
//! then are some left behind: whoever is left must not keep anything from the others. What waits for something may never
//! begin, and nobody would be left with it: so it always ends.

use std::collections::{BTreeMap, BTreeSet};

use crate::draw::{Stream, draw_within};

use super::{Fault, FaultAct, FaultKind, Name, Plan};

impl Plan {
    /// Whether a fault never ends, whatever the plan says of its end.
    pub fn stays(&self, fault: usize) -> bool {
        self.clients.keys().any(|client| self.left_with(client) == Some(fault))
    }

    /// Whether a client is broken for good. It is owed nothing, and owes nothing.
    pub fn is_left_broken(&self, client: &Name) -> bool {
        self.left_with(client).is_some()
    }

    /// The fault that a client is left with; none for the core, and where nothing breaks it that has an end.
    fn left_with(&self, client: &Name) -> Option<usize> {
        let core = self.core.as_ref()?;
        if core.contains(client) {
            return None;
        }
        self.last_to_end(client)
    }

    /// Of what breaks a client, that which ends last.
    fn last_to_end(&self, client: &Name) -> Option<usize> {
        let ends = |fault: &Fault| fault.surely_ends().filter(|_| fault.what.victims().contains(client));
        let ends = self.faults.iter().enumerate().filter_map(|(place, fault)| Some((ends(fault)?, place)));
        ends.max().map(|(_, place)| place)
    }
}

/// Whether nothing comes from a client while it is broken so. Who is only slowed down goes on sending, for good, and the
/// others would be owed the last of it when the time is over.
fn silences(what: &FaultAct) -> bool {
    matches!(what.kind(), FaultKind::Partition | FaultKind::Stall | FaultKind::Pause | FaultKind::PowerOff)
}

/// Draws a core: each client that something silences for a while is left behind or not, one at least, and not all clients are.
/// None where nobody could be left behind.
pub(super) fn draw(plan: &Plan) -> Option<BTreeSet<Name>> {
    let is_broken =
        |client: &&Name| plan.last_to_end(client).is_some_and(|place| silences(&plan.faults[place].what));
    let roll = |client: &Name, of: &str| {
        draw_within(0..=u64::MAX, plan.seed, Stream::Fault, &format!("core/{of}/{client}"), 0)
    };
    // By lot, and half of them stay.
    let mut lots: BTreeMap<u64, &Name> =
        plan.clients.keys().filter(is_broken).map(|client| (roll(client, "lot"), client)).collect();
    let (_, first) = lots.pop_first()?;
    let mut left: BTreeSet<&Name> =
        lots.into_values().filter(|client| roll(client, "left") % 2 == 0).collect();
    left.insert(first);
    if left.len() == plan.clients.len() {
        left.remove(first);
    }
    if left.is_empty() {
        return None;
    }
    Some(plan.clients.keys().filter(|client| !left.contains(client)).cloned().collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::plan::{Pair, draw as drawn, random};
    use crate::scenario::parse;
    use crate::units::Span;

    const STORY: &str = "\
name: story
about: Two of four are in trouble.
guarantee: exactly_once
clients: { alice: {}, bob: {}, carol: {}, dave: {} }
work:
  - { at: 1s, who: [alice, bob, carol, dave], do: { say: { count: 3, every: 1s } } }
faults:
  - { at: 1s, lasts: 9s, what: { partition: { between: [bob, server] } } }
  - { at: 2s, lasts: 2s, what: { stall: { between: [bob, server] } } }
  - { at: 3s, lasts: 2s, what: { pause: carol } }
  - { at: 4s, what: { reset: { between: [dave, server] } } }
  - { at: 5s, lasts: 1s, what: { kill: server } }
core: drawn
";

    fn plan(core: &str, seed: u64) -> Plan {
        let story = STORY.replace("core: drawn", core);
        drawn(&parse("story.yaml", &story).unwrap_or_else(|errors| panic!("{errors}")), seed)
    }

    fn stay(plan: &Plan) -> Vec<String> {
        let faults = plan.faults.iter().enumerate();
        faults.filter(|(place, _)| plan.stays(*place)).map(|(_, fault)| fault.what.to_string()).collect()
    }

    #[test]
    fn who_is_left_keeps_the_fault_that_would_end_last() {
        let plan = plan("core: [alice, carol, dave]", 1);
        assert_eq!(stay(&plan), ["partition bob -- server"]);
        assert_eq!(plan.clients.keys().filter(|name| plan.is_left_broken(name)).count(), 1);
    }

    #[test]
    fn nobody_is_left_with_what_may_never_begin() {
        let waits = "lasts: 9s, what: { partition: { between: [bob, server] } }";
        let waiting = STORY.replace(&format!("at: 1s, {waits}"), &format!("at: {{ step: 5 }}, {waits}"));
        assert_ne!(waiting, STORY);
        let waiting = waiting.replace("drawn", "[alice, carol, dave]");
        let scenario = parse("story.yaml", &waiting).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(stay(&drawn(&scenario, 1)), ["stall bob -- server"]);
    }

    #[test]
    fn where_nobody_is_left_everything_ends() {
        assert!(stay(&plan("", 1)).is_empty());
    }

    #[test]
    fn who_is_not_of_the_core_and_not_broken_is_not_left() {
        let mut plan = plan("core: [alice, carol, dave]", 1);
        plan.faults.retain(|fault| !fault.what.victims().contains(&"bob".into()));
        assert!(stay(&plan).is_empty() && !plan.is_left_broken(&"bob".into()));
    }

    #[test]
    fn over_its_seeds_each_whom_something_breaks_is_left_and_is_not() {
        let lefts: BTreeSet<Vec<Name>> = (0..40)
            .map(|seed| plan("core: drawn", seed))
            .map(|plan| plan.clients.keys().filter(|name| plan.is_left_broken(name)).cloned().collect())
            .collect();
        let expected = [vec!["bob"], vec!["bob", "carol"], vec!["carol"]];
        let expected = expected.map(|names| names.into_iter().map(Name::from).collect());
        assert_eq!(lefts, expected.into());
    }

    #[test]
    fn a_plan_with_a_core_prints_and_reads_back() {
        let plan = plan("core: drawn", 3);
        assert!(plan.core.is_some());
        assert_eq!(Plan::from_yaml("plan.yaml", &plan.to_yaml()), Ok(plan));
    }

    #[test]
    fn a_core_of_nobody_or_of_strangers_is_refused() {
        let mut plan = plan("core: drawn", 1);
        plan.core = Some(BTreeSet::new());
        assert_eq!(plan.validate().unwrap_err().to_string(), "the world heals for nobody: `core` is empty");
        plan.core = Some(["eve".into()].into());
        assert_eq!(plan.validate().unwrap_err().to_string(), "unknown client `eve` in `core`");
    }

    proptest! {
        #[test]
        fn a_core_that_is_drawn_leaves_some_and_never_all(seed: u64) {
            // Nothing that waits is in the way of one more fault.
            let mut plan = Plan { heals: None, ..random(seed) };
            let ends = plan.faults.iter().map(Fault::soonest_end);
            let lasts = Some(Span(ends.max().unwrap_or_default() + Duration::from_secs(9)));
            let between = [plan.clients.keys().next().cloned().unwrap_or("alice".into()), "server".into()];
            let at = plan.faults.last().map_or(Duration::ZERO, |fault| fault.at.soonest()).into();
            plan.faults.push(Fault { at, lasts, what: FaultAct::Partition(Pair { between }) });

            plan.core = draw(&plan);

            let left = plan.clients.keys().filter(|name| plan.is_left_broken(name)).count();
            prop_assert!((1..plan.clients.len()).contains(&left), "{left} of {}", plan.clients.len());
            prop_assert_eq!(plan.core.as_ref().map(BTreeSet::len), Some(plan.clients.len() - left));
            plan.validate()?;
        }
    }
}
