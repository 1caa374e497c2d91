//! How rough it was: what the faults of all runs led to, in numbers. A run in which nothing happened proves nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use squall::store::MessageId;

use crate::history::{History, Kind};
use crate::plan::{Name, SERVER};
use crate::reach::Reached;

use super::touched::Touched;

/// What faults led to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weather {
    /// Connections that a client gave up by ping timeout.
    pub noticed_by_clients: u64,
    /// Connections that the server gave up by ping timeout.
    pub noticed_by_server: u64,
    /// Sockets that were taken up again.
    pub granted: u64,
    /// Sockets that asked for it in vain.
    pub refused: u64,
    /// Ends of the server's process while someone waited for an acknowledgement.
    pub restarts: u64,
    /// Repeats that were recognised and not stored again.
    pub repeats: u64,
    /// In how many runs each kind of fault touched traffic; of each that was planned.
    pub runs: BTreeMap<String, u64>,
    /// How many runs there were.
    pub all: u64,
}

impl Weather {
    /// Of one run: by the places it reached, by its records, and by what touched traffic.
    pub fn of(reached: &Reached, history: &History, touched: &Touched) -> Self {
        let times = |place: &str| reached.times(place);
        let suppressed = |kind: &Kind| matches!(kind, Kind::Suppressed { .. });
        Self {
            noticed_by_clients: times("engine.ping_timeout.client"),
            noticed_by_server: times("engine.ping_timeout.server"),
            granted: times("recovery.granted"),
            refused: times("recovery.refused"),
            restarts: restarts_with_unacknowledged_sends(history),
            repeats: history.records.iter().filter(|record| suppressed(&record.kind)).count() as u64,
            runs: touched.kinds().map(|(kind, busy)| (kind.to_owned(), u64::from(busy))).collect(),
            all: 1,
        }
    }

    /// Adds that of other runs.
    pub fn add(&mut self, other: &Self) {
        let Self { noticed_by_clients, noticed_by_server, granted, refused, restarts, repeats, runs, all } =
            other;
        self.noticed_by_clients += noticed_by_clients;
        self.noticed_by_server += noticed_by_server;
        self.granted += granted;
        self.refused += refused;
        self.restarts += restarts;
        self.repeats += repeats;
        self.all += all;
        for (kind, count) in runs {
            *self.runs.entry(kind.clone()).or_default() += count;
        }
    }
}

fn restarts_with_unacknowledged_sends(history: &History) -> u64 {
    let mut waiting: BTreeSet<(&Name, &MessageId)> = BTreeSet::new();
    let mut restarts = 0;
    for record in &history.records {
        let host = &record.host;
        if let Kind::Sent { id, .. } = &record.kind {
            waiting.insert((host, id));
        } else if let Kind::Acknowledged { id, .. } | Kind::Failed { id, .. } | Kind::SendFailed { id, .. } =
            &record.kind
        {
            waiting.remove(&(host, id));
        } else if matches!(record.kind, Kind::Exited { .. }) && **host == *SERVER {
            restarts += u64::from(!waiting.is_empty());
        }
    }
    restarts
}

impl fmt::Display for Weather {
    /// Two lines, without the end of the last.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "ping timeouts: {} noticed by clients, {} by the server; recoveries: {} granted, {} refused; \
             restarts with unacknowledged sends: {}; repeats suppressed: {}",
            self.noticed_by_clients,
            self.noticed_by_server,
            self.granted,
            self.refused,
            self.restarts,
            self.repeats
        )?;
        let share = |count: &u64| count * 100 / self.all.max(1);
        let kinds: Vec<String> =
            self.runs.iter().map(|(kind, count)| format!("{kind} {} %", share(count))).collect();
        let kinds = if kinds.is_empty() { "none".to_owned() } else { kinds.join(", ") };
        write!(f, "seeds in which a fault touched traffic: {kinds}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::planted::{ALICE, Planted};

    #[test]
    fn a_restart_counts_while_someone_waits_for_an_acknowledgement() {
        let dies = || Kind::Exited { how: "killed".to_owned() };
        let quiet = Planted::good().record(SERVER, dies()).finish();
        let waiting = Planted::good().say(ALICE).record(SERVER, dies()).finish();
        assert_eq!(restarts_with_unacknowledged_sends(&quiet), 0);
        assert_eq!(restarts_with_unacknowledged_sends(&waiting), 1);
    }

    #[test]
    fn runs_add_up_and_kinds_are_shares_of_them() {
        let reached = [("recovery.granted", 3)].into_iter().collect();
        let touched: Touched = [("kill", 2), ("stall", 0)].into_iter().collect();
        let history = Planted::good().finish();
        let mut weather = Weather::of(&reached, &history, &touched);
        weather.add(&Weather::of(&Reached::default(), &history, &Touched::default()));
        assert_eq!((weather.granted, weather.all), (3, 2));
        assert!(weather.to_string().ends_with("touched traffic: kill 50 %, stall 0 %"), "{weather}");
    }
}
