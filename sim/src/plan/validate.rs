//! What makes a plan one that the world can run, whoever wrote it.
//!
//! The same rules as a scenario's, on what was drawn: a plan that [`super::draw`] gives is valid.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use thiserror::Error;

use crate::scenario::limits::{
    self, ATTEMPTS_MAX, BINARY_BYTES_MAX, CLIENTS_MAX, CLOCK_PERCENT, CONTENT_BYTES_TOTAL_MAX,
    DISK_OPERATIONS_MAX, LOSS_PERCENT, OPS_MAX, ROOMS_MAX, SAY_BYTES_MAX, STEPS_MAX, TICK, TIME_MAX,
};
use crate::units::{Rate, Span, SpanRange};

use super::{
    Act, ClientPlan, ClockJump, ClockSkew, Cut, Delay, DiskSlow, EventTrigger, Fault, FaultAct, Guarantee,
    Join, Lasting, Loss, Name, Op, Plan, SERVER, Say, Send, Slow, Trigger, VERSION, Which,
};

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
        self.validate_faults()?;
        self.validate_healing()?;
        self.validate_core()
    }

    /// What has not begun by then never does, so everything must have had its time.
    fn validate_healing(&self) -> Result<(), PlanError> {
        let Some(heals) = self.heals else { return Ok(()) };
        self.validate_time("heals", heals)?;
        let late = self.faults.iter().position(|fault| fault.soonest_end() > heals.0);
        late.map_or(Ok(()), |late| {
            Err(Part::Fault(late).wrong(format!("it goes on after the world heals at {heals}")))
        })
    }

    fn validate_core(&self) -> Result<(), PlanError> {
        let Some(core) = &self.core else { return Ok(()) };
        Part::Plan.must(!core.is_empty(), || "the world heals for nobody: `core` is empty".to_owned())?;
        let unknown = core.iter().find(|name| !self.clients.contains_key(*name));
        Part::Plan.must(unknown.is_none(), || {
            format!("unknown client `{}` in `core`", unknown.map_or("", |name| name))
        })
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
        server.recovery.map_or(Ok(()), |recovery| self.validate_time("recovery", recovery))?;
        Part::Plan.must(server.recovery.is_some() || !server.store_sessions, || {
            "store_sessions without recovery".to_owned()
        })?;
        self.validate_range("latency", network.latency)?;
        Part::Plan
            .must(server.ping_interval.0 >= TICK, || "ping_interval is below the tick of 10ms".to_owned())?;
        Part::Plan.must(network.latency.low >= TICK, || "latency is below the tick of 10ms".to_owned())?;
        let never = limits::never_connects(network).or_else(|| limits::never_holds(server, network));
        Part::Plan.must(never.is_none(), || never.unwrap_or_default())?;
        self.clients.iter().try_for_each(|(name, client)| self.validate_client(name, client))
    }

    fn validate_client(&self, name: &str, client: &ClientPlan) -> Result<(), PlanError> {
        let must = |holds: bool, says: &str| Part::Plan.must(holds, || format!("{name}: {says}"));
        self.validate_time("ack_timeout", client.ack_timeout)?;
        self.validate_time("reconnection_delay_max", client.reconnection_delay_max)?;
        let never = limits::never_acknowledged(client, &self.server, &self.network);
        must(never.is_none(), &never.unwrap_or_default())?;
        let (guarantee, send, receive) = (self.guarantee, client.send.as_str(), client.receive.as_str());
        must(
            guarantee.allows_send(client.send) && guarantee.allows_receive(client.receive),
            &format!("`send: {send}` and `receive: {receive}` cannot promise {guarantee}"),
        )?;
        must(!client.transports.is_empty(), "there is no transport")?;
        must(
            client.reconnection_delay <= client.reconnection_delay_max,
            "`reconnection_delay` is longer than `reconnection_delay_max`",
        )?;
        let attempts = client.reconnection_attempts.unwrap_or(1);
        must(
            (1..=ATTEMPTS_MAX).contains(&attempts) && client.retries <= ATTEMPTS_MAX,
            &format!("more than {ATTEMPTS_MAX} attempts or retries, or none"),
        )?;
        must(client.rooms.len() <= ROOMS_MAX, "there are too many rooms")?;
        validate_rooms(Part::Plan, &client.rooms)
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
            self.validate_act(part, op)?;
            if let Some((text, attached)) = op.act.text() {
                said += text.len() as u64 + u64::from(attached);
            }
        }
        Part::Plan
            .must(said > 0, || "nobody says anything: a run without a message proves nothing".to_owned())?;
        Part::Plan.must(said <= content_bytes_total_max(), || format!("too much to say: {said} bytes"))?;
        self.validate_texts()
    }

    fn validate_act(&self, part: Part, op: &Op) -> Result<(), PlanError> {
        let rooms: Vec<&Name> = match &op.act {
            Act::Join(Join { room, .. }) | Act::Leave(room) | Act::Say(Say { room, .. }) => vec![room],
            Act::Emit(emit) => emit.room.iter().collect(),
            Act::Broadcast(broadcast) => broadcast.room.iter().chain(&broadcast.except).collect(),
            Act::Connect | Act::Disconnect | Act::Reload | Act::Wait => Vec::new(),
        };
        validate_rooms(part, rooms)?;
        if let Act::Emit(emit) = &op.act {
            part.must(limits::is_event_name(&emit.event), || {
                format!("an event cannot be called `{}`", emit.event)
            })?;
        }
        let Some((text, attached)) = op.act.text() else { return Ok(()) };
        let bytes = text.len() as u64;
        part.must(bytes <= u64::from(SAY_BYTES_MAX), || {
            format!("{bytes} bytes, not at most {SAY_BYTES_MAX}")
        })?;
        part.must(attached <= BINARY_BYTES_MAX, || {
            format!("{attached} bytes attached, not at most {BINARY_BYTES_MAX}")
        })
    }

    /// What has no other id is told apart by its text.
    fn validate_texts(&self) -> Result<(), PlanError> {
        let mut known = BTreeSet::new();
        for (place, op) in self.ops.iter().enumerate() {
            let has_id =
                op.act.is_say() && self.clients.get(&op.who).is_some_and(|who| who.send == Send::Outbox);
            let Some((text, _)) = op.act.text().filter(|_| !has_id) else { continue };
            Part::Op(place).must(!text.is_empty(), || {
                "it says nothing, and has no id: nothing tells whose it is".to_owned()
            })?;
            Part::Op(place).must(known.insert(text), || {
                format!("{text:?} stands twice, and nothing else tells the two apart")
            })?;
        }
        Ok(())
    }

    /// Who never connects proves nothing. Where no loss is excused everyone is owed every message, so whoever stays away can
    /// never be given what is owed.
    fn validate_presence(&self) -> Result<(), PlanError> {
        let mut last = BTreeMap::new();
        for (place, op) in self.ops.iter().enumerate() {
            if matches!(op.act, Act::Connect | Act::Disconnect) {
                last.insert(&op.who, (place, &op.act));
            }
        }
        for name in self.clients.keys() {
            let (place, act) = last.get(name).copied().ok_or_else(|| {
                Part::Plan.wrong(format!("`{name}` never connects, so a run would prove nothing of it"))
            })?;
            let may_stay_away = self.guarantee == Guarantee::AtMostOnce;
            Part::Op(place).must(may_stay_away || *act == Act::Connect, || {
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
            part.must(fault.at.soonest() >= before, || "earlier than the fault before it".to_owned())?;
            before = fault.at.soonest();
            validate_trigger(part, &fault.at)?;
            validate_length(part, fault)?;
            for link in fault.what.link().into_iter().chain(fault.at.link()) {
                self.validate_link(part, link)?;
            }
            validate_measure(part, &fault.what)?;
            let nowhere = |which: Option<Which>| which == Some(Which::Nth(0));
            part.must(!nowhere(fault.what.connection()) && !nowhere(fault.at.connection()), || {
                "connections count from 1".to_owned()
            })?;
            let mut names = fault.what.victims().iter().chain(fault.at.watched());
            let unknown = names.find(|name| ***name != *SERVER && !self.clients.contains_key(*name));
            part.must(unknown.is_none(), || format!("unknown client `{}`", unknown.map_or("", |name| name)))?;
            if let FaultAct::Reload(name) = &fault.what {
                part.must(self.clients.contains_key(name), || {
                    format!("only a client can be reloaded, not `{name}`")
                })?;
            }
            if let Some(name) = fault.what.stops() {
                part.must(&**name == SERVER, || format!("only the server can be stopped, not `{name}`"))?;
                // What waits for something comes when it will.
                if let Some(at) = fault.at.time() {
                    part.must(down.is_none_or(|until| until < at), || {
                        "the server is down already".to_owned()
                    })?;
                    down = Some(fault.soonest_end());
                }
            }
        }
        Ok(())
    }

    fn validate_link(&self, part: Part, [a, b]: &[Name; 2]) -> Result<(), PlanError> {
        let is_link = |client: &str, server: &str| self.clients.contains_key(client) && server == SERVER;
        part.must(is_link(a, b) || is_link(b, a), || {
            format!("a link is between a client and the server, not `{a}` and `{b}`")
        })
    }
}

fn validate_rooms<'a>(part: Part, rooms: impl IntoIterator<Item = &'a Name>) -> Result<(), PlanError> {
    let unnameable = rooms.into_iter().find(|room| !limits::is_room_name(room));
    part.must(unnameable.is_none(), || {
        format!("a room cannot be called `{}`", unnameable.map_or("", |room| room))
    })
}

