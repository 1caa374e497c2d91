//! What users do where a story leaves it open: who is there when, who is in which room, who talks how much of what.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use squall::chat::wire::DEFAULT_ROOM;

use crate::scenario::limits::round_trip;
use crate::units::Span;

use super::super::drawing::content;
use super::super::{Act, Broadcast, Emit, Fault, Join, Name, Op, Plan, Say, Send};
use super::dice::Dice;

/// The rooms beside the one that everyone is in.
pub(super) const ROOMS: [&str; 3] = ["lobby", "den", "attic"];

/// How long a message is at least: mostly short ones, seldom nothing, and seldom about the longest that the chat takes, which
/// is [`LONGEST`]; one byte more is refused.
const SIZES: [Option<u32>; 16] = [
    None,
    None,
    None,
    None,
    None,
    Some(0),
    Some(10),
    Some(10),
    Some(200),
    Some(200),
    Some(2_000),
    Some(2_000),
    Some(16_384),
    Some(LONGEST - 1),
    Some(LONGEST),
    Some(LONGEST + 1),
];

const LONGEST: u32 = 65_536;

/// How many bytes are attached to an event; none to most. Of these each client draws the ones that the network carries.
const ATTACHMENTS: [Option<u32>; 9] =
    [None, None, None, None, Some(0), Some(1), Some(1_000), Some(16_384), Some(200_000)];

/// About the most that a POST takes, as base64 and with what stands around it: servers take a million bytes. Once in a plan at
/// most, and nothing else in it is so large: a server keeps a MiB for who has not read it, and closes the connection over more.
const LARGEST_ATTACHMENT: u32 = 740_000;
const BESIDE_THE_LARGEST: u32 = 16_384;

/// How many plans have it, in percent, of those whose network carries it.
const LARGEST_PERCENT: u64 = 25;

/// Whether the network is healthy with several such attachments on their way at once: pings wait behind what was sent before
/// them. A link has a window of 64 KiB, so that is what a round trip brings, and polling sends four bytes for three.
fn is_carried(bytes: u32, plan: &Plan) -> bool {
    const AT_ONCE: u32 = 4;
    const WINDOW: u32 = 64 << 10;
    let round_trips = bytes / 3 * 4 / WINDOW + 1;
    round_trip(&plan.network) * round_trips * AT_ONCE <= plan.server.ping_timeout.0
}

/// What a user does before it has a number, and when.
struct Intent {
    at: Duration,
    act: Unnumbered,
}

enum Unnumbered {
    Plain(Act),
    Say { room: Name, bytes: Option<u32> },
    Emit(Emit),
    Broadcast(Broadcast),
}

/// What all users do, by time.
pub(super) fn ops(plan: &Plan, story: Duration, dice: Dice) -> Vec<Op> {
    let rooms: BTreeSet<Name> = plan.clients.values().flat_map(|client| client.rooms.clone()).collect();
    let rooms: Vec<Name> = rooms.into_iter().collect();
    let has_largest = is_carried(LARGEST_ATTACHMENT, plan) && dice.happens("largest", LARGEST_PERCENT);
    let fits = |bytes: u32| is_carried(bytes, plan) && !(has_largest && bytes > BESIDE_THE_LARGEST);
    let attachments: Vec<Option<u32>> =
        ATTACHMENTS.into_iter().filter(|bytes| bytes.is_none_or(fits)).collect();
    let mut ops = Vec::new();
    for (place, (name, client)) in plan.clients.iter().enumerate() {
        let has_outbox = client.send == Send::Outbox;
        let user = User { name, has_outbox, dice, story, rooms: &rooms, attachments: &attachments };
        let mut intents = user.presence();
        intents.extend(user.memberships(&client.rooms));
        intents.extend(user.talk(place == 0));
        intents.extend(user.events());
        if place == 0 && has_largest {
            intents.push(user.largest_event());
        }
        intents.sort_by_key(|intent| intent.at);
        ops.extend(numbered(name, intents));
    }
    ops.sort_by_key(|op| op.at);
    ops
}

