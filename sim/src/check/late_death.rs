//! *Promise:* a client gives a silent connection up in time.
//!
//! *Checked:* where a fault of the plan keeps everything from a client that is connected when the fault begins, for longer
//! than `ping_interval + ping_timeout` and what may still have been on its way, the client is disconnected before that time
//! is over. The client may notice something else before.
//!
//! *Not checked, because:* the server's side, because its records do not say whose connection one is; a silence during
//! which another fault begins or ends, because what the two hold and let go together is for the world to know.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::presence::Presences;
use super::{Anomaly, Checker, Ending, Finding, Violation, verdict};
use crate::history::{Kind, Record};
use crate::plan::{FaultAct, Name, Pair, Path, Plan, SERVER};
use crate::scenario::limits::TICK;

/// Looks for [`Anomaly::LateDeath`].
pub(super) struct LateDeath {
    presences: Presences,
    /// The client that each fault keeps everything from.
    silences: BTreeMap<usize, Name>,
    /// How long a client may take to notice.
    bound: Duration,
    active: BTreeSet<usize>,
    /// Clients to whom nothing comes, by the fault: the record with which it began.
    watched: BTreeMap<usize, Record>,
    examined: u64,
    found: Option<Violation>,
}

impl LateDeath {
    pub(super) fn new(plan: &Plan) -> Self {
        let silenced = |(place, what)| Some((place, silenced(what)?.clone()));
        let on_its_way = plan.network.latency.high + TICK * 2;
        Self {
            presences: Presences::new(plan),
            silences: plan.faults.iter().map(|fault| &fault.what).enumerate().filter_map(silenced).collect(),
            bound: plan.server.ping_interval.0 + plan.server.ping_timeout.0 + on_its_way,
            active: BTreeSet::new(),
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
        let is_alone = self.active.is_empty();
        self.active.insert(fault);
        self.watched.clear();
        let Some(client) = self.silences.get(&fault).filter(|_| is_alone) else { return };
        if self.presences.of(client).is_some_and(|presence| presence.connected) {
            self.watched.insert(fault, record.clone());
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
        self.presences.observe(record);
        if let Kind::FaultEnded { fault } = &record.kind {
            self.active.remove(fault);
            self.watched.clear();
        } else if let Kind::Disconnected { .. } | Kind::Exited { .. } | Kind::Did { act: "disconnect" } =
            &record.kind
        {
            self.on_ended(&record.host);
        }
        self.look(record);
        if let Kind::FaultBegan { fault, .. } = &record.kind {
            self.on_began(record, *fault);
        }
    }

    fn finish(self: Box<Self>, _: &Ending) -> Finding {
        verdict(self.found, self.examined).into()
    }
}

/// The client that a fault keeps everything from.
fn silenced(what: &FaultAct) -> Option<&Name> {
    if let FaultAct::Stall(Path::Between(ends)) | FaultAct::Partition(Pair { between: ends }) = what {
        ends.iter().find(|name| ***name != *SERVER)
    } else if let FaultAct::Stall(Path::OneWay([from, to])) = what {
        (**from == *SERVER).then_some(to)
    } else {
        None
    }
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
    fn a_silence_that_ends_before_is_none() {
        assert_eq!(silence(|planted| planted.pass(seconds(40))), Verdict::Idle);
    }
}
