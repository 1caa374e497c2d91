//! Sessions that are stored: nothing is said before it is kept, and what is kept is taken up after a restart.
//! [`any_kills`] has the claim about any of them.

mod any_kills;

use std::sync::atomic::{AtomicU8, Ordering};

use crate::socket::stored::model::SessionModel;
use crate::socket::stored::{BatchId, SessionBatch, SessionChange, StoredSession};

use super::*;

/// How many bytes are kept for a session: a few small events.
const MAX_BYTES: usize = 600;

/// Another byte at each draw.
#[derive(Default)]
struct Bytes(AtomicU8);

impl Entropy for Bytes {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0.fetch_add(1, Ordering::Relaxed));
    }
}

/// A hub and its store, which keeps a batch when it is told to.
struct Life {
    hub: Hub,
    entropy: Arc<dyn Entropy>,
    store: SessionModel,
    /// What the store is asked to keep, and has not yet.
    flying: Option<SessionBatch>,
    now: Time,
}

impl Life {
    /// The first life of a server.
    fn first() -> Self {
        Self::with(SessionModel::default(), at(0), Arc::new(Bytes::default()))
    }

    fn with(store: SessionModel, now: Time, entropy: Arc<dyn Entropy>) -> Self {
        let mut hub = Hub::new(entropy.clone(), Duration::from_secs(45));
        hub.recover(Recovery { max_bytes: MAX_BYTES, ..Recovery::default() });
        let loaded = HubInput::Loaded(store.load(now.since_start()));
        let mut life = Self { hub, entropy, store, flying: None, now };
        assert_eq!(life.give(loaded), []);
        life
    }

    /// The server is killed, and starts again. What is with the store is kept if it has said so.
    fn restart(self) -> Self {
        Self::with(self.store, self.now, self.entropy)
    }

    /// Hands in one input; all outputs but batches and the wait.
    fn give(&mut self, input: HubInput) -> Vec<HubOutput> {
        let mut said = Vec::new();
        for output in give(&mut self.hub, input, self.now) {
            match output {
                HubOutput::Persist(batch) => {
                    assert!(self.flying.replace(batch).is_none(), "one batch at a time");
                }
                HubOutput::Transmit(..)
                | HubOutput::TransmitVolatile(..)
                | HubOutput::Close(_)
                | HubOutput::Event(_)
                | HubOutput::Wait { .. } => said.push(output),
            }
        }
        said
    }

    fn command(&mut self, command: HubCommand) -> Vec<HubOutput> {
        self.give(HubInput::Command(command))
    }

    /// The store has kept what it was asked to keep.
    fn keep(&mut self) -> Vec<HubOutput> {
        let Some(batch) = self.flying.take() else { return Vec::new() };
        self.store.commit(&batch, self.now.since_start());
        self.give(HubInput::Persisted(batch.id))
    }

    /// Until the store has nothing to keep.
    fn settle(&mut self) -> Vec<HubOutput> {
        let mut said = Vec::new();
        while self.flying.is_some() {
            said.extend(self.keep());
        }
        said
    }

    /// A client asks for the main namespace, and gets what it is answered in time.
    fn ask(&mut self, connection: ConnectionId, auth: Value) -> Vec<HubOutput> {
        let mut said = self.give(HubInput::Opened(connection));
        said.extend(self.give(HubInput::Received(connection, packet(Kind::Connect(Some(auth))))));
        said.extend(self.settle());
        said
    }

    fn begin(&mut self, connection: ConnectionId) -> (Sid, Known) {
        let said = self.ask(connection, json!({}));
        let mut known = Known::default();
        assert_eq!(known.read(connection, &said), Some(false));
        let socket = known.sid.clone().expect("it is told");
        (Sid::from_peer(socket), known)
    }
}

/// What a batch is about.
fn changes(life: &Life) -> &[SessionChange] {
    life.flying.as_ref().map_or(&[], |batch| &batch.changes)
}

#[test]
fn who_connects_is_answered_when_its_session_is_kept() {
    let mut life = Life::first();
    life.give(HubInput::Opened(ONE));

    let outputs = life.give(HubInput::Received(ONE, packet(Kind::Connect(None))));

    assert!(matches!(outputs[..], [HubOutput::Event(HubEvent::Connected { .. })]), "{outputs:?}");
    assert!(matches!(changes(&life), [SessionChange::Began { .. }]));
    assert_eq!(Known::default().read(ONE, &life.keep()), Some(false));
}

