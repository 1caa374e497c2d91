//! When a fault begins: at a time, or with something that happens in the run.
//!
//! In plans as in scenarios a trigger is a time, or a mapping with the one thing that it waits for. What waits may wait for
//! ever: then the fault touches nothing.

use std::fmt;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde::{Serialize, Serializer};

use crate::draw::{Stream, draw_duration, draw_within};
use crate::units::{NumberRange, SpanRange};

use super::paths::{Path, Which};
use super::terms::Name;

/// When a fault begins. A plan has one time, one number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// At a time since the start of the run.
    Time(SpanRange),
    /// With something that happens, at once.
    Event(EventTrigger),
}

/// What a fault can begin with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventTrigger {
    /// The history has got the record of that number; its first is 0.
    Step(NumberRange),
    /// A process asks its disk for an operation that changes something; it is not done yet.
    DiskOp(DiskOpTrigger),
    /// A byte has left for the other end of a connection; the one behind it has not.
    Byte(ByteTrigger),
}

/// An operation of a disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskOpTrigger {
    /// Whose disk.
    pub of: Name,
    /// Which operation, counted from one.
    pub nth: NumberRange,
    /// From when operations count: from the start where nothing is said.
    #[serde(default, skip_serializing_if = "is_the_start")]
    pub since: SpanRange,
}

/// A byte of a connection: of the first one on which so many pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByteTrigger {
    /// Which bytes count: those of one way, or those of both together.
    #[serde(flatten)]
    pub path: Path,
    /// Which byte, counted from one on each connection.
    pub nth: NumberRange,
    /// From when bytes count: from the start where nothing is said.
    #[serde(default, skip_serializing_if = "is_the_start")]
    pub since: SpanRange,
}

fn is_the_start(since: &SpanRange) -> bool {
    since.high.is_zero()
}

impl Trigger {
    /// The time, where it is one.
    pub fn time(&self) -> Option<Duration> {
        match self {
            Self::Time(time) => Some(time.low),
            Self::Event(_) => None,
        }
    }

    /// Before when the fault cannot begin.
    pub fn soonest(&self) -> Duration {
        self.waits().low
    }

    /// From when it is waited for, at the latest: the time, where it is one.
    pub fn armed_by(&self) -> Duration {
        self.waits().high
    }

    fn waits(&self) -> SpanRange {
        match self {
            Self::Time(time) => *time,
            Self::Event(EventTrigger::Step(_)) => SpanRange::default(),
            Self::Event(
                EventTrigger::DiskOp(DiskOpTrigger { since, .. })
                | EventTrigger::Byte(ByteTrigger { since, .. }),
            ) => *since,
        }
    }

    /// Whose doings are waited for.
    pub fn watched(&self) -> &[Name] {
        match self {
            Self::Time(_) | Self::Event(EventTrigger::Step(_)) => &[],
            Self::Event(EventTrigger::DiskOp(operation)) => std::slice::from_ref(&operation.of),
            Self::Event(EventTrigger::Byte(byte)) => byte.path.ends(),
        }
    }

    /// The two ends of the link whose bytes are waited for.
    pub fn link(&self) -> Option<&[Name; 2]> {
        match self {
            Self::Event(EventTrigger::Byte(byte)) => Some(byte.path.ends()),
            Self::Time(_) | Self::Event(EventTrigger::Step(_) | EventTrigger::DiskOp(_)) => None,
        }
    }

    /// The one connection whose bytes are waited for, where it is one.
    pub fn connection(&self) -> Option<Which> {
        match self {
            Self::Event(EventTrigger::Byte(byte)) => byte.path.connection,
            Self::Time(_) | Self::Event(EventTrigger::Step(_) | EventTrigger::DiskOp(_)) => None,
        }
    }

    /// The same with one time and one number.
    pub fn drawn(&self, seed: u64, entity: &str) -> Self {
        let mut drawn = self.clone();
        let once = |range: &mut SpanRange, entity: &str| {
            let time = draw_duration(range.inclusive(), seed, Stream::Fault, entity, 0);
            *range = SpanRange { low: time, high: time };
        };
        match &mut drawn {
            Self::Time(time) => once(time, entity),
            Self::Event(event) => {
                let number = event.number_mut();
                let (low, high) = (number.low, number.high);
                let n = draw_within(low..=high, seed, Stream::Fault, &format!("{entity}/n"), 0);
                *number = NumberRange { low: n, high: n };
                if let EventTrigger::DiskOp(DiskOpTrigger { since, .. })
                | EventTrigger::Byte(ByteTrigger { since, .. }) = event
                {
                    once(since, &format!("{entity}/since"));
                }
            }
        }
        drawn
    }
}

impl EventTrigger {
    /// Which record, operation or byte.
    pub fn number(&self) -> NumberRange {
        match self {
            Self::Step(n) => *n,
            Self::DiskOp(operation) => operation.nth,
            Self::Byte(byte) => byte.nth,
        }
    }

    fn number_mut(&mut self) -> &mut NumberRange {
        match self {
            Self::Step(n) => n,
            Self::DiskOp(operation) => &mut operation.nth,
            Self::Byte(byte) => &mut byte.nth,
        }
    }
}

impl From<Duration> for Trigger {
    fn from(time: Duration) -> Self {
        Self::Time(SpanRange { low: time, high: time })
    }
}

impl fmt::Display for Trigger {
    /// `1s..2s`, `step 120`, `disk operation 40 of server since 3s`, `byte 4096 of alice -- server`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) => return time.fmt(f),
            Self::Event(EventTrigger::Step(n)) => write!(f, "step {n}")?,
            Self::Event(EventTrigger::DiskOp(DiskOpTrigger { of, nth, .. })) => {
                write!(f, "disk operation {nth} of {of}")?;
            }
            Self::Event(EventTrigger::Byte(ByteTrigger { path, nth, .. })) => {
                write!(f, "byte {nth} of {path}")?
            }
        }
        if self.armed_by().is_zero() { Ok(()) } else { write!(f, " since {}", self.waits()) }
    }
}

impl Serialize for Trigger {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Time(time) => time.serialize(serializer),
            Self::Event(event) => event.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Trigger {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TimeOrEvent;

        impl<'de> Visitor<'de> for TimeOrEvent {
            type Value = Trigger;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(TRIGGER_FORMS)
            }

            fn visit_str<E: de::Error>(self, time: &str) -> Result<Trigger, E> {
                time.parse().map(Trigger::Time).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, mapping: A) -> Result<Trigger, A::Error> {
                EventTrigger::deserialize(MapAccessDeserializer::new(mapping)).map(Trigger::Event)
            }
        }

        deserializer.deserialize_any(TimeOrEvent)
    }
}

/// What can stand at a fault's `at`.
pub(super) const TRIGGER_FORMS: &str =
    "a time, or what it waits for: `{ step: … }`, `{ disk_op: … }` or `{ byte: … }`";
