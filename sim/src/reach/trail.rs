//! What the world notes as it runs, beside the history: how the sessions of clients move on, and whom faults touch.
//!
//! A step stands at its place among the records. It is in no digest and in no file: only who follows the states of
//! connections needs it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::history::Recorder;
use crate::plan::Name;
use crate::scenario::limits::TICK;

/// Where the world notes it. A handle: cheap to clone.
#[derive(Clone)]
pub struct Trail {
    recorder: Recorder,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    steps: Vec<Step>,
    /// When a fault was last seen to touch a process.
    touched: BTreeMap<usize, Duration>,
}

/// Something that was noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// How many records were written before it.
    pub before: u64,
    /// Virtual time since the start of the run.
    pub at: Duration,
    /// What.
    pub what: What,
}

/// What can be noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The session of a client moved on, in this life of it.
    Moved(Name, u32, Move),
    /// A client began a connection of TCP, the one of that number.
    Dialled(Name, u32),
    /// A fault of the plan, by its place, touched someone.
    Touched(usize, Whom),
}

/// Whom a fault touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// A connection: who dialled it, and its number.
    Connection(Name, u32),
    /// A process, past its connections.
    Process(Name),
}

/// How the session of a client moves on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// It begins.
    Began,
    /// It asks a namespace for the socket that it had.
    AskedRecovery,
    /// It has an answer to that, whatever it is.
    AnsweredRecovery,
    /// A namespace has answered.
    Connected,
    /// A WebSocket is to take over from polling.
    UpgradeBegan,
    /// It has, or never will.
    UpgradeEnded,
    /// It was told to close.
    Closing,
    /// It is over.
    Closed,
}

impl Move {
    /// What a place that was reached means for the session of whoever reached it.
    pub fn of_place(place: &str) -> Option<Self> {
        match place {
            "client.dialled" => Some(Self::Began),
            "client.recovery_asked" => Some(Self::AskedRecovery),
            "client.recovered" | "client.not_recovered" => Some(Self::AnsweredRecovery),
            "client.connected" => Some(Self::Connected),
            "engine.upgrade_began" => Some(Self::UpgradeBegan),
            "engine.upgraded.client" | "engine.upgrade_failed" => Some(Self::UpgradeEnded),
            "client.closing" => Some(Self::Closing),
            "client.closed" => Some(Self::Closed),
            _ => None,
        }
    }
}

impl Trail {
    /// An empty one, beside these records.
    pub fn new(recorder: &Recorder) -> Self {
        Self { recorder: recorder.clone(), inner: Arc::default() }
    }

    /// A process reached a place, in this life of it.
    pub fn reached(&self, at: Duration, process: &str, life: u32, place: &str) {
        if let Some(movement) = Move::of_place(place) {
            self.note(at, What::Moved(process.into(), life, movement));
        }
    }

    /// A client began a connection.
    pub fn dialled(&self, at: Duration, client: &Name, number: u32) {
        self.note(at, What::Dialled(client.clone(), number));
    }

    /// A fault touched a connection.
    pub fn touched_connection(&self, at: Duration, fault: usize, client: &Name, number: u32) {
        self.note(at, What::Touched(fault, Whom::Connection(client.clone(), number)));
    }

    /// A fault touched a process past its connections. Noted once a tick: a disk or a clock is asked often.
    pub fn touched_process(&self, at: Duration, fault: usize, process: &Name) {
        let again = {
            let mut inner = self.inner.lock().expect("no one panics while holding it");
            let last = inner.touched.insert(fault, at);
            let again = last.filter(|last| at < *last + TICK);
            inner.touched.extend(again.map(|last| (fault, last)));
            again.is_some()
        };
        if !again {
            self.note(at, What::Touched(fault, Whom::Process(process.clone())));
        }
    }

    /// All that was noted so far, moved out.
    pub fn take(&self) -> Vec<Step> {
        std::mem::take(&mut self.inner.lock().expect("no one panics while holding it").steps)
    }

    fn note(&self, at: Duration, what: What) {
        let before = self.recorder.written();
        self.inner.lock().expect("no one panics while holding it").steps.push(Step { before, at, what });
    }
}

#[cfg(test)]
mod tests {
    use squall::reached;

    use super::*;

    #[test]
    fn every_move_is_known_by_a_place_of_the_catalog() {
        let moves: Vec<Move> = reached::SITES.iter().filter_map(|site| Move::of_place(site.name)).collect();
        let all = [
            Move::Began,
            Move::AskedRecovery,
            Move::AnsweredRecovery,
            Move::Connected,
            Move::UpgradeBegan,
            Move::UpgradeEnded,
            Move::Closing,
            Move::Closed,
        ];
        assert!(all.iter().all(|movement| moves.contains(movement)), "{moves:?}");
        assert_eq!(moves.len(), 10, "a place is misspelt");
    }

    #[test]
    fn a_process_is_touched_once_a_tick() {
        let trail = Trail::new(&Recorder::new());
        let server = Name::from("server");
        for at in [Duration::ZERO, TICK / 2, TICK, TICK * 3 / 2] {
            trail.touched_process(at, 0, &server);
        }
        trail.touched_process(TICK, 1, &server);

        let seen: Vec<Duration> = trail.take().iter().map(|step| step.at).collect();
        assert_eq!(seen, [Duration::ZERO, TICK, TICK]);
    }
}
