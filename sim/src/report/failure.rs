//! A run that failed: what was broken, what shows it, what went on around it, and the one command that repeats it.

use std::fmt;
use std::time::Duration;

use super::style::{BAD, FAINT, STRONG, paint};
use crate::check::{Ending, Violation};
use crate::history::{History, Record};
use crate::plan::{Backend, Plan, SettleBound};

/// How many records of context are shown around a step.
const CONTEXT: usize = 10;

/// A run that failed.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    scenario: String,
    path: String,
    seed: u64,
    /// What carried the bytes, where the file does not say so itself.
    backend: Option<Backend>,
    /// The name of what was broken.
    broken: String,
    /// One sentence.
    says: String,
    witness: Vec<Record>,
    /// The step with which it became true, if it did so with one.
    step: Option<u64>,
    context: Vec<Record>,
    wait_chain: Vec<String>,
    /// How long everything owed could take to arrive, where something did not.
    bound: Vec<String>,
}

impl Failure {
    /// A promise was broken in the run of a scenario, read from `path`, with a seed.
    pub fn broken(
        place: (&str, &str),
        seed: u64,
        violation: &Violation,
        history: &History,
        ending: &Ending,
    ) -> Self {
        let wait_chain = match ending {
            Ending::Settled => Vec::new(),
            Ending::Unsettled { wait_chain } => wait_chain.clone(),
        };
        Self {
            witness: violation.witness.clone(),
            step: Some(violation.step),
            context: context(history, violation.step),
            wait_chain,
            ..Self::bare(place, seed, violation.anomaly.as_str(), violation.says.clone())
        }
    }

    /// Something panicked in the run of a scenario, read from `path`, with a seed.
    pub fn panicked(place: (&str, &str), seed: u64, panics: &[String], history: &History) -> Self {
        let last = history.records.last().map_or(0, |record| record.step);
        Self { context: context(history, last), ..Self::bare(place, seed, "panic", panics.join("; ")) }
    }

    /// Virtual time stands still in the run of a scenario, read from `path`, with a seed: there is no history.
    pub fn stuck(place: (&str, &str), seed: u64, patience: Duration) -> Self {
        let says = format!(
            "virtual time has stood still for {patience:?}: the program under test does not yield. Nothing can end its \
             thread, so its process was ended"
        );
        Self::bare(place, seed, "livelock", says)
    }

    /// Virtual time stands still and so does the process in the run of a scenario, read from `path`, with a seed: there is no
    /// history.
    pub fn asleep(place: (&str, &str), seed: u64, patience: Duration) -> Self {
        let says = format!(
            "virtual time has stood still for {patience:?} while nothing was computed: the program under test waits for \
             something outside of its world, such as a sleep of its thread or a lock. Nothing can end its thread, so its \
             process was ended"
        );
        Self::bare(place, seed, "asleep", says)
    }

    /// The process died in which a scenario, read from `path`, was run with a seed: there is no history.
    pub fn died(place: (&str, &str), seed: u64, how: &str) -> Self {
        Self::bare(place, seed, "death", format!("the process in which it was run died: {how}"))
    }

    fn bare((scenario, path): (&str, &str), seed: u64, broken: &str, says: String) -> Self {
        Self {
            scenario: scenario.to_owned(),
            path: path.to_owned(),
            seed,
            broken: broken.to_owned(),
            says,
            backend: None,
            witness: Vec::new(),
            step: None,
            context: Vec::new(),
            wait_chain: Vec::new(),
            bound: Vec::new(),
        }
    }

    /// Of a run of this plan: what was still owed had so much time.
    pub fn of(mut self, plan: &Plan) -> Self {
        if !self.wait_chain.is_empty() {
            let bound = SettleBound::of(plan);
            let given = plan.settle;
            let differs = (given != bound.total()).then(|| format!("{given}, as the plan says"));
            self.bound = differs.into_iter().chain([format!("the protocol's own timers: {bound}")]).collect();
        }
        self
    }

    /// It was run on a backend that the file does not name.
    pub fn on(mut self, backend: Option<Backend>) -> Self {
        self.backend = backend;
        self
    }

    /// The one command that repeats it.
    pub fn command(&self) -> String {
        replay_command(&self.path, self.seed, self.backend)
    }

    /// A paragraph and its lists, without the end of the last line.
    pub fn render(&self, colour: bool) -> String {
        let mut lines = vec![
            format!(
                "{} {}, seed {}: {}",
                paint(colour, BAD, "FAIL"),
                self.scenario,
                self.seed,
                paint(colour, STRONG, &self.broken)
            ),
            format!("  {}", self.says),
        ];
        let mut section = |title: &str, content: Vec<String>| {
            if !content.is_empty() {
                lines.push(String::new());
                lines.push(format!("  {}", paint(colour, STRONG, title)));
                lines.extend(content);
            }
        };
        section("witness", self.witness.iter().map(|record| line(' ', record)).collect());
        section(
            "what went on around it",
            self.context.iter().map(|record| self.around(record, colour)).collect(),
        );
        section("who waits for what", self.wait_chain.iter().map(|waiter| format!("    {waiter}")).collect());
        section("time to settle", self.bound.iter().map(|line| format!("    {line}")).collect());
        section("repeat it with", vec![format!("    {}", self.command())]);
        lines.join("\n")
    }

