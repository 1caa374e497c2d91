//! What breaks in a swarm: which kinds at all, how often, for how long, and how long it is well in between.

use std::time::Duration;

use crate::scenario::{Intensity, Swarm};
use crate::units::{NumberRange, Rate, Span, SpanRange};

use super::super::{
    ByteTrigger, ClockJump, ClockSkew, Connections, Cut, Delay, DiskOpTrigger, DiskSlow, EventTrigger, Fault,
    FaultAct, FaultKind, Lasting, Loss, Name, Pair, Path, Plan, SERVER, Slow, Trigger, Which,
};
use super::dice::Dice;
use super::work::noticing;

/// The most faults of one kind.
const OF_A_KIND_MAX: u32 = 8;

/// How often, in percent, something does not begin at a time: at any record; as a disk works; as bytes pass.
const STEPPING_PERCENT: u64 = 8;
const WORKING_PERCENT: u64 = 50;
const PASSING_PERCENT: u64 = 30;

/// How often a kind of fault is on, in percent, and how many of it there is time for.
fn measure(intensity: Intensity) -> (u64, u32) {
    match intensity {
        Intensity::Light => (15, 2),
        Intensity::Moderate => (30, 4),
        Intensity::Heavy => (60, 8),
    }
}

/// What breaks, by time.
pub(super) fn faults(plan: &Plan, swarm: &Swarm, story: Duration, dice: Dice) -> Vec<Fault> {
    let (percent, often) = measure(swarm.intensity);
    let names: Vec<Name> = plan.clients.keys().cloned().collect();
    let weather = Weather { plan, names: &names, story, dice };
    let mut faults: Vec<Fault> = Vec::new();
    for kind in &swarm.kinds {
        let key = format!("{}/on", kind.as_str());
        // One that is alone is the story.
        if swarm.kinds.len() == 1 || dice.happens(&key, percent) {
            faults.extend(weather.of_kind(*kind, often));
        }
    }
    faults.sort_by_key(|fault| fault.at.soonest());
    // What is stopped cannot be stopped again before it runs; what waits for something comes when it will.
    let mut up_from = Duration::ZERO;
    faults.retain(|fault| {
        if fault.what.stops().is_none() || fault.at.time().is_none() {
            return true;
        }
        let stands = fault.at.soonest() > up_from;
        if stands {
            up_from = fault.soonest_end();
        }
        stands
    });
    faults
}

struct Weather<'a> {
    plan: &'a Plan,
    names: &'a [Name],
    story: Duration,
    dice: Dice,
}

