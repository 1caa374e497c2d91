//! A scenario and a seed become a plan: all dice are rolled here, by key.
//!
//! The key of a draw is what the step itself says (`alice/say@1s..2s`), not where it stands. So removing or adding a step,
//! or changing how much is said, moves no draw of another.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::draw::{Stream, draw_duration};
use crate::scenario::{FaultStep, Name, Say, Scenario, Step, StepAct};
use crate::units::Span;

use super::{Act, AppKind, Backend, Fault, Op, Plan, VERSION, settle_bound};

/// Draws the plan of one seed. Pure: the same scenario and seed give the same plan, in any process and version.
pub fn draw(scenario: &Scenario, seed: u64) -> Plan {
    let mut plan = Plan {
        version: VERSION,
        scenario: scenario.name.clone(),
        seed,
        backend: Backend::Turmoil,
        app: AppKind::Chat,
        guarantee: scenario.guarantee,
        server: scenario.server.clone(),
        clients: scenario.clients.clone(),
        network: scenario.network.clone(),
        ops: ops(scenario, seed),
        faults: faults(&scenario.faults, seed),
        settle: Span::default(),
    };
    plan.settle = scenario.settle.unwrap_or_else(|| settle_bound(&plan));
    plan
}

/// The text of a message: its author, its number among what the author says, and as much more as makes `bytes`.
pub(super) fn content(who: &str, n: u32, bytes: Option<u32>) -> String {
    let mut text = format!("{who} {n}");
    let padding = "abcdefghijklmnopqrstuvwxyz".chars().cycle();
    let missing = (bytes.unwrap_or(0) as usize).saturating_sub(text.len());
    text.extend([' '].into_iter().chain(padding).take(missing));
    text
}

/// What is done, before anything is numbered.
struct Intent {
    at: Duration,
    who: Name,
    act: IntentAct,
}

enum IntentAct {
    Connect,
    Disconnect,
    Say { bytes: Option<u32> },
}

fn ops(scenario: &Scenario, seed: u64) -> Vec<Op> {
    let mut intents: Vec<Intent> = default_connects(scenario).collect();
    let mut twins = Twins::default();
    for step in &scenario.work {
        for who in &step.who {
            let entity = twins.key(format!("{who}/{}@{}", step.act.as_str(), step.at));
            intents.extend(intents_of(step, who, seed, &entity));
        }
    }
    // A stable sort: what happens at one instant happens in the order of the file.
    intents.sort_by_key(|intent| intent.at);

    let mut said: BTreeMap<Name, u32> = BTreeMap::new();
    let mut op = |Intent { at, who, act }: Intent| {
        let act = match act {
            IntentAct::Connect => Act::Connect,
            IntentAct::Disconnect => Act::Disconnect,
            IntentAct::Say { bytes } => {
                let n = said.entry(who.clone()).or_default();
                *n += 1;
                Act::Say(content(&who, *n, bytes))
            }
        };
        Op { at: Span(at), who, act }
    };
    intents.into_iter().map(&mut op).collect()
}

/// Who is told nothing about connecting does so at the start.
fn default_connects(scenario: &Scenario) -> impl Iterator<Item = Intent> {
    let connects = |name: &Name| {
        scenario.work.iter().any(|step| step.act == StepAct::Connect && step.who.contains(name))
    };
    scenario.clients.keys().filter(move |name| !connects(name)).map(|name| Intent {
        at: Duration::ZERO,
        who: name.clone(),
        act: IntentAct::Connect,
    })
}

fn intents_of(step: &Step, who: &Name, seed: u64, entity: &str) -> Vec<Intent> {
    let at = draw_duration(step.at.inclusive(), seed, Stream::Work, entity, 0);
    let intent = |at, act| Intent { at, who: who.clone(), act };
    match &step.act {
        StepAct::Connect => vec![intent(at, IntentAct::Connect)],
        StepAct::Disconnect => vec![intent(at, IntentAct::Disconnect)],
        StepAct::Say(say) => says(say, at, seed, entity)
            .into_iter()
            .map(|at| intent(at, IntentAct::Say { bytes: say.bytes }))
            .collect(),
    }
}

/// When each message of a burst is said.
fn says(say: &Say, first: Duration, seed: u64, entity: &str) -> Vec<Duration> {
    let gaps = format!("{entity}/every");
    let mut at = first;
    let mut times = vec![first];
    for n in 1..say.count {
        at += draw_duration(say.every.inclusive(), seed, Stream::Work, &gaps, u64::from(n));
        times.push(at);
    }
    times
}

fn faults(steps: &[FaultStep], seed: u64) -> Vec<Fault> {
    let mut twins = Twins::default();
    let mut faults: Vec<Fault> = steps
        .iter()
        .map(|step| {
            let entity = twins.key(format!("{}@{}", step.what, step.at));
            let at = draw_duration(step.at.inclusive(), seed, Stream::Fault, &entity, 0);
            let lasts = step.lasts.map(|lasts| {
                draw_duration(lasts.inclusive(), seed, Stream::Fault, &format!("{entity}/lasts"), 0)
            });
            Fault { at: Span(at), until: lasts.map(|lasts| Span(at + lasts)), what: step.what.clone() }
        })
        .collect();
    faults.sort_by_key(|fault| fault.at);
    faults
}

/// Tells steps apart that say the same.
#[derive(Default)]
struct Twins(BTreeMap<String, u32>);

impl Twins {
    fn key(&mut self, label: String) -> String {
        let twin = self.0.entry(label.clone()).or_default();
        let key = format!("{label}#{twin}");
        *twin += 1;
        key
    }
}
