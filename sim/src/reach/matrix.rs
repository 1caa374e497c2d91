//! Kinds of faults against states of the protocol: in how many runs each touched a connection in each.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::state::{State, struck};
use super::trail::Step;
use crate::history::History;
use crate::plan::{FaultKind, Plan};

/// In how many runs each kind of fault touched a connection in each state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matrix(BTreeMap<FaultKind, BTreeMap<State, u64>>);

impl Matrix {
    /// Of one run.
    pub fn of(plan: &Plan, history: &History, steps: &[Step]) -> Self {
        let mut matrix = Self::default();
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

    /// In how many runs this kind touched a connection in this state.
    pub fn runs(&self, kind: FaultKind, state: State) -> u64 {
        self.0.get(&kind).and_then(|states| states.get(&state)).copied().unwrap_or_default()
    }

    /// The cells in which nothing was ever touched though it could have been, in order.
    pub fn dark(&self) -> impl Iterator<Item = (FaultKind, State)> {
        let all = FaultKind::ALL.into_iter().flat_map(|kind| State::ALL.map(|state| (kind, state)));
        all.filter(|(kind, state)| self.runs(*kind, *state) == 0 && impossible(*kind, *state).is_none())
    }
}

/// Why no fault of this kind can touch a connection in this state, if none can.
pub fn impossible(_kind: FaultKind, _state: State) -> Option<&'static str> {
    None
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

    #[test]
    fn runs_add_up_cell_by_cell_and_what_is_dark_is_known() {
        let mut matrix: Matrix = [(FaultKind::Reset, State::Idle, 1)].into_iter().collect();
        matrix.add(
            &[(FaultKind::Reset, State::Idle, 2), (FaultKind::Kill, State::Upgrade, 1)].into_iter().collect(),
        );

        assert_eq!(matrix.runs(FaultKind::Reset, State::Idle), 3);
        assert_eq!(matrix.dark().count(), FaultKind::ALL.len() * State::ALL.len() - 2);
        let line = serde_json::to_string(&matrix).unwrap();
        assert_eq!(serde_json::from_str::<Matrix>(&line).unwrap(), matrix);
    }
}
