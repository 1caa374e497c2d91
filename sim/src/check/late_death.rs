//! *Promise:* neither side keeps a silent connection for longer than its heartbeat allows.
//!
//! *Checked:* where a fault of the plan keeps everything from a client that is connected when the fault begins, for longer
//! than `ping_interval + ping_timeout` and what may still have been on its way, the client is disconnected before that time
//! is over. Where a fault keeps everything of a client from the server, each session that the server has with it ends in
//! the same time. Either may notice something else before.
//!
//! *Not checked, because:* a silence during which another fault begins or ends, or shortly before which one ended, because
//! what the two hold and let go together is for the world to know.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::presence::Presences;
use super::roll::{Entry, Host, Roll};
use super::sessions::{SessionId, Sessions};
use super::{Anomaly, Checker, Finding, Run, Violation, verdict};
use crate::history::{Kind, Record};
use crate::plan::{Connections, FaultAct, Name, Pair, Path, Plan, SERVER, Transport, Ways};
use crate::scenario::limits::TICK;

/// Looks for [`Anomaly::LateDeath`].
pub(super) struct LateDeath<'r> {
    presences: Presences,
    sessions: Sessions,
    /// The clients of each fault that silences connections, and whom it keeps in the dark.
    silences: BTreeMap<usize, Vec<Silence>>,
    half_open: BTreeSet<usize>,
    /// How long either side may take to notice.
    bound: Duration,
    /// The faults that go on.
    active: BTreeSet<usize>,
    /// When the last one ended.
    ended: Option<Duration>,
    /// What nothing comes to: the record with which that began.
    watched: BTreeMap<End, &'r Record>,
    examined: u64,
    found: Option<Violation>,
}

/// Between a client and the server.
struct Silence {
    client: Name,
    who: Host,
    /// Nothing comes to the client.
    at_client: bool,
    /// Nothing comes to the server.
    at_server: bool,
}

/// One end of a connection to which nothing comes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Client(Name),
    Server(Name, SessionId),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(client) => write!(f, "{client} is still connected, though nothing has reached it"),
            Self::Server(client, _) => {
                write!(f, "the server still has its connection to {client}, though nothing has come of it")
            }
        }
    }
}

impl<'r> LateDeath<'r> {
    pub(super) fn new(plan: &Plan, roll: &mut Roll) -> Self {
        let is_half_open = |place: &usize| matches!(plan.faults[*place].what, FaultAct::HalfOpen(_));
        let on_its_way = plan.network.latency.high + TICK * 2;
        Self {
            presences: Presences::new(plan, roll),
            sessions: Sessions::new(plan, roll),
            silences: plan.faults.iter().map(|fault| silenced(plan, &fault.what, roll)).enumerate().collect(),
            half_open: (0..plan.faults.len()).filter(is_half_open).collect(),
            bound: plan.server.ping_interval.0 + plan.server.ping_timeout.0 + on_its_way,
            active: BTreeSet::new(),
            ended: None,
            watched: BTreeMap::new(),
            examined: 0,
            found: None,
        }
    }

    /// Time has passed: who is still connected is late.
    fn look(&mut self, record: &'r Record) {
        let late = self.watched.iter().find(|(_, began)| record.at > began.at + self.bound);
        let Some((end, began)) = late.map(|(end, began)| (end.clone(), *began)) else { return };
        self.watched.remove(&end);
        self.examined += 1;
        self.found.get_or_insert_with(|| Violation {
            anomaly: Anomaly::LateDeath,
            says: format!("{end} for {:?}", self.bound),
            step: record.step,
            witness: vec![began.clone(), record.clone()],
        });
    }

    fn on_began(&mut self, record: &'r Record, fault: usize) {
        let is_calm = self.ended.is_none_or(|ended| record.at > ended + self.bound);
        let is_alone = is_calm && self.active.is_empty();
        self.active.insert(fault);
        self.watched.clear();
        for silence in self.silences.get(&fault).into_iter().flatten().filter(|_| is_alone) {
            let (client, who) = (&silence.client, silence.who);
            if silence.at_client && self.presences.of(who).is_some_and(|presence| presence.connected) {
                self.watched.insert(End::Client(client.clone()), record);
            }
            if silence.at_server {
                let sessions = self.sessions.of(who).map(|id| End::Server(client.clone(), id));
                self.watched.extend(sessions.map(|end| (end, record)));
            }
        }
    }

    /// A half-open connection stays so, though its fault takes no time.
    fn on_fault_ended(&mut self, record: &Record, fault: usize) {
        self.active.remove(&fault);
        if !self.half_open.contains(&fault) {
            self.ended = Some(record.at);
            self.watched.clear();
        }
    }

