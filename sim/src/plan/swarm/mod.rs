//! A plan out of a seed: what a story leaves open is drawn, with as much variety as there is.
//!
//! Explores what no scenario says. In: a plan of which some parts stand, and which are open. Out: a valid plan. Each seed
//! has its own weather and its own options, some kinds of faults and not others, because bugs hide from averages.

mod dice;
mod options;
mod weather;
mod work;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::draw::Stream;
use crate::scenario::{Swarm, default_options};
use crate::units::Span;

use super::{AppKind, Backend, Guarantee, Plan, SettleBound, VERSION, core};

use dice::Dice;

/// Work and faults begin within this time where the swarm draws the work, so that they meet.
const STORIES: [Duration; 3] = [Duration::from_secs(15), Duration::from_secs(30), Duration::from_secs(60)];

/// How often some are left behind.
const LEFT_BEHIND_PERCENT: u64 = 25;

/// A valid plan of which nothing is told: 2 to 6 clients, and any kind of fault; nothing is excused.
pub fn random(seed: u64) -> Plan {
    let (server, network) = default_options();
    let mut plan = Plan {
        version: VERSION,
        scenario: "random".to_owned(),
        seed,
        backend: Backend::Turmoil,
        app: AppKind::Chat,
        guarantee: Guarantee::ExactlyOnce,
        server,
        clients: BTreeMap::new(),
        network,
        ops: Vec::new(),
        faults: Vec::new(),
        heals: None,
        core: None,
        settle: Span::default(),
    };
    fill(&mut plan, &Swarm::default());
    plan.settle = SettleBound::of(&plan).total();
    plan
}

/// Draws what the swarm leaves open. What stands in the plan for it now is what a scenario means that says nothing.
pub(super) fn fill(plan: &mut Plan, swarm: &Swarm) {
    let work = Dice::new(plan.seed, Stream::Work);
    options::fill(plan, swarm.open, work);
    let told = plan.ops.last().map_or(Duration::ZERO, |op| op.at.0);
    let story = if swarm.open.work { *work.pick("story", &STORIES) } else { told.max(STORIES[0]) };
    if swarm.open.work {
        plan.ops = work::ops(plan, story, work);
    }
    plan.faults = weather::faults(plan, swarm, story, Dice::new(plan.seed, Stream::Fault));
    if swarm.open.work {
        work::add_last_words(plan);
    }
    if Dice::new(plan.seed, Stream::Fault).happens("core", LEFT_BEHIND_PERCENT) {
        plan.core = core::draw(plan);
    }
}

#[cfg(test)]
mod tests;
