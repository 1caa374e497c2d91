//! Whether turmoil shows what was found on the backend that jumps: a bug of the program shows on both, one of a backend on
//! its own alone.
//!
//! Two schedulers may part where two things happen at one moment, so the same plan need not break the same promise. Then
//! its neighbours are asked: the seeds that follow.

use std::fmt;

use super::judged;
use crate::app::App;
use crate::check::Anomaly;
use crate::plan::{Backend, Plan};
use crate::subject::{Content, Subject};
use crate::world::RunOptions;

/// How many seeds after a find are tried too.
pub const NEIGHBOURS: u64 = 50;

/// What turmoil shows of a find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Crossing {
    /// The same plan breaks the same promise.
    SamePlan,
    /// The same plan does not, but these of the seeds that follow do, in order: none of them, perhaps.
    Neighbours(Vec<u64>),
}

/// Runs the plan of a find on turmoil and, where that does not break the same promise, its [`NEIGHBOURS`].
pub fn shown_on_turmoil(subject: &Subject, seed: u64, anomaly: Anomaly, app: &dyn App) -> Crossing {
    let shows = |plan: Plan| {
        let run = judged(Plan { backend: Backend::Turmoil, ..plan }, app, &RunOptions::default());
        run.judgement.violation().is_some_and(|violation| violation.anomaly == anomaly)
    };
    if shows(subject.plan(seed)) {
        return Crossing::SamePlan;
    }
    let neighbours = (1..=NEIGHBOURS).map(|step| seed.wrapping_add(step));
    Crossing::Neighbours(neighbours.filter(|seed| shows(neighbour(subject, *seed))).collect())
}

/// The plan of another seed. A plan file keeps its steps: what is drawn while it runs is another.
fn neighbour(subject: &Subject, seed: u64) -> Plan {
    match &subject.content {
        Content::Scenario(_) => subject.plan(seed),
        Content::Plan(plan) => Plan { seed, ..(**plan).clone() },
    }
}

impl fmt::Display for Crossing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SamePlan => f.write_str("turmoil shows it too, with the same plan"),
            Self::Neighbours(seeds) if seeds.is_empty() => write!(
                f,
                "turmoil does not show it, neither with the same plan nor with the {NEIGHBOURS} seeds after it: look at the \
                 backend first"
            ),
            Self::Neighbours(seeds) => {
                let shown: Vec<String> = seeds.iter().take(5).map(u64::to_string).collect();
                write!(
                    f,
                    "turmoil shows it too: not with the same plan, but with {} of the {NEIGHBOURS} seeds after it, such as {}",
                    seeds.len(),
                    shown.join(", ")
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::app::chat::Chat;
    use crate::app::sabotage::Sabotage;
    use crate::subject;

    fn subject() -> Subject {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/delivery/ack-lost-message-not.yaml");
        let mut subjects = subject::load(&[path], false).expect("the scenario is valid");
        subjects.remove(0).on(Some(Backend::Event))
    }

    #[test]
    fn a_bug_of_the_program_is_shown_by_the_same_plan() {
        let bug = Sabotage::SkipDuplicateCheck;

        let crossing = shown_on_turmoil(&subject(), 3, bug.breaks(), &Chat::sabotaged(bug));

        assert_eq!(crossing, Crossing::SamePlan);
    }

    #[test]
    fn what_no_plan_shows_is_said_to_be_the_backends() {
        let crossing = shown_on_turmoil(&subject(), 3, Anomaly::DuplicateCommit, &Chat::default());

        assert_eq!(crossing, Crossing::Neighbours(Vec::new()));
        assert!(crossing.to_string().contains("the 50 seeds after it: look at the backend"), "{crossing}");
    }

    #[test]
    fn neighbours_that_show_it_are_named() {
        let crossing = Crossing::Neighbours(vec![4, 9]);

        assert!(
            crossing.to_string().ends_with("with 2 of the 50 seeds after it, such as 4, 9"),
            "{crossing}"
        );
    }

    #[test]
    fn the_neighbour_of_a_plan_file_is_the_same_plan_with_another_seed() {
        let plan = subject().plan(3);
        let file = Subject { content: Content::Plan(Box::new(plan.clone())), ..subject() };

        assert_eq!(neighbour(&file, 4), Plan { seed: 4, ..plan });
        assert_eq!(neighbour(&subject(), 4), subject().plan(4));
    }
}
