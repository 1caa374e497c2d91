//! The way from one machine to another: open, or blocked by faults of the plan.
//!
//! Each direction stands for itself. Faults overlap: a link opens when the last fault that blocks it ends. What was held
//! is counted for each fault that held it, so that a fault which touched nothing can be told from one that did.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;

use super::frame::MachineId;

/// What TCP waits before it sends again what nobody acknowledged (Linux: at least this, whatever the round trip); doubles.
const RETRANSMISSION_TIMEOUT: Duration = Duration::from_millis(200);

/// The longest that a retransmission timeout grows (Linux: `TCP_RTO_MAX`).
const RETRANSMISSION_TIMEOUT_MAX: Duration = Duration::from_secs(120);

/// Every link of a run, and what faults did to them.
#[derive(Default)]
pub(in crate::world) struct Links {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    blocked: BTreeMap<(MachineId, MachineId), Vec<usize>>,
    changes: BTreeMap<(MachineId, MachineId), Arc<Notify>>,
    touched: BTreeMap<usize, u64>,
}

/// Remembers which faults have been charged with holding one thing, so that each is charged once.
#[derive(Default)]
pub(super) struct Held(Vec<usize>);

impl Links {
    /// From now on nothing passes.
    pub(in crate::world) fn block(&self, from: MachineId, to: MachineId, fault: usize) {
        let mut state = self.lock();
        state.blocked.entry((from, to)).or_default().push(fault);
        // What waits already is held by this fault too.
        state.changed(from, to);
    }

    /// This fault no longer blocks the way.
    pub(in crate::world) fn unblock(&self, from: MachineId, to: MachineId, fault: usize) {
        let mut state = self.lock();
        let Some(faults) = state.blocked.get_mut(&(from, to)) else { return };
        faults.retain(|other| *other != fault);
        if faults.is_empty() {
            state.blocked.remove(&(from, to));
            state.changed(from, to);
        }
    }

    /// Says that a fault touched traffic, so many times.
    pub(in crate::world) fn touch(&self, fault: usize, times: u64) {
        *self.lock().touched.entry(fault).or_default() += times;
    }

    /// How often each fault touched traffic.
    pub(in crate::world) fn touched(&self) -> BTreeMap<usize, u64> {
        self.lock().touched.clone()
    }

    /// Which links are blocked, and by which faults.
    pub(in crate::world) fn blocked(&self) -> Vec<(MachineId, MachineId, Vec<usize>)> {
        self.lock().blocked.iter().map(|(&(from, to), faults)| (from, to, faults.clone())).collect()
    }

    /// Whether something can pass now. If not, what blocks it is charged, once for each `held`.
    pub(super) fn is_open(&self, from: MachineId, to: MachineId, held: &mut Held) -> bool {
        let mut state = self.lock();
        let State { blocked, touched, .. } = &mut *state;
        let Some(faults) = blocked.get(&(from, to)) else { return true };
        for fault in faults {
            if !held.0.contains(fault) {
                held.0.push(*fault);
                *touched.entry(*fault).or_default() += 1;
            }
        }
        false
    }

    /// Ends when the link is open.
    pub(super) async fn opened(&self, from: MachineId, to: MachineId, held: &mut Held) {
        let changes = Arc::clone(self.lock().changes.entry((from, to)).or_default());
        loop {
            // Registered before looking, or a change in between would be missed.
            let mut change = std::pin::pin!(changes.notified());
            change.as_mut().enable();
            if self.is_open(from, to, held) {
                return;
            }
            change.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no one panics while holding it")
    }
}

impl State {
    fn changed(&self, from: MachineId, to: MachineId) {
        if let Some(changes) = self.changes.get(&(from, to)) {
            changes.notify_waiters();
        }
    }
}

/// When TCP sends again for the first time at or after `healed` what it sent first at `sent`.
pub(super) fn first_retransmission(sent: Duration, healed: Duration) -> Duration {
    let mut at = sent;
    let mut timeout = RETRANSMISSION_TIMEOUT;
    while at < healed || at == sent {
        at += timeout;
        timeout = (timeout * 2).min(RETRANSMISSION_TIMEOUT_MAX);
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: MachineId = MachineId(0);
    const B: MachineId = MachineId(1);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn retransmissions_come_200_ms_after_the_first_sending_and_double() {
        for (healed, at) in
            [(1000, 1200), (1200, 1200), (1201, 1600), (1601, 2400), (2401, 4000), (4001, 7200)]
        {
            assert_eq!(first_retransmission(ms(1000), ms(healed)), ms(at), "healed at {healed} ms");
        }
    }

    #[test]
    fn retransmissions_are_never_more_than_two_minutes_apart() {
        let day = Duration::from_secs(24 * 3600);

        assert!(first_retransmission(Duration::ZERO, day) <= day + RETRANSMISSION_TIMEOUT_MAX);
    }

    #[test]
    fn a_link_opens_when_the_last_fault_that_blocks_it_ends() {
        let links = Links::default();
        links.block(A, B, 1);
        links.block(A, B, 2);

        links.unblock(A, B, 1);
        assert!(!links.is_open(A, B, &mut Held::default()));

        links.unblock(A, B, 2);
        assert!(links.is_open(A, B, &mut Held::default()));
    }

    #[test]
    fn one_held_thing_is_charged_once_to_each_fault_that_held_it() {
        let links = Links::default();
        links.block(A, B, 7);
        let mut held = Held::default();
        assert!(!links.is_open(A, B, &mut held));
        links.block(A, B, 8);
        assert!(!links.is_open(A, B, &mut held));
        assert!(!links.is_open(A, B, &mut held));

        assert_eq!(links.touched(), BTreeMap::from([(7, 1), (8, 1)]));
        assert!(links.is_open(B, A, &mut held), "the other direction stands for itself");
    }
}
