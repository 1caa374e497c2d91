//! Whether a run that goes on still owes anything: records go in one by one; out come what is owed, and who waits for what.
//!
//! Knows nothing of what the plan has yet to do; who asks whether a run is over asks after its last op.

use super::debts::{Debts, Wait};
use super::naming::Naming;
use super::roll::Roll;
use crate::history::Record;
use crate::plan::Plan;

/// What is still owed.
#[derive(Debug, Clone)]
pub struct Owed {
    naming: Naming,
    roll: Roll,
    debts: Debts,
}

impl Owed {
    /// Nothing has happened yet, so nothing is owed.
    pub fn new(plan: &Plan) -> Self {
        let mut roll = Roll::new(plan);
        let debts = Debts::new(plan, &mut roll);
        Self { naming: Naming::default(), roll, debts }
    }

    /// Takes the next record.
    pub fn observe(&mut self, record: &Record) {
        let named = self.naming.name(record);
        let entry = self.roll.enter(named.as_ref().unwrap_or(record));
        self.debts.observe(&entry);
    }

    /// Whether nothing is owed, and nothing is on its way that may come.
    pub fn is_settled(&self) -> bool {
        self.debts.is_settled()
    }

    /// Who still waits for what, one a waiter and kind of debt: what is owed first, each by name.
    pub fn waits(&self) -> Vec<Wait> {
        self.debts.waits(&self.roll)
    }

    /// The same, a line each.
    pub fn describe(&self) -> Vec<String> {
        self.debts.describe(&self.roll)
    }
}

#[cfg(test)]
mod tests;
