//! *Promise:* a client whose connection breaks takes up its socket where it was, if it comes back in time.
//!
//! *Checked:* where a client gets a new socket of events, something has ended the one that it had: its user left, a process
//! of the two is another one (of the server, only where it does not store sessions), the server or its protocol put an end
//! to it, or it was away for too long.
//!
//! *Not checked, because:* plans with so many bytes of events that the server need not keep all of them. That something
//! kept is missing, which is *lost*. The last of the time for which a server keeps a socket: it counts from when the server
//! noticed, which may have been a heartbeat before the client did; and what it keeps is older by another.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use squall::socket::Recovery;

use super::{Anomaly, Checker, Ending, Finding, Violation, verdict};
use crate::history::{Kind, Record};
use crate::plan::{Act, FaultKind, Name, Plan, SERVER};

/// More than travels with an event besides its text and its bytes, and than it costs to keep.
const OVERHEAD: usize = 512;

/// Looks for [`Anomaly::Unrecovered`].
pub(super) struct Unrecovered {
    /// For how long a client may be away; `None` where it cannot be told.
    window: Option<Duration>,
    /// Whether sockets outlive the server's process.
    stores: bool,
    /// The socket that each client could take up.
    sockets: BTreeMap<Name, Socket>,
    clients: BTreeSet<Name>,
    /// Whom the server's process does not serve yet: what they are told of a socket comes from a process that is gone.
    unserved: BTreeSet<Name>,
    examined: u64,
    found: Option<Violation>,
}

struct Socket {
    /// With what it began.
    connected: Record,
    /// With what the client lost its connection.
    lost: Option<Record>,
}

impl Unrecovered {
    pub(super) fn new(plan: &Plan) -> Self {
        let bytes = |act: &Act| match act {
            Act::Emit(emit) => emit.content.len() + emit.binary.unwrap_or_default() as usize + OVERHEAD,
            Act::Broadcast(event) => {
                event.content.len() + event.binary.unwrap_or_default() as usize + OVERHEAD
            }
            Act::Connect
            | Act::Disconnect
            | Act::Say(_)
            | Act::Join(_)
            | Act::Leave(_)
            | Act::Reload
            | Act::Wait => 0,
        };
        let kept = plan.ops.iter().map(|op| bytes(&op.act)).sum::<usize>() <= Recovery::default().max_bytes;
        let heartbeat = plan.server.ping_interval.0 + 2 * plan.server.ping_timeout.0;
        let recovery = plan.server.recovery.filter(|_| kept);
        let window = recovery.and_then(|recovery| recovery.0.checked_sub(heartbeat));
        Self {
            window,
            stores: plan.server.store_sessions && !may_fail(plan),
            sockets: BTreeMap::new(),
            clients: plan.clients.keys().cloned().collect(),
            unserved: BTreeSet::new(),
            examined: 0,
            found: None,
        }
    }

    fn on_resumed(&mut self, record: &Record, recovered: bool) {
        let socket = Socket { connected: record.clone(), lost: None };
        let before = if self.unserved.contains(&record.host) {
            self.sockets.remove(&record.host)
        } else {
            self.sockets.insert(record.host.clone(), socket)
        };
        let Some(before) = before else { return };
        let away_since = before.lost.as_ref().unwrap_or(&before.connected).at;
        if self.window.is_none_or(|window| record.at - away_since >= window) {
            return;
        }
        self.examined += 1;
        if !recovered {
            let witness = [Some(before.connected), before.lost, Some(record.clone())];
            self.found.get_or_insert_with(|| Violation {
                anomaly: Anomaly::Unrecovered,
                says: format!(
                    "{} {}, though the one that it had was to be taken up",
                    record.host, record.kind
                ),
                step: record.step,
                witness: witness.into_iter().flatten().collect(),
            });
        }
    }

    fn on_disconnected(&mut self, record: &Record, reason: &str) {
        // The reference documentation's list of what ends a session, as the client calls it.
        if matches!(reason, "io server disconnect" | "io client disconnect" | "parse error") {
            self.sockets.remove(&record.host);
        } else if let Some(socket) = self.sockets.get_mut(&record.host) {
            socket.lost.get_or_insert_with(|| record.clone());
        }
    }
}

/// Whether the server's disk may have trouble: a store that fails is given up, and with it what is stored.
fn may_fail(plan: &Plan) -> bool {
    plan.faults.iter().any(|fault| matches!(fault.what.kind(), FaultKind::DiskFull | FaultKind::DiskError))
}

