//! Seeds tried in this process, one after another.

use std::ops::Range;
use std::time::Duration;

use crate::app::App;
use crate::plan::Plan;
use crate::world::RunOptions;

use super::Tally;
use super::tried::try_plan;
use super::watchdog::Watchdog;

/// Runs seeds, the first of them twice, and compares its two digests. `stuck` hears a seed whose virtual time stands still
/// for `patience`: nothing in this process can end it, so this never returns then.
pub fn hunt(
    draw: &dyn Fn(u64) -> Plan,
    app: &dyn App,
    seeds: Range<u64>,
    patience: Duration,
    stuck: &(dyn Fn(u64) + Sync),
) -> Tally {
    Watchdog::over(patience, stuck, |watchdog| {
        let mut tally = Tally::default();
        for seed in seeds.clone() {
            let run = |plan: &Plan| watchdog.run(plan, app, &RunOptions::default());
            tally.add(try_plan(seed, draw(seed), seed == seeds.start, run));
        }
        tally
    })
}
