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
    /// In the room with this number.
    Say(usize, usize),
    Join(usize),
    Leave(usize),
    /// Volatile or not; it is heard at once.
    Broadcast(usize, bool),
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
        (client.clone(), 0..ROOMS.len()).prop_map(|(client, room)| Action::Say(client, room)),
        client.clone().prop_map(Action::Join),
        client.clone().prop_map(Action::Leave),
        (client.clone(), any::<bool>()).prop_map(|(client, volatile)| Action::Broadcast(client, volatile)),
        Just(Action::Commit),
        Just(Action::Repeat),
        Just(Action::Acknowledge),
        client.clone().prop_map(Action::Show),
        client.prop_map(Action::Reconnect),
    ]
}

/// The room of the plan, and one that clients join and leave.
const ROOMS: [&str; 2] = ["general", "attic"];

/// A message that was said.
#[derive(Clone)]
struct Said {
    client: usize,
    id: String,
    room: usize,
}

/// One log, and clients that read it in order: what is said is committed, acknowledged and shown, each in its time, to who
/// is in its room.
struct Chat {
    planted: Planted,
    /// How many messages each client said.
    said: [u64; CLIENTS.len()],
    on_the_way: VecDeque<Said>,
    log: Vec<Said>,
    acknowledged: usize,
    cursors: [usize; CLIENTS.len()],
    /// When each client was in the second room: after which offset, up to which one.
    stays: [Vec<(usize, Option<usize>)>; CLIENTS.len()],
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
            Action::Say(client, room) => {
                self.said[client] += 1;
                let id = format!("{}-{}", CLIENTS[client], self.said[client]);
                self.on_the_way.push_back(Said { client, id, room });
                (planted.say_in(ROOMS[room], CLIENTS[client]), true)
            }
            Action::Join(client) => self.join(planted, client),
            Action::Leave(client) => self.leave(planted, client),
            Action::Broadcast(client, volatile) => {
                let (sender, other) = (CLIENTS[client], CLIENTS[1 - client]);
                let (planted, id) = planted.broadcast_as(sender, &[other], &[sender], volatile);
                (planted.hear(other, &id), true)
            }
            Action::Commit => {
                let Some(said) = self.on_the_way.pop_front() else { return (planted, false) };
                self.log.push(said.clone());
                (planted.commit_in(ROOMS[said.room], &said.id, self.log.len() as u64), true)
            }
            Action::Repeat => match self.log.last() {
                Some(said) => (planted.suppress(&said.id, self.log.len() as u64), true),
                None => (planted, false),
            },
            Action::Acknowledge => {
                let Some(said) = self.log.get(self.acknowledged) else { return (planted, false) };
                self.acknowledged += 1;
                (planted.ack(CLIENTS[said.client], &said.id, self.acknowledged as u64), true)
            }
            Action::Show(client) => self.show(planted, client),
            Action::Reconnect(client) => (planted.disconnect(CLIENTS[client]).connect(CLIENTS[client]), true),
        }
    }

    fn join(&mut self, planted: Planted, client: usize) -> (Planted, bool) {
        if self.stays[client].last().is_some_and(|(_, until)| until.is_none()) {
            return (planted, false);
        }
        self.stays[client].push((self.log.len(), None));
        (planted.join(CLIENTS[client], ROOMS[1], self.log.len() as u64), true)
    }

    fn leave(&mut self, planted: Planted, client: usize) -> (Planted, bool) {
        match self.stays[client].last_mut() {
            Some((_, until @ None)) => *until = Some(self.log.len()),
            Some(_) | None => return (planted, false),
        }
        (planted.leave(CLIENTS[client], ROOMS[1], self.log.len() as u64), true)
    }

    /// Shows the next message to which a client is entitled, if there is one.
    fn show(&mut self, planted: Planted, client: usize) -> (Planted, bool) {
        while let Some(said) = self.log.get(self.cursors[client]) {
            self.cursors[client] += 1;
            let offset = self.cursors[client];
            let covers = |(after, until): &(usize, Option<usize>)| {
                offset > *after && until.is_none_or(|until| offset <= until)
            };
            if said.room == 0 || self.stays[client].iter().any(covers) {
                let planted = planted.show_in(ROOMS[said.room], CLIENTS[client], &said.id, offset as u64);
                return (planted, true);
            }
        }
        (planted, false)
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
            stays: [Vec::new(), Vec::new()],
        };
        chat.act(Action::Say(0, 0));
        chat.act(Action::Say(1, 0));
        chat.act(Action::Broadcast(0, true));
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
    vec((kind(), 0..CLIENTS.len(), 1..3_u32, 1..3_u32, 0..4_000_u64), 0..40).prop_map(|drawn| {
        let mut at = Duration::ZERO;
        let mut records = Vec::new();
        for (kind, client, process, session, pause) in drawn {
            at += Duration::from_millis(pause);
            let is_server = matches!(kind, Kind::Committed { .. } | Kind::Suppressed { .. });
            let host: Name = if is_server { SERVER } else { CLIENTS[client] }.into();
            records.push(Record { step: 0, at, host, process, session, kind });
        }
        records
    })
}

fn kind() -> impl Strategy<Value = Kind> {
    let id = || prop_oneof!["[ab]-[1-3]".prop_map(|id| MessageId(id.into()))];
    let maybe_id = || proptest::option::weighted(0.9, id());
    let room = || prop_oneof![4 => Just("general"), 1 => Just("lobby")].prop_map(Into::into);
    let offset = || (1..6_u64).prop_map(LogOffset);
    let content = || prop_oneof![9 => Just(0_u64), 1 => Just(1)];
    prop_oneof![
        3 => (id(), room(), 1..4_u64, content())
            .prop_map(|(id, room, n, content)| Kind::Sent { id, room, n, content }),
        1 => (id(), offset()).prop_map(|(id, offset)| Kind::Acknowledged { id, offset }),
        1 => id().prop_map(|id| Kind::Failed { id, reason: String::new() }),
        3 => (maybe_id(), room(), offset(), content())
            .prop_map(|(id, room, offset, content)| Kind::Committed { id, room, offset, content }),
        6 => (maybe_id(), room(), offset(), content())
            .prop_map(|(id, room, offset, content)| Kind::Delivered { id, room, offset, content }),
        1 => (id(), offset()).prop_map(|(id, offset)| Kind::Suppressed { id, offset }),
        1 => Just(Kind::Connected { peer: None }),
        1 => Just(Kind::Disconnected { reason: "transport close" }),
    ]
}
