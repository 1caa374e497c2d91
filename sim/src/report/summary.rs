//! What all scenarios of a call came to.

use std::fmt;
use std::time::Duration;

use super::scenario_line::{ScenarioLine, Status};
use super::style::{BAD, DOUBTFUL, GOOD, paint};
use super::touched::Touched;
use super::weather::Weather;
use super::words::{about, count, ratio};

/// The sum of scenarios. Real time is given, because scenarios may run side by side.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// How many scenarios kept every promise.
    pub passed: u64,
    /// How many broke one.
    pub failed: u64,
    /// How many proved nothing.
    pub unproven: u64,
    /// How many seeds were run.
    pub seeds: u64,
    /// How many of them were run twice, and their digests compared.
    pub twice: u64,
    /// How many messages were followed.
    pub messages: u64,
    /// How often faults touched traffic.
    pub touched: Touched,
    /// What they led to.
    pub weather: Weather,
    /// Virtual time.
    pub simulated: Duration,
    /// Real time, from the first to the last.
    pub real: Duration,
}

impl Summary {
    /// Sums scenarios up.
    pub fn of<'a>(scenarios: impl IntoIterator<Item = &'a ScenarioLine>, real: Duration) -> Self {
        let mut summary = Self { real, ..Self::default() };
        for scenario in scenarios {
            match scenario.status {
                Status::Pass => summary.passed += 1,
                Status::Fail => summary.failed += 1,
                Status::Unproven => summary.unproven += 1,
            }
            summary.seeds += scenario.seeds;
            summary.twice += scenario.twice;
            summary.messages += scenario.messages;
            summary.touched.add(&scenario.touched);
            summary.weather.add(&scenario.weather);
            summary.simulated += scenario.simulated;
        }
        summary
    }

    /// A few lines, without the end of the last.
    pub fn render(&self, colour: bool) -> String {
        let scenarios = count(self.passed + self.failed + self.unproven, "scenario");
        let counts = [
            (self.passed, "passed", GOOD),
            (self.failed, "failed", BAD),
            (self.unproven, "proved nothing", DOUBTFUL),
        ];
        let counts: Vec<String> = counts
            .into_iter()
            .filter(|(number, ..)| *number > 0)
            .map(|(number, what, style)| paint(colour, style, format_args!("{number} {what}")))
            .collect();
        let counts = if counts.is_empty() { "nothing was run".to_owned() } else { counts.join(", ") };
        format!(
            "{scenarios}: {counts}\n\
             {}, {} of them run twice; {} examined\n\
             faults that touched traffic: {}\n\
             {}\n\
             {} simulated in {} ({})",
            count(self.seeds, "seed"),
            self.twice,
            count(self.messages, "message"),
            self.touched,
            self.weather,
            about(self.simulated),
            about(self.real),
            ratio(self.simulated, self.real),
        )
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::scenario_line::tests::lines;

    #[test]
    fn a_summary_sums_scenarios_up() {
        insta::assert_snapshot!(Summary::of(&lines(), Duration::from_millis(1_900)).to_string());
    }

    #[test]
    fn a_summary_of_nothing_says_so() {
        let text = Summary::of([], Duration::ZERO).to_string();
        assert!(text.starts_with("0 scenarios: nothing was run\n"), "{text}");
    }
}
