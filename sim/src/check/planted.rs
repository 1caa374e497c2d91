//! Histories written by hand, record by record, for tests: two clients, one room, one anomaly planted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use squall::store::{LogOffset, MessageId};
use xxhash_rust::xxh3::xxh3_64;

use super::{Anomaly, Ending, Judgement, Verdict, Violation, judge};
use crate::history::{History, Kind, Recorder};
use crate::plan::{
    Act, AppKind, Backend, ClientPlan, Guarantee, Name, NetworkPlan, Op, Plan, SERVER, Say, ServerPlan,
};
use crate::units::{Span, SpanRange};

pub(crate) const ALICE: &str = "alice";
pub(crate) const BOB: &str = "bob";
const ROOM: &str = "general";

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Alice and Bob connect and speak at the start; a minute to settle.
pub(crate) fn plan() -> Plan {
    let client = ClientPlan::default();
    let nothing = SpanRange { low: Duration::ZERO, high: Duration::ZERO };
    let op = |who: &str, act| Op { at: Span::default(), who: who.into(), act };
    let ops = [ALICE, BOB].into_iter().flat_map(|who| {
        [
            op(who, Act::Connect),
            op(who, Act::Say(Say { room: ROOM.into(), content: format!("{who} says hello") })),
        ]
    });
    Plan {
        version: 1,
        scenario: "planted".to_owned(),
        seed: 0,
        backend: Backend::Turmoil,
        app: AppKind::Chat,
        guarantee: Guarantee::ExactlyOnce,
        server: ServerPlan {
            ping_interval: Span(seconds(25)),
            ping_timeout: Span(seconds(20)),
            fsync: nothing,
        },
        clients: [ALICE, BOB].into_iter().map(|name| (name.into(), client.clone())).collect(),
        network: NetworkPlan { latency: nothing },
        ops: ops.collect(),
        faults: Vec::new(),
        settle: Span(seconds(60)),
    }
}

pub(crate) fn unsettled() -> Ending {
    Ending::Unsettled { wait_chain: vec!["bob waits for the server".to_owned()] }
}

/// What a client is shown, with any content.
pub(crate) fn delivered(id: &str, offset: u64, content: u64) -> Kind {
    let id = Some(MessageId(id.to_owned()));
    Kind::Delivered { id, room: ROOM.into(), offset: LogOffset(offset), content }
}

/// A history in the making. Ids are a client's name and a number; the content of a message is its id.
pub(crate) struct Planted {
    recorder: Recorder,
    at: Duration,
    said: BTreeMap<String, u64>,
    /// Life and connection of each client.
    lives: BTreeMap<String, (u32, u32)>,
    steps: u64,
}

impl Planted {
    /// Nobody is connected.
    pub(crate) fn unconnected() -> Self {
        let (said, lives) = (BTreeMap::new(), BTreeMap::new());
        Self { recorder: Recorder::new(), at: Duration::ZERO, said, lives, steps: 0 }
    }

    /// Alice and Bob are connected.
    pub(crate) fn new() -> Self {
        Self::unconnected().connect(ALICE).connect(BOB)
    }

    /// Three messages that everyone was shown: alice-1, bob-1, alice-2.
    pub(crate) fn good() -> Self {
        let log = [(ALICE, "alice-1", 1), (BOB, "bob-1", 2), (ALICE, "alice-2", 3)];
        log.into_iter().fold(Self::new(), |planted, (sender, id, offset)| {
            let planted = planted.say(sender).commit(id, offset).ack(sender, id, offset);
            planted.show(ALICE, id, offset).show(BOB, id, offset)
        })
    }

    /// How many records there are.
    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    pub(crate) fn pass(mut self, duration: Duration) -> Self {
        self.at += duration;
        self
    }

    pub(crate) fn record(mut self, host: &str, kind: Kind) -> Self {
        let (process, session) = self.lives.get(host).copied().unwrap_or((1, 0));
        self.recorder.record(self.at, &Name::from(host), process, session, kind);
        self.at += Duration::from_millis(10);
        self.steps += 1;
        self
    }

