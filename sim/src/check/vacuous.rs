//! *Promise:* a run puts the other promises to the test.
//!
//! *Checked:* every client that the plan connects was connected at some time; and where the plan has users say something,
//! at least one message was committed, one shown if someone is in its room for good, and one acknowledged if anyone asks
//! for that; where it has users emit something, at least one event was heard.
//!
//! *Not checked, because:* whether the faults touched traffic, because one seed of a scenario may miss it; who runs all of
//! them judges that.

use std::collections::BTreeSet;

use super::{Anomaly, Checker, Ending, Finding, Violation, verdict};
use crate::history::{Kind, Record};
use crate::plan::{Act, Name, Op, Plan, Send};

/// Looks for [`Anomaly::VacuousRun`].
pub(super) struct VacuousRun {
    /// The clients that have not been connected yet.
    unconnected: BTreeSet<Name>,
    /// What must happen at least once, and how often it did.
    due: Vec<(&'static str, Happened, u64)>,
    examined: u64,
    last_step: u64,
}

type Happened = fn(&Kind) -> bool;

impl VacuousRun {
    pub(super) fn new(plan: &Plan) -> Self {
        // Who has no op about it connects by itself.
        let connects = |client: &Name| {
            let mut acts = plan.ops.iter().filter(|op| op.who == *client).map(|op| &op.act).peekable();
            let is_told = acts.clone().any(|act| matches!(act, Act::Connect | Act::Disconnect));
            !is_told || acts.any(|act| *act == Act::Connect)
        };
        let unconnected: BTreeSet<Name> = plan
            .clients
            .keys()
            .filter(|name| connects(name) && !plan.is_left_broken(name))
            .cloned()
            .collect();
        let due = due(plan);
        let examined = (unconnected.len() + due.len()) as u64;
        Self { unconnected, due, examined, last_step: 0 }
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
    if plan.ops.iter().any(|op| matches!(op.act, Act::Emit(_) | Act::Broadcast(_))) {
        due.push(("heard", |kind| matches!(kind, Kind::Heard { .. }), 0));
    }
    due
}

impl Checker for VacuousRun {
    fn anomaly(&self) -> Anomaly {
        Anomaly::VacuousRun
    }

    fn observe(&mut self, record: &Record) {
        self.last_step = record.step;
        if let Kind::Connected { .. } = &record.kind {
            self.unconnected.remove(&record.host);
        }
        for (_, happened, count) in &mut self.due {
            *count += u64::from(happened(&record.kind));
        }
    }

    fn finish(self: Box<Self>, _: &Ending) -> Finding {
        let found = self.lack().map(|says| Violation {
            anomaly: Anomaly::VacuousRun,
            says,
            step: self.last_step,
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
    use crate::check::Verdict;
    use crate::check::planted::{ALICE, BOB, Planted, broken, held, plan};

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
        let mut checker = VacuousRun::new(&plan);
        Planted::new().finish().records.iter().for_each(|record| checker.observe(record));
        assert_eq!(Box::new(checker).finish(&Ending::Settled), Verdict::Held { examined: 2 }.into());
    }

    #[test]
    fn what_is_said_where_nobody_is_need_not_be_shown() {
        let mut plan = plan();
        plan.clients.values_mut().for_each(|client| client.rooms.clear());
        let mut checker = VacuousRun::new(&plan);
        let planted = Planted::new().say(ALICE).commit("alice-1", 1).ack(ALICE, "alice-1", 1);
        planted.finish().records.iter().for_each(|record| checker.observe(record));
        assert_eq!(Box::new(checker).finish(&Ending::Settled), Verdict::Held { examined: 4 }.into());
    }

    #[test]
    fn a_run_in_which_messages_came_and_went_is_held() {
        held(Anomaly::VacuousRun, Planted::good());
    }
}
