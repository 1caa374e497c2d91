//! What can break, in scenarios and in the plans drawn from them.
//!
//! Only what physically exists. Names follow Chaos Mesh and toxiproxy; `scenarios/README.md` says what each end sees.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::draw::{Stream, draw_duration, draw_within};
use crate::units::{NumberRange, Rate, SpanRange};

use super::paths::{Connections, Pair, Path, Which};
use super::terms::{Name, SERVER};

/// A fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultAct {
    /// Everything takes longer.
    Delay(Delay),
    /// Transmissions are lost, and so made again: on TCP never a hole, always a delay.
    Loss(Loss),
    /// Only so many bytes a second pass.
    Slow(Slow),
    /// Nothing passes, nothing is lost: all arrives in order at the first retransmission after the heal.
    Stall(Path),
    /// Both ways silent; who connects tries again at 1 s, doubling.
    Partition(Pair),
    /// The path of every connection between the two, or of one, is gone for good, and no one is told. New ones work.
    HalfOpen(Connections),
    /// Every connection between the two, or one, gets an RST, at both ends.
    Reset(Connections),
    /// A connection gets an RST, at both ends, behind exactly so many bytes.
    Cut(Cut),
    /// The process is gone; its kernel says FIN (RST if it holds unread bytes) and refuses until it is started again at
    /// the end.
    Kill(Name),
    /// The process is asked to stop; started again at the end.
    Shutdown(Name),
    /// The process is asked to stop, and another takes its place as soon as it has.
    RollingRestart(Name),
    /// The client's memory is lost, its disk is not: as when a page is loaded again.
    Reload(Name),
    /// The process is frozen: it does nothing, while its kernel accepts connections and fills buffers. At the end it goes on,
    /// with all its timers overdue.
    Pause(Name),
    /// The machine loses power: silence, and what its disk had not synced is lost as far as the dice say. It is back at
    /// the end, and answers with RST what belongs to connections of before.
    PowerOff(Name),
    /// There is no space left on the machine's disk (`ENOSPC`).
    DiskFull(Name),
    /// Nothing can be read from the machine's disk, or written to it (`EIO`).
    DiskError(Name),
    /// Each fsync of the machine's disk takes longer.
    DiskSlow(DiskSlow),
    /// The machine's clocks run too fast or too slow, and with them every timer.
    ClockSkew(ClockSkew),
    /// The machine's date leaps, and leaps to where it would be at the end. Timers do not follow it.
    ClockJump(ClockJump),
}

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// [`FaultAct::Delay`].
    Delay,
    /// [`FaultAct::Loss`].
    Loss,
    /// [`FaultAct::Slow`].
    Slow,
    /// [`FaultAct::Stall`].
    Stall,
    /// [`FaultAct::Partition`].
    Partition,
    /// [`FaultAct::HalfOpen`].
    HalfOpen,
    /// [`FaultAct::Reset`].
    Reset,
    /// [`FaultAct::Cut`].
    Cut,
    /// [`FaultAct::Kill`].
    Kill,
    /// [`FaultAct::Shutdown`].
    Shutdown,
    /// [`FaultAct::RollingRestart`].
    RollingRestart,
    /// [`FaultAct::Reload`].
    Reload,
    /// [`FaultAct::Pause`].
    Pause,
    /// [`FaultAct::PowerOff`].
    PowerOff,
    /// [`FaultAct::DiskFull`].
    DiskFull,
    /// [`FaultAct::DiskError`].
    DiskError,
    /// [`FaultAct::DiskSlow`].
    DiskSlow,
    /// [`FaultAct::ClockSkew`].
    ClockSkew,
    /// [`FaultAct::ClockJump`].
    ClockJump,
}

/// Whether a kind of fault has a length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasting {
    /// It has.
    Always,
    /// It has one if the scenario says so; else it takes no time.
    IfSaid,
    /// It takes no time, or ends by what it does.
    Never,
}

impl FaultKind {
    /// All of them, in order.
    pub const ALL: [Self; 19] = [
        Self::Delay,
        Self::Loss,
        Self::Slow,
        Self::Stall,
        Self::Partition,
        Self::HalfOpen,
        Self::Reset,
        Self::Cut,
        Self::Kill,
        Self::Shutdown,
        Self::RollingRestart,
        Self::Reload,
        Self::Pause,
        Self::PowerOff,
        Self::DiskFull,
        Self::DiskError,
        Self::DiskSlow,
        Self::ClockSkew,
        Self::ClockJump,
    ];