    fn around(&self, record: &Record, colour: bool) -> String {
        if self.step == Some(record.step) {
            paint(colour, STRONG, line('>', record))
        } else {
            paint(colour, FAINT, line(' ', record))
        }
    }
}

/// The one command that repeats a seed of a file, on a backend that the file does not name.
pub fn replay_command(path: &str, seed: u64, backend: Option<Backend>) -> String {
    let is_plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+".contains(c));
    let path = if is_plain { path.to_owned() } else { format!("'{}'", path.replace('\'', r"'\''")) };
    let backend = backend.map(|backend| format!(" --backend {backend}")).unwrap_or_default();
    format!("cargo sim replay {path} --seed {seed}{backend}")
}

fn line(mark: char, record: &Record) -> String {
    format!("  {mark} {:>6} {record}", record.step)
}

/// The records around a step: as many before as after, and more of the one where the other has too few.
fn context(history: &History, step: u64) -> Vec<Record> {
    let records = &history.records;
    let middle = usize::try_from(step).unwrap_or(usize::MAX).min(records.len());
    let end = (middle.saturating_sub(CONTEXT / 2) + CONTEXT).min(records.len());
    records[end.saturating_sub(CONTEXT)..end].to_vec()
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::judge;
    use crate::check::planted::{ALICE, BOB, Planted, plan, unsettled};

    const SCENARIO: (&str, &str) = ("reconnect-mid-burst", "scenarios/faults/reconnect-mid-burst.yaml");

    /// Bob is shown alice-4 without alice-3, and alice-5 is never answered.
    fn failing() -> History {
        let planted = Planted::good().say(ALICE).say(ALICE).commit("alice-3", 4).commit("alice-4", 5);
        let planted = planted.ack(ALICE, "alice-3", 4).ack(ALICE, "alice-4", 5);
        let planted = planted.show(ALICE, "alice-3", 4).show(BOB, "alice-4", 5).show(ALICE, "alice-4", 5);
        planted.say(ALICE).disconnect(ALICE).connect(ALICE).disconnect(ALICE).connect(ALICE).finish()
    }

    fn failure() -> Failure {
        let (history, ending) = (failing(), unsettled());
        let judgement = judge(&plan(), &history, &ending);
        Failure::broken(SCENARIO, 7, judgement.violation().unwrap(), &history, &ending)
    }

    #[test]
    fn a_failure_shows_what_was_broken_and_how_to_repeat_it() {
        insta::assert_snapshot!(failure().to_string());
    }

    #[test]
    fn what_is_still_owed_is_shown_with_the_time_that_it_had() {
        let failure = failure().of(&plan()).to_string();
        let section = failure.split_once("time to settle").unwrap().1.split_once("repeat it with").unwrap().0;
        insta::assert_snapshot!(section);
    }

    #[test]
    fn a_panic_shows_what_went_on_before_it() {
        let panics = ["server: index out of bounds".to_owned()];
        insta::assert_snapshot!(Failure::panicked(SCENARIO, 7, &panics, &failing()).to_string());
    }

    #[test]
    fn colours_are_there_only_if_asked_for() {
        assert!(!failure().render(false).contains('\u{1b}'));
        assert!(failure().render(true).contains("\u{1b}[31mFAIL\u{1b}[0m"), "{:?}", failure().render(true));
    }

    #[test]
    fn context_is_ten_records_where_there_are_ten() {
        let history = failing();
        let last = history.records.len() as u64 - 1;
        let spans = [0, 3, 12, last, last + 9].map(|step| {
            let context = context(&history, step);
            (context[0].step, context[context.len() - 1].step)
        });
        assert_eq!(spans, [(0, 9), (0, 9), (7, 16), (last - 9, last), (last - 9, last)]);
        assert!(context(&Planted::unconnected().finish(), 3).is_empty());
    }

    #[test]
    fn a_path_that_a_shell_would_take_apart_is_quoted() {
        let history = failing();
        let panicked = |path| Failure::panicked(("it", path), 7, &[], &history).command();
        assert_eq!(panicked("a b/it's.yaml"), r"cargo sim replay 'a b/it'\''s.yaml' --seed 7");
        assert_eq!(panicked("a/it.yaml"), "cargo sim replay a/it.yaml --seed 7");
    }

    #[test]
    fn the_command_names_the_backend_that_the_file_does_not() {
        let failure = failure().on(Some(Backend::Event));
        assert!(failure.command().ends_with(".yaml --seed 7 --backend event"), "{}", failure.command());
    }
}
