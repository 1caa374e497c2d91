//! *Promise:* a client whose connection breaks takes up its socket where it was, if it comes back in time.
//!
//! *Checked:* where a client gets a new socket of events, something has ended the one that it had: its user left, a process
//! of the two is another one (of the server, only where it does not store sessions), the server or its protocol put an end
//! to it, or it was away for too long.
//!
//! *Not checked, because:* plans with so many bytes of events that the server need not keep all of them. That something
//! kept is missing, which is *lost*. The last of the time for which a server keeps a socket: what it keeps is older than the
//! moment in which it or the client noticed, by a heartbeat. Where the server's disk is slow its handlers, which say that it
//! noticed, may hear of it long after: then what counts is when the client last got something. A client that has not heard something for that long, over
//! however many connections: the server need not keep it. Who is told of two sockets over one connection, for a client
//! that was held up is told late of the one that it had before.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use squall::socket::Recovery;

use super::roll::{Entry, Host, Message, Roll};
use super::{Anomaly, Checker, Finding, Run, Violation, verdict};
use crate::history::{Kind, Record};
use crate::plan::{Act, FaultAct, FaultKind, Plan, SERVER};

/// More than travels with an event besides its text and its bytes, and than it costs to keep.
const OVERHEAD: usize = 512;

/// Looks for [`Anomaly::Unrecovered`].
pub(super) struct Unrecovered<'r> {
    /// For how long a client may be away; `None` where it cannot be told.
    window: Option<Duration>,
    /// Whether sockets outlive the server's process.
    stores: bool,
    /// The socket that each client could take up.
    sockets: BTreeMap<Host, Socket<'r>>,
    clients: BTreeSet<Host>,
    /// Whom the server's process does not serve yet: what they are told of a socket comes from a process that is gone.
    unserved: BTreeSet<Host>,
    /// The server's connections, by process and session: whose they are.
    connections: BTreeMap<(u32, u32), Host>,
    /// The last one of each client.
    latest: BTreeMap<Host, (u32, u32)>,
    /// When what each client has not heard yet was relayed to it.
    unheard: BTreeMap<Host, BTreeMap<Message, Duration>>,
    /// Whether handlers may hear late of what the server noticed, behind others that wait for the disk.
    late: bool,
    /// What each client got last.
    got: BTreeMap<Host, &'r Record>,
    examined: u64,
    found: Option<Violation>,
}

struct Socket<'r> {
    /// With what it began.
    connected: &'r Record,
    /// With what its connection was lost, as the first of the two noticed.
    lost: Option<&'r Record>,
}

impl<'r> Unrecovered<'r> {
    pub(super) fn new(plan: &Plan, roll: &mut Roll) -> Self {
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
            stores: plan.server.store_sessions && !may_fail(plan) && !may_leap(plan),
            sockets: BTreeMap::new(),
            clients: plan.clients.keys().map(|name| roll.host(name)).collect(),
            unserved: BTreeSet::new(),
            connections: BTreeMap::new(),
            latest: BTreeMap::new(),
            unheard: BTreeMap::new(),
            late: may_be_slow(plan),
            got: BTreeMap::new(),
            examined: 0,
            found: None,
        }
    }

    fn on_resumed(&mut self, entry: &Entry<'r>, recovered: bool) {
        let record = entry.record;
        let before = if self.unserved.contains(&entry.who) {
            self.sockets.remove(&entry.who)
        } else {
            self.sockets.insert(entry.who, Socket { connected: record, lost: None })
        };
        let oldest = self.unheard.get(&entry.who).and_then(|unheard| unheard.values().min().copied());
        if !recovered {
            self.unheard.remove(&entry.who);
        }
        let Some(before) = before else { return };
        if (before.connected.process, before.connected.session) == (record.process, record.session) {
            return;
        }
        let lost = before.lost.unwrap_or(before.connected).at;
        let away_since = oldest.map_or(lost, |oldest| lost.min(oldest));
        if self.window.is_none_or(|window| record.at - away_since >= window) {
            return;
        }
        self.examined += 1;
        if !recovered {
            let witness = [Some(before.connected), before.lost, Some(record)];
            self.found.get_or_insert_with(|| Violation {
                anomaly: Anomaly::Unrecovered,
                says: format!(
                    "{} {}, though the one that it had was to be taken up",
                    record.host, record.kind
                ),
                step: record.step,
                witness: witness.into_iter().flatten().cloned().collect(),
            });
        }
    }

    fn on_served(&mut self, entry: &Entry<'r>) {
        let connection = (entry.process, entry.session);
        for client in &entry.named {
            self.unserved.remove(client);
            self.connections.insert(connection, *client);
            self.latest.insert(*client, connection);
        }
    }

    /// Only the last connection of a client bears its socket.
    fn on_dropped(&mut self, entry: &Entry<'r>) {
        let connection = (entry.process, entry.session);
        if let Some(client) = self.connections.remove(&connection)
            && self.latest.get(&client) == Some(&connection)
            && let Some(socket) = self.sockets.get_mut(&client)
        {
            let got = self.got.get(&client).filter(|_| self.late);
            socket.lost.get_or_insert(got.copied().unwrap_or(entry.record));
        }
    }

    fn on_disconnected(&mut self, entry: &Entry<'r>, reason: &str) {
        // The reference documentation's list of what ends a session, as the client calls it.
        if matches!(reason, "io server disconnect" | "io client disconnect" | "parse error") {
            self.sockets.remove(&entry.who);
        } else if let Some(socket) = self.sockets.get_mut(&entry.who) {
            socket.lost.get_or_insert(entry.record);
        }
    }
}