    /// The kind that a scenario names.
    pub fn of_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == key)
    }

    /// As scenarios name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delay => "delay",
            Self::Loss => "loss",
            Self::Slow => "slow",
            Self::Stall => "stall",
            Self::Partition => "partition",
            Self::HalfOpen => "half_open",
            Self::Reset => "reset",
            Self::Cut => "cut",
            Self::Kill => "kill",
            Self::Shutdown => "shutdown",
            Self::RollingRestart => "rolling_restart",
            Self::Reload => "reload",
            Self::Pause => "pause",
            Self::PowerOff => "power_off",
            Self::DiskFull => "disk_full",
            Self::DiskError => "disk_error",
            Self::DiskSlow => "disk_slow",
            Self::ClockSkew => "clock_skew",
            Self::ClockJump => "clock_jump",
        }
    }

    /// Whether it has a length.
    pub fn lasting(self) -> Lasting {
        match self {
            Self::Delay
            | Self::Loss
            | Self::Slow
            | Self::Stall
            | Self::Partition
            | Self::Kill
            | Self::Shutdown
            | Self::Pause
            | Self::PowerOff
            | Self::DiskFull
            | Self::DiskError
            | Self::DiskSlow
            | Self::ClockSkew => Lasting::Always,
            Self::Reload | Self::ClockJump => Lasting::IfSaid,
            Self::HalfOpen | Self::Reset | Self::Cut | Self::RollingRestart => Lasting::Never,
        }
    }
}

impl FaultAct {
    /// Which kind it is.
    pub fn kind(&self) -> FaultKind {
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

    /// The process that it stops, for all to miss. A client that is off is a client that is away.
    pub fn stops(&self) -> Option<&Name> {
        match self {
            Self::Kill(name) | Self::Shutdown(name) | Self::RollingRestart(name) => Some(name),
            Self::PowerOff(name) => (**name == *SERVER).then_some(name),
            Self::Delay(_)
            | Self::Loss(_)
            | Self::Slow(_)
            | Self::Stall(_)
            | Self::Partition(_)
            | Self::HalfOpen(_)
            | Self::Reset(_)
            | Self::Cut(_)
            | Self::Reload(_)
            | Self::Pause(_)
            | Self::DiskFull(_)
            | Self::DiskError(_)
            | Self::DiskSlow(_)
            | Self::ClockSkew(_)
            | Self::ClockJump(_) => None,
        }
    }

    /// The processes that it is about.
    pub fn victims(&self) -> &[Name] {
        match self {
            Self::Kill(name)
            | Self::Shutdown(name)
            | Self::RollingRestart(name)
            | Self::Reload(name)
            | Self::Pause(name)
            | Self::PowerOff(name)
            | Self::DiskFull(name)
            | Self::DiskError(name)
            | Self::DiskSlow(DiskSlow { of: name, .. })
            | Self::ClockSkew(ClockSkew { of: name, .. })
            | Self::ClockJump(ClockJump { of: name, .. }) => std::slice::from_ref(name),
            Self::Delay(_)
            | Self::Loss(_)
            | Self::Slow(_)
            | Self::Stall(_)
            | Self::Partition(_)
            | Self::HalfOpen(_)
            | Self::Reset(_)
            | Self::Cut(_) => self.link().map_or(&[], <[Name; 2]>::as_slice),
        }
    }

    /// The two ends of the link that it breaks.
    pub fn link(&self) -> Option<&[Name; 2]> {
        match self {
            Self::Delay(Delay { path, .. })
            | Self::Loss(Loss { path, .. })
            | Self::Slow(Slow { path, .. })
            | Self::Cut(Cut { path, .. })
            | Self::Stall(path) => Some(path.ends()),
            Self::Partition(pair) => Some(&pair.between),
            Self::HalfOpen(connections) | Self::Reset(connections) => Some(&connections.between),
            Self::Kill(_)
            | Self::Shutdown(_)
            | Self::RollingRestart(_)
            | Self::Reload(_)
            | Self::Pause(_)
            | Self::PowerOff(_)
            | Self::DiskFull(_)
            | Self::DiskError(_)
            | Self::DiskSlow(_)
            | Self::ClockSkew(_)
            | Self::ClockJump(_) => None,
        }
    }

    /// The one connection that it is about, where it is about one.
    pub fn connection(&self) -> Option<Which> {
        match self {
            Self::Delay(Delay { path, .. })
            | Self::Loss(Loss { path, .. })
            | Self::Slow(Slow { path, .. })
            | Self::Cut(Cut { path, .. })
            | Self::Stall(path) => path.connection,
            Self::HalfOpen(connections) | Self::Reset(connections) => connections.connection,
            Self::Partition(_)
            | Self::Kill(_)
            | Self::Shutdown(_)
            | Self::RollingRestart(_)
            | Self::Reload(_)
            | Self::Pause(_)
            | Self::PowerOff(_)
            | Self::DiskFull(_)
            | Self::DiskError(_)
            | Self::DiskSlow(_)
            | Self::ClockSkew(_)
            | Self::ClockJump(_) => None,
        }
    }

    /// The same with what a plan fixes before the run drawn: after how many bytes a cut comes, how wrong a clock is.
    pub fn drawn(&self, seed: u64, entity: &str) -> Self {
        let mut drawn = self.clone();
        if let Self::ClockSkew(ClockSkew { percent, .. }) = &mut drawn {
            let (low, high) = (percent.low, percent.high);
            let number = draw_within(low..=high, seed, Stream::Fault, &format!("{entity}/percent"), 0);
            *percent = NumberRange { low: number, high: number };
        }
        if let Self::ClockJump(ClockJump { by, .. }) = &mut drawn {
            let far = draw_duration(by.inclusive(), seed, Stream::Fault, &format!("{entity}/by"), 0);
            *by = SpanRange { low: far, high: far };
        }
        if let Self::Cut(Cut { after, .. }) = &mut drawn {
            let (low, high) = (after.low, after.high);
            let number = draw_within(low..=high, seed, Stream::Fault, &format!("{entity}/after"), 0);
            *after = NumberRange { low: number, high: number };
        }
        drawn
    }
}

impl fmt::Display for FaultAct {
    /// `stall alice -> server`, `loss bob -- server 20 %`, `kill server`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind().as_str())?;
        match self {
            Self::Delay(Delay { path, by }) => write!(f, " {path} by {by}"),
            Self::Loss(Loss { path, percent }) => write!(f, " {path} {percent} %"),
            Self::Slow(Slow { path, rate }) => write!(f, " {path} to {rate}"),
            Self::Stall(path) => write!(f, " {path}"),
            Self::Partition(Pair { between: [a, b] }) => write!(f, " {a} -- {b}"),
            Self::HalfOpen(connections) | Self::Reset(connections) => write!(f, " {connections}"),
            Self::Cut(Cut { path, after }) => write!(f, " {path} after {after} bytes"),
            Self::Kill(name)
            | Self::Shutdown(name)
            | Self::RollingRestart(name)
            | Self::Reload(name)
            | Self::Pause(name)
            | Self::PowerOff(name)
            | Self::DiskFull(name)
            | Self::DiskError(name) => write!(f, " {name}"),
            Self::DiskSlow(DiskSlow { of, by }) => write!(f, " {of} by {by}"),
            Self::ClockSkew(ClockSkew { of, percent }) => write!(f, " {of} to {percent} %"),
            Self::ClockJump(ClockJump { of, by, back }) => {
                let way = if *back { "back" } else { "ahead" };
                write!(f, " {of} {way} by {by}")
            }
        }
    }
}

