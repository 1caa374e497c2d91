//! How long a load takes: seeds one after another in this process, in time of the processor.

use std::time::Duration;

use super::load::Load;
use crate::app::chat::Chat;
use crate::command::stopwatch::Stopwatch;
use crate::hunt::judged;
use crate::plan::Backend;
use crate::world::RunOptions;

/// What a load took, a seed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    /// Time of the processor: what it would take if nothing else ran.
    pub(super) real: Duration,
    /// Virtual time.
    pub(super) simulated: Duration,
    /// How many messages were shown to how many clients.
    pub(super) deliveries: u64,
}

impl Cost {
    /// Of so many seeds, after one that is not counted.
    ///
    /// # Errors
    /// When one of them does not hold: a run that is broken off costs nothing.
    pub(super) fn of(load: &Load, backend: Backend, seeds: u32) -> Result<Self, String> {
        let run = |seed| {
            let judged = judged(load.plan(seed, backend), &Chat::default(), &RunOptions::default());
            if judged.held() {
                Ok(judged)
            } else {
                Err(format!("seed {seed} of the load does not hold: {:?}", judged.judgement.worst()))
            }
        };
        run(0)?;
        let clock = Stopwatch::start();
        let (mut simulated, mut messages) = (Duration::ZERO, 0);
        for seed in 1..=u64::from(seeds) {
            let judged = run(seed)?;
            simulated += judged.outcome.elapsed;
            messages += judged.judgement.messages;
        }
        let seeds = seeds.max(1);
        Ok(Self {
            real: clock.worked() / seeds,
            simulated: simulated / seeds,
            deliveries: messages * load.clients() / u64::from(seeds),
        })
    }

    /// How many seeds a core runs in a second.
    pub(super) fn seeds_per_second(&self) -> f64 {
        1.0 / self.real.as_secs_f64()
    }

    /// How many seconds are simulated in one.
    pub(super) fn speed(&self) -> f64 {
        self.simulated.as_secs_f64() / self.real.as_secs_f64()
    }

    /// Time of the processor for each message that one client is shown, in microseconds.
    pub(super) fn per_delivery(&self) -> f64 {
        self.real.as_secs_f64() * 1e6 / self.deliveries as f64
    }
}
