//! What makes a plan one that the world can run, whoever wrote it.
//!
//! The same rules as a scenario's, on what was drawn: a plan that [`super::draw`] gives is valid.

use std::collections::BTreeMap;
use std::time::Duration;

use thiserror::Error;

use crate::scenario::limits::{self, CLIENTS_MAX, CONTENT_BYTES_TOTAL_MAX, OPS_MAX, TICK, TIME_MAX};
use crate::units::{Span, SpanRange};

use super::{Act, Fault, Plan, SERVER, VERSION};

/// Why a plan cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{part}{says}")]
pub struct PlanError {
    /// Which part of it.
    pub part: Part,
    /// What is wrong.
    pub says: String,
}

/// A part of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of it, or its options.
    Plan,
    /// The op at a place, counted from zero.
    Op(usize),
    /// The fault at a place, counted from zero.
    Fault(usize),
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Plan => Ok(()),
            Self::Op(op) => write!(f, "op {op}: "),
            Self::Fault(fault) => write!(f, "fault {fault}: "),
        }
    }
}

impl Part {
    fn must(self, holds: bool, says: impl FnOnce() -> String) -> Result<(), PlanError> {
        if holds { Ok(()) } else { Err(self.wrong(says())) }
    }

    fn wrong(self, says: impl Into<String>) -> PlanError {
        PlanError { part: self, says: says.into() }
    }
}