    /// Its user, its death, or its heartbeat has ended a connection; what the client does, the server cannot hear.
    fn on_ended(&mut self, record: &Record) {
        let before = self.watched.len();
        let dies = matches!(record.kind, Kind::Exited { .. });
        self.watched.retain(|end, _| match end {
            End::Client(client) => *client != record.host,
            End::Server(_, (process, session)) => {
                *record.host != *SERVER || *process != record.process || (!dies && *session != record.session)
            }
        });
        self.examined += (before - self.watched.len()) as u64;
    }
}

impl<'r> Checker<'r> for LateDeath<'r> {
    fn anomaly(&self) -> Anomaly {
        Anomaly::LateDeath
    }

    fn observe(&mut self, entry: &Entry<'r>) {
        let record = entry.record;
        // What happens after the time was over comes too late.
        self.look(record);
        self.presences.observe(entry);
        self.sessions.observe(entry);
        if let Kind::FaultEnded { fault } = &record.kind {
            self.on_fault_ended(record, *fault);
        } else if let Kind::Disconnected { .. } | Kind::Exited { .. } | Kind::Did { act: "disconnect" } =
            &record.kind
        {
            self.on_ended(record);
        } else if let Kind::FaultBegan { fault, .. } = &record.kind {
            self.on_began(record, *fault);
        }
    }

    fn finish(self: Box<Self>, _: &Run<'r>) -> Finding {
        verdict(self.found, self.examined).into()
    }
}

/// Whom a fault keeps in the dark: who is paused says nothing to anyone.
fn silenced(plan: &Plan, what: &FaultAct, roll: &mut Roll) -> Vec<Silence> {
    if let FaultAct::Pause(name) = what {
        let by_server = **name == *SERVER;
        let clients = plan.clients.keys().filter(|client| by_server || *client == name).cloned();
        let silence =
            |client| Silence { who: roll.host(&client), client, at_client: by_server, at_server: !by_server };
        clients.map(silence).collect()
    } else {
        silenced_link(plan, what, roll).into_iter().collect()
    }
}

/// Whom a fault of a link keeps in the dark. Who polls makes new connections, and those are not half-open. A fault of one
/// connection may be one of another than the client has now.
fn silenced_link(plan: &Plan, what: &FaultAct, roll: &mut Roll) -> Option<Silence> {
    let (client, at_client, at_server) =
        if let FaultAct::Stall(Path { ways: Ways::Between(ends), connection: None })
        | FaultAct::Partition(Pair { between: ends }) = what
        {
            (client_of(ends)?, true, true)
        } else if let FaultAct::Stall(Path { ways: Ways::OneWay([from, _]), connection: None }) = what {
            let at_client = **from == *SERVER;
            (client_of(what.link()?)?, at_client, !at_client)
        } else if let FaultAct::HalfOpen(Connections { between: ends, connection: None }) = what {
            let client = client_of(ends)?;
            let transports = &plan.clients.get(&client)?.transports;
            (*transports == [Transport::Websocket]).then_some((client, true, true))?
        } else {
            return None;
        };
    Some(Silence { who: roll.host(&client), client, at_client, at_server })
}

