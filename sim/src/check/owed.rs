//! Records go in; out comes whether anything is still owed, and who waits for what.
//!
//! Owed is: an answer (acknowledged or failed) to each message that a client sent, and each committed message to each
//! client. A client that the plan leaves disconnected is owed nothing and owes no answers: its outbox may wait for ever.
//! Knows nothing of what the plan has yet to do; who asks whether a run is over asks after its last op.

use std::collections::{BTreeMap, BTreeSet};

use squall::store::{LogOffset, MessageId};

use crate::history::{Kind, Record};
use crate::plan::{Act, FaultAct, Name, Plan};

/// What is still owed.
#[derive(Debug, Clone)]
pub struct Owed {
    clients: BTreeMap<Name, Debt>,
    committed: BTreeSet<LogOffset>,
    /// All debts together, so that asking costs nothing.
    open: usize,
}

/// What one client waits for.
#[derive(Debug, Clone, Default)]
struct Debt {
    /// Sent and not answered, with its number among what this client said.
    unanswered: BTreeMap<MessageId, u64>,
    /// Committed and not shown.
    unseen: BTreeSet<LogOffset>,
    /// Shown before it was committed: wrong, but another's to judge; it is not owed once it is.
    early: BTreeSet<LogOffset>,
}

impl Owed {
    /// Nothing has happened yet, so nothing is owed.
    pub fn new(plan: &Plan) -> Self {
        let clients = connected_at_the_end(plan).map(|name| (Name::clone(name), Debt::default())).collect();
        Self { clients, committed: BTreeSet::new(), open: 0 }
    }

    /// Takes the next record.
    pub fn observe(&mut self, record: &Record) {
        match &record.kind {
            Kind::Sent { id, n, .. } => {
                if let Some(debt) = self.clients.get_mut(&record.host)
                    && debt.unanswered.insert(id.clone(), *n).is_none()
                {
                    self.open += 1;
                }
            }
            Kind::Acknowledged { id, .. } | Kind::Failed { id, .. } => {
                if let Some(debt) = self.clients.get_mut(&record.host)
                    && debt.unanswered.remove(id).is_some()
                {
                    self.open -= 1;
                }
            }
            Kind::Committed { offset, .. } => self.on_committed(*offset),
            Kind::Delivered { offset, .. } => self.on_delivered(&record.host, *offset),
            Kind::Suppressed { .. }
            | Kind::Connected
            | Kind::Disconnected { .. }
            | Kind::Did { .. }
            | Kind::Started
            | Kind::Exited { .. }
            | Kind::FaultBegan { .. }
            | Kind::FaultEnded { .. } => {}
        }
    }

    fn on_committed(&mut self, offset: LogOffset) {
        if !self.committed.insert(offset) {
            return;
        }
        for debt in self.clients.values_mut() {
            if !debt.early.remove(&offset) {
                debt.unseen.insert(offset);
                self.open += 1;
            }
        }
    }

    fn on_delivered(&mut self, client: &Name, offset: LogOffset) {
        let Some(debt) = self.clients.get_mut(client) else { return };
        if debt.unseen.remove(&offset) {
            self.open -= 1;
        } else if !self.committed.contains(&offset) {
            debt.early.insert(offset);
        }
    }

    /// Whether nothing is owed.
    pub fn is_settled(&self) -> bool {
        self.open == 0
    }

    /// Who still waits for what, one line a waiter and kind of debt, by name.
    pub fn describe(&self) -> Vec<String> {
        self.clients.iter().flat_map(|(name, debt)| debt.describe(name)).collect()
    }
}

impl Debt {
    fn describe(&self, name: &str) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some((oldest, _)) = self.unanswered.iter().min_by_key(|(_, n)| **n) {
            lines.push(match self.unanswered.len() {
                1 => format!("{name}: 1 message not acknowledged: {oldest}"),
                many => format!("{name}: {many} messages not acknowledged, the oldest {oldest}"),
            });
        }
        if let Some(first) = self.unseen.first() {
            lines.push(match self.unseen.len() {
                1 => format!("{name}: has not been shown 1 committed message: offset {first}"),
                many => {
                    format!(
                        "{name}: has not been shown {many} committed messages, the first at offset {first}"
                    )
                }
            });
        }
        lines
    }
}

/// The clients that the plan leaves connected: their last connect or disconnect is no disconnect, and no fault leaves
/// them dead.
pub(super) fn connected_at_the_end(plan: &Plan) -> impl Iterator<Item = &Name> {
    plan.clients.keys().filter(|name| !left_disconnected(plan, name) && !left_dead(plan, name))
}

fn left_disconnected(plan: &Plan, client: &Name) -> bool {
    plan.ops
        .iter()
        .filter(|op| op.who == *client && matches!(op.act, Act::Connect | Act::Disconnect))
        .max_by_key(|op| op.at)
        .is_some_and(|op| op.act == Act::Disconnect)
}

fn left_dead(plan: &Plan, client: &Name) -> bool {
    plan.faults.iter().any(|fault| match &fault.what {
        FaultAct::Kill(name) | FaultAct::Shutdown(name) => name == client && fault.until.is_none(),
        FaultAct::Stall(_) | FaultAct::Partition(_) | FaultAct::Reset(_) => false,
    })
}