    pub(crate) fn connect(mut self, client: &str) -> Self {
        self.lives.entry(client.to_owned()).or_insert((1, 0)).1 += 1;
        self.record(client, Kind::Connected)
    }

    pub(crate) fn disconnect(self, client: &str) -> Self {
        self.record(client, Kind::Disconnected { reason: "transport close" })
    }

    pub(crate) fn restart(self, client: &str) -> Self {
        let mut planted = self.record(client, Kind::Exited { how: "killed".to_owned() });
        let life = planted.lives.entry(client.to_owned()).or_insert((1, 0));
        *life = (life.0 + 1, 0);
        planted.record(client, Kind::Started).connect(client)
    }

    pub(crate) fn say(mut self, client: &str) -> Self {
        let n = self.said.entry(client.to_owned()).or_default();
        *n += 1;
        let n = *n;
        self.say_as(client, &format!("{client}-{n}"), n)
    }

    pub(crate) fn say_as(self, client: &str, id: &str, n: u64) -> Self {
        let content = xxh3_64(id.as_bytes());
        self.record(client, Kind::Sent { id: MessageId(id.to_owned()), room: ROOM.into(), n, content })
    }

    pub(crate) fn commit(self, id: &str, offset: u64) -> Self {
        let (room, content): (Arc<str>, u64) = (ROOM.into(), xxh3_64(id.as_bytes()));
        let (id, offset) = (Some(MessageId(id.to_owned())), LogOffset(offset));
        self.record(SERVER, Kind::Committed { id, room, offset, content })
    }

    pub(crate) fn suppress(self, id: &str, offset: u64) -> Self {
        let (id, offset) = (MessageId(id.to_owned()), LogOffset(offset));
        self.record(SERVER, Kind::Suppressed { id, offset })
    }

    pub(crate) fn ack(self, client: &str, id: &str, offset: u64) -> Self {
        let (id, offset) = (MessageId(id.to_owned()), LogOffset(offset));
        self.record(client, Kind::Acknowledged { id, offset })
    }

    pub(crate) fn show(self, client: &str, id: &str, offset: u64) -> Self {
        self.record(client, delivered(id, offset, xxh3_64(id.as_bytes())))
    }

    pub(crate) fn finish(self) -> History {
        self.recorder.finish()
    }

    pub(crate) fn judged(self, ending: &Ending) -> Judgement {
        judge(&plan(), &self.finish(), ending)
    }
}

/// Exactly one promise is broken, and it is this one.
pub(crate) fn broken(anomaly: Anomaly, planted: Planted, ending: &Ending) -> Violation {
    let judgement = planted.judged(ending);
    let mut broken: Vec<Violation> = Vec::new();
    for (name, verdict) in judgement.verdicts {
        match verdict {
            Verdict::Broken(violation) => {
                assert_eq!(violation.anomaly, name);
                broken.push(violation);
            }
            Verdict::Idle | Verdict::Held { .. } => {}
            Verdict::Unknown { why } => panic!("{name} is unknown: {why}"),
        }
    }
    assert_eq!(
        broken.iter().map(|violation| violation.anomaly).collect::<Vec<_>>(),
        [anomaly],
        "{broken:#?}"
    );
    let violation = broken.remove(0);
    assert!(violation.witness.len() <= 5, "{violation:#?}");
    violation
}

/// Every promise is kept in a run that settled, and this one was put to the test.
pub(crate) fn held(anomaly: Anomaly, planted: Planted) {
    for (name, verdict) in planted.judged(&Ending::Settled).verdicts {
        match verdict {
            Verdict::Held { .. } => {}
            Verdict::Idle => assert_ne!(name, anomaly, "was not put to the test"),
            Verdict::Broken(_) | Verdict::Unknown { .. } => panic!("{name}: {verdict:#?}"),
        }
    }
}
