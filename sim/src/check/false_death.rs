//! *Promise:* a healthy connection does not end by ping timeout.
//!
//! *Checked:* where a client's connection ends by ping timeout, a fault touched a connection of that client since it was
//! connected.
//!
//! *Not checked, because:* the server's side of a connection, because its records do not say whose it is; where the server
//! closes a healthy connection, the client comes back, and what it owes and is owed is judged as ever.

use std::time::Duration;

use super::presence::{LATE, Presences};
use super::{Anomaly, Checker, Ending, Finding, Violation, verdict};
use crate::history::{Kind, Record};
use crate::plan::{Name, Plan};

/// How Socket.IO calls a death of the heartbeat.
const PING_TIMEOUT: &str = "ping timeout";

/// Looks for [`Anomaly::FalseDeath`].
pub(super) struct FalseDeath {
    presences: Presences,
    /// Deaths without a reason so far: the touch of a fault may be recorded a little later.
    suspects: Vec<Record>,
    connections: u64,
    found: Option<Record>,
}

impl FalseDeath {
    pub(super) fn new(plan: &Plan) -> Self {
        Self { presences: Presences::new(plan), suspects: Vec::new(), connections: 0, found: None }
    }

    fn confirm(&mut self, now: Duration) {
        let is_over = |suspect: &Record| now > suspect.at + LATE;
        let confirmed = self.suspects.iter().find(|suspect| is_over(suspect)).cloned();
        self.found = self.found.take().or(confirmed);
        self.suspects.retain(|suspect| !is_over(suspect));
    }

    fn clear(&mut self, touched: &[Name]) {
        self.suspects.retain(|suspect| !touched.contains(&suspect.host));
    }
}

impl Checker for FalseDeath {
    fn anomaly(&self) -> Anomaly {
        Anomaly::FalseDeath
    }

    fn observe(&mut self, record: &Record) {
        self.confirm(record.at);
        self.presences.observe(record);
        let presence = self.presences.of(&record.host);
        if let Kind::Connected = &record.kind {
            self.connections += u64::from(presence.is_some());
        } else if let Kind::Disconnected { reason: PING_TIMEOUT } = &record.kind {
            if presence.is_some_and(|presence| presence.touched.is_none()) {
                self.suspects.push(record.clone());
            }
        } else if let Kind::Touched { processes, .. } = &record.kind {
            self.clear(processes);
        }
    }

    fn finish(mut self: Box<Self>, _: &Ending) -> Finding {
        self.confirm(Duration::MAX);
        let found = self.found.map(|record| Violation {
            anomaly: Anomaly::FalseDeath,
            says: format!("{} {}, though no fault touched its connection", record.host, record.kind),
            step: record.step,
            witness: vec![record],
        });
        verdict(found, self.connections).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::planted::{BOB, Planted, broken, held};

    const DEATH: Kind = Kind::Disconnected { reason: PING_TIMEOUT };

    #[test]
    fn a_healthy_connection_that_dies_is_found() {
        let planted = Planted::good().record(BOB, DEATH).connect(BOB);
        let violation = broken(Anomaly::FalseDeath, planted, &Ending::Settled);
        assert_eq!(violation.says, "bob disconnected: ping timeout, though no fault touched its connection");
    }

    #[test]
    fn a_connection_that_a_fault_touched_may_die() {
        held(Anomaly::FalseDeath, Planted::good().touch(BOB).record(BOB, DEATH).connect(BOB));
        held(Anomaly::FalseDeath, Planted::good().record(BOB, DEATH).touch(BOB).connect(BOB));
    }

    #[test]
    fn what_touched_an_earlier_connection_excuses_nothing() {
        let planted = Planted::good().touch(BOB).disconnect(BOB).connect(BOB).record(BOB, DEATH);
        broken(Anomaly::FalseDeath, planted.connect(BOB), &Ending::Settled);
    }
}