/// A scenario counts only what its `bytes` ask for, and its shorter texts come on top.
fn content_bytes_total_max() -> u64 {
    const SHORT_TEXT_BYTES_MAX: u64 = 64;
    CONTENT_BYTES_TOTAL_MAX + OPS_MAX * SHORT_TEXT_BYTES_MAX
}

/// How much, how many, how fast.
fn validate_measure(part: Part, what: &FaultAct) -> Result<(), PlanError> {
    match what {
        FaultAct::Delay(Delay { by, .. }) | FaultAct::DiskSlow(DiskSlow { by, .. }) => {
            part.must(by.low <= by.high && by.high <= TIME_MAX, || format!("a delay cannot be {by}"))
        }
        FaultAct::Loss(Loss { percent, .. }) => part.must(LOSS_PERCENT.contains(percent), || {
            format!("a link cannot lose {percent} % of what passes")
        }),
        FaultAct::Slow(Slow { rate, .. }) => {
            part.must(*rate > Rate(0), || "at a rate of 0B/s nothing passes".to_owned())
        }
        FaultAct::Cut(Cut { after, .. }) => part
            .must(after.low == after.high && (1..=CONTENT_BYTES_TOTAL_MAX).contains(&after.low), || {
                format!("a connection cannot be cut after {after} bytes")
            }),
        FaultAct::ClockSkew(ClockSkew { percent, .. }) => part
            .must(percent.low == percent.high && CLOCK_PERCENT.contains(&percent.low), || {
                format!("a clock cannot run at {percent} % of true time")
            }),
        FaultAct::ClockJump(ClockJump { by, .. }) => {
            part.must(by.low == by.high && by.high <= TIME_MAX, || format!("a date cannot leap by {by}"))
        }
        FaultAct::Stall(_)
        | FaultAct::Partition(_)
        | FaultAct::HalfOpen(_)
        | FaultAct::Reset(_)
        | FaultAct::DiskFull(_)
        | FaultAct::DiskError(_)
        | FaultAct::Pause(_)
        | FaultAct::PowerOff(_)
        | FaultAct::Kill(_)
        | FaultAct::Shutdown(_)
        | FaultAct::RollingRestart(_)
        | FaultAct::Reload(_) => Ok(()),
    }
}

