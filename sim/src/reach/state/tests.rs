//! Each state, as records and steps make it and end it.

use super::*;
use crate::history::Recorder;
use crate::plan::draw;
use crate::reach::Trail;
use crate::scenario::parse;

const STORY: &str = "\
name: story
about: Two clients, and a fault of each of two kinds.
guarantee: exactly_once
clients: { alice: {}, bob: {} }
work:
  - { at: 0s, who: [alice, bob], do: { say: { count: 1 } } }
faults:
  - { at: 1s, what: { reset: { between: [alice, server] } } }
  - { at: 1s, lasts: 1s, what: { disk_full: server } }
seeds: 1
";

const RESET: usize = 0;
const DISK: usize = 1;

/// A run in the making.
struct Story {
    recorder: Recorder,
    trail: Trail,
    at: Duration,
    connections: u32,
}

impl Story {
    fn new() -> Self {
        let recorder = Recorder::new();
        let trail = Trail::new(&recorder);
        Self { recorder, trail, at: Duration::ZERO, connections: 0 }
    }

    /// Alice's session begins, on its first connection.
    fn begun() -> Self {
        Self::new().reach("client.dialled").dial()
    }

    fn connected() -> Self {
        Self::begun().reach("client.connected")
    }

    fn reach(self, place: &str) -> Self {
        self.trail.reached(self.at, "alice", 1, place);
        self
    }

    fn dial(mut self) -> Self {
        self.connections += 1;
        self.trail.dialled(self.at, &"alice".into(), self.connections);
        self
    }

    fn record(self, host: &str, kind: Kind) -> Self {
        self.recorder.record(self.at, &host.into(), 1, 1, kind);
        self
    }

    fn say(self) -> Self {
        self.record("alice", Kind::Sent { id: id(), room: "general".into(), n: 1, content: 1 })
    }

    fn answer(self) -> Self {
        self.record("alice", Kind::Acknowledged { id: id(), offset: LogOffset(1) })
    }

    fn commit(self, offset: u64) -> Self {
        let offset = LogOffset(offset);
        self.record("server", Kind::Committed { id: None, room: "general".into(), offset, content: 1 })
    }

    fn show(self, offset: u64) -> Self {
        let offset = LogOffset(offset);
        self.record("alice", Kind::Delivered { id: None, room: "general".into(), offset, content: 1 })
    }

    fn pass(mut self) -> Self {
        self.at += Duration::from_secs(1);
        self
    }

    /// A fault touches Alice's connection of that number.
    fn reset(self, number: u32) -> Self {
        self.trail.touched_connection(self.at, RESET, &"alice".into(), number);
        self
    }

    fn states(self) -> Vec<State> {
        let plan = draw(&parse("story.yaml", STORY).unwrap(), 0);
        let found = struck(&plan, &self.recorder.finish().records, &self.trail.take());
        found.into_iter().map(|(_, state)| state).collect()
    }
}

fn id() -> MessageId {
    MessageId("alice-1".into())
}

#[test]
fn a_session_is_in_its_handshake_until_a_namespace_answers() {
    assert_eq!(Story::begun().reset(1).states(), [State::Handshake]);
    assert_eq!(Story::connected().reset(1).states(), [State::Idle]);
}

#[test]
fn a_message_is_in_flight_while_its_client_is_connected_and_has_no_answer() {
    assert_eq!(Story::connected().say().reset(1).states(), [State::AckInFlight]);
    assert_eq!(Story::connected().say().answer().reset(1).states(), [State::Idle]);
    assert_eq!(Story::begun().say().reset(1).states(), [State::Handshake]);
}

#[test]
fn an_upgrade_goes_on_beside_what_else_goes_on() {
    let upgrading = || Story::connected().reach("engine.upgrade_began").dial();
    assert_eq!(upgrading().reset(2).states(), [State::Upgrade]);
    assert_eq!(upgrading().say().reset(1).states(), [State::Upgrade, State::AckInFlight]);
    for end in ["engine.upgraded.client", "engine.upgrade_failed"] {
        assert_eq!(upgrading().reach(end).reset(2).states(), [State::Idle]);
    }
}

#[test]
fn a_client_recovers_until_it_has_an_answer_whatever_it_is() {
    let asking = || Story::begun().reach("client.recovery_asked");
    assert_eq!(asking().reset(1).states(), [State::Recovering]);
    for answer in ["client.recovered", "client.not_recovered"] {
        assert_eq!(asking().reach(answer).reach("client.connected").reset(1).states(), [State::Idle]);
    }
}

#[test]
fn a_client_catches_up_until_it_is_shown_what_was_said_before_it_connected() {
    let behind = || Story::begun().commit(1).commit(2).reach("client.connected").commit(3);
    assert_eq!(behind().show(1).reset(1).states(), [State::CatchingUp]);
    assert_eq!(behind().show(1).show(2).reset(1).states(), [State::Idle]);
}

#[test]
fn a_session_that_is_told_to_close_is_closing_and_so_is_what_is_left_of_it() {
    assert_eq!(Story::connected().reach("client.closing").reset(1).states(), [State::Closing]);
    let over = || Story::connected().reach("client.closing").reach("client.closed");
    assert_eq!(over().reset(1).states(), [State::Closing]);
    let next = || over().reach("client.dialled").dial().reach("client.connected");
    assert_eq!(next().reset(1).states(), [State::Closing]);
    assert_eq!(next().reset(2).states(), [State::Idle]);
}

#[test]
fn what_kills_a_process_touches_the_session_that_it_had_and_what_comes_later_none() {
    let dies = || Story::connected().say().record("alice", Kind::Exited { how: "reloaded".to_owned() });
    assert_eq!(dies().reset(1).states(), [State::AckInFlight]);
    assert_eq!(dies().pass().reset(1).states(), [State::Closing]);
}

#[test]
fn who_touches_the_server_touches_the_sessions_of_all_clients() {
    let story = Story::connected().say();
    story.trail.reached(story.at, "bob", 1, "client.dialled");
    story.trail.touched_process(story.at, DISK, &SERVER.into());
    assert_eq!(story.states(), [State::Handshake, State::AckInFlight]);

    let nobody = Story::new();
    nobody.trail.touched_process(nobody.at, DISK, &SERVER.into());
    assert_eq!(nobody.states(), []);
}
