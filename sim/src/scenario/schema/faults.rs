//! What a scenario file says of what breaks.

use super::super::faults::FaultKind;
use super::super::yaml::Spanned;
use super::TimeText;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct FaultText {
    pub(in crate::scenario) at: TimeText,
    #[serde(default)]
    pub(in crate::scenario) lasts: Option<TimeText>,
    pub(in crate::scenario) what: Spanned<FaultActText>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::scenario) enum FaultActText {
    Delay(Box<DelayText>),
    Loss(Box<LossText>),
    Slow(Box<SlowText>),
    Stall(Box<StallText>),
    Partition(PairText),
    HalfOpen(PairText),
    Reset(PairText),
    Cut(Box<CutText>),
    Kill(Spanned<String>),
    Shutdown(Spanned<String>),
    RollingRestart(Spanned<String>),
    Reload(Spanned<String>),
    Pause(Spanned<String>),
    PowerOff(Spanned<String>),
    Crash(Box<CrashText>),
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
            Self::Crash(_) => FaultKind::Crash,
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
pub(in crate::scenario) struct CrashText {
    pub(in crate::scenario) of: Spanned<String>,
    pub(in crate::scenario) after: Spanned<String>,
    #[serde(default)]
    pub(in crate::scenario) power_off: bool,
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

/// What is written of a way: `between`, `from`, `to`.
pub(in crate::scenario) type WayText<'a> =
    (&'a Option<EndsText>, &'a Option<Spanned<String>>, &'a Option<Spanned<String>>);

/// A fault of one way of a link or of both, with what else it says. The keys stand in each, because a flattened struct
/// loses the places of its values.
macro_rules! on_a_way {
    ($name:ident { $($key:ident: $type:ty),* }) => {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(in crate::scenario) struct $name {
            #[serde(default)]
            between: Option<EndsText>,
            #[serde(default)]
            from: Option<Spanned<String>>,
            #[serde(default)]
            to: Option<Spanned<String>>,
            $(pub(in crate::scenario) $key: $type,)*
        }

        impl $name {
            pub(in crate::scenario) fn way(&self) -> WayText<'_> {
                (&self.between, &self.from, &self.to)
            }
        }
    };
}

on_a_way!(StallText {});
on_a_way!(DelayText { by: TimeText });
on_a_way!(LossText { percent: Spanned<u32> });
on_a_way!(SlowText { rate: Spanned<String> });
on_a_way!(CutText { after: Spanned<String> });