fn client_of(ends: &[Name; 2]) -> Option<Name> {
    ends.iter().find(|name| ***name != *SERVER).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::planted::{ALICE, BOB, Planted, plan, seconds};
    use crate::check::{Ending, Verdict, judge};
    use crate::plan::Fault;
    use crate::units::Span;

    /// From a second on, nothing reaches Bob for a minute.
    fn silence(happens: impl FnOnce(Planted) -> Planted) -> Verdict {
        silence_by(FaultAct::Stall(Path::one_way([SERVER.into(), BOB.into()])), happens)
    }

    /// The same for another reason.
    fn silence_by(what: FaultAct, happens: impl FnOnce(Planted) -> Planted) -> Verdict {
        let mut plan = plan();
        plan.faults = vec![Fault { at: seconds(1).into(), lasts: Some(Span(seconds(60))), what }];
        let planted =
            Planted::good().record("world", Kind::FaultBegan { fault: 0, what: String::new() }).touch(BOB);
        let planted = happens(planted).record("world", Kind::FaultEnded { fault: 0 });
        let verdicts = judge(&plan, &planted.connect(BOB).finish(), &Ending::Settled).verdicts;
        verdicts.into_iter().find(|(anomaly, _)| *anomaly == Anomaly::LateDeath).unwrap().1
    }

    #[test]
    fn who_keeps_a_silent_connection_is_found() {
        let verdict =
            silence(|planted| planted.pass(seconds(59)).record(ALICE, Kind::Did { act: "connect" }));
        let Verdict::Broken(violation) = verdict else { panic!("{verdict:?}") };
        assert!(violation.says.starts_with("bob is still connected"), "{}", violation.says);
        let late = silence(|planted| planted.pass(seconds(50)).disconnect(ALICE).disconnect(BOB));
        assert!(matches!(late, Verdict::Broken(_)), "{late:?}");
    }

    #[test]
    fn who_keeps_a_connection_to_a_paused_server_is_found() {
        let paused = |happens: fn(Planted) -> Planted| silence_by(FaultAct::Pause(SERVER.into()), happens);

        let late = paused(|planted| planted.pass(seconds(44)).disconnect(ALICE).pass(seconds(15)));
        assert!(matches!(&late, Verdict::Broken(found) if found.says.starts_with("bob ")), "{late:?}");

        let both = paused(|planted| planted.pass(seconds(44)).disconnect(ALICE).disconnect(BOB));
        assert_eq!(both, Verdict::Held { examined: 2 });
    }

    #[test]
    fn who_notices_in_time_is_not() {
        let verdict = silence(|planted| planted.pass(seconds(44)).disconnect(BOB).pass(seconds(15)));
        assert_eq!(verdict, Verdict::Held { examined: 1 });
    }

    /// From a second on, nothing of Bob reaches the server, which has two sessions with him, for a minute.
    fn silence_at_the_server(happens: impl FnOnce(Planted) -> Planted) -> Verdict {
        let mut plan = plan();
        let what = FaultAct::Stall(Path::one_way([BOB.into(), SERVER.into()]));
        plan.faults = vec![Fault { at: seconds(1).into(), lasts: Some(Span(seconds(60))), what }];
        let planted = Planted::good().serve(BOB).serve(ALICE).serve(BOB);
        let planted = planted.record("world", Kind::FaultBegan { fault: 0, what: String::new() }).touch(BOB);
        let planted = happens(planted).record("world", Kind::FaultEnded { fault: 0 });
        let verdicts = judge(&plan, &planted.finish(), &Ending::Settled).verdicts;
        verdicts.into_iter().find(|(anomaly, _)| *anomaly == Anomaly::LateDeath).unwrap().1
    }

    #[test]
    fn a_server_that_keeps_a_silent_connection_is_found() {
        let one_of_two =
            silence_at_the_server(|planted| planted.hang_up(1, "ping timeout").pass(seconds(59)));
        let Verdict::Broken(violation) = one_of_two else { panic!("{one_of_two:?}") };
        assert!(
            violation.says.starts_with("the server still has its connection to bob"),
            "{}",
            violation.says
        );
        let deaf = silence_at_the_server(|planted| {
            planted.disconnect(BOB).hang_up(2, "ping timeout").pass(seconds(59))
        });
        assert!(matches!(deaf, Verdict::Broken(_)), "{deaf:?}");
    }

    #[test]
    fn a_server_that_notices_in_time_is_not() {
        let both = silence_at_the_server(|planted| {
            let planted = planted.pass(seconds(30)).hang_up(1, "transport error");
            planted.pass(seconds(14)).hang_up(3, "ping timeout").pass(seconds(15))
        });
        assert_eq!(both, Verdict::Held { examined: 2 });
        let killed = silence_at_the_server(|planted| {
            planted.record(SERVER, Kind::Exited { how: "killed".to_owned() }).pass(seconds(59))
        });
        assert_eq!(killed, Verdict::Held { examined: 2 });
    }

    #[test]
    fn a_half_open_connection_is_silent_though_its_fault_is_over() {
        let mut plan = plan();
        let what = FaultAct::HalfOpen(Connections { between: [BOB.into(), SERVER.into()], connection: None });
        plan.faults = vec![Fault { at: seconds(1).into(), lasts: None, what }];
        let silent = |time| {
            let planted = Planted::good().record("world", Kind::FaultBegan { fault: 0, what: String::new() });
            planted.record("world", Kind::FaultEnded { fault: 0 }).touch(BOB).pass(seconds(time))
        };
        let of = |planted: Planted| {
            let verdicts = judge(&plan, &planted.finish(), &Ending::Settled).verdicts;
            verdicts.into_iter().find(|(anomaly, _)| *anomaly == Anomaly::LateDeath).unwrap().1
        };
        assert_eq!(of(silent(44).disconnect(BOB)), Verdict::Held { examined: 1 });
        assert!(matches!(of(silent(50).disconnect(BOB)), Verdict::Broken(_)));
    }

    #[test]
    fn a_silence_that_ends_before_is_none() {
        assert_eq!(silence(|planted| planted.pass(seconds(40))), Verdict::Idle);
    }
}
