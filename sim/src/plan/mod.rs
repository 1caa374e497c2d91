//! The only input of a run: a pure function of scenario and seed. It prints as YAML and reads back.
//!
//! [`draw`] rolls all the dice that can be rolled before the run; [`random()`] makes up the scenario too. What a plan says is
//! valid ([`Plan::validate`]) before the world takes it, also when someone wrote it by hand. Nothing runs here.

mod act;
mod core;
mod drawing;
mod settle;
mod swarm;
mod text;
mod validate;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units::Span;

pub use crate::scenario::{
    ByteTrigger, ClientPlan, ClockJump, ClockSkew, Connections, Cut, Delay, DiskOpTrigger, DiskSlow,
    EventTrigger, FaultAct, FaultKind, Guarantee, Lasting, Loss, Name, NetworkPlan, Pair, Path, Receive,
    SERVER, Send, ServerPlan, Slow, Transport, Trigger, Ways, Which, WhileDead,
};
pub use act::{Act, Broadcast, Emit, Join, Say, attachment};
pub use drawing::{draw, fault_steps};
pub use settle::SettleBound;
pub use swarm::random;
pub use validate::{Part, PlanError};

/// The version of the format that this program writes and reads.
pub const VERSION: u32 = 1;

/// Everything a run depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The version of this format.
    pub version: u32,
    /// The scenario it was drawn from.
    pub scenario: String,
    /// The seed it was drawn with; draws made during the run use it too.
    pub seed: u64,
    /// What carries the bytes; turmoil where a file says nothing.
    #[serde(default)]
    pub backend: Backend,
    /// What is put to the test.
    pub app: AppKind,
    /// What it promises.
    pub guarantee: Guarantee,
    /// The server's options.
    pub server: ServerPlan,
    /// The clients' options, by name.
    pub clients: BTreeMap<Name, ClientPlan>,
    /// The network between them.
    pub network: NetworkPlan,
    /// What users do, by time.
    #[serde(serialize_with = "text::one_a_line")]
    pub ops: Vec<Op>,
    /// What breaks, by when it can begin.
    #[serde(serialize_with = "text::one_a_line")]
    pub faults: Vec<Fault>,
    /// From when nothing begins any more: what waits then for something is not waited for any longer. Absent where it is
    /// waited for as long as the run goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heals: Option<Span>,
    /// The clients for whom the world heals; absent for all of them. Of the others, each is left with the last of what
    /// breaks it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub core: Option<BTreeSet<Name>>,
    /// How long after the last fault and the last op everything owed may take to arrive.
    pub settle: Span,
}

/// What carries the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// turmoil: hosts that live tick by tick.
    #[default]
    Turmoil,
    /// One host that jumps from event to event.
    Event,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Turmoil => "turmoil",
            Self::Event => "event",
        })
    }
}

/// What is put to the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppKind {
    /// Squall's chat.
    Chat,
}

/// What a user does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Op {
    /// When.
    pub at: Span,
    /// Which client.
    pub who: Name,
    /// What.
    #[serde(rename = "do")]
    pub act: Act,
}

/// What breaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "FaultText")]
pub struct Fault {
    /// From when.
    pub at: Trigger,
    /// For how long, counted from then; absent for what takes no time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Span>,
    /// What.
    pub what: FaultAct,
}

/// A fault as it may stand in a file: older plans have the time at which it ends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultText {
    at: Trigger,
    #[serde(default)]
    lasts: Option<Span>,
    #[serde(default)]
    until: Option<Span>,
    what: FaultAct,
}

impl TryFrom<FaultText> for Fault {
    type Error = &'static str;

    fn try_from(FaultText { at, lasts, until, what }: FaultText) -> Result<Self, Self::Error> {
        let lasts = match (lasts, until, at.time()) {
            (lasts, None, _) => lasts,
            (None, Some(Span(until)), Some(at)) => Some(Span(until.saturating_sub(at))),
            (Some(_), Some(_), _) | (None, Some(_), None) => return Err("`lasts` says for how long"),
        };
        Ok(Self { at, lasts, what })
    }
}

impl Fault {
    /// When it ends; of one that waits for something: before when it does not.
    pub fn soonest_end(&self) -> Duration {
        self.at.soonest() + self.lasts.unwrap_or_default().0
    }

    /// When it ends, if it surely begins and has an end.
    fn surely_ends(&self) -> Option<Duration> {
        let (at, Span(lasts)) = self.at.time().zip(self.lasts)?;
        Some(at + lasts)
    }

    /// When it ends at the latest, in a world that heals then.
    pub fn latest_end(&self, heals: Duration) -> Duration {
        let begins = self.at.time().unwrap_or(heals);
        begins + self.lasts.unwrap_or_default().0
    }
}

impl Plan {
    /// The plan without one op; `None` where that is no valid plan, or there is no such op.
    pub fn without_op(&self, op: usize) -> Option<Self> {
        let mut smaller = self.clone();
        if op >= smaller.ops.len() {
            return None;
        }
        smaller.ops.remove(op);
        smaller.validate().is_ok().then_some(smaller)
    }

    /// The plan without one fault; `None` where there is no such fault.
    pub fn without_fault(&self, fault: usize) -> Option<Self> {
        let mut smaller = self.clone();
        if fault >= smaller.faults.len() {
            return None;
        }
        smaller.faults.remove(fault);
        Some(smaller)
    }
}

#[cfg(test)]
mod tests;
