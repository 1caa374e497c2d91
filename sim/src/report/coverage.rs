//! What runs have covered: the kinds of faults against the states of the protocol, and the places that none reached.

use serde_json::{Value, json};
use squall::reached::Site;

use super::words::count;
use crate::plan::FaultKind;
use crate::reach::state::State;
use crate::reach::{Matrix, Reached};

/// What all runs of a call have covered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    reached: Reached,
    matrix: Matrix,
}

/// How wide a column of the table is.
const COLUMN: usize = 15;

impl Coverage {
    /// Adds what other runs covered.
    pub fn add(&mut self, reached: &Reached, matrix: &Matrix) {
        self.reached.add(reached);
        self.matrix.add(matrix);
    }

    /// A table and lists, without the end of the last line.
    pub fn render(&self) -> String {
        let text = [self.table(), self.dark_cells(), self.cells_that_are_none(), self.never_reached()];
        text.concat().trim_end().to_owned()
    }

    /// The same for programs.
    pub fn to_json(&self) -> Value {
        let dark = self.dark().map(|(kind, states)| (kind.as_str().to_owned(), json!(states)));
        let dark: serde_json::Map<_, _> = dark.collect();
        let never: Vec<&str> =
            self.reached.never().filter(|site| !site.stranger).map(|site| site.name).collect();
        json!({ "matrix": self.matrix, "dark": dark, "reached": self.reached, "never_reached": never })
    }

    fn dark(&self) -> impl Iterator<Item = (FaultKind, Vec<State>)> {
        let dark = self.matrix.kinds().map(|kind| (kind, self.matrix.dark(kind)));
        dark.filter(|(_, states)| !states.is_empty())
    }

    fn table(&self) -> String {
        if self.matrix.kinds().next().is_none() {
            return String::new();
        }
        let row = |first: &str, cells: [String; 7]| {
            let cells = cells.map(|cell| format!("{cell:>COLUMN$}"));
            format!("{first:<COLUMN$}{}\n", cells.concat())
        };
        let cell =
            |kind, state| self.matrix.runs(kind, state).map_or("-".to_owned(), |runs| runs.to_string());
        let mut text =
            "in how many seeds a fault touched a connection, by the state that it was in:\n".to_owned();
        text += &row("", State::ALL.map(|state| state.as_str().to_owned()));
        for kind in self.matrix.kinds() {
            text += &row(kind.as_str(), State::ALL.map(|state| cell(kind, state)));
        }
        text
    }

    fn dark_cells(&self) -> String {
        let dark: Vec<_> = self.dark().collect();
        let cells: usize = dark.iter().map(|(_, states)| states.len()).sum();
        if cells == 0 {
            return String::new();
        }
        let what = count(cells as u64, "dark cell");
        let mut text = format!("{what}, where a connection could have been touched and none was:\n");
        for (kind, states) in dark {
            let states: Vec<&str> = states.into_iter().map(State::as_str).collect();
            text += &format!("  {:<COLUMN$}{}\n", kind.as_str(), states.join(", "));
        }
        text
    }

    fn cells_that_are_none(&self) -> String {
        let mut text = String::new();
        for (state, why_not) in State::ALL.into_iter().filter_map(|state| Some((state, state.why_not()?))) {
            let kinds: Vec<&str> = self.matrix.never_with(state).into_iter().map(FaultKind::as_str).collect();
            if !kinds.is_empty() {
                let (state, kinds) = (state.as_str(), kinds.join(", "));
                text += &format!("no cells (-) under {state}, for {why_not}: {kinds}\n");
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
        let unreached = ["chat.repeat", "engine.overlap"];
        let reached = SITES.iter().map(|site| (site.name, 1)).filter(|(name, _)| !unreached.contains(name));
        let runs = |state| u64::from(state != State::Upgrade) * 12;
        let reset = State::ALL.into_iter().map(|state| (FaultKind::Reset, state, runs(state)));
        let always = State::ALL.into_iter().filter(|state| state.why_not().is_none());
        let full = always.map(|state| (FaultKind::DiskFull, state, 345));
        let mut coverage = Coverage::default();
        coverage.add(&reached.collect(), &reset.chain(full).collect());
        coverage
    }

    #[test]
    fn a_table_has_the_kinds_that_were_planned_and_lists_name_what_is_dark_and_never_reached() {
        insta::assert_snapshot!(covered().render());
    }

    #[test]
    fn programs_are_told_the_same() {
        let json = covered().to_json();
        assert_eq!(json["matrix"]["reset"]["ack_in_flight"], 12);
        assert_eq!(json["dark"]["reset"], json!(["upgrade"]));
        assert_eq!(json["never_reached"], json!(["chat.repeat"]));
        assert_eq!(json["reached"]["chat.resend"], 1);
    }

    #[test]
    fn where_nothing_was_planned_there_is_no_table() {
        let text = Coverage::default().render();
        let ours = SITES.iter().filter(|site| !site.stranger).count();
        assert!(text.starts_with(&format!("{ours} places never reached:\n")), "{text}");
    }
}
