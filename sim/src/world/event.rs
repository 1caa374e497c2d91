//! The backend that jumps: one host, whose paused clock moves straight to the next moment at which something is due.
//!
//! In: nothing. Out: the host, and time that passes as fast as there is nothing to do. All machines stand on it, so what
//! one kernel says to another is handed over as it is, and there is one clock and one order of everything.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::backend::Backend;
use super::bell::Bell;
use super::host::Host;

/// The one host of a run.
pub(super) struct Event {
    runtime: Runtime,
    hosts: [Host; 1],
    elapsed: Duration,
}

impl Event {
    /// The seed decides what tokio leaves to chance: what `select!` takes first, whom a `watch` wakes first.
    ///
    /// # Errors
    /// When tokio fails to build a runtime.
    pub(super) fn start(seed: u64) -> Result<Self, String> {
        let mut builder = Builder::new_current_thread();
        builder.enable_time().start_paused(true);
        #[cfg(tokio_unstable)]
        builder
            .rng_seed(tokio::runtime::RngSeed::from_bytes(&seed.to_le_bytes()))
            .unhandled_panic(tokio::runtime::UnhandledPanic::ShutdownRuntime);
        let runtime = builder.build().map_err(|error| format!("tokio failed to build a runtime: {error}"))?;
        let hosts = [Host::new(runtime.handle().clone())];
        Ok(Self { runtime, hosts, elapsed: Duration::ZERO })
    }
}

impl Backend for Event {
    fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    fn server_place(&self) -> usize {
        0
    }

    fn clients_place(&self) -> usize {
        0
    }

    fn now(&self) -> Duration {
        self.elapsed
    }

    fn run(&mut self, until: Duration, bell: &Bell) -> Result<(), String> {
        let [host] = &self.hosts;
        self.elapsed = self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = bell.heard() => {}
                () = host.sleep_until(until) => {}
            }
            host.now()
        });
        Ok(())
    }
}