/// Everyone says one more thing once all is well and every connection that is dead is known to be: a run in which nothing
/// that may be lost arrived would prove nothing. So what has not begun before does not begin with that.
pub(super) fn add_last_words(plan: &mut Plan) {
    let soonest = plan.faults.iter().map(Fault::soonest_end);
    let heals = soonest.chain(plan.ops.iter().map(|op| op.at.0)).max().unwrap_or_default();
    if plan.faults.iter().any(|fault| fault.at.time().is_none()) {
        plan.heals = Some(Span(heals));
    }
    let latest = plan.faults.iter().map(|fault| fault.latest_end(heals));
    let at = latest.max().unwrap_or_default().max(heals) + noticing(plan) + AFTERWARDS;
    for name in plan.clients.keys() {
        let op = |act| Op { at: Span(at), who: name.clone(), act };
        plan.ops.push(op(Act::Say(Say { room: DEFAULT_ROOM.into(), content: format!("{name} goodbye") })));
        let event = Emit { event: "note".into(), content: format!("{name} emit goodbye"), ..plain_emit() };
        plan.ops.push(op(Act::Emit(event)));
    }
}

/// Beyond the heartbeat, whoever lost a connection has another by then: a connect timeout, a backoff, and the way there.
const AFTERWARDS: Duration = Duration::from_secs(45);

/// How long a dead connection may go unnoticed.
pub(super) fn noticing(plan: &Plan) -> Duration {
    plan.server.ping_interval.0 + plan.server.ping_timeout.0
}

fn plain_emit() -> Emit {
    Emit {
        event: "note".into(),
        content: String::new(),
        binary: None,
        volatile: false,
        ack: false,
        room: None,
    }
}

/// One client's user.
struct User<'a> {
    name: &'a Name,
    has_outbox: bool,
    dice: Dice,
    story: Duration,
    /// The rooms in which someone is.
    rooms: &'a [Name],
    /// How many bytes events have attached.
    attachments: &'a [Option<u32>],
}

