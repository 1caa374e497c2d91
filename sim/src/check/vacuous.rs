//! *Promise:* a run puts the other promises to the test.
//!
//! *Checked:* every client that the plan connects was connected at some time; and where the plan has users say something,
//! at least one message was committed, one shown if someone is in its room for good, and one acknowledged if anyone asks
//! for that; where it has users emit something, at least one event was heard.
//!
//! *Not checked, because:* whether the faults touched traffic, because one seed of a scenario may miss it; who runs all of
//! them judges that.

use std::collections::BTreeSet;

use super::roll::Entry;
use super::{Anomaly, Checker, Finding, Run, Violation, verdict};
use crate::history::Kind;
use crate::plan::{Act, Name, Op, Plan, Send};

/// Looks for [`Anomaly::VacuousRun`].
pub(super) struct VacuousRun {
    /// The clients that have not been connected yet.
    unconnected: BTreeSet<Name>,
    /// What must happen at least once, and how often it did.
    due: Vec<(&'static str, Happened, u64)>,
    examined: u64,
}

type Happened = fn(&Kind) -> bool;

impl VacuousRun {
    pub(super) fn new(plan: &Plan) -> Self {
        let told = |is: fn(&Act) -> bool| -> BTreeSet<&Name> {
            plan.ops.iter().filter(|op| is(&op.act)).map(|op| &op.who).collect()
        };
        let (to_connect, to_leave) = (told(|act| *act == Act::Connect), told(|act| *act == Act::Disconnect));
        // Who has no op about it connects by itself.
        let connects = |client: &Name| to_connect.contains(client) || !to_leave.contains(client);
        let unconnected: BTreeSet<Name> = plan
            .clients
            .keys()
            .filter(|name| connects(name) && !plan.is_left_broken(name))
            .cloned()
            .collect();
        let due = due(plan);
        let examined = (unconnected.len() + due.len()) as u64;
        Self { unconnected, due, examined }
    }

    /// What did not happen, if anything.
    fn lack(&self) -> Option<String> {
        if let Some(client) = self.unconnected.first() {
            return Some(format!("{client} was never connected"));
        }
        let (what, ..) = self.due.iter().find(|(.., count)| *count == 0)?;
        Some(format!("the plan has users say something, but nothing was {what}"))
    }
}

/// What a plan must bring about at least once.
fn due(plan: &Plan) -> Vec<(&'static str, Happened, u64)> {
    let mut due: Vec<(&'static str, Happened, u64)> = Vec::new();
    let says = |op: &&Op| op.act.is_say();
    if plan.ops.iter().any(|op| op.act.is_say()) {
        due.push(("committed", |kind| matches!(kind, Kind::Committed { .. }), 0));
    }
    if plan.ops.iter().any(|op| matches!(&op.act, Act::Say(say) if someone_stays(plan, &say.room))) {
        due.push(("shown", |kind| matches!(kind, Kind::Delivered { .. }), 0));
    }
    let asks = |op: &Op| plan.clients.get(&op.who).is_some_and(|client| client.send != Send::Plain);
    if plan.ops.iter().filter(says).any(asks) {
        due.push(("acknowledged", |kind| matches!(kind, Kind::Acknowledged { .. }), 0));
    }
    // Where some are left broken, all events may be theirs.
    let emits = |op: &Op| matches!(op.act, Act::Emit(_) | Act::Broadcast(_));
    if plan.core.is_none() && plan.ops.iter().any(emits) {
        due.push(("heard", |kind| matches!(kind, Kind::Heard { .. }), 0));
    }
    due
}

impl<'r> Checker<'r> for VacuousRun {
    fn anomaly(&self) -> Anomaly {
        Anomaly::VacuousRun
    }

    fn observe(&mut self, entry: &Entry<'r>) {
        if let Kind::Connected { .. } = &entry.kind {
            self.unconnected.remove(&entry.host);
        }
        for (_, happened, count) in &mut self.due {
            *count += u64::from(happened(&entry.kind));
        }
    }

    fn finish(self: Box<Self>, run: &Run<'r>) -> Finding {
        let found = self.lack().map(|says| Violation {
            anomaly: Anomaly::VacuousRun,
            says,
            step: run.last_step(),
            witness: Vec::new(),
        });
        verdict(found, self.examined).into()
    }
}

/// Whether a client is in a room from the start and never leaves it.
fn someone_stays(plan: &Plan, room: &Name) -> bool {
    plan.clients.iter().any(|(name, client)| {
        let leaves = |op: &Op| op.who == *name && op.act == Act::Leave(room.clone());
        client.rooms.contains(room) && !plan.ops.iter().any(leaves)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::planted::{ALICE, BOB, Planted, broken, held, plan};
    use crate::check::{Ending, Verdict, judge};

    fn verdict_of(plan: &Plan, planted: Planted) -> Option<Verdict> {
        let verdicts = judge(plan, &planted.finish(), &Ending::Settled).verdicts;
        verdicts.into_iter().find(|(anomaly, _)| *anomaly == Anomaly::VacuousRun).map(|(_, verdict)| verdict)
    }

    #[test]
    fn a_run_in_which_nothing_was_said_is_vacuous() {
        let violation = broken(Anomaly::VacuousRun, Planted::new(), &Ending::Settled);
        assert_eq!(violation.says, "the plan has users say something, but nothing was committed");
    }

    #[test]
    fn a_client_that_never_connected_is_vacuous() {
        let planted = Planted::unconnected().connect(ALICE).say(ALICE).commit("alice-1", 1);
        let planted = planted.ack(ALICE, "alice-1", 1).show(ALICE, "alice-1", 1).show(BOB, "alice-1", 1);
        let violation = broken(Anomaly::VacuousRun, planted, &Ending::Settled);
        assert_eq!(violation.says, "bob was never connected");
    }

    #[test]
    fn where_users_are_to_say_nothing_silence_is_no_lack() {
        let mut plan = plan();
        plan.ops.retain(|op| !op.act.is_say());
        assert_eq!(verdict_of(&plan, Planted::new()), Some(Verdict::Held { examined: 2 }));
    }

    #[test]
    fn what_is_said_where_nobody_is_need_not_be_shown() {
        let mut plan = plan();
        plan.clients.values_mut().for_each(|client| client.rooms.clear());
        let planted = Planted::new().say(ALICE).commit("alice-1", 1).ack(ALICE, "alice-1", 1);
        assert_eq!(verdict_of(&plan, planted), Some(Verdict::Held { examined: 4 }));
    }

    #[test]
    fn a_run_in_which_messages_came_and_went_is_held() {
        held(Anomaly::VacuousRun, Planted::good());
    }
}