/// How much longer everything takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delay {
    /// Where.
    #[serde(flatten)]
    pub path: Path,
    /// On top of the latency; drawn for each chunk. Order stays.
    pub by: SpanRange,
}

/// How many transmissions are lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loss {
    /// Where.
    #[serde(flatten)]
    pub path: Path,
    /// Of a hundred, 1 to 99; drawn for each transmission.
    pub percent: u8,
}

/// How fast bytes pass at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slow {
    /// Where; each way has its own cap, which all connections share.
    #[serde(flatten)]
    pub path: Path,
    /// The cap.
    pub rate: Rate,
}

/// When a connection is cut: the first one on which so many bytes pass from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// Which bytes count: those of one way, or those of both together.
    #[serde(flatten)]
    pub path: Path,
    /// How many bytes still pass. A plan has one number.
    pub after: NumberRange,
}

/// How much longer each fsync takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskSlow {
    /// Whose disk.
    pub of: Name,
    /// On top of what the server's `fsync` says; drawn for each.
    pub by: SpanRange,
}

/// How wrong the clocks of a machine run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockSkew {
    /// Whose.
    pub of: Name,
    /// At how many percent of true time, 98 to 102. A plan has one number.
    pub percent: NumberRange,
}

/// How far the date of a machine leaps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockJump {
    /// Whose.
    pub of: Name,
    /// How far. A plan has one length.
    pub by: SpanRange,
    /// Whether back, and not ahead.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub back: bool,
}