impl User<'_> {
    fn key(&self, what: &str) -> String {
        format!("{}/{what}", self.name)
    }

    fn at(&self, what: &str) -> Duration {
        self.dice.duration(&self.key(what), Duration::ZERO..=self.story)
    }

    /// Connects early; some leave for a while, and some load their page again.
    fn presence(&self) -> Vec<Intent> {
        let intent = |at, act| Intent { at, act: Unnumbered::Plain(act) };
        let connect = self.dice.duration(&self.key("connect"), Duration::ZERO..=self.story / 10);
        let mut intents = vec![intent(connect, Act::Connect)];
        if self.dice.happens(&self.key("leaves"), 33) {
            let leaves = self.dice.duration(&self.key("disconnect"), connect..=self.story);
            let away = self.dice.around(&self.key("away"), self.story / 4, 6);
            intents.push(intent(leaves, Act::Disconnect));
            intents.push(intent(leaves + away, Act::Connect));
        }
        if self.dice.happens(&self.key("reloads"), 15) {
            intents.push(intent(self.at("reload"), Act::Reload));
        }
        intents
    }

    /// Leaves a room that it is in, or joins one that it is not in, with what was said before or without.
    fn memberships(&self, from_the_start: &[Name]) -> Vec<Intent> {
        let others = self.rooms.iter().filter(|room| ***room != *DEFAULT_ROOM);
        let moves = others.filter(|room| self.dice.happens(&self.key(&format!("moves/{room}")), 40));
        moves
            .map(|room| {
                let since = self.dice.happens(&self.key(&format!("since/{room}")), 50).then_some(0);
                let act = if from_the_start.contains(room) {
                    Act::Leave(room.clone())
                } else {
                    Act::Join(Join { room: room.clone(), since })
                };
                Intent { at: self.at(&format!("moves/{room}/at")), act: Unnumbered::Plain(act) }
            })
            .collect()
    }

    /// All the time, in bursts, or not at all; in the room where everyone is, or in a cold one.
    fn talk(&self, must: bool) -> Vec<Intent> {
        let manner = *self.dice.pick(&self.key("manner"), &MANNERS);
        let count = match manner {
            Manner::Silent if !must => return Vec::new(),
            Manner::Silent | Manner::Steady => self.dice.within(&self.key("says"), 1..=12),
            Manner::Burst => self.dice.within(&self.key("says"), 5..=25),
        };
        let burst = self.at("burst");
        let say = |n: u64| {
            let key = |what: &str| self.key(&format!("say/{n}/{what}"));
            let at = match manner {
                Manner::Silent | Manner::Steady => self.at(&format!("say/{n}/at")),
                Manner::Burst => self.dice.duration(&key("at"), burst..=burst + BURST),
            };
            let bytes = *self.dice.pick(&key("bytes"), &SIZES);
            // Without an id only its text tells a message from others.
            let bytes = bytes.filter(|bytes| *bytes > 0 || self.has_outbox);
            Intent { at, act: Unnumbered::Say { room: self.room(&key("room")), bytes } }
        };
        (0..count).map(say).collect()
    }

    fn room(&self, key: &str) -> Name {
        if self.dice.happens(&format!("{key}/hot"), 60) {
            return DEFAULT_ROOM.into();
        }
        self.dice.pick(key, self.rooms).clone()
    }

    /// Events of every shape, from half of the users.
    fn events(&self) -> Vec<Intent> {
        if self.dice.happens(&self.key("no events"), 50) {
            return Vec::new();
        }
        (0..self.dice.within(&self.key("events"), 1..=8)).map(|n| self.event(n)).collect()
    }

    /// About the largest that servers take.
    fn largest_event(&self) -> Intent {
        let act = Unnumbered::Emit(Emit { binary: Some(LARGEST_ATTACHMENT), ..plain_emit() });
        Intent { at: self.at("largest"), act }
    }

    fn event(&self, n: u64) -> Intent {
        let key = |what: &str| self.key(&format!("event/{n}/{what}"));
        let room = (!self.dice.happens(&key("everywhere"), 50)).then(|| self.room(&key("room")));
        let binary = *self.dice.pick(&key("binary"), self.attachments);
        let volatile = self.dice.happens(&key("volatile"), 25);
        let act = if self.dice.happens(&key("broadcast"), 50) {
            let excepts = self.dice.happens(&key("excepts"), 25);
            let except = excepts.then(|| self.dice.pick(&key("except"), self.rooms).clone());
            let except = except.into_iter().collect();
            Unnumbered::Broadcast(Broadcast { content: String::new(), room, except, binary, volatile })
        } else {
            let ack = self.dice.happens(&key("ack"), 50);
            Unnumbered::Emit(Emit { binary, volatile, ack, room, ..plain_emit() })
        };
        Intent { at: self.at(&format!("event/{n}/at")), act }
    }
}

/// How a user talks.
#[derive(Debug, Clone, Copy)]
enum Manner {
    Silent,
    Steady,
    Burst,
}

const MANNERS: [Manner; 5] = [Manner::Silent, Manner::Steady, Manner::Steady, Manner::Burst, Manner::Burst];

/// How long a burst takes at most.
const BURST: Duration = Duration::from_secs(1);

/// Gives what is said its number, so that no two texts of a user are the same.
fn numbered(who: &Name, intents: Vec<Intent>) -> Vec<Op> {
    let mut numbers: BTreeMap<&'static str, u32> = BTreeMap::new();
    let mut next = |verb| {
        let n = numbers.entry(verb).or_default();
        *n += 1;
        *n
    };
    let op = |Intent { at, act }| {
        let act = match act {
            Unnumbered::Plain(act) => act,
            Unnumbered::Say { room, bytes } => {
                Act::Say(Say { room, content: content(who, next("say"), bytes) })
            }
            Unnumbered::Emit(emit) => {
                Act::Emit(Emit { content: format!("{who} emit {}", next("emit")), ..emit })
            }
            Unnumbered::Broadcast(broadcast) => {
                let content = format!("{who} broadcast {}", next("broadcast"));
                Act::Broadcast(Broadcast { content, ..broadcast })
            }
        };
        Op { at: Span(at), who: who.clone(), act }
    };
    intents.into_iter().map(op).collect()
}
