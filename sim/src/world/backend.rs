//! The seam to what brings hosts, time, and a way from host to host. All else is one code above it: kernels, buffers,
//! processes and faults know no backend.
//!
//! In: which one a plan names. Out: hosts that have started, the carriers between them, and time that passes until the
//! loop of the run has something to do.

use std::time::Duration;

use super::bell::Bell;
use super::event::Event;
use super::host::Host;
use super::kernel::Carrier;
use super::turmoil::Turmoil;
use crate::plan;

/// What a run's hosts live in.
pub(super) trait Backend {
    /// The hosts, by place.
    fn hosts(&self) -> &[Host];

    /// The place of the server's host.
    fn server_place(&self) -> usize;

    /// The place of the host that all clients share.
    fn clients_place(&self) -> usize;

    /// Virtual time, at which all hosts stand.
    fn now(&self) -> Duration;

    /// Every host lives until `until`, or until the bell rings if that is before. It may live to the end of its tick.
    ///
    /// # Errors
    /// When the backend fails.
    fn run(&mut self, until: Duration, bell: &Bell) -> Result<(), String>;
}

/// Starts the hosts and connects them. The run's time begins when this returns. The seed decides what tokio leaves to
/// chance.
///
/// # Errors
/// When the backend fails.
pub(super) fn start(kind: plan::Backend, seed: u64) -> Result<(Box<dyn Backend>, Vec<Carrier>), String> {
    match kind {
        plan::Backend::Turmoil => {
            let (turmoil, carriers) = Turmoil::start(seed)?;
            Ok((Box::new(turmoil), carriers))
        }
        // Machines of one host need no carrier between them.
        plan::Backend::Event => Ok((Box::new(Event::start(seed)?), Vec::new())),
    }
}
