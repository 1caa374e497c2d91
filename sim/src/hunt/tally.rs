//! What all seeds of a scenario come to, whatever the order in which they were tried and the process that tried them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::app::App;
use crate::check::{Anomaly, Expectations, Observed, Unmet};
use crate::history::Digest;
use crate::reach::Matrix;
use crate::report::{Coverage, ExitCode, Failure, Touched, Weather};
use crate::subject::Subject;
use crate::world::RunOptions;

use super::{Judged, Tried, Wrong, judged};

/// What all seeds of a scenario came to.
#[derive(Debug, Default, PartialEq)]
pub struct Tally {
    /// How many seeds were run to their end.
    pub seeds: u64,
    /// How many of them were run twice.
    pub twice: u64,
    /// How many messages the checkers followed.
    pub messages: u64,
    /// How often its faults touched traffic.
    pub touched: Touched,
    /// Which did, of each seed's plan by their places there.
    busy: BTreeMap<u64, BTreeSet<usize>>,
    /// What they led to.
    pub weather: Weather,
    /// In which states of the protocol they touched connections.
    pub matrix: Matrix,
    /// Virtual time over all seeds.
    pub elapsed: Duration,
    /// What was broken, counted and reached, over all of them.
    pub observed: Observed,
    /// The digest of each seed, in order of seeds.
    pub digests: BTreeMap<u64, Digest>,
    /// The seeds with a broken promise or an unknown verdict, or where the harness failed, in order of seeds.
    pub failures: BTreeMap<u64, Wrong>,
    /// The seeds whose second run differed from their first, and how.
    pub diverged: BTreeMap<u64, String>,
    /// The seeds of which there is no history.
    pub lost: BTreeMap<u64, Lost>,
}

/// What became of a seed.
#[derive(Debug)]
pub enum Fate {
    /// It was run to its end.
    Tried(Tried),
    /// There is no history of it.
    Lost(u64, Lost),
}

/// Why there is no history of a seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// Its virtual time stood still for so long while its process worked, as far as that is known, and the process was ended.
    Stuck(Duration),
    /// Its virtual time stood still for so long while its process did nothing, and the process was ended.
    Asleep(Duration),
    /// Its process died, and how.
    Died(String),
}

impl Tally {
    /// Adds a seed.
    pub fn add(&mut self, tried: Tried) {
        let Tried { seed, digest, messages, elapsed, touched, counted, reached, matrix, .. } = tried;
        let Tried { busy, weather, wrong, twice, diverged, .. } = tried;
        self.seeds += 1;
        self.twice += u64::from(twice);
        self.messages += messages;
        self.elapsed += elapsed;
        self.observed.reached.add(&reached);
        self.matrix.add(&matrix);
        for (anomaly, count) in counted {
            *self.observed.counted.entry(anomaly).or_default() += count;
        }
        if let Some(Wrong::Broken(anomaly)) = wrong {
            self.observed.broken.insert(seed, anomaly);
        }
        self.digests.insert(seed, digest);
        self.touched.add(&touched);
        self.busy.insert(seed, busy);
        self.weather.add(&weather);
        self.failures.extend(wrong.map(|wrong| (seed, wrong)));
        self.diverged.extend(diverged.map(|how| (seed, how)));
    }

    /// Adds what became of a seed.
    pub fn take(&mut self, fate: Fate) {
        match fate {
            Fate::Tried(tried) => self.add(tried),
            Fate::Lost(seed, why) => drop(self.lost.insert(seed, why)),
        }
    }

    /// Adds what they covered to what others did.
    pub fn cover(&self, coverage: &mut Coverage) {
        coverage.add(&self.observed.reached, &self.matrix);
    }

    /// What it means for who asked, the worst first: a harness that failed proves nothing about the program.
    pub fn exit(&self, subject: &Subject) -> ExitCode {
        let unmet = subject.expectations().judge(&self.observed);
        let harness_failed = self.failures.values().any(|wrong| matches!(wrong, Wrong::Harness(_)));
        if harness_failed || !self.lost.is_empty() {
            ExitCode::HarnessFailed
        } else if !self.diverged.is_empty() {
            ExitCode::NotDeterministic
        } else if unmet.iter().any(Unmet::is_broken) {
            ExitCode::Broken
        } else if !unmet.is_empty() || self.proves_nothing(subject) {
            ExitCode::NothingProven
        } else {
            ExitCode::Held
        }
    }

