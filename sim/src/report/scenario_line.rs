//! One line a scenario: what was run and what came of it.

use std::fmt;
use std::time::Duration;

use super::style::{BAD, DOUBTFUL, FAINT, GOOD, paint};
use super::touched::Touched;
use super::weather::Weather;
use super::words::{about, count, ratio};

/// What came of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Every promise held, on every seed.
    Pass,
    /// Nothing was proven.
    Unproven,
    /// A promise was broken.
    Fail,
}

impl Status {
    /// Four letters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Unproven => "NONE",
            Self::Fail => "FAIL",
        }
    }
}

/// A scenario that was run.
#[derive(Debug, Clone, PartialEq)]
pub struct ScenarioLine {
    /// Its name.
    pub name: String,
    /// What came of it.
    pub status: Status,
    /// How many seeds were run.
    pub seeds: u64,
    /// How many of them were run twice, and their digests compared.
    pub twice: u64,
    /// How many messages were followed, on all seeds.
    pub messages: u64,
    /// How often its faults touched traffic, on all seeds.
    pub touched: Touched,
    /// What they led to, on all seeds.
    pub weather: Weather,
    /// Virtual time, of all seeds together.
    pub simulated: Duration,
    /// Real time.
    pub real: Duration,
    /// What else there is to say, such as the promise that was broken and the seed.
    pub note: Option<String>,
}

impl ScenarioLine {
    /// The line, without its end.
    pub fn render(&self, colour: bool) -> String {
        let style = match self.status {
            Status::Pass => GOOD,
            Status::Unproven => DOUBTFUL,
            Status::Fail => BAD,
        };
        let status = paint(colour, style, self.status.as_str());
        let (seeds, messages) = (count(self.seeds, "seed"), count(self.messages, "message"));
        let faults = format!("faults: {}", self.touched);
        let time = format!("{} in {}", about(self.simulated), about(self.real));
        let ratio = ratio(self.simulated, self.real);
        let mut line = format!("{status}  {:<28} {seeds:>9} {messages:>14}  ", self.name);
        line += &paint(colour, FAINT, format_args!("{time:>17} {ratio:>7}"));
        line += &format!("  {faults}");
        if let Some(note) = &self.note {
            line += &format!("  {}", paint(colour, style, note));
        }
        line
    }
}

impl fmt::Display for ScenarioLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::report) fn lines() -> [ScenarioLine; 3] {
        let reconnect = ScenarioLine {
            name: "reconnect-mid-burst".to_owned(),
            status: Status::Pass,
            seeds: 20,
            twice: 1,
            messages: 400,
            touched: [("reset", 12), ("stall", 37)].into_iter().collect(),
            weather: Weather::default(),
            simulated: Duration::from_secs(1_450),
            real: Duration::from_millis(1_210),
            note: None,
        };
        let kill = ScenarioLine {
            name: "kill-between-commit-and-ack".to_owned(),
            status: Status::Fail,
            seeds: 1,
            twice: 1,
            messages: 1,
            touched: [("kill", 1)].into_iter().collect(),
            weather: Weather::default(),
            simulated: Duration::from_secs(72),
            real: Duration::from_millis(58),
            note: Some("duplicate commit (seed 7)".to_owned()),
        };
        let quiet = ScenarioLine {
            name: "quiet-evening".to_owned(),
            status: Status::Unproven,
            seeds: 2,
            twice: 1,
            messages: 20,
            touched: [("partition", 0)].into_iter().collect(),
            weather: Weather::default(),
            simulated: Duration::from_secs(7_300),
            real: Duration::ZERO,
            note: Some("partition touched nothing".to_owned()),
        };
        [reconnect, kill, quiet]
    }

    #[test]
    fn scenario_lines_have_columns() {
        insta::assert_snapshot!(lines().map(|line| line.to_string()).join("\n"));
    }

    #[test]
    fn colours_are_there_only_if_asked_for() {
        let [line, ..] = lines();
        assert!(!line.render(false).contains('\u{1b}'));
        assert!(line.render(true).contains("\u{1b}[32mPASS\u{1b}[0m"), "{:?}", line.render(true));
    }
}
