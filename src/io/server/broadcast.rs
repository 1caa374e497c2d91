//! One event to many sockets: who hears it is put together first, then it is emitted.

use std::fmt;
use std::sync::Arc;

use crate::socket::{Args, Audience, HubCommand, Namespace, RoomName};

use super::Shared;
use super::hub_task::ToHub;

/// An event to many: all sockets of a namespace, or those in any of some rooms; but not those in others. Each hears it at
/// most once, in the order in which they connected.
#[derive(Clone)]
#[must_use = "nothing is sent before `emit`"]
pub struct Broadcast {
    shared: Arc<Shared>,
    audience: Audience,
    volatile: bool,
}

impl fmt::Debug for Broadcast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broadcast")
            .field("audience", &self.audience)
            .field("volatile", &self.volatile)
            .finish()
    }
}

impl Broadcast {
    /// To everyone in a namespace.
    pub(super) fn new(shared: &Arc<Shared>, namespace: &Namespace) -> Self {
        Self { shared: shared.clone(), audience: Audience::all(namespace.clone()), volatile: false }
    }

    /// Only to those in this room, or in one named so before.
    pub fn to(mut self, room: impl Into<RoomName>) -> Self {
        self.audience.to.insert(room.into());
        self
    }

    /// Not to those in this room.
    pub fn except(mut self, room: impl Into<RoomName>) -> Self {
        self.audience.except.insert(room.into());
        self
    }

    /// Only to those for whom nothing waits to be written.
    pub fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }

    /// Sends it.
    ///
    /// # Panics
    /// When the name is reserved by Socket.IO, such as `connect`.
    pub fn emit(&self, name: &str, args: impl Into<Args>) {
        crate::io::assert_not_reserved(name);
        self.shared.tell_hub(ToHub::Command(HubCommand::Broadcast {
            audience: self.audience.clone(),
            name: name.into(),
            args: args.into(),
            volatile: self.volatile,
        }));
    }
}
