//! A plan out of nothing but a seed: a small swarm of clients, some work, some faults.
//!
//! Explores what no scenario says. Each plan uses only some kinds of faults and one of a few heartbeats, because bugs hide
//! from averages. Every draw has its key here too: dropping an op or a fault of the plan moves nothing else.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use squall::chat::wire::DEFAULT_ROOM;

use crate::draw::{Stream, draw_duration, draw_within};
use crate::units::{NumberRange, Rate, Span, SpanRange};

use super::drawing::content;
use super::{
    Act, AppKind, Backend, ClientPlan, Crash, Cut, Delay, DiskSlow, Fault, FaultAct, Guarantee, Join,
    Lasting, Loss, Name, NetworkPlan, Op, Pair, Path, Plan, SERVER, Say, ServerPlan, Slow, VERSION,
    settle_bound,
};

const NAMES: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];

/// The room that not everyone is in.
const LOBBY: &str = "lobby";

/// Interval and timeout, in seconds: brisk ones find dead connections often, the defaults find what long outages do.
const HEARTBEATS: [(u64, u64); 3] = [(5, 4), (10, 8), (25, 20)];

/// Work and faults begin within this time, so that they meet.
const STORY: Duration = Duration::from_secs(20);

/// A valid plan: 2 to 5 clients, 1 to 15 messages in two rooms, 0 to 4 faults of any kind; nothing is excused.
pub fn random(seed: u64) -> Plan {
    let dice = Dice { seed };
    let names: Vec<Name> =
        NAMES[..dice.index(Stream::Work, "clients", 2..=5)].iter().map(|name| Arc::from(*name)).collect();
    let (interval, timeout) = HEARTBEATS[dice.index(Stream::Work, "heartbeat", 0..=2)];
    let fsync_ms = [1, 20, 200][dice.index(Stream::Work, "fsync", 0..=2)];
    let latency_ms = [20, 80, 300][dice.index(Stream::Work, "latency", 0..=2)];
    let recovers = dice.index(Stream::Work, "recovery", 0..=1) == 1;
    let mut plan = Plan {
        version: VERSION,
        scenario: "random".to_owned(),
        seed,
        backend: Backend::Turmoil,
        app: AppKind::Chat,
        guarantee: Guarantee::ExactlyOnce,
        server: ServerPlan {
            ping_interval: Span(Duration::from_secs(interval)),
            ping_timeout: Span(Duration::from_secs(timeout)),
            fsync: millis(1, fsync_ms),
            recovery: recovers.then_some(Span(Duration::from_secs(30))),
            store_sessions: recovers && dice.index(Stream::Work, "store sessions", 0..=1) == 1,
        },
        clients: names.iter().map(|name| (name.clone(), dice.client(name))).collect(),
        network: NetworkPlan { latency: millis(10, latency_ms) },
        ops: dice.ops(&names),
        faults: dice.faults(&names),
        settle: Span::default(),
    };
    plan.settle = settle_bound(&plan);
    plan
}

fn millis(low: u64, high: u64) -> SpanRange {
    SpanRange { low: Duration::from_millis(low), high: Duration::from_millis(high) }
}

/// What a client has to do with the second room.
#[derive(Debug, Clone, Copy)]
enum Lobby {
    Never,
    FromTheStart,
    /// It is there from the start.
    Leaves,
    Joins,
    /// It wants to be shown what was said before.
    JoinsSince,
}

struct Dice {
    seed: u64,
}

impl Dice {
    fn index(&self, stream: Stream, entity: &str, range: RangeInclusive<u64>) -> usize {
        let drawn = draw_within(range, self.seed, stream, entity, 0);
        usize::try_from(drawn).expect("the ranges here are small")
    }

    fn duration(&self, stream: Stream, entity: &str, range: RangeInclusive<Duration>) -> Duration {
        draw_duration(range, self.seed, stream, entity, 0)
    }

    fn client(&self, name: &str) -> ClientPlan {
        let seconds = [3, 10][self.index(Stream::Work, &format!("{name}/ack_timeout"), 0..=1)];
        let mut rooms: Vec<Name> = vec![DEFAULT_ROOM.into()];
        if matches!(self.lobby(name), Lobby::FromTheStart | Lobby::Leaves) {
            rooms.push(LOBBY.into());
        }
        ClientPlan { ack_timeout: Span(Duration::from_secs(seconds)), rooms, ..ClientPlan::default() }
    }

