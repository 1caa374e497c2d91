//! What is measured: the reference load, and loads that differ from it in one number.

use std::path::PathBuf;
use std::time::Duration;

use crate::plan::{Backend, Name, Plan, draw};
use crate::scenario::{Connections, FaultAct, FaultStep, SERVER, Scenario, StepAct, Trigger};
use crate::subject::{Content, Subject};
use crate::units::SpanRange;

/// The reference load, as it stands in the repository.
const REFERENCE: &str = include_str!("../../../../benches/reference-load.yaml");

/// Within which time faults come.
const FAULTS: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(110));

/// Within which time each speaker says all it has to say, on average: 20 messages, 5 s apart.
const SPEAKING: Duration = Duration::from_secs(100);

/// A load, and what it is called in a table.
pub(super) struct Load {
    scenario: Scenario,
}

impl Load {
    /// One server, five clients, twenty messages each, two minutes, nothing breaks.
    ///
    /// # Errors
    /// When it is not what a load can be made of.
    pub(super) fn reference() -> Result<Self, String> {
        match reference()?.content {
            Content::Scenario(scenario) => Ok(Self { scenario: *scenario }),
            Content::Plan(_) => Err("the reference load is no scenario".to_owned()),
        }
    }

    /// So many clients: the five speak as before, the others listen.
    pub(super) fn with_clients(mut self, clients: usize) -> Self {
        let options = self.scenario.clients.values().next().cloned();
        for number in self.scenario.clients.len()..clients {
            let name = Name::from(format!("listener-{number}"));
            self.scenario.clients.extend(options.clone().map(|options| (name.clone(), options)));
            for step in &mut self.scenario.work {
                if matches!(step.act, StepAct::Connect) {
                    step.who.push(name.clone());
                }
            }
        }
        self
    }

    /// So many messages of each speaker, within the same time.
    pub(super) fn with_messages(mut self, messages: u32) -> Self {
        for step in &mut self.scenario.work {
            if let StepAct::Say(say) = &mut step.act {
                let gap = SPEAKING / messages.max(1);
                say.pace.count = messages;
                say.pace.every = SpanRange { low: gap / 5, high: gap * 9 / 5 };
            }
        }
        self
    }

    /// So many connections that are reset, the speakers' in turn.
    pub(super) fn with_resets(mut self, resets: usize) -> Self {
        let speakers: Vec<Name> = self.scenario.clients.keys().cloned().collect();
        let resets = speakers.iter().cycle().take(resets).map(|speaker| FaultStep {
            at: Trigger::Time(SpanRange { low: FAULTS.0, high: FAULTS.1 }),
            lasts: None,
            what: FaultAct::Reset(Connections {
                between: [speaker.clone(), Name::from(SERVER)],
                connection: None,
            }),
        });
        self.scenario.faults.extend(resets);
        self
    }

    /// Its plan for a seed.
    pub(super) fn plan(&self, seed: u64, backend: Backend) -> Plan {
        Plan { backend, ..draw(&self.scenario, seed) }
    }

    /// How many clients it has.
    pub(super) fn clients(&self) -> u64 {
        self.scenario.clients.len() as u64
    }
}

/// The reference load as a file, for workers.
///
/// # Errors
/// When it is not valid.
pub(super) fn reference() -> Result<Subject, String> {
    Subject::read(PathBuf::from("benches/reference-load.yaml"), REFERENCE.to_owned(), false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Act;

    fn said(plan: &Plan) -> usize {
        plan.ops.iter().filter(|op| matches!(op.act, Act::Say(_))).count()
    }

    #[test]
    fn each_load_differs_in_one_number() {
        let of = |load: Load| {
            let plan = load.plan(7, Backend::Event);
            (plan.clients.len(), said(&plan), plan.faults.len())
        };
        let reference = || Load::reference().unwrap();
        assert_eq!(of(reference()), (5, 100, 0));
        assert_eq!(of(reference().with_clients(50)), (50, 100, 0));
        assert_eq!(of(reference().with_messages(80)), (5, 400, 0));
        assert_eq!(of(reference().with_resets(16)), (5, 100, 16));
    }
}
