//! Why a run has not settled: from what each user misses, over what each process waits for, to what is broken.
//!
//! In: what is owed, the processes, the history so far. Out: lines for people. Each waiter's chain goes the way that a message
//! goes: the client and what breaks it, the link, how far the server has come, the server and what breaks it.

use std::collections::BTreeMap;

use super::roster::Roster;
use crate::check::{Owed, Wait};
use crate::history::{Kind, Recorder};
use crate::plan::{Name, Plan, SERVER};

/// A line for each waiter, and behind it one for each thing that it waits for in turn. Where nobody waits for anything, every
/// process says what it does.
pub(super) fn wait_chain(plan: &Plan, owed: &Owed, roster: &Roster<'_>, recorder: &Recorder) -> Vec<String> {
    let scene = Scene { plan, processes: roster.waits(), in_force: in_force(recorder) };
    let waits = owed.waits();
    if waits.is_empty() {
        return scene.processes.values().flatten().cloned().collect();
    }
    waits.iter().flat_map(|wait| scene.chain(wait)).collect()
}

struct Scene<'a> {
    plan: &'a Plan,
    /// What each process says, or that it does not run.
    processes: BTreeMap<Name, Vec<String>>,
    /// The faults that go on, as the history has them.
    in_force: BTreeMap<usize, String>,
}

impl Scene<'_> {
    fn chain(&self, wait: &Wait) -> Vec<String> {
        let server = Name::from(SERVER);
        let so_far = wait.so_far.iter().map(|so_far| format!("{server}: {so_far}"));
        let causes = (self.of(&wait.who))
            .chain(self.faults(|victims| victims == [wait.who.clone()]))
            .chain(self.faults(|victims| victims.len() == 2 && victims.contains(&wait.who)))
            .chain(so_far)
            .chain(self.of(&server))
            .chain(self.faults(|victims| victims == [server.clone()]))
            .map(|cause| format!("  <- {cause}"));
        std::iter::once(wait.to_string()).chain(causes).collect()
    }

    fn of(&self, name: &Name) -> impl Iterator<Item = String> {
        self.processes.get(name).into_iter().flatten().cloned()
    }

    /// What is broken, of what the plan breaks of those.
    fn faults(&self, concerns: impl Fn(&[Name]) -> bool) -> impl Iterator<Item = String> {
        let concerned = |(place, _): &(&usize, &String)| {
            self.plan.faults.get(**place).is_some_and(|fault| concerns(fault.what.victims()))
        };
        let line = |(place, what): (&usize, &String)| {
            let for_good = if self.plan.stays(*place) { ", for good" } else { "" };
            format!("fault #{place}: {what}{for_good}")
        };
        self.in_force.iter().filter(concerned).map(line).collect::<Vec<_>>().into_iter()
    }
}

fn in_force(recorder: &Recorder) -> BTreeMap<usize, String> {
    let mut in_force = BTreeMap::new();
    recorder.since(0, |record| {
        if let Kind::FaultBegan { fault, what } = &record.kind {
            in_force.insert(*fault, what.clone());
        } else if let Kind::FaultEnded { fault } = &record.kind {
            in_force.remove(fault);
        }
    });
    in_force
}