impl Plan {
    /// Whether the world can run it, to an end that means something.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate(&self) -> Result<(), PlanError> {
        let says =
            format!("version {} is not version {VERSION}, the one that this program reads", self.version);
        Part::Plan.must(self.version == VERSION, || says)?;
        self.validate_clients()?;
        self.validate_options()?;
        self.validate_ops()?;
        self.validate_presence()?;
        self.validate_faults()
    }

    fn validate_clients(&self) -> Result<(), PlanError> {
        let clients = self.clients.len();
        Part::Plan.must((1..=CLIENTS_MAX).contains(&clients), || {
            format!("there are {clients} clients, not 1 to {CLIENTS_MAX}")
        })?;
        let unnameable = self.clients.keys().find(|name| !limits::is_client_name(name));
        Part::Plan.must(unnameable.is_none(), || {
            format!("a client cannot be called `{}`", unnameable.map_or("", |name| name))
        })
    }

    fn validate_options(&self) -> Result<(), PlanError> {
        let (server, network) = (&self.server, &self.network);
        self.validate_time("settle", self.settle)?;
        self.validate_time("ping_interval", server.ping_interval)?;
        self.validate_time("ping_timeout", server.ping_timeout)?;
        self.validate_range("fsync", server.fsync)?;
        self.validate_range("latency", network.latency)?;
        Part::Plan
            .must(server.ping_interval.0 >= TICK, || "ping_interval is below the tick of 10ms".to_owned())?;
        Part::Plan.must(network.latency.low >= TICK, || "latency is below the tick of 10ms".to_owned())?;
        let never = limits::never_connects(network).or_else(|| limits::never_holds(server, network));
        Part::Plan.must(never.is_none(), || never.unwrap_or_default())?;
        for (name, client) in &self.clients {
            self.validate_time("ack_timeout", client.ack_timeout)?;
            let never = limits::never_acknowledged(client, server, network);
            Part::Plan.must(never.is_none(), || format!("{name}: {}", never.unwrap_or_default()))?;
        }
        Ok(())
    }

    fn validate_time(&self, what: &str, Span(time): Span) -> Result<(), PlanError> {
        Part::Plan.must(time <= TIME_MAX, || format!("{what} is longer than {}", Span(TIME_MAX)))
    }

    fn validate_range(&self, what: &str, range: SpanRange) -> Result<(), PlanError> {
        Part::Plan.must(range.low <= range.high, || format!("{what} is an empty range"))?;
        self.validate_time(what, Span(range.high))
    }

    fn validate_ops(&self) -> Result<(), PlanError> {
        // A scenario may not count the connects that it leaves to the plan.
        let ops_max = OPS_MAX + CLIENTS_MAX as u64;
        Part::Plan.must(self.ops.len() as u64 <= ops_max, || format!("there are more than {ops_max} ops"))?;
        let mut said: u64 = 0;
        let mut before = Duration::ZERO;
        for (place, op) in self.ops.iter().enumerate() {
            let part = Part::Op(place);
            part.must(self.clients.contains_key(&op.who), || format!("unknown client `{}`", op.who))?;
            part.must(op.at.0 >= before, || "earlier than the op before it".to_owned())?;
            part.must(op.at.0 <= TIME_MAX, || format!("later than {}", Span(TIME_MAX)))?;
            before = op.at.0;
            if let Act::Say(content) = &op.act {
                let bytes = content.len() as u64;
                let bytes_max = limits::content_bytes_max();
                part.must((1..=bytes_max).contains(&bytes), || {
                    format!("{bytes} bytes, not 1 to {bytes_max}")
                })?;
                said += bytes;
            }
        }
        Part::Plan
            .must(said > 0, || "nobody says anything: a run without a message proves nothing".to_owned())?;
        Part::Plan.must(said <= content_bytes_total_max(), || format!("too much to say: {said} bytes"))
    }

    /// Everyone is owed every message, so whoever stays away can never be given what is owed.
    fn validate_presence(&self) -> Result<(), PlanError> {
        let mut last = BTreeMap::new();
        for (place, op) in self.ops.iter().enumerate() {
            match op.act {
                Act::Connect | Act::Disconnect => {
                    last.insert(&op.who, (place, &op.act));
                }
                Act::Say(_) => {}
            }
        }
        for name in self.clients.keys() {
            let (place, act) = last.get(name).copied().ok_or_else(|| {
                Part::Plan.wrong(format!("`{name}` never connects, so this could never settle"))
            })?;
            Part::Op(place).must(*act == Act::Connect, || {
                format!("`{name}` never connects again, so this could never settle")
            })?;
        }
        Ok(())
    }

    fn validate_faults(&self) -> Result<(), PlanError> {
        let mut before = Duration::ZERO;
        // Until when the server is down.
        let mut down: Option<Duration> = None;
        for (place, fault) in self.faults.iter().enumerate() {
            let part = Part::Fault(place);
            part.must(fault.at.0 >= before, || "earlier than the fault before it".to_owned())?;
            before = fault.at.0;
            let end = validate_end(part, fault)?;
            if let Some([a, b]) = fault.what.link() {
                let is_link =
                    |client: &str, server: &str| self.clients.contains_key(client) && server == SERVER;
                part.must(is_link(a, b) || is_link(b, a), || {
                    format!("a link is between a client and the server, not `{a}` and `{b}`")
                })?;
            }
            if let Some(name) = fault.what.stops() {
                part.must(&**name == SERVER, || format!("only the server can be stopped, not `{name}`"))?;
                part.must(down.is_none_or(|until| until < fault.at.0), || {
                    "the server is down already".to_owned()
                })?;
                down = Some(end);
            }
        }
        Ok(())
    }
}

/// A scenario counts only what its `bytes` ask for, and its shorter texts come on top.
fn content_bytes_total_max() -> u64 {
    const SHORT_TEXT_BYTES_MAX: u64 = 64;
    CONTENT_BYTES_TOTAL_MAX + OPS_MAX * SHORT_TEXT_BYTES_MAX
}

fn validate_end(part: Part, fault: &Fault) -> Result<Duration, PlanError> {
    let end = match (fault.until, fault.what.lasts()) {
        (Some(Span(until)), true) if until > fault.at.0 => until,
        (None, false) => fault.at.0,
        (Some(_), true) => return Err(part.wrong("it ends before it begins")),
        (None, true) => return Err(part.wrong("it has no end: `until` is missing")),
        (Some(_), false) => return Err(part.wrong("it takes no time: `until` is not for it")),
    };
    part.must(end <= TIME_MAX, || format!("it ends later than {}", Span(TIME_MAX)))?;
    Ok(end)
}
