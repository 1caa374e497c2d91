//! Seeds tried in this process, one after another.

use std::ops::Range;

use crate::app::App;
use crate::plan::Plan;
use crate::world::RunOptions;

use super::tried::try_plan;
use super::watchdog::Watchdog;
use super::{Tally, Watch};

/// Runs seeds, the first of them twice, and compares its two digests. Each is watched: where virtual time stands still,
/// nothing in this process can end it, and this never returns.
pub fn hunt(draw: &dyn Fn(u64) -> Plan, app: &dyn App, seeds: Range<u64>, watch: &Watch<'_>) -> Tally {
    Watchdog::over(watch, |watchdog| {
        let mut tally = Tally::default();
        for seed in seeds.clone() {
            let run = |plan: &Plan| watchdog.run(plan, app, &RunOptions::default());
            tally.add(try_plan(seed, draw(seed), seed == seeds.start, run));
        }
        tally
    })
}
