//! *Promise:* a healthy connection does not end by ping timeout.
//!
//! *Checked:* where a client's connection ends by ping timeout, a fault touched a connection of that client since it was
//! connected. Where the server's end of one does, a fault touched a connection of its client since that client was last
//! disconnected, or the client's own end is gone.
//!
//! *Not checked, because:* a session of the server that nobody was told of, because it was never connected for anyone.

use super::presence::Presences;
use super::roll::{Entry, Roll};
use super::sessions::Sessions;
use super::{Anomaly, Checker, Finding, Run, Violation, verdict};
use crate::history::{Kind, Record};
use crate::plan::Plan;

/// How Socket.IO calls a death of the heartbeat.
const PING_TIMEOUT: &str = "ping timeout";

/// Looks for [`Anomaly::FalseDeath`].
pub(super) struct FalseDeath {
    presences: Presences,
    sessions: Sessions,
    connections: u64,
    found: Option<Violation>,
}

impl FalseDeath {
    pub(super) fn new(plan: &Plan, roll: &mut Roll) -> Self {
        let (presences, sessions) = (Presences::new(plan, roll), Sessions::new(plan, roll));
        Self { presences, sessions, connections: 0, found: None }
    }
}

impl FalseDeath {
    fn observe_server(&mut self, entry: &Entry<'_>) {
        let Some(ended) = self.sessions.observe(entry) else { return };
        let record = entry.record;
        if let Kind::Disconnected { reason: PING_TIMEOUT } = &record.kind
            && !ended.excused
        {
            let end = format!("the {}'s end of {}'s connection", record.host, ended.client);
            self.find(record, format!("{end} {}, though no fault touched it", record.kind));
        }
    }

    fn find(&mut self, record: &Record, says: String) {
        self.found.get_or_insert_with(|| Violation {
            anomaly: Anomaly::FalseDeath,
            says,
            step: record.step,
            witness: vec![record.clone()],
        });
    }
}

impl<'r> Checker<'r> for FalseDeath {
    fn anomaly(&self) -> Anomaly {
        Anomaly::FalseDeath
    }

    fn observe(&mut self, entry: &Entry<'r>) {
        self.presences.observe(entry);
        self.observe_server(entry);
        let record = entry.record;
        if let Kind::Connected { peer: None } = &record.kind {
            self.connections += 1;
        } else if let Kind::Disconnected { reason: PING_TIMEOUT } = &record.kind
            && self.presences.of(entry.who).is_some_and(|presence| presence.touched.is_none())
        {
            self.find(
                record,
                format!("{} {}, though no fault touched its connection", record.host, record.kind),
            );
        }
    }

    fn finish(self: Box<Self>, _: &Run<'r>) -> Finding {
        verdict(self.found, self.connections).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Ending;
    use crate::check::planted::{ALICE, BOB, Planted, broken, held, seconds};

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
    fn what_touches_a_client_that_is_connected_again_and_does_not_say_so_yet_touches_either_connection() {
        let late = |answered: Planted| {
            answered.touch(BOB).disconnect(BOB).connect(BOB).record(BOB, DEATH).connect(BOB)
        };
        held(Anomaly::FalseDeath, late(Planted::good().answer(BOB)));
        broken(Anomaly::FalseDeath, late(Planted::good()), &Ending::Settled);
    }

    #[test]
    fn who_connects_again_before_the_disconnect_is_done_may_go_on_over_what_was_touched() {
        let did = |planted: Planted, act| planted.record(BOB, Kind::Did { act });
        let parting = Kind::Disconnected { reason: "io client disconnect" };
        let touched = || Planted::good().serve(BOB).touch(BOB);
        let at_once = || did(did(touched(), "disconnect"), "connect").record(BOB, parting.clone()).serve(BOB);
        held(Anomaly::FalseDeath, at_once().hang_up(2, PING_TIMEOUT));
        held(Anomaly::FalseDeath, at_once().record(BOB, DEATH).connect(BOB));
        let later =
            || did(did(touched(), "disconnect").record(BOB, parting.clone()), "connect").pass(seconds(1));
        broken(Anomaly::FalseDeath, later().serve(BOB).record(BOB, DEATH), &Ending::Settled);
    }

    #[test]
    fn a_healthy_connection_that_the_server_gives_up_is_found() {
        let planted = Planted::good().serve(BOB).hang_up(1, PING_TIMEOUT);
        let violation = broken(Anomaly::FalseDeath, planted, &Ending::Settled);
        assert_eq!(
            violation.says,
            "the server's end of bob's connection disconnected: ping timeout, though no fault touched it"
        );
        let another = Planted::good().serve(ALICE).serve(BOB).touch(ALICE).hang_up(2, PING_TIMEOUT);
        broken(Anomaly::FalseDeath, another, &Ending::Settled);
    }

    #[test]
    fn the_server_may_give_up_what_a_fault_touched_or_the_client_left() {
        held(Anomaly::FalseDeath, Planted::good().serve(BOB).touch(BOB).hang_up(1, PING_TIMEOUT));
        let while_made = Planted::good().serve(BOB).disconnect(BOB).touch(BOB).serve(BOB);
        held(Anomaly::FalseDeath, while_made.hang_up(2, PING_TIMEOUT));
        let in_vain = Planted::good().serve(BOB).disconnect(BOB).touch(BOB).answer(BOB).serve(BOB);
        held(Anomaly::FalseDeath, in_vain.hang_up(3, PING_TIMEOUT));
        held(
            Anomaly::FalseDeath,
            Planted::good().serve(BOB).disconnect(BOB).hang_up(1, PING_TIMEOUT).connect(BOB),
        );
        held(Anomaly::FalseDeath, Planted::good().serve(BOB).hang_up(1, "transport close"));
    }

    #[test]
    fn the_server_may_give_up_what_it_answered_when_its_client_was_gone_already() {
        let reloaded =
            || Planted::good().exit(BOB).answer(BOB).record(BOB, Kind::Started).answer(BOB).connect(BOB);
        held(Anomaly::FalseDeath, reloaded().hang_up(1, PING_TIMEOUT));
        broken(Anomaly::FalseDeath, reloaded().hang_up(2, PING_TIMEOUT), &Ending::Settled);
    }

    #[test]
    fn the_server_may_give_up_who_left_before_it_was_answered() {
        let did = |act| Kind::Did { act };
        let left = Planted::good().disconnect(BOB).record(BOB, did("connect")).record(BOB, did("disconnect"));
        held(Anomaly::FalseDeath, left.answer(BOB).hang_up(1, PING_TIMEOUT));
        let returns =
            Planted::good().disconnect(BOB).record(BOB, did("disconnect")).record(BOB, did("connect"));
        broken(Anomaly::FalseDeath, returns.serve(BOB).hang_up(1, PING_TIMEOUT), &Ending::Settled);
    }

    #[test]
    fn what_touched_an_earlier_connection_excuses_nothing_at_the_server() {
        let before = || Planted::good().serve(BOB).touch(BOB);
        for planted in
            [before().disconnect(BOB), before().record(BOB, Kind::Exited { how: "killed".to_owned() })]
        {
            let planted = planted.serve(BOB).hang_up(2, PING_TIMEOUT);
            broken(Anomaly::FalseDeath, planted, &Ending::Settled);
        }
    }

    #[test]
    fn what_touched_an_earlier_connection_excuses_nothing() {
        let planted = Planted::good().touch(BOB).disconnect(BOB).connect(BOB).record(BOB, DEATH);
        broken(Anomaly::FalseDeath, planted.connect(BOB), &Ending::Settled);
    }
}
