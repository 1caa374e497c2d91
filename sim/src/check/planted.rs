//! Histories written by hand, record by record, for tests: two clients, one room, one anomaly planted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use squall::store::{LogOffset, MessageId};
use xxhash_rust::xxh3::xxh3_64;

use super::{Anomaly, Ending, Judgement, Verdict, Violation, judge};
use crate::history::{History, Kind, Listener, Recorder, Word};
use crate::plan::{
    Act, AppKind, Backend, ClientPlan, Guarantee, Name, NetworkPlan, Op, Plan, Receive, SERVER, Say, Send,
    ServerPlan,
};
use crate::units::{Span, SpanRange};

pub(crate) const ALICE: &str = "alice";
pub(crate) const BOB: &str = "bob";
/// Is in no plan but hears things all the same.
pub(crate) const CAROL: &str = "carol";
const ROOM: &str = "general";

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Alice and Bob connect and speak at the start; a minute to settle.
pub(crate) fn plan() -> Plan {
    let rooms = vec![ROOM.into(), "lobby".into()];
    let client = ClientPlan { rooms, ..ClientPlan::default() };
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
            recovery: None,
            store_sessions: false,
        },
        clients: [ALICE, BOB].into_iter().map(|name| (name.into(), client.clone())).collect(),
        network: NetworkPlan { latency: nothing },
        ops: ops.collect(),
        faults: Vec::new(),
        heals: None,
        core: None,
        settle: Span(seconds(60)),
    }
}

/// The plan, with clients that send in another way.
pub(crate) fn with_send(send: Send) -> Plan {
    let mut plan = plan();
    plan.guarantee = Guarantee::AtMostOnce;
    plan.clients.values_mut().for_each(|client| client.send = send);
    plan
}

/// The plan, with clients that receive in another way.
pub(crate) fn with_receive(receive: Receive) -> Plan {
    let mut plan = plan();
    plan.guarantee = Guarantee::AtMostOnce;
    plan.clients.values_mut().for_each(|client| client.receive = receive);
    plan
}

pub(crate) fn unsettled() -> Ending {
    Ending::Unsettled { wait_chain: vec!["bob waits for the server".to_owned()] }
}

/// The socket of events that a client has from the start.
pub(crate) fn first_socket(client: &str) -> Arc<str> {
    format!("{client}'s first").into()
}

/// What a client is shown, with any content.
pub(crate) fn delivered(id: &str, offset: u64, content: u64) -> Kind {
    let id = Some(MessageId(id.into()));
    Kind::Delivered { id, room: ROOM.into(), offset: LogOffset(offset), content }
}