/// Whether the server's disk may have trouble: a store that fails is given up, and with it what is stored.
fn may_fail(plan: &Plan) -> bool {
    plan.faults.iter().any(|fault| matches!(fault.what.kind(), FaultKind::DiskFull | FaultKind::DiskError))
}

fn may_be_slow(plan: &Plan) -> bool {
    plan.faults.iter().any(|fault| matches!(&fault.what, FaultAct::DiskSlow(slow) if *slow.of == *SERVER))
}

/// Whether the server's wall clock may leap: after a restart only that tells for how long a client was away.
fn may_leap(plan: &Plan) -> bool {
    plan.faults.iter().any(|fault| matches!(&fault.what, FaultAct::ClockJump(jump) if *jump.of == *SERVER))
}

impl<'r> Checker<'r> for Unrecovered<'r> {
    fn anomaly(&self) -> Anomaly {
        Anomaly::Unrecovered
    }

    fn observe(&mut self, entry: &Entry<'r>) {
        if let Kind::Connected { peer: None }
        | Kind::Delivered { .. }
        | Kind::Acknowledged { .. }
        | Kind::Answered { .. }
        | Kind::Heard { .. } = &entry.kind
        {
            self.got.insert(entry.who, entry.record);
        }
        if let Kind::Resumed { recovered, .. } = &entry.kind {
            self.on_resumed(entry, *recovered);
        } else if let Kind::Relayed { volatile: false, .. } = &entry.kind {
            for client in &entry.named {
                self.unheard.entry(*client).or_default().entry(entry.message).or_insert(entry.at);
            }
        } else if let Kind::Heard { .. } = &entry.kind {
            if let Some(unheard) = self.unheard.get_mut(&entry.who) {
                unheard.remove(&entry.message);
            }
        } else if let Kind::Connected { peer: Some(_) } = &entry.kind {
            self.on_served(entry);
        } else if let Kind::Disconnected { reason } = &entry.kind {
            if *entry.host == *SERVER {
                self.on_dropped(entry);
            } else {
                self.on_disconnected(entry, reason);
            }
        } else if let Kind::Exited { .. } = &entry.kind
            && *entry.host == *SERVER
        {
            if self.stores {
                // Whoever was connected to it is away from now on, when ever that is noticed.
                for socket in self.sockets.values_mut() {
                    socket.lost.get_or_insert(entry.record);
                }
            } else {
                self.sockets.clear();
                self.unserved.clone_from(&self.clients);
            }
        } else if let Kind::Did { act: "disconnect" } | Kind::Exited { .. } = &entry.kind {
            self.sockets.remove(&entry.who);
        }
    }

    fn finish(self: Box<Self>, _: &Run<'r>) -> Finding {
        verdict(self.found, self.examined).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::planted::{ALICE, BOB, Planted, first_socket, plan, seconds};
    use crate::check::{Ending, Verdict, judge};
    use crate::plan::{DiskSlow, Fault};
    use crate::units::{Span, SpanRange};

    /// Bob has a socket of events, of which a server keeps what was missed for 2 min.
    fn bob() -> Planted {
        Planted::good()
    }

    fn again(planted: Planted, recovered: bool) -> Verdict {
        again_where(false, planted, recovered)
    }

    fn again_where(store_sessions: bool, planted: Planted, recovered: bool) -> Verdict {
        let planted = planted.connect(BOB).record(BOB, Kind::Resumed { recovered, socket: "another".into() });
        verdict_of(store_sessions, planted)
    }

    fn verdict_of(store_sessions: bool, planted: Planted) -> Verdict {
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
    fn who_stood_still_when_the_server_died_was_away_since_then() {
        let frozen = |stood| {
            let killed = bob().record(SERVER, Kind::Exited { how: "killed".to_owned() });
            killed.pass(seconds(stood)).disconnect(BOB).pass(seconds(20))
        };
        assert!(matches!(again_where(true, frozen(1), false), Verdict::Broken(_)));
        assert_eq!(again_where(true, frozen(40), false), Verdict::Idle);
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
    fn the_time_counts_from_when_the_server_noticed_if_it_was_first() {
        let frozen = |session| {
            let served = Planted::unconnected().serve(BOB).serve(BOB).hold(BOB, "his");
            served.hang_up(session, "ping timeout").pass(seconds(200)).disconnect(BOB).pass(seconds(5))
        };
        assert_eq!(again(frozen(2), false), Verdict::Idle);
        assert!(matches!(again(frozen(1), false), Verdict::Broken(_)), "the end of an earlier connection");
    }

    #[test]
    fn where_the_servers_disk_is_slow_the_time_counts_from_what_the_client_got_last() {
        let frozen = |quiet, faults| {
            let mut plan = plan();
            plan.server.recovery = Some(Span(seconds(120)));
            plan.faults = faults;
            let served = Planted::unconnected().serve(BOB).connect(BOB).hold(BOB, "his").pass(seconds(quiet));
            let away = served.hang_up(1, "ping timeout").pass(seconds(40)).disconnect(BOB);
            let again = away.connect(BOB).hold(BOB, "another").finish();
            let verdicts = judge(&plan, &again, &Ending::Settled).verdicts;
            verdicts.into_iter().find(|(anomaly, _)| *anomaly == Anomaly::Unrecovered).expect("it applies").1
        };
        let by = SpanRange { low: seconds(1), high: seconds(8) };
        let what = FaultAct::DiskSlow(DiskSlow { of: SERVER.into(), by });
        let slow =
            || vec![Fault { at: seconds(1).into(), lasts: Some(Span(seconds(60))), what: what.clone() }];
        assert!(matches!(frozen(30, vec![]), Verdict::Broken(_)));
        assert_eq!(frozen(30, slow()), Verdict::Idle);
        assert!(matches!(frozen(1, slow()), Verdict::Broken(_)));
    }

    #[test]
    fn who_is_told_late_of_the_socket_before_has_lost_nothing() {
        let told =
            Planted::good().disconnect(BOB).connect(BOB).hold(BOB, "the second").hold(BOB, "the third");
        assert!(matches!(verdict_of(false, told), Verdict::Broken(_)), "the second is not the first");
        let late = Planted::unconnected().connect(BOB).hold(BOB, "the first").hold(BOB, "the second");
        assert_eq!(verdict_of(false, late), Verdict::Idle);
    }

    #[test]
    fn what_a_client_has_not_heard_for_too_long_need_not_be_kept() {
        let relayed = |heard: bool| {
            let planted = Planted::good().broadcast(ALICE, &[BOB], &[ALICE], false);
            let planted = if heard { planted.hear(BOB, "alice broadcast 1") } else { planted };
            let again =
                planted.pass(seconds(30)).disconnect(BOB).connect(BOB).resume(BOB, &first_socket(BOB));
            again.pass(seconds(30)).disconnect(BOB).pass(seconds(1))
        };
        assert_eq!(
            again(relayed(false), false),
            Verdict::Held { examined: 1 },
            "only the first time is examined"
        );
        assert!(matches!(again(relayed(true), false), Verdict::Broken(_)));
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
