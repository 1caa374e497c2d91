//! A scenario and a seed become a plan: all dice are rolled here, by key.
//!
//! The key of a draw is what the step itself says (`alice/say@1s..2s`), not where it stands. So removing or adding a step,
//! or changing how much is said, moves no draw of another.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::draw::{Stream, draw_duration};
use crate::scenario::{self, FaultStep, Name, Pace, Scenario, Step, StepAct};
use crate::units::Span;

use super::{
    Act, AppKind, Backend, Broadcast, Emit, Fault, Join, Op, Plan, Say, SettleBound, VERSION, core, swarm,
};

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
        faults: faults(&scenario.faults, seed).into_iter().map(|(_, fault)| fault).collect(),
        heals: None,
        core: None,
        settle: Span::default(),
    };
    if let Some(swarm) = &scenario.swarm {
        swarm::fill(&mut plan, swarm);
    }
    match &scenario.core {
        Some(scenario::Core::Of(names)) => plan.core = Some(names.clone()),
        Some(scenario::Core::Drawn) => plan.core = core::draw(&plan),
        None => {}
    }
    plan.settle = scenario.settle.unwrap_or_else(|| SettleBound::of(&plan).total());
    plan
}

/// The text of a message: its author, its number among what the author says, and as much more as makes `bytes`; nothing at
/// all where these are zero.
pub(super) fn content(who: &str, n: u32, bytes: Option<u32>) -> String {
    if bytes == Some(0) {
        return String::new();
    }
    let mut text = format!("{who} {n}");
    let padding = "abcdefghijklmnopqrstuvwxyz".chars().cycle();
    let missing = (bytes.unwrap_or(0) as usize).saturating_sub(text.len());
    text.extend([' '].into_iter().chain(padding).take(missing));
    text
}

/// What is done, before anything is numbered.
struct Intent<'a> {
    at: Duration,
    who: Name,
    act: &'a StepAct,
}

fn ops(scenario: &Scenario, seed: u64) -> Vec<Op> {
    let mut intents: Vec<Intent<'_>> = default_connects(scenario).collect();
    let mut twins = Twins::default();
    for step in &scenario.work {
        for who in &step.who {
            let entity = twins.key(format!("{who}/{}@{}", step.act.as_str(), step.at));
            intents.extend(intents_of(step, who, seed, &entity));
        }
    }
    // A stable sort: what happens at one instant happens in the order of the file.
    intents.sort_by_key(|intent| intent.at);

    let mut numbers: BTreeMap<(Name, &'static str), u32> = BTreeMap::new();
    let op = |Intent { at, who, act }: Intent<'_>| {
        let n = numbers.entry((who.clone(), act.as_str())).or_default();
        *n += 1;
        let act = numbered(act, &who, *n);
        Op { at: Span(at), who, act }
    };
    intents.into_iter().map(op).collect()
}

/// An act with its text, where it is the `n`-th of its kind by `who`.
fn numbered(act: &StepAct, who: &str, n: u32) -> Act {
    match act {
        StepAct::Connect => Act::Connect,
        StepAct::Disconnect => Act::Disconnect,
        StepAct::Join(join) => Act::Join(Join { room: join.room.clone(), since: join.since }),
        StepAct::Leave(room) => Act::Leave(room.clone()),
        StepAct::Say(say) => Act::Say(Say { room: say.room.clone(), content: content(who, n, say.bytes) }),
        StepAct::Emit(emit) => Act::Emit(Emit {
            event: emit.event.clone(),
            content: format!("{who} emit {n}"),
            binary: emit.binary,
            volatile: emit.volatile,
            ack: emit.ack,
            room: emit.room.clone(),
        }),
        StepAct::Broadcast(broadcast) => Act::Broadcast(Broadcast {
            content: format!("{who} broadcast {n}"),
            room: broadcast.room.clone(),
            except: broadcast.except.clone(),
            binary: broadcast.binary,
            volatile: broadcast.volatile,
        }),
        StepAct::Reload => Act::Reload,
        StepAct::Wait => Act::Wait,
    }
}

/// Who is told nothing about connecting does so at the start.
fn default_connects(scenario: &Scenario) -> impl Iterator<Item = Intent<'_>> {
    let connects = |name: &Name| {
        scenario.work.iter().any(|step| step.act == StepAct::Connect && step.who.contains(name))
    };
    scenario.clients.keys().filter(move |name| !connects(name)).map(|name| Intent {
        at: Duration::ZERO,
        who: name.clone(),
        act: &StepAct::Connect,
    })
}

fn intents_of<'a>(step: &'a Step, who: &Name, seed: u64, entity: &str) -> Vec<Intent<'a>> {
    let first = draw_duration(step.at.inclusive(), seed, Stream::Work, entity, 0);
    let times = times(step.act.pace(), first, seed, entity).into_iter();
    times.map(|at| Intent { at, who: who.clone(), act: &step.act }).collect()
}

/// When each of a burst is done.
fn times(pace: Pace, first: Duration, seed: u64, entity: &str) -> Vec<Duration> {
    let gaps = format!("{entity}/every");
    let mut at = first;
    let mut times = vec![first];
    for n in 1..pace.count {
        at += draw_duration(pace.every.inclusive(), seed, Stream::Work, &gaps, u64::from(n));
        times.push(at);
    }
    times
}

/// Which of the scenario's faults each fault of the plan is, where the scenario says what breaks.
pub fn fault_steps(scenario: &Scenario, seed: u64) -> Vec<usize> {
    faults(&scenario.faults, seed).into_iter().map(|(step, _)| step).collect()
}

/// By time, each with its place in the scenario.
fn faults(steps: &[FaultStep], seed: u64) -> Vec<(usize, Fault)> {
    let mut twins = Twins::default();
    let mut faults: Vec<(usize, Fault)> = steps
        .iter()
        .enumerate()
        .map(|(place, step)| {
            let entity = twins.key(format!("{}@{}", step.what, step.at));
            let lasts = step.lasts.map(|lasts| {
                draw_duration(lasts.inclusive(), seed, Stream::Fault, &format!("{entity}/lasts"), 0)
            });
            let (at, what) = (step.at.drawn(seed, &entity), step.what.drawn(seed, &entity));
            (place, Fault { at, lasts: lasts.map(Span), what })
        })
        .collect();
    faults.sort_by_key(|(_, fault)| fault.at.soonest());
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