    fn proves_nothing(&self, subject: &Subject) -> bool {
        let unknown = self.failures.values().any(|wrong| matches!(wrong, Wrong::Unknown(_)));
        let idle = self.touched.idle().next().is_some() || !subject.idle_faults(&self.busy).is_empty();
        unknown || self.messages == 0 || idle
    }

    /// The lowest seed that failed and was not to, run again in this process. None where there is none.
    ///
    /// # Errors
    /// When it came out differently this time: what to say of that.
    pub fn lowest_wrong(&self, subject: &Subject, app: &dyn App) -> Result<Option<(u64, Judged)>, String> {
        let Some(seed) = self.wrong(&subject.expectations()).next() else { return Ok(None) };
        let again = judged(subject.plan(seed), app, &RunOptions::default());
        let (first, second) = (self.digests.get(&seed), again.outcome.history.digest);
        if first == Some(&second) {
            return Ok(Some((seed, again)));
        }
        let first = first.map_or_else(|| "no digest".to_owned(), ToString::to_string);
        Err(not_deterministic(subject, seed, &format!("two processes gave {first} and {second}")))
    }

    /// The seeds that failed and were not to, in order.
    fn wrong(&self, expectations: &Expectations) -> impl Iterator<Item = u64> {
        let wrong = self.failures.iter().filter(|(_, wrong)| is_find(wrong, expectations));
        wrong.map(|(seed, _)| *seed)
    }

    /// What is wrong beside the lowest failing seed, a paragraph each.
    pub fn complaints(&self, subject: &Subject, colour: bool) -> Vec<String> {
        let expectations = subject.expectations();
        let wrong: Vec<_> = self.wrong(&expectations).map(|seed| seed.to_string()).collect();
        let mut complaints = Vec::new();
        if wrong.len() > 1 {
            let (number, others) = (wrong.len() - 1, wrong[1..].iter().take(10));
            let others: Vec<_> = others.map(String::as_str).collect();
            complaints.push(format!("  {number} more seeds failed: {} …", others.join(", ")));
        }
        complaints.extend(self.lost.iter().map(|(seed, why)| why.complaint(subject, *seed, colour)));
        complaints.extend(self.diverged.iter().map(|(seed, how)| not_deterministic(subject, *seed, how)));
        for kind in self.touched.idle() {
            complaints.push(format!(
                "  nothing proven: no {kind} touched traffic in any seed; move it to where there is some"
            ));
        }
        for (place, fault) in subject.idle_faults(&self.busy) {
            if self.touched.idle().any(|kind| kind == fault.what.kind().as_str()) {
                continue;
            }
            complaints.push(format!(
                "  nothing proven: fault {} of the file, `{}` at {}, touched no traffic in any seed; move it to where there is some",
                place + 1,
                fault.what,
                fault.at,
            ));
        }
        let unmet = expectations.judge(&self.observed).into_iter().filter(|unmet| !unmet.is_broken());
        complaints.extend(unmet.map(|unmet| format!("  nothing proven: {unmet}")));
        complaints
    }
}

/// Whether this is more than what the scenario says of itself.
pub fn is_find(wrong: &Wrong, expectations: &Expectations) -> bool {
    let expected = |anomaly: &Anomaly| expectations.expects_broken(*anomaly);
    !matches!(wrong, Wrong::Broken(anomaly) if expected(anomaly))
}

impl Lost {
    /// What to say of it, and the one command that repeats it.
    pub fn complaint(&self, subject: &Subject, seed: u64, colour: bool) -> String {
        let path = subject.path.display().to_string();
        let (name, place) = (subject.name(), path.as_str());
        match self {
            Self::Stuck(patience) => Failure::stuck((&name, place), seed, *patience),
            Self::Asleep(patience) => Failure::asleep((&name, place), seed, *patience),
            Self::Died(how) => Failure::died((&name, place), seed, how),
        }
        .on(subject.backend)
        .render(colour)
    }
}

fn not_deterministic(subject: &Subject, seed: u64, how: &str) -> String {
    format!("NOT DETERMINISTIC {}, seed {seed}: {how}\n    {}", subject.name(), subject.path.display())
}
