//! *Promise:* a client gives a silent connection up in time.
//!
//! *Checked:* where a fault of the plan keeps everything from a client that is connected when the fault begins, for longer
//! than `ping_interval + ping_timeout` and what may still have been on its way, the client is disconnected before that time
//! is over. The client may notice something else before.
//!
//! *Not checked, because:* the server's side, because its records do not say whose connection one is; a silence during
//! which another fault begins or ends, or shortly before which one ended, because what the two hold and let go together is
//! for the world to know.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::presence::Presences;
use super::{Anomaly, Checker, Ending, Finding, Violation, verdict};
use crate::history::{Kind, Record};
use crate::plan::{FaultAct, Name, Pair, Path, Plan, SERVER, Transport};
use crate::scenario::limits::TICK;

/// Looks for [`Anomaly::LateDeath`].
pub(super) struct LateDeath {
    presences: Presences,
    /// The client that each fault keeps everything from.
    silences: BTreeMap<usize, Name>,
    half_open: BTreeSet<usize>,
    /// How long a client may take to notice.
    bound: Duration,
    /// The faults that go on.
    active: BTreeSet<usize>,
    /// When the last one ended.
    ended: Option<Duration>,
    /// Clients to whom nothing comes, by the fault: the record with which it began.
    watched: BTreeMap<usize, Record>,
    examined: u64,
    found: Option<Violation>,
}

impl LateDeath {
    pub(super) fn new(plan: &Plan) -> Self {
        let silenced = |(place, what)| Some((place, silenced(plan, what)?.clone()));
        let is_half_open = |place: &usize| matches!(plan.faults[*place].what, FaultAct::HalfOpen(_));
        let on_its_way = plan.network.latency.high + TICK * 2;
        Self {
            presences: Presences::new(plan),
            silences: plan.faults.iter().map(|fault| &fault.what).enumerate().filter_map(silenced).collect(),
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
    fn look(&mut self, record: &Record) {
        let late = self.watched.iter().find(|(_, began)| record.at > began.at + self.bound);
        let Some((fault, began)) = late.map(|(fault, began)| (*fault, began.clone())) else { return };
        self.watched.remove(&fault);
        self.examined += 1;
        let client = &self.silences[&fault];
        self.found.get_or_insert_with(|| Violation {
            anomaly: Anomaly::LateDeath,
            says: format!("{client} is still connected, though nothing has reached it for {:?}", self.bound),
            step: record.step,
            witness: vec![began, record.clone()],
        });
    }

    fn on_began(&mut self, record: &Record, fault: usize) {
        let is_calm = self.ended.is_none_or(|ended| record.at > ended + self.bound);
        let is_alone = is_calm && self.active.is_empty();
        self.active.insert(fault);
        self.watched.clear();
        let Some(client) = self.silences.get(&fault).filter(|_| is_alone) else { return };
        if self.presences.of(client).is_some_and(|presence| presence.connected) {
            self.watched.insert(fault, record.clone());
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

    /// Its user, its death, or its heartbeat has ended a connection.
    fn on_ended(&mut self, client: &Name) {
        let before = self.watched.len();
        let silences = &self.silences;
        self.watched.retain(|fault, _| silences.get(fault) != Some(client));
        self.examined += (before - self.watched.len()) as u64;
    }
}

impl Checker for LateDeath {
    fn anomaly(&self) -> Anomaly {
        Anomaly::LateDeath
    }

    fn observe(&mut self, record: &Record) {
        // What happens after the time was over comes too late.
        self.look(record);
        self.presences.observe(record);
        if let Kind::FaultEnded { fault } = &record.kind {
            self.on_fault_ended(record, *fault);
        } else if let Kind::Disconnected { .. } | Kind::Exited { .. } | Kind::Did { act: "disconnect" } =
            &record.kind
        {
            self.on_ended(&record.host);
        } else if let Kind::FaultBegan { fault, .. } = &record.kind {
            self.on_began(record, *fault);
        }
    }

    fn finish(self: Box<Self>, _: &Ending) -> Finding {
        verdict(self.found, self.examined).into()
    }
}

/// The client that a fault keeps everything from. Who polls makes new connections, and those are not half-open.
fn silenced<'a>(plan: &Plan, what: &'a FaultAct) -> Option<&'a Name> {
    if let FaultAct::Stall(Path::Between(ends)) | FaultAct::Partition(Pair { between: ends }) = what {
        client_of(ends)
    } else if let FaultAct::Stall(Path::OneWay([from, to])) = what {
        (**from == *SERVER).then_some(to)
    } else if let FaultAct::HalfOpen(Pair { between: ends }) = what {
        let transports = |name: &&Name| plan.clients.get(*name).map(|client| client.transports.as_slice());
        client_of(ends).filter(|name| transports(name) == Some(&[Transport::Websocket]))
    } else {
        None
    }
}

fn client_of(ends: &[Name; 2]) -> Option<&Name> {
    ends.iter().find(|name| ***name != *SERVER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::planted::{ALICE, BOB, Planted, plan, seconds};
    use crate::check::{Verdict, judge};
    use crate::plan::Fault;
    use crate::units::Span;

    /// From a second on, nothing reaches Bob for a minute.
    fn silence(happens: impl FnOnce(Planted) -> Planted) -> Verdict {
        let mut plan = plan();
        let what = FaultAct::Stall(Path::OneWay([SERVER.into(), BOB.into()]));
        plan.faults = vec![Fault { at: Span(seconds(1)), until: Some(Span(seconds(61))), what }];
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
    fn who_notices_in_time_is_not() {
        let verdict = silence(|planted| planted.pass(seconds(44)).disconnect(BOB).pass(seconds(15)));
        assert_eq!(verdict, Verdict::Held { examined: 1 });
    }

    #[test]
    fn a_half_open_connection_is_silent_though_its_fault_is_over() {
        let mut plan = plan();
        let what = FaultAct::HalfOpen(Pair { between: [BOB.into(), SERVER.into()] });
        plan.faults = vec![Fault { at: Span(seconds(1)), until: None, what }];
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
