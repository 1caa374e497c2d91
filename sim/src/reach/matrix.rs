//! Kinds of faults against states of the protocol: in how many runs each touched a connection in each.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::state::{State, struck};
use super::trail::Step;
use crate::history::History;
use crate::plan::{FaultKind, Plan};

/// In how many runs each kind of fault touched a connection in each state. A cell is there when in a run of some plan the
/// kind can touch a connection in the state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matrix(BTreeMap<FaultKind, BTreeMap<State, u64>>);

impl Matrix {
    /// Of one run.
    pub fn of(plan: &Plan, history: &History, steps: &[Step]) -> Self {
        let mut matrix = Self::default();
        for kind in plan.faults.iter().map(|fault| fault.what.kind()) {
            let possible = State::ALL.into_iter().filter(|state| state.is_possible(kind, plan));
            matrix.0.entry(kind).or_default().extend(possible.map(|state| (state, 0)));
        }
        for (kind, state) in struck(plan, &history.records, steps) {
            matrix.0.entry(kind).or_default().insert(state, 1);
        }
        matrix
    }

    /// Adds that of other runs.
    pub fn add(&mut self, other: &Self) {
        for (kind, states) in &other.0 {
            for (state, runs) in states {
                *self.0.entry(*kind).or_default().entry(*state).or_default() += runs;
            }
        }
    }

    /// The kinds that some plan has, in order.
    pub fn kinds(&self) -> impl Iterator<Item = FaultKind> {
        self.0.keys().copied()
    }

    /// In how many runs this kind touched a connection in this state; none where it never could.
    pub fn runs(&self, kind: FaultKind, state: State) -> Option<u64> {
        self.0.get(&kind).and_then(|states| states.get(&state)).copied()
    }

    /// The states in which this kind touched no connection though it could have, in order.
    pub fn dark(&self, kind: FaultKind) -> Vec<State> {
        State::ALL.into_iter().filter(|state| self.runs(kind, *state) == Some(0)).collect()
    }

    /// The kinds that never could touch a connection in this state, in order.
    pub fn never_with(&self, state: State) -> Vec<FaultKind> {
        self.kinds().filter(|kind| self.runs(*kind, state).is_none()).collect()
    }
}

impl FromIterator<(FaultKind, State, u64)> for Matrix {
    fn from_iter<I: IntoIterator<Item = (FaultKind, State, u64)>>(cells: I) -> Self {
        let mut matrix = Self::default();
        for (kind, state, runs) in cells {
            matrix.0.entry(kind).or_default().insert(state, runs);
        }
        matrix
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Recorder;
    use crate::plan::draw;
    use crate::scenario::parse;

    #[test]
    fn runs_add_up_cell_by_cell_and_what_is_dark_is_known() {
        let mut matrix: Matrix =
            [(FaultKind::Reset, State::Idle, 1), (FaultKind::Reset, State::Upgrade, 0)].into_iter().collect();
        matrix.add(
            &[(FaultKind::Reset, State::Idle, 2), (FaultKind::Kill, State::Upgrade, 1)].into_iter().collect(),
        );

        assert_eq!(matrix.runs(FaultKind::Reset, State::Idle), Some(3));
        assert_eq!(matrix.dark(FaultKind::Reset), [State::Upgrade]);
        assert_eq!(matrix.never_with(State::Idle), [FaultKind::Kill]);
        let line = serde_json::to_string(&matrix).unwrap();
        assert_eq!(serde_json::from_str::<Matrix>(&line).unwrap(), matrix);
    }

    #[test]
    fn a_plan_has_cells_for_its_kinds_and_the_states_that_its_options_allow() {
        let cells = |server: &str, alice: &str, fault: &str, kind| {
            let story = format!(
                "name: story\nabout: One fault.\nguarantee: at_most_once\nserver: {{ {server} }}\nclients: {{ alice: {{ {alice} }} }}\nwork:\n  - {{ at: 1s, who: alice, do: {{ say: {{ count: 1 }} }} }}\nfaults:\n  - {{ at: 1s, {fault} }}\n"
            );
            let plan = draw(&parse("story.yaml", &story).unwrap(), 0);
            let matrix = Matrix::of(&plan, &Recorder::new().finish(), &[]);
            assert_eq!(matrix.kinds().collect::<Vec<_>>(), [kind]);
            matrix.dark(kind)
        };
        let (reset, full) =
            ("what: { reset: { between: [alice, server] } }", "lasts: 1s, what: { disk_full: server }");
        let all = ("recovery: 10s", "transports: [polling, websocket]");
        assert_eq!(cells(all.0, all.1, reset, FaultKind::Reset), State::ALL);
        assert_eq!(cells(all.0, all.1, full, FaultKind::DiskFull), State::ALL[..6]);
        let least = [State::Handshake, State::Idle, State::AckInFlight, State::Closing];
        assert_eq!(cells("", "receive: live, send: plain", reset, FaultKind::Reset), least);
    }
}
