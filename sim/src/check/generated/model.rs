//! Where the histories come from.

use std::collections::VecDeque;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use squall::store::{LogOffset, MessageId};

use crate::check::planted::{ALICE, BOB, Planted};
use crate::history::{History, Kind, Record, Recorder};
use crate::plan::{Name, SERVER};

const CLIENTS: [&str; 2] = [ALICE, BOB];

/// Gives records new steps, by their places; time and digest follow.
pub(super) fn renumbered(records: Vec<Record>) -> History {
    let recorder = Recorder::new();
    for record in records {
        recorder.record(record.at, &record.host, record.process, record.session, record.kind);
    }
    recorder.finish()
}

/// What the model does next, as far as it can.
#[derive(Debug, Clone, Copy)]
enum Action {
    Say(usize),
    Commit,
    /// The server receives again what it has.
    Repeat,
    Acknowledge,
    Show(usize),
    Reconnect(usize),
}

fn action() -> impl Strategy<Value = Action> {
    let client = 0..CLIENTS.len();
    prop_oneof![
        client.clone().prop_map(Action::Say),
        Just(Action::Commit),
        Just(Action::Repeat),
        Just(Action::Acknowledge),
        client.clone().prop_map(Action::Show),
        client.prop_map(Action::Reconnect),
    ]
}

/// One log, and clients that read it in order: what is said is committed, acknowledged and shown, each in its time.
struct Chat {
    planted: Planted,
    /// How many messages each client said.
    said: [u64; CLIENTS.len()],
    on_the_way: VecDeque<(usize, String)>,
    log: Vec<(usize, String)>,
    acknowledged: usize,
    cursors: [usize; CLIENTS.len()],
}

impl Chat {
    fn act(&mut self, action: Action) -> bool {
        let planted = std::mem::replace(&mut self.planted, Planted::unconnected());
        let (planted, done) = self.step(planted, action);
        self.planted = planted;
        done
    }

    fn step(&mut self, planted: Planted, action: Action) -> (Planted, bool) {
        match action {
            Action::Say(client) => {
                self.said[client] += 1;
                self.on_the_way.push_back((client, format!("{}-{}", CLIENTS[client], self.said[client])));
                (planted.say(CLIENTS[client]), true)
            }
            Action::Commit => {
                let Some((client, id)) = self.on_the_way.pop_front() else { return (planted, false) };
                self.log.push((client, id.clone()));
                (planted.commit(&id, self.log.len() as u64), true)
            }
            Action::Repeat => match self.log.last() {
                Some((_, id)) => (planted.suppress(id, self.log.len() as u64), true),
                None => (planted, false),
            },
            Action::Acknowledge => {
                let Some((client, id)) = self.log.get(self.acknowledged) else { return (planted, false) };
                self.acknowledged += 1;
                (planted.ack(CLIENTS[*client], id, self.acknowledged as u64), true)
            }
            Action::Show(client) => {
                let Some((_, id)) = self.log.get(self.cursors[client]) else { return (planted, false) };
                self.cursors[client] += 1;
                (planted.show(CLIENTS[client], id, self.cursors[client] as u64), true)
            }
            Action::Reconnect(client) => (planted.disconnect(CLIENTS[client]).connect(CLIENTS[client]), true),
        }
    }
}

/// A run of the model, to its end: at least two messages, everything owed has happened.
pub(super) fn well_formed() -> impl Strategy<Value = History> {
    vec(action(), 0..60).prop_map(|actions| {
        let mut chat = Chat {
            planted: Planted::new(),
            said: [0; CLIENTS.len()],
            on_the_way: VecDeque::new(),
            log: Vec::new(),
            acknowledged: 0,
            cursors: [0; CLIENTS.len()],
        };
        chat.act(Action::Say(0));
        chat.act(Action::Say(1));
        for action in actions {
            chat.act(action);
        }
        for last in [Action::Commit, Action::Acknowledge, Action::Show(0), Action::Show(1)] {
            while chat.act(last) {}
        }
        chat.planted.finish()
    })
}

/// Records that need not make sense, of few enough messages, offsets, rooms and lives that they meet.
pub(super) fn senseless() -> impl Strategy<Value = Vec<Record>> {
    vec((kind(), 0..CLIENTS.len(), 1..3_u32, 0..4_000_u64), 0..40).prop_map(|drawn| {
        let mut at = Duration::ZERO;
        let mut records = Vec::new();
        for (kind, client, process, pause) in drawn {
            at += Duration::from_millis(pause);
            let is_server = matches!(kind, Kind::Committed { .. } | Kind::Suppressed { .. });
            let host: Name = if is_server { SERVER } else { CLIENTS[client] }.into();
            records.push(Record { step: 0, at, host, process, session: 1, kind });
        }
        records
    })
}

fn kind() -> impl Strategy<Value = Kind> {
    let id = || prop_oneof!["[ab]-[1-3]".prop_map(MessageId)];
    let maybe_id = || proptest::option::weighted(0.9, id());
    let room = || prop_oneof![4 => Just("general"), 1 => Just("lobby")].prop_map(Into::into);
    let offset = || (1..6_u64).prop_map(LogOffset);
    prop_oneof![
        3 => (id(), room(), 1..4_u64).prop_map(|(id, room, n)| Kind::Sent { id, room, n, content: 0 }),
        1 => (id(), offset()).prop_map(|(id, offset)| Kind::Acknowledged { id, offset }),
        3 => (maybe_id(), room(), offset())
            .prop_map(|(id, room, offset)| Kind::Committed { id, room, offset, content: 0 }),
        6 => (maybe_id(), room(), offset())
            .prop_map(|(id, room, offset)| Kind::Delivered { id, room, offset, content: 0 }),
        1 => (id(), offset()).prop_map(|(id, offset)| Kind::Suppressed { id, offset }),
        1 => Just(Kind::Connected),
        1 => Just(Kind::Disconnected { reason: "transport close" }),
    ]
}
