//! What runs have covered: the kinds of faults against the states of the protocol, and the places that none reached.

use serde_json::{Value, json};
use squall::reached::Site;

use super::touched::Touched;
use super::words::count;
use crate::plan::FaultKind;
use crate::reach::matrix::impossible;
use crate::reach::state::State;
use crate::reach::{Matrix, Reached};

/// What all runs of a call have covered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    reached: Reached,
    matrix: Matrix,
    touched: Touched,
}

impl Coverage {
    /// Adds what runs of a scenario covered, whose plans have the kinds of faults in `touched`.
    pub fn add(&mut self, reached: &Reached, matrix: &Matrix, touched: &Touched) {
        self.reached.add(reached);
        self.matrix.add(matrix);
        self.touched.add(touched);
    }

    /// A table and two lists, without the end of the last line.
    pub fn render(&self) -> String {
        let mut text = self.table();
        text += &self.dark_cells();
        text += &self.never_reached();
        text.trim_end().to_owned()
    }

    /// The same for programs.
    pub fn to_json(&self) -> Value {
        let mut dark = serde_json::Map::new();
        for (kind, states) in self.dark() {
            dark.insert(kind.as_str().to_owned(), json!(states));
        }
        let never: Vec<&str> =
            self.reached.never().filter(|site| !site.stranger).map(|site| site.name).collect();
        json!({ "matrix": self.matrix, "dark": dark, "reached": self.reached, "never_reached": never })
    }

    /// The kinds that were planned: of others nobody expects anything.
    fn kinds(&self) -> impl Iterator<Item = FaultKind> {
        FaultKind::ALL.into_iter().filter(|kind| self.touched.is_planned(*kind))
    }

    fn dark(&self) -> impl Iterator<Item = (FaultKind, Vec<State>)> {
        let of_kind = |kind| {
            let states = self.matrix.dark().filter(move |(other, _)| *other == kind).map(|(_, state)| state);
            (kind, states.collect::<Vec<_>>())
        };
        self.kinds().map(of_kind).filter(|(_, states)| !states.is_empty())
    }

    fn table(&self) -> String {
        if self.kinds().next().is_none() {
            return String::new();
        }
        let mut text =
            "in how many seeds a fault touched a connection, by the state that it was in:\n".to_owned();
        let heads: Vec<String> = State::ALL.iter().map(|state| format!("{:>13}", state.as_str())).collect();
        text += &format!("{:<16}{}\n", "", heads.concat());
        for kind in self.kinds() {
            let cells: Vec<String> =
                State::ALL.iter().map(|state| format!("{:>13}", self.cell(kind, *state))).collect();
            text += &format!("{:<16}{}\n", kind.as_str(), cells.concat());
        }
        text
    }

    fn cell(&self, kind: FaultKind, state: State) -> String {
        match (self.matrix.runs(kind, state), impossible(kind, state)) {
            (0, Some(_)) => "-".to_owned(),
            (runs, _) => runs.to_string(),
        }
    }

    fn dark_cells(&self) -> String {
        let dark: Vec<_> = self.dark().collect();
        let cells: usize = dark.iter().map(|(_, states)| states.len()).sum();
        let mut text = String::new();
        if cells > 0 {
            text += &format!(
                "{}, where a connection could have been touched and none was:\n",
                count(cells as u64, "dark cell")
            );
        }
        for (kind, states) in dark {
            let states: Vec<&str> = states.into_iter().map(State::as_str).collect();
            text += &format!("  {:<16}{}\n", kind.as_str(), states.join(", "));
        }
        for kind in self.kinds() {
            for (state, why) in
                State::ALL.into_iter().filter_map(|state| Some((state, impossible(kind, state)?)))
            {
                text += &format!("- is no cell: {} while {}: {why}\n", kind.as_str(), state.as_str());
            }
        }
        text
    }

    fn never_reached(&self) -> String {
        let (strangers, ours): (Vec<&Site>, Vec<&Site>) =
            self.reached.never().partition(|site| site.stranger);
        let mut text = String::new();
        if !ours.is_empty() {
            text += &format!("{} never reached:\n", count(ours.len() as u64, "place"));
        }
        for site in ours {
            text += &format!("  {:<34}{}\n", site.name, site.about);
        }
        if !strangers.is_empty() {
            let names: Vec<&str> = strangers.iter().map(|site| site.name).collect();
            text += &format!("{} more that only strangers reach: {}\n", names.len(), names.join(", "));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use squall::reached::SITES;

    use super::*;

    fn covered() -> Coverage {
        let mut coverage = Coverage::default();
        let almost_all = SITES.iter().map(|site| (site.name, 1)).filter(|(name, _)| *name != "chat.repeat");
        let without_strangers = almost_all.filter(|(name, _)| *name != "engine.overlap");
        let cells = State::ALL.into_iter().map(|state| (FaultKind::Reset, state, 2));
        let all_but_one = cells.filter(|(_, state, _)| *state != State::Upgrade);
        coverage.add(
            &without_strangers.collect(),
            &all_but_one.collect(),
            &[("reset", 9), ("kill", 0)].into_iter().collect(),
        );
        coverage
    }

    #[test]
    fn a_table_has_the_kinds_that_were_planned_and_names_what_is_dark_and_never_reached() {
        insta::assert_snapshot!(covered().render());
    }

    #[test]
    fn programs_are_told_the_same() {
        let json = covered().to_json();
        assert_eq!(json["matrix"]["reset"]["ack_in_flight"], 2);
        assert_eq!(json["dark"]["reset"], json!(["upgrade"]));
        assert_eq!(json["never_reached"], json!(["chat.repeat"]));
        assert_eq!(json["reached"]["chat.resend"], 1);
    }

    #[test]
    fn where_nothing_was_planned_no_cell_is_dark() {
        let text = Coverage::default().render();
        assert!(
            text.starts_with(&format!(
                "{} places never reached:\n",
                SITES.iter().filter(|site| !site.stranger).count()
            )),
            "{text}"
        );
    }
}