/// What a client is shown of a message that was sent without an id and says what its id would be.
pub(crate) fn nameless(content: &str, offset: u64) -> Kind {
    Kind::Delivered {
        id: None,
        room: ROOM.into(),
        offset: LogOffset(offset),
        content: xxh3_64(content.as_bytes()),
    }
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

    /// Alice and Bob are connected, and each has a socket of events.
    pub(crate) fn new() -> Self {
        Self::unconnected()
            .connect(ALICE)
            .connect(BOB)
            .hold(ALICE, &first_socket(ALICE))
            .hold(BOB, &first_socket(BOB))
    }

    /// A client is told of its socket of events.
    pub(crate) fn hold(self, client: &str, socket: &str) -> Self {
        self.record(client, Kind::Resumed { recovered: false, socket: socket.into() })
    }

    /// A client is told that it has its socket of events again.
    pub(crate) fn resume(self, client: &str, socket: &str) -> Self {
        self.record(client, Kind::Resumed { recovered: true, socket: socket.into() })
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
        self.record(client, Kind::Connected { peer: None })
    }

    /// A client is connected, and the server to it.
    pub(crate) fn serve(self, client: &str) -> Self {
        self.answer(client).connect(client)
    }

    /// The server has answered a client, which has not heard of it.
    pub(crate) fn answer(mut self, client: &str) -> Self {
        self.lives.entry(SERVER.to_owned()).or_insert((1, 0)).1 += 1;
        self.record(SERVER, Kind::Connected { peer: Some(client.into()) })
    }

    /// The server's end of a connection, by number, ends.
    pub(crate) fn hang_up(mut self, session: u32, reason: Word) -> Self {
        let life = self.lives.get(SERVER).map_or(1, |life| life.0);
        let latest = self.lives.insert(SERVER.to_owned(), (life, session));
        let mut planted = self.record(SERVER, Kind::Disconnected { reason });
        planted.lives.insert(SERVER.to_owned(), latest.unwrap_or((life, session)));
        planted
    }

    pub(crate) fn disconnect(self, client: &str) -> Self {
        self.record(client, Kind::Disconnected { reason: "transport close" })
    }

    pub(crate) fn restart(self, client: &str) -> Self {
        self.exit(client).record(client, Kind::Started).connect(client)
    }

    /// What is recorded next is another life's.
    pub(crate) fn exit(self, client: &str) -> Self {
        let mut planted = self.record(client, Kind::Exited { how: "killed".to_owned() });
        let life = planted.lives.entry(client.to_owned()).or_insert((1, 0));
        *life = (life.0 + 1, 0);
        planted
    }

    pub(crate) fn say(self, client: &str) -> Self {
        self.say_in(ROOM, client)
    }

    pub(crate) fn say_in(mut self, room: &str, client: &str) -> Self {
        let n = self.next(client);
        let id = MessageId(format!("{client}-{n}").into());
        let content = xxh3_64(id.0.as_bytes());
        self.record(client, Kind::Sent { id, room: room.into(), n, content })
    }

    fn next(&mut self, client: &str) -> u64 {
        let n = self.said.entry(client.to_owned()).or_default();
        *n += 1;
        *n
    }

    pub(crate) fn say_as(self, client: &str, id: &str, n: u64) -> Self {
        let content = xxh3_64(id.as_bytes());
        self.record(client, Kind::Sent { id: MessageId(id.into()), room: ROOM.into(), n, content })
    }

    pub(crate) fn join(self, client: &str, room: &str, offset: u64) -> Self {
        self.record(client, Kind::Joined { room: room.into(), offset: LogOffset(offset), since: None })
    }

    pub(crate) fn join_since(self, client: &str, room: &str, offset: u64, since: u64) -> Self {
        let (offset, since) = (LogOffset(offset), Some(LogOffset(since)));
        self.record(client, Kind::Joined { room: room.into(), offset, since })
    }

    pub(crate) fn leave(self, client: &str, room: &str, offset: u64) -> Self {
        self.record(client, Kind::Left { room: room.into(), offset: LogOffset(offset) })
    }

    /// A client emits an event, which arrives and is echoed to it alone: `bob emit 1`.
    pub(crate) fn emit(mut self, client: &str) -> Self {
        let n = self.next(&format!("{client} emit"));
        let id = format!("{client} emit {n}");
        self.emit_as(client, &id, false).arrive(&id).relay(&id, &[client], &[], false)
    }

    /// A client emits an event, which arrives and is relayed: `alice broadcast 1`.
    pub(crate) fn broadcast(self, client: &str, to: &[&str], except: &[&str], volatile: bool) -> Self {
        self.broadcast_as(client, to, except, volatile).0
    }

    /// The same, and the event's id.
    pub(crate) fn broadcast_as(
        mut self,
        client: &str,
        to: &[&str],
        except: &[&str],
        volatile: bool,
    ) -> (Self, String) {
        let n = self.next(&format!("{client} broadcast"));
        let id = format!("{client} broadcast {n}");
        (self.emit_as(client, &id, volatile).arrive(&id).relay(&id, to, except, volatile), id)
    }

    pub(crate) fn emit_as(self, client: &str, id: &str, volatile: bool) -> Self {
        let content = xxh3_64(id.as_bytes());
        self.record(client, Kind::Emitted { id: MessageId(id.into()), volatile, content })
    }

    pub(crate) fn arrive(self, id: &str) -> Self {
        let content = xxh3_64(id.as_bytes());
        self.record(SERVER, Kind::Arrived { id: MessageId(id.into()), content })
    }

    /// An event is relayed to the sockets that clients have from the start.
    pub(crate) fn relay(self, id: &str, to: &[&str], except: &[&str], volatile: bool) -> Self {
        let listener = |client: &&str| Listener { client: Name::from(*client), socket: first_socket(client) };
        let audience = to.iter().map(listener).collect();
        let (id, excluded) = (MessageId(id.into()), except.iter().map(|name| Name::from(*name)).collect());
        self.record(SERVER, Kind::Relayed { id, audience, excluded, volatile })
    }

    pub(crate) fn hear(self, client: &str, id: &str) -> Self {
        let content = xxh3_64(id.as_bytes());
        self.record(client, Kind::Heard { id: MessageId(id.into()), content })
    }

    /// A fault touches a connection of a client.
    pub(crate) fn touch(self, client: &str) -> Self {
        self.record("world", Kind::Touched { fault: 0, processes: vec![client.into(), SERVER.into()] })
    }

    pub(crate) fn commit(self, id: &str, offset: u64) -> Self {
        self.commit_in(ROOM, id, offset)
    }

    pub(crate) fn commit_in(self, room: &str, id: &str, offset: u64) -> Self {
        let (room, content): (Arc<str>, u64) = (room.into(), xxh3_64(id.as_bytes()));
        let (id, offset) = (Some(MessageId(id.into())), LogOffset(offset));
        self.record(SERVER, Kind::Committed { id, room, offset, content })
    }

    pub(crate) fn suppress(self, id: &str, offset: u64) -> Self {
        let (id, offset) = (MessageId(id.into()), LogOffset(offset));
        self.record(SERVER, Kind::Suppressed { id, offset })
    }

    pub(crate) fn ack(self, client: &str, id: &str, offset: u64) -> Self {
        let (id, offset) = (MessageId(id.into()), LogOffset(offset));
        self.record(client, Kind::Acknowledged { id, offset })
    }

    pub(crate) fn show(self, client: &str, id: &str, offset: u64) -> Self {
        self.record(client, delivered(id, offset, xxh3_64(id.as_bytes())))
    }

    pub(crate) fn show_in(self, room: &str, client: &str, id: &str, offset: u64) -> Self {
        let (content, id) = (xxh3_64(id.as_bytes()), Some(MessageId(id.into())));
        self.record(client, Kind::Delivered { id, room: room.into(), offset: LogOffset(offset), content })
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