    fn ops(&self, names: &[Name]) -> Vec<Op> {
        let mut ops: Vec<Op> = names.iter().flat_map(|name| self.presence(name)).collect();
        ops.extend(names.iter().filter_map(|name| self.membership(name)));
        let says = self.index(Stream::Work, "says", 1..=15);
        let mut said: BTreeMap<&Name, u32> = BTreeMap::new();
        for (at, n, who) in self.says(names, says) {
            let number = said.entry(who).or_default();
            *number += 1;
            let bytes = [0, 0, 0, 2_000][self.index(Stream::Work, &format!("say/{n}/bytes"), 0..=3)];
            let room =
                [DEFAULT_ROOM, LOBBY][self.index(Stream::Work, &format!("say/{n}/room"), 0..=1)].into();
            let content = content(who, *number, Some(bytes));
            ops.push(Op { at: Span(at), who: who.clone(), act: Act::Say(Say { room, content }) });
        }
        ops.sort_by_key(|op| op.at);
        ops
    }

    /// When each message is said and by whom, by time.
    fn says<'a>(&self, names: &'a [Name], count: usize) -> Vec<(Duration, usize, &'a Name)> {
        let last = names.len() as u64 - 1;
        let mut says: Vec<_> = (0..count)
            .map(|n| {
                let at = self.duration(Stream::Work, &format!("say/{n}"), Duration::ZERO..=STORY);
                let who = self.index(Stream::Work, &format!("say/{n}/who"), 0..=last);
                (at, n, &names[who])
            })
            .collect();
        says.sort_by_key(|(at, n, _)| (*at, *n));
        says
    }

    /// A client connects early; one of three leaves for a while.
    fn presence(&self, name: &Name) -> Vec<Op> {
        let op = |at, act| Op { at: Span(at), who: name.clone(), act };
        let connect = self.duration(Stream::Work, &format!("{name}/connect"), Duration::ZERO..=STORY / 10);
        let mut ops = vec![op(connect, Act::Connect)];
        if self.index(Stream::Work, &format!("{name}/leaves"), 0..=2) == 0 {
            let leaves = self.duration(Stream::Work, &format!("{name}/disconnect"), connect..=STORY);
            let away = self.duration(Stream::Work, &format!("{name}/away"), Duration::ZERO..=STORY / 2);
            ops.push(op(leaves, Act::Disconnect));
            ops.push(op(leaves + away, Act::Connect));
        }
        ops
    }

    /// What a client has to do with the second room.
    fn lobby(&self, name: &str) -> Lobby {
        use Lobby::{FromTheStart, Joins, JoinsSince, Leaves, Never};
        [Never, FromTheStart, Leaves, Joins, JoinsSince]
            [self.index(Stream::Work, &format!("{name}/lobby"), 0..=4)]
    }

    /// Joins or leaves the second room at some time.
    fn membership(&self, name: &Name) -> Option<Op> {
        let act = match self.lobby(name) {
            Lobby::Never | Lobby::FromTheStart => return None,
            Lobby::Leaves => Act::Leave(LOBBY.into()),
            Lobby::Joins => Act::Join(Join { room: LOBBY.into(), since: None }),
            Lobby::JoinsSince => Act::Join(Join { room: LOBBY.into(), since: Some(0) }),
        };
        let at = self.duration(Stream::Work, &format!("{name}/lobby/at"), Duration::ZERO..=STORY);
        Some(Op { at: Span(at), who: name.clone(), act })
    }

    fn faults(&self, names: &[Name]) -> Vec<Fault> {
        let count = self.index(Stream::Fault, "faults", 0..=4);
        let mut faults: Vec<Fault> = (0..count).map(|n| self.fault(n, names)).collect();
        faults.sort_by_key(|fault| fault.at);
        // What is stopped cannot be stopped again before it runs.
        let mut up_from = Duration::ZERO;
        faults.retain(|fault| {
            if fault.what.stops().is_none() {
                return true;
            }
            let stands = fault.at.0 > up_from;
            if stands {
                up_from = fault.until.map_or(fault.at.0, |until| until.0);
            }
            stands
        });
        faults
    }

    /// A commit takes about ten operations.
    fn crash(&self, n: usize) -> Crash {
        let after = self.index(Stream::Fault, &format!("{n}/operations"), 0..=200) as u64;
        let power_off = self.index(Stream::Fault, &format!("{n}/power"), 0..=1) == 0;
        Crash { of: SERVER.into(), after: NumberRange { low: after, high: after }, power_off }
    }

    fn fault(&self, n: usize, names: &[Name]) -> Fault {
        let last = names.len() as u64 - 1;
        let client = names[self.index(Stream::Fault, &format!("{n}/client"), 0..=last)].clone();
        let server: Name = Arc::from(SERVER);
        let between = [client.clone(), server.clone()];
        let what = match self.index(Stream::Fault, &format!("{n}/kind"), 0..=18) {
            0 => FaultAct::Stall(Path::Between(between)),
            1 => FaultAct::Stall(Path::OneWay([client, server])),
            2 => FaultAct::Stall(Path::OneWay([server, client])),
            3 => FaultAct::Partition(Pair { between }),
            4 => FaultAct::Reset(Pair { between }),
            5 => FaultAct::Kill(server),
            6 => FaultAct::Shutdown(server),
            7 => FaultAct::Delay(Delay { path: self.path(n, between), by: self.delay(n) }),
            8 => FaultAct::Loss(Loss { path: self.path(n, between), percent: self.percent(n) }),
            9 => FaultAct::Slow(Slow { path: self.path(n, between), rate: self.rate(n) }),
            10 => FaultAct::HalfOpen(Pair { between }),
            11 => FaultAct::Cut(Cut { path: self.path(n, between), after: self.after(n) }),
            12 => FaultAct::Reload(client),
            13 => FaultAct::PowerOff(server),
            14 => FaultAct::PowerOff(client),
            15 => FaultAct::DiskFull(server),
            16 => FaultAct::DiskError(server),
            17 => FaultAct::Crash(self.crash(n)),
            _ => FaultAct::DiskSlow(DiskSlow { of: server, by: self.delay(n) }),
        };
        let at = self.duration(Stream::Fault, &format!("{n}/at"), Duration::ZERO..=STORY);
        let lasts = match what.kind().lasting() {
            Lasting::Always => true,
            Lasting::IfSaid => self.index(Stream::Fault, &format!("{n}/whether"), 0..=1) == 0,
            Lasting::Never => false,
        };
        let until = lasts.then(|| Span(at + self.lasts(n)));
        Fault { at: Span(at), until, what }
    }

    /// Either way, or both.
    fn path(&self, n: usize, [client, server]: [Name; 2]) -> Path {
        match self.index(Stream::Fault, &format!("{n}/path"), 0..=2) {
            0 => Path::Between([client, server]),
            1 => Path::OneWay([client, server]),
            _ => Path::OneWay([server, client]),
        }
    }

    /// From a longer way round to one on which a heartbeat dies.
    fn delay(&self, n: usize) -> SpanRange {
        let longest = [200, 1_000, 8_000][self.index(Stream::Fault, &format!("{n}/by"), 0..=2)];
        millis(longest / 10, longest)
    }

    fn percent(&self, n: usize) -> u8 {
        [1, 5, 20, 50][self.index(Stream::Fault, &format!("{n}/percent"), 0..=3)]
    }

    fn rate(&self, n: usize) -> Rate {
        Rate([300, 2_000, 20_000][self.index(Stream::Fault, &format!("{n}/rate"), 0..=2)])
    }

    /// Within the handshake, a message, or a burst.
    fn after(&self, n: usize) -> NumberRange {
        let most = [100, 1_000, 10_000][self.index(Stream::Fault, &format!("{n}/after/order"), 0..=2)];
        let after = draw_within(1..=most, self.seed, Stream::Fault, &format!("{n}/after"), 0);
        NumberRange { low: after, high: after }
    }

    /// As often a blink as a breakdown: each order of magnitude is as likely as the others.
    fn lasts(&self, n: usize) -> Duration {
        let entity = format!("{n}/lasts");
        let longest =
            [100, 1_000, 10_000, 60_000][self.index(Stream::Fault, &format!("{entity}/order"), 0..=3)];
        let longest = Duration::from_millis(longest);
        self.duration(Stream::Fault, &entity, longest / 10..=longest)
    }
}