#[test]
fn an_event_is_sent_when_it_is_kept_and_so_is_all_that_follows_it() {
    let mut life = Life::first();
    let (socket, _) = life.begin(ONE);
    life.give(HubInput::Received(ONE, event("a", &[], Some(7))));

    assert_eq!(life.command(say("1")), []);
    let answer = HubCommand::Ack { socket: socket.clone(), id: AckId(7), args: Args::none() };
    assert_eq!(life.command(answer), [], "it needs nothing kept, but overtakes nothing");
    assert_eq!(life.command(HubCommand::Disconnect { socket, close: true }).len(), 2, "gone, and forgotten");

    let kinds = |outputs: &[HubOutput]| {
        wire(outputs).iter().map(|(_, text)| text[..1].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&life.keep()), ["2", "3"]);
    let outputs = life.keep();
    assert_eq!(kinds(&outputs), ["1"], "who is thrown out hears of it when its session is over in the store");
    assert_eq!(outputs.last(), Some(&HubOutput::Close(ONE)));
}

#[test]
fn what_comes_while_a_batch_is_kept_is_the_next_one() {
    let mut life = Life::first();
    life.begin(ONE);
    for text in ["1", "2", "3"] {
        assert_eq!(life.command(say(text)), []);
    }
    assert_eq!(changes(&life).len(), 1);

    assert_eq!(wire(&life.keep()).len(), 1);

    assert_eq!(changes(&life).len(), 2);
    assert_eq!(life.hub.awaited_batch(), life.flying.as_ref().map(|batch| batch.id));
    assert_eq!(wire(&life.keep()).len(), 2);
    assert_eq!((life.flying, life.hub.awaited_batch()), (None, None));
}

#[test]
fn what_changes_nothing_waits_for_nothing() {
    let mut life = Life::first();
    let (socket, _) = life.begin(ONE);
    let asks = HubCommand::Emit {
        socket: socket.clone(),
        name: "a".into(),
        args: Args::none(),
        ack: Some((EmitId(1), None)),
        volatile: false,
    };

    assert_eq!(wire(&life.command(asks)).len(), 1, "what waits for an answer is not kept");
    life.command(HubCommand::Leave { socket: socket.clone(), room: "none".into() });
    life.command(HubCommand::Join { socket: socket.clone(), room: (&socket).into() });
    let nobody = Audience { to: ["none".into()].into(), ..Audience::all(Namespace::MAIN) };
    life.command(HubCommand::Broadcast {
        audience: nobody,
        name: "a".into(),
        args: Args::none(),
        volatile: false,
    });
    assert_eq!(life.flying, None);
}

#[test]
fn what_waited_for_a_connection_that_is_over_is_dropped() {
    let mut life = Life::first();
    life.begin(ONE);
    life.command(say("1"));

    life.give(HubInput::Closed(ONE, CloseReason::TransportClose));

    assert_eq!(life.settle(), []);
}

#[test]
fn a_store_that_fails_holds_up_nobody_and_is_asked_no_more() {
    let mut life = Life::first();
    let (_, mut known) = life.begin(ONE);
    life.command(say("1"));
    life.command(say("2"));

    known.read(ONE, &life.give(HubInput::PersistFailed));
    life.flying = None;
    known.read(ONE, &life.command(say("3")));

    assert_eq!(known.events, ["1", "2", "3"]);
    life.give(HubInput::Closed(ONE, CloseReason::TransportClose));
    assert_eq!(known.read(TWO, &life.ask(TWO, known.auth())), Some(true), "this server knows everything");
    assert_eq!(life.flying, None);
    assert_eq!(life.give(HubInput::Persisted(BatchId(9))), [], "a late word of the store");

    // A server that has loaded what there was before the failure counts on from there.
    let mut life = life.restart();
    life.command(say("4"));
    life.command(say("5"));
    life.command(say("6"));
    assert_eq!(known.read(THREE, &life.ask(THREE, known.auth())), Some(false));
}

#[test]
fn who_heard_what_a_failing_store_did_not_keep_is_not_taken_to_have_what_the_next_server_sends() {
    let mut life = Life::first();
    let (_, mut known) = life.begin(ONE);
    life.command(say("1"));
    life.command(say("2"));
    known.read(ONE, &life.give(HubInput::PersistFailed));
    assert_eq!(known.events, ["1", "2"], "said with the positions that they waited with");
    life.flying = None;

    let mut life = life.restart();
    for text in ["3", "4", "5"] {
        life.command(say(text));
    }

    assert_eq!(known.read(TWO, &life.ask(TWO, known.auth())), Some(false));
}

