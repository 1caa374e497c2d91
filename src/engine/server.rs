//! The server's side of a session: handshake, pings, the ping timeout.

use super::{Handshake, Input, Output, Time};

/// A session as the server sees it.
#[derive(Debug)]
pub struct ServerSession {}

impl ServerSession {
    /// A session that will open with `handshake`.
    pub fn new(_handshake: Handshake) -> Self {
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