impl Checker for Unrecovered {
    fn anomaly(&self) -> Anomaly {
        Anomaly::Unrecovered
    }

    fn observe(&mut self, record: &Record) {
        if *record.host == *SERVER {
            if let (Kind::Exited { .. }, false) = (&record.kind, self.stores) {
                self.sockets.clear();
                self.unserved.clone_from(&self.clients);
            } else if let Kind::Connected { peer: Some(client) } = &record.kind {
                self.unserved.remove(client);
            }
        } else if let Kind::Resumed { recovered, .. } = &record.kind {
            self.on_resumed(record, *recovered);
        } else if let Kind::Disconnected { reason } = &record.kind {
            self.on_disconnected(record, reason);
        } else if let Kind::Did { act: "disconnect" } | Kind::Exited { .. } = &record.kind {
            self.sockets.remove(&record.host);
        }
    }

    fn finish(self: Box<Self>, _: &Ending) -> Finding {
        verdict(self.found, self.examined).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::planted::{BOB, Planted, plan, seconds};
    use crate::check::{Verdict, judge};
    use crate::units::Span;

    /// Bob has a socket of events, of which a server keeps what was missed for 2 min.
    fn bob() -> Planted {
        Planted::good()
    }

    fn again(planted: Planted, recovered: bool) -> Verdict {
        again_where(false, planted, recovered)
    }

    fn again_where(store_sessions: bool, planted: Planted, recovered: bool) -> Verdict {
        let planted = planted.connect(BOB).record(BOB, Kind::Resumed { recovered, socket: "another".into() });
        let mut plan = plan();
        plan.server.recovery = Some(Span(seconds(120)));
        plan.server.store_sessions = store_sessions;
        let verdicts = judge(&plan, &planted.finish(), &Ending::Settled).verdicts;
        verdicts.into_iter().find(|(anomaly, _)| *anomaly == Anomaly::Unrecovered).expect("it applies").1
    }

    #[test]
    fn a_socket_that_is_not_taken_up_in_time_is_found() {
        let Verdict::Broken(violation) = again(bob().disconnect(BOB).pass(seconds(20)), false) else {
            panic!("it is not found")
        };
        assert_eq!(
            violation.says,
            "bob got a new socket of events, though the one that it had was to be taken up"
        );
        assert_eq!(violation.witness.len(), 3);
        assert!(matches!(again(bob(), false), Verdict::Broken(_)), "without a disconnect, too");
    }

    #[test]
    fn a_socket_that_is_taken_up_is_held() {
        assert_eq!(again(bob().disconnect(BOB).pass(seconds(20)), true), Verdict::Held { examined: 1 });
    }

    #[test]
    fn a_stored_socket_outlives_its_server() {
        let killed = || bob().disconnect(BOB).record(SERVER, Kind::Exited { how: "killed".to_owned() });
        assert!(matches!(again_where(true, killed(), false), Verdict::Broken(_)));
        assert_eq!(again_where(true, killed(), true), Verdict::Held { examined: 1 });
    }

    #[test]
    fn what_a_server_said_before_it_died_is_no_socket_of_the_next() {
        let told = |serves: bool| {
            let killed = Planted::good().record(SERVER, Kind::Exited { how: "killed".to_owned() });
            let started = killed.record(SERVER, Kind::Started);
            let serving = Kind::Connected { peer: Some(BOB.into()) };
            let planted = if serves { started.record(SERVER, serving) } else { started };
            planted.hold(BOB, "the dead server's").disconnect(BOB)
        };
        assert_eq!(again(told(false), false), Verdict::Idle);
        assert!(matches!(again(told(true), false), Verdict::Broken(_)));
    }

    #[test]
    fn what_has_ended_need_not_be_taken_up() {
        for planted in [
            bob().disconnect(BOB).pass(seconds(56)),
            bob().record(BOB, Kind::Did { act: "disconnect" }).disconnect(BOB),
            bob().record(BOB, Kind::Disconnected { reason: "io server disconnect" }),
            bob().restart(BOB),
            bob().disconnect(BOB).record(SERVER, Kind::Exited { how: "killed".to_owned() }),
            Planted::unconnected().connect(BOB).disconnect(BOB),
        ] {
            assert_eq!(again(planted, false), Verdict::Idle);
        }
    }
}
