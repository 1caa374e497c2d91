//! What a scenario file says of what breaks, and when.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::super::faults::FaultKind;
use super::super::trigger::TRIGGER_FORMS;
use super::super::yaml::Spanned;
use super::TimeText;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct FaultText {
    pub(in crate::scenario) at: Spanned<TriggerText>,
    #[serde(default)]
    pub(in crate::scenario) lasts: Option<TimeText>,
    pub(in crate::scenario) what: Spanned<FaultActText>,
}

/// When it begins: a time, or what it waits for.
pub(in crate::scenario) enum TriggerText {
    Time(String),
    Event(EventTriggerText),
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::scenario) enum EventTriggerText {
    Step(Spanned<String>),
    DiskOp(Box<DiskOpText>),
    Byte(Spanned<Box<ByteText>>),
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct DiskOpText {
    pub(in crate::scenario) of: Spanned<String>,
    pub(in crate::scenario) nth: Spanned<String>,
    #[serde(default)]
    pub(in crate::scenario) since: Option<TimeText>,
}

impl<'de> Deserialize<'de> for TriggerText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TimeOrEvent;

        impl<'de> Visitor<'de> for TimeOrEvent {
            type Value = TriggerText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(TRIGGER_FORMS)
            }

            fn visit_str<E>(self, time: &str) -> Result<TriggerText, E> {
                Ok(TriggerText::Time(time.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mapping: A) -> Result<TriggerText, A::Error> {
                EventTriggerText::deserialize(MapAccessDeserializer::new(mapping)).map(TriggerText::Event)
            }
        }

        deserializer.deserialize_any(TimeOrEvent)
    }
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::scenario) enum FaultActText {
    Delay(Box<DelayText>),
    Loss(Box<LossText>),
    Slow(Box<SlowText>),
    Stall(Box<StallText>),
    Partition(PairText),
    HalfOpen(Box<ConnectionsText>),
    Reset(Box<ConnectionsText>),
    Cut(Box<CutText>),
    Kill(Spanned<String>),
    Shutdown(Spanned<String>),
    RollingRestart(Spanned<String>),
    Reload(Spanned<String>),
    Pause(Spanned<String>),
    PowerOff(Spanned<String>),
    DiskFull(Spanned<String>),
    DiskError(Spanned<String>),
    DiskSlow(Box<DiskSlowText>),
    ClockSkew(Box<ClockSkewText>),
    ClockJump(Box<ClockJumpText>),
}

impl FaultActText {
    pub(in crate::scenario) fn kind(&self) -> FaultKind {
        match self {
            Self::Delay(_) => FaultKind::Delay,
            Self::Loss(_) => FaultKind::Loss,
            Self::Slow(_) => FaultKind::Slow,
            Self::Stall(_) => FaultKind::Stall,
            Self::Partition(_) => FaultKind::Partition,
            Self::HalfOpen(_) => FaultKind::HalfOpen,
            Self::Reset(_) => FaultKind::Reset,
            Self::Cut(_) => FaultKind::Cut,
            Self::Kill(_) => FaultKind::Kill,
            Self::Shutdown(_) => FaultKind::Shutdown,
            Self::RollingRestart(_) => FaultKind::RollingRestart,
            Self::Reload(_) => FaultKind::Reload,
            Self::Pause(_) => FaultKind::Pause,
            Self::PowerOff(_) => FaultKind::PowerOff,
            Self::DiskFull(_) => FaultKind::DiskFull,
            Self::DiskError(_) => FaultKind::DiskError,
            Self::DiskSlow(_) => FaultKind::DiskSlow,
            Self::ClockSkew(_) => FaultKind::ClockSkew,
            Self::ClockJump(_) => FaultKind::ClockJump,
        }
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct PairText {
    pub(in crate::scenario) between: EndsText,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct ConnectionsText {
    pub(in crate::scenario) between: EndsText,
    #[serde(default)]
    pub(in crate::scenario) connection: Option<WhichText>,
}

/// Which connection: `current`, or `{ nth: 2 }`.
#[derive(serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::scenario) enum WhichText {
    Current,
    Nth(Spanned<u32>),
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct DiskSlowText {
    pub(in crate::scenario) of: Spanned<String>,
    pub(in crate::scenario) by: TimeText,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct ClockSkewText {
    pub(in crate::scenario) of: Spanned<String>,
    pub(in crate::scenario) percent: Spanned<String>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct ClockJumpText {
    pub(in crate::scenario) of: Spanned<String>,
    pub(in crate::scenario) by: TimeText,
    #[serde(default)]
    pub(in crate::scenario) back: bool,
}

/// The two ends of a link.
pub(in crate::scenario) type EndsText = [Spanned<String>; 2];

/// What is written of a way: `between`, `from`, `to`, `connection`.
pub(in crate::scenario) struct WayText<'a> {
    pub(in crate::scenario) between: Option<&'a EndsText>,
    pub(in crate::scenario) from: Option<&'a Spanned<String>>,
    pub(in crate::scenario) to: Option<&'a Spanned<String>>,
    pub(in crate::scenario) connection: Option<&'a WhichText>,
}

/// What is said of one way of a link or of both, with what else that is. The keys stand in each, because a flattened struct
/// loses the places of its values.
macro_rules! on_a_way {
    ($name:ident { $($(#[$attribute:meta])* $key:ident: $type:ty),* }) => {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(in crate::scenario) struct $name {
            #[serde(default)]
            between: Option<EndsText>,
            #[serde(default)]
            from: Option<Spanned<String>>,
            #[serde(default)]
            to: Option<Spanned<String>>,
            #[serde(default)]
            connection: Option<WhichText>,
            $($(#[$attribute])* pub(in crate::scenario) $key: $type,)*
        }

        impl $name {
            pub(in crate::scenario) fn way(&self) -> WayText<'_> {
                WayText {
                    between: self.between.as_ref(),
                    from: self.from.as_ref(),
                    to: self.to.as_ref(),
                    connection: self.connection.as_ref(),
                }
            }
        }
    };
}

on_a_way!(StallText {});
on_a_way!(DelayText { by: TimeText });
on_a_way!(LossText { percent: Spanned<u32> });
on_a_way!(SlowText { rate: Spanned<String> });
on_a_way!(CutText { after: Spanned<String> });
on_a_way!(ByteText { nth: Spanned<String>, #[serde(default)] since: Option<TimeText> });
