//! *Promise:* a healthy connection does not end by ping timeout.
//!
//! *Checked:* where a client's connection ends by ping timeout, a fault touched a connection of that client since it was
//! connected.
//!
//! *Not checked, because:* the server's side of a connection, because its records do not say whose it is; where the server
//! closes a healthy connection, the client comes back, and what it owes and is owed is judged as ever.

use super::presence::Presences;
use super::{Anomaly, Checker, Ending, Finding, Violation, verdict};
use crate::history::{Kind, Record};
use crate::plan::Plan;

/// How Socket.IO calls a death of the heartbeat.
const PING_TIMEOUT: &str = "ping timeout";

/// Looks for [`Anomaly::FalseDeath`].
pub(super) struct FalseDeath {
    presences: Presences,
    connections: u64,
    found: Option<Violation>,
}

impl FalseDeath {
    pub(super) fn new(plan: &Plan) -> Self {
        Self { presences: Presences::new(plan), connections: 0, found: None }
    }
}

impl Checker for FalseDeath {
    fn anomaly(&self) -> Anomaly {
        Anomaly::FalseDeath
    }

    fn observe(&mut self, record: &Record) {
        self.presences.observe(record);
        let Some(presence) = self.presences.of(&record.host) else { return };
        if let Kind::Connected = &record.kind {
            self.connections += 1;
        } else if let Kind::Disconnected { reason: PING_TIMEOUT } = &record.kind
            && presence.touched.is_none()
        {
            self.found.get_or_insert_with(|| Violation {
                anomaly: Anomaly::FalseDeath,
                says: format!("{} {}, though no fault touched its connection", record.host, record.kind),
                step: record.step,
                witness: vec![record.clone()],
            });
        }
    }

    fn finish(self: Box<Self>, _: &Ending) -> Finding {
        verdict(self.found, self.connections).into()
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
        let planted = Planted::good().disconnect(BOB).touch(BOB).connect(BOB).record(BOB, DEATH);
        held(Anomaly::FalseDeath, planted.connect(BOB));
    }

    #[test]
    fn what_touched_an_earlier_connection_excuses_nothing() {
        let planted = Planted::good().touch(BOB).disconnect(BOB).connect(BOB).record(BOB, DEATH);
        broken(Anomaly::FalseDeath, planted.connect(BOB), &Ending::Settled);
    }
}