#[test]
fn who_comes_back_after_a_restart_has_its_id_its_rooms_and_what_it_missed() {
    let mut life = Life::first();
    let (socket, mut known) = life.begin(ONE);
    life.command(HubCommand::Join { socket: socket.clone(), room: "r".into() });
    life.command(HubCommand::Join { socket: socket.clone(), room: "left".into() });
    life.command(HubCommand::Leave { socket: socket.clone(), room: "left".into() });
    life.command(say("1"));
    known.read(ONE, &life.settle());
    life.command(say("2"));
    life.keep();
    let mut life = life.restart();
    let to = |room: &str, text: &str| HubCommand::Broadcast {
        audience: Audience { to: [room.into()].into(), ..Audience::all(Namespace::MAIN) },
        name: "a".into(),
        args: args(&[text]),
        volatile: false,
    };
    life.command(to("r", "3"));
    life.command(to("left", "not for it"));

    let outputs = life.ask(TWO, known.auth());

    assert_eq!(known.read(TWO, &outputs), Some(true));
    assert_eq!(recovered(&outputs), Some((&socket, vec!["2".to_owned(), "3".to_owned()])));
    assert_eq!(life.hub.rooms(&socket), ["r".into(), (&socket).into()].into());
    life.command(to("r", "4"));
    known.read(TWO, &life.settle());
    assert_eq!(known.events, ["1", "2", "3", "4"]);
}

#[test]
fn what_was_noted_is_stored_from_the_first_moment_on() {
    let mut life = Life::first();
    life.command(HubCommand::Guard(Namespace::MAIN));
    life.give(HubInput::Opened(ONE));
    let outputs = life.give(HubInput::Received(ONE, packet(Kind::Connect(None))));
    let [HubOutput::Event(HubEvent::Asked { socket, .. })] = &outputs[..] else { panic!("{outputs:?}") };
    let note = |data| HubCommand::Note { socket: socket.clone(), data };
    life.command(note(json!("a middleware's")));
    life.command(HubCommand::Admit(socket.clone()));
    let stored = |life: &Life| life.store.load(Duration::ZERO).unwrap().sessions[0].data.clone();

    life.keep();
    assert_eq!(stored(&life), json!("a middleware's"));

    life.command(note(json!("a handler's")));
    life.keep();
    assert_eq!(stored(&life), json!("a handler's"));
}

#[test]
fn the_time_to_come_back_goes_on_over_a_restart() {
    let mut life = Life::first();
    life.begin(ONE);
    life.give(HubInput::Closed(ONE, CloseReason::TransportClose));
    life.begin(TWO);
    life.now = at(100);
    let mut life = life.restart();
    assert_eq!(until(&mut life.hub), Some(at(0) + KEPT));
    life.settle();
    // Who was connected to the end has its time from here, also where the server dies once more.
    life.now = at(110);
    let mut life = life.restart();
    life.now = at(0) + KEPT;

    assert_eq!(forgotten(&life.give(HubInput::TimedOut)).len(), 1);
    assert_eq!(until(&mut life.hub), Some(at(100) + KEPT));
    life.now = at(100) + KEPT;
    assert_eq!(forgotten(&life.give(HubInput::TimedOut)).len(), 1);
    life.settle();
    assert_eq!(life.store.load(Duration::ZERO).unwrap().sessions, []);
}

#[test]
fn a_namespace_that_nobody_offers_any_more_is_closed_although_someone_was_in_it() {
    let mut life = Life::first();
    life.command(HubCommand::Create(Namespace::new("old")));
    let ask = || Packet { namespace: Namespace::new("old"), kind: Kind::Connect(None) };
    life.give(HubInput::Opened(ONE));
    life.give(HubInput::Received(ONE, ask()));
    life.settle();
    let mut life = life.restart();
    life.give(HubInput::Opened(TWO));

    life.give(HubInput::Received(TWO, ask()));
    assert_eq!(wire(&life.settle()), [(TWO, r#"4/old,{"message":"Invalid namespace"}"#)]);

    life.command(HubCommand::Create(Namespace::new("old")));
    life.give(HubInput::Received(TWO, ask()));
    assert!(wire(&life.settle())[0].1.starts_with("0/old,"));
}

#[test]
fn an_id_of_before_is_not_given_again() {
    // The worst entropy there is: the same again.
    let mut life = Life::with(SessionModel::default(), at(0), counting());
    let (before, known) = life.begin(ONE);
    let mut life = Life { entropy: counting(), ..life }.restart();

    let (socket, _) = life.begin(TWO);

    assert_ne!(socket, before);
    assert_eq!(recovered(&life.ask(THREE, known.auth())), Some((&before, vec![])));
}