impl Weather<'_> {
    /// One after the other, with some time in between in which there is none of it.
    fn of_kind(&self, kind: FaultKind, often: u32) -> Vec<Fault> {
        let of = |what: &str| format!("{}/{what}", kind.as_str());
        let gap = self.dice.around(&of("gap"), self.story / often, 2);
        let stable = self.dice.around(&of("stable"), Duration::from_secs(4), 6);
        let mut faults = Vec::new();
        let mut at = Duration::ZERO;
        for n in 0..OF_A_KIND_MAX {
            let key = of(&n.to_string());
            at += self.dice.duration(&format!("{key}/gap"), Duration::ZERO..=gap);
            if at > self.story {
                break;
            }
            let lasts = self.lasts(kind, &key);
            let what = self.what(kind, &key);
            faults.push(Fault { at: self.trigger(&what, &key, at), lasts: lasts.map(Span), what });
            at += lasts.unwrap_or_default() + stable;
        }
        faults
    }

    /// At that time, or in the midst of something from then on: a kill or a loss of power as a disk works, what befalls a link
    /// as bytes pass. Seldom at any record of the history.
    fn trigger(&self, what: &FaultAct, key: &str, at: Duration) -> Trigger {
        let happens = |what: &str, percent| self.dice.happens(&format!("{key}/{what}"), percent);
        let since = SpanRange { low: at, high: at };
        if happens("stepping", STEPPING_PERCENT) {
            return Trigger::Event(EventTrigger::Step(
                self.up_to(&format!("{key}/steps"), &[100, 500, 2_000]),
            ));
        }
        if let FaultAct::Kill(of) | FaultAct::PowerOff(of) = what
            && happens("working", WORKING_PERCENT)
        {
            // A commit takes about ten operations.
            let nth = self.up_to(&format!("{key}/operations"), &[5, 40, 200]);
            return Trigger::Event(EventTrigger::DiskOp(DiskOpTrigger { of: of.clone(), nth, since }));
        }
        if let Some([one, other]) = what.link()
            && happens("passing", PASSING_PERCENT)
        {
            let path = self.ways(&format!("{key}/passing"), [one.clone(), other.clone()]);
            let nth = self.bytes(&format!("{key}/passing"));
            return Trigger::Event(EventTrigger::Byte(ByteTrigger { path, nth, since }));
        }
        at.into()
    }

    /// Around what the heartbeat notices, or around what recovery forgives.
    fn lasts(&self, kind: FaultKind, key: &str) -> Option<Duration> {
        let lasts = match kind.lasting() {
            Lasting::Always => true,
            Lasting::IfSaid => self.dice.happens(&format!("{key}/whether"), 50),
            Lasting::Never => false,
        };
        let window = self.plan.server.recovery.map_or_else(|| noticing(self.plan), |window| window.0);
        let pivot = *self.dice.pick(&format!("{key}/pivot"), &[noticing(self.plan), window]);
        lasts.then(|| self.dice.around(&format!("{key}/lasts"), pivot, 7).max(SHORTEST))
    }

    fn what(&self, kind: FaultKind, key: &str) -> FaultAct {
        let client = || self.dice.pick(&format!("{key}/client"), self.names).clone();
        let server = || Name::from(SERVER);
        let pair = || Pair { between: [client(), server()] };
        let connections = || Connections { between: [client(), server()], connection: self.connection(key) };
        let path = || self.path(key, [client(), server()]);
        // Disks and power fail most where it hurts most.
        let machine = || if self.dice.happens(&format!("{key}/server"), 60) { server() } else { client() };
        match kind {
            FaultKind::Stall => FaultAct::Stall(path()),
            FaultKind::Partition => FaultAct::Partition(pair()),
            FaultKind::Reset => FaultAct::Reset(connections()),
            FaultKind::HalfOpen => FaultAct::HalfOpen(connections()),
            FaultKind::Delay => FaultAct::Delay(Delay { path: path(), by: self.delay(key) }),
            FaultKind::Loss => FaultAct::Loss(Loss { path: path(), percent: self.percent(key) }),
            FaultKind::Slow => FaultAct::Slow(Slow { path: path(), rate: self.rate(key) }),
            FaultKind::Cut => FaultAct::Cut(Cut { path: path(), after: self.bytes(key) }),
            FaultKind::Kill => FaultAct::Kill(server()),
            FaultKind::Shutdown => FaultAct::Shutdown(server()),
            FaultKind::RollingRestart => FaultAct::RollingRestart(server()),
            FaultKind::Reload => FaultAct::Reload(client()),
            FaultKind::Pause => FaultAct::Pause(machine()),
            FaultKind::PowerOff => FaultAct::PowerOff(machine()),
            FaultKind::DiskFull => FaultAct::DiskFull(machine()),
            FaultKind::DiskError => FaultAct::DiskError(machine()),
            FaultKind::DiskSlow => FaultAct::DiskSlow(DiskSlow { of: machine(), by: self.delay(key) }),
            FaultKind::ClockSkew => FaultAct::ClockSkew(self.skew(key, machine())),
            FaultKind::ClockJump => FaultAct::ClockJump(self.jump(key, machine())),
        }
    }

    /// Either way or both, of all connections or of one.
    fn path(&self, key: &str, ends: [Name; 2]) -> Path {
        Path { connection: self.connection(key), ..self.ways(key, ends) }
    }

    /// Either way, or both.
    fn ways(&self, key: &str, [client, server]: [Name; 2]) -> Path {
        match self.dice.within(&format!("{key}/path"), 0..=2) {
            0 => Path::between([client, server]),
            1 => Path::one_way([client, server]),
            _ => Path::one_way([server, client]),
        }
    }

    /// All of them, mostly; or the last one, or an early one.
    fn connection(&self, key: &str) -> Option<Which> {
        match self.dice.within(&format!("{key}/connection"), 1..=100) {
            1..=20 => Some(Which::Current),
            21..=30 => {
                let nth = self.dice.within(&format!("{key}/connection/nth"), 1..=8);
                Some(Which::Nth(u32::try_from(nth).unwrap_or(1)))
            }
            _ => None,
        }
    }

    /// From a longer way round to one on which a heartbeat dies.
    fn delay(&self, key: &str) -> SpanRange {
        let longest = *self.dice.pick(&format!("{key}/by"), &[200, 1_000, 8_000]);
        SpanRange { low: Duration::from_millis(longest / 10), high: Duration::from_millis(longest) }
    }

    fn percent(&self, key: &str) -> u8 {
        *self.dice.pick(&format!("{key}/percent"), &[5, 20, 50])
    }

    fn rate(&self, key: &str) -> Rate {
        Rate(*self.dice.pick(&format!("{key}/rate"), &[300, 2_000, 20_000]))
    }

    /// Within the handshake, a message, or a burst.
    fn bytes(&self, key: &str) -> NumberRange {
        self.up_to(&format!("{key}/after"), &[100, 1_000, 10_000])
    }

    /// Up to one of these.
    fn up_to(&self, key: &str, orders: &[u64]) -> NumberRange {
        let most = *self.dice.pick(&format!("{key}/order"), orders);
        exactly(self.dice.within(key, 1..=most))
    }

    /// As wrong as clocks get, or half of it.
    fn skew(&self, key: &str, of: Name) -> ClockSkew {
        ClockSkew { of, percent: exactly(*self.dice.pick(&format!("{key}/pace"), &[98, 99, 101, 102])) }
    }

    /// By a second, an hour or a day.
    fn jump(&self, key: &str, of: Name) -> ClockJump {
        let by = Duration::from_secs(*self.dice.pick(&format!("{key}/leap"), &[1, 3_600, 86_400]));
        ClockJump {
            of,
            by: SpanRange { low: by, high: by },
            back: self.dice.happens(&format!("{key}/back"), 50),
        }
    }
}

/// The shortest fault: below a round trip, above the tick.
const SHORTEST: Duration = Duration::from_millis(20);

fn exactly(number: u64) -> NumberRange {
    NumberRange { low: number, high: number }
}
