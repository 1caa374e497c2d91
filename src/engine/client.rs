//! The client's side of a session: pongs, and its own ping timeout.

use super::{Input, Output, Time};

/// A session as the client sees it.
#[derive(Debug)]
pub struct ClientSession {}

impl ClientSession {
    /// A session that waits for its transport.
    pub fn new() -> Self {
        todo!()
    }

    /// Takes one input.
    pub fn handle(&mut self, _input: Input, _now: Time) {
        todo!()
    }

    /// The next thing to do. After [`Output::Wait`], the next input.
    pub fn poll_output(&mut self) -> Output {
        todo!()
    }
}