fn validate_trigger(part: Part, at: &Trigger) -> Result<(), PlanError> {
    part.must(at.soonest() == at.armed_by(), || format!("it begins at one time, not at {at}"))?;
    let Trigger::Event(event) = at else { return Ok(()) };
    let allowed = match event {
        EventTrigger::Step(_) => 0..=STEPS_MAX,
        EventTrigger::DiskOp(_) => 1..=DISK_OPERATIONS_MAX,
        EventTrigger::Byte(_) => 1..=CONTENT_BYTES_TOTAL_MAX,
    };
    let n = event.number();
    part.must(n.low == n.high && allowed.contains(&n.low), || format!("it cannot begin with {at}"))
}

fn validate_length(part: Part, fault: &Fault) -> Result<(), PlanError> {
    match (fault.lasts, fault.what.kind().lasting()) {
        (Some(Span(Duration::ZERO)), Lasting::Always | Lasting::IfSaid) => {
            return Err(part.wrong("it ends before it begins"));
        }
        (None, Lasting::Always) => return Err(part.wrong("it has no end: `lasts` is missing")),
        (Some(_), Lasting::Never) => return Err(part.wrong("it takes no time: `lasts` is not for it")),
        (Some(_), Lasting::Always | Lasting::IfSaid) | (None, Lasting::Never | Lasting::IfSaid) => {}
    }
    let lasts = fault.lasts.unwrap_or_default().0;
    part.must(fault.at.soonest() <= TIME_MAX && lasts <= TIME_MAX && fault.soonest_end() <= TIME_MAX, || {
        format!("it ends later than {}", Span(TIME_MAX))
    })
}
