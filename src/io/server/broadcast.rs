//! Something for many sockets: whom it is for is put together first, then it is done.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::oneshot;

use crate::socket::{Args, Audience, HubCommand, Namespace, RoomName};

use super::Shared;
use super::hub_task::ToHub;
use super::socket::Socket;

/// A room, or several: `"lobby"`, `["lobby", "attic"]`, a `Vec` of names.
pub trait IntoRooms {
    /// The rooms.
    fn into_rooms(self) -> Vec<RoomName>;
}

impl<R: Into<RoomName>> IntoRooms for R {
    fn into_rooms(self) -> Vec<RoomName> {
        vec![self.into()]
    }
}

impl<R: Into<RoomName>, const N: usize> IntoRooms for [R; N] {
    fn into_rooms(self) -> Vec<RoomName> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<R: Into<RoomName>> IntoRooms for Vec<R> {
    fn into_rooms(self) -> Vec<RoomName> {
        self.into_iter().map(Into::into).collect()
    }
}

/// Not everyone has answered in time. The event may have arrived all the same.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("operation has timed out: {missing} did not answer")]
pub struct AcksMissing {
    /// The answers that came, in the order in which they came.
    pub answers: Vec<Args>,
    /// How many did not.
    pub missing: usize,
}

/// Many sockets: all of a namespace, or those in any of some rooms; but not those in others. What they are to hear or to
/// do reaches each at most once, in the order in which they connected. Who belongs is decided when it is done, after all
/// that the same task asked for before.
#[derive(Clone)]
#[must_use = "nothing happens before `emit` or another of its verbs"]
pub struct Broadcast {
    shared: Arc<Shared>,
    audience: Audience,
    volatile: bool,
    timeout: Option<Duration>,
}

impl fmt::Debug for Broadcast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broadcast")
            .field("audience", &self.audience)
            .field("volatile", &self.volatile)
            .field("timeout", &self.timeout)
            .finish()
    }
}

impl Broadcast {
    /// To everyone in a namespace.
    pub(super) fn new(shared: &Arc<Shared>, namespace: &Namespace) -> Self {
        let audience = Audience::all(namespace.clone());
        Self { shared: shared.clone(), audience, volatile: false, timeout: None }
    }

    /// Only to those in this room, in any of these, or in one named so before.
    pub fn to(mut self, rooms: impl IntoRooms) -> Self {
        self.audience.to.extend(rooms.into_rooms());
        self
    }

    /// As [`Broadcast::to`].
    pub fn r#in(self, rooms: impl IntoRooms) -> Self {
        self.to(rooms)
    }

    /// Not to those in this room, or in any of these.
    pub fn except(mut self, rooms: impl IntoRooms) -> Self {
        self.audience.except.extend(rooms.into_rooms());
        self
    }

    /// Only to those for whom nothing waits to be written.
    pub fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }

    /// Only to sockets of this process. A server is one process, so that this changes nothing.
    pub fn local(self) -> Self {
        self
    }

    /// Waits so long for answers, from when it is sent.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends it.
    ///
    /// # Panics
    /// When the name is reserved by Socket.IO, such as `connect`.
    pub fn emit(&self, name: &str, args: impl Into<Args>) {
        crate::io::assert_not_reserved(name);
        self.tell_hub(HubCommand::Broadcast {
            audience: self.audience.clone(),
            name: name.into(),
            args: args.into(),
            volatile: self.volatile,
        });
    }

    /// Sends it, and waits until everyone has answered; at once where no one hears it. What waits to be written does not
    /// keep it from a socket: [`Broadcast::volatile`] does not count.
    ///
    /// Who is disconnected before it has answered is not waited for, and not missing: the official server waits for it
    /// until the time is up, and fails. Without [`Broadcast::timeout`], one client that stays and does not answer makes
    /// this wait for ever, where the official server fails after a millisecond.
    ///
    /// # Errors
    /// When not everyone answered in time; with the answers that came.
    ///
    /// # Panics
    /// When the name is reserved by Socket.IO, such as `connect`.
    pub async fn emit_with_ack(&self, name: &str, args: impl Into<Args>) -> Result<Vec<Args>, AcksMissing> {
        crate::io::assert_not_reserved(name);
        let (answer, result) = oneshot::channel();
        self.shared.tell_hub(ToHub::BroadcastWithAck {
            audience: self.audience.clone(),
            name: name.into(),
            args: args.into(),
            timeout: self.timeout,
            answer,
        });
        // Without a hub there are no sockets any more.
        result.await.unwrap_or(Ok(Vec::new()))
    }

    /// Who is meant, in the order in which they connected.
    pub async fn fetch_sockets(&self) -> Vec<Socket> {
        let (answer, sockets) = oneshot::channel();
        self.shared.tell_hub(ToHub::FetchSockets(self.audience.clone(), answer));
        // Without a hub there are no sockets any more.
        sockets.await.unwrap_or_default()
    }

    /// Puts them into a room, or into several.
    pub fn sockets_join(&self, rooms: impl IntoRooms) {
        let audience = self.audience.clone();
        self.tell_hub(HubCommand::JoinAll { audience, rooms: rooms.into_rooms() });
    }

    /// Takes them out of a room, or out of several.
    pub fn sockets_leave(&self, rooms: impl IntoRooms) {
        let audience = self.audience.clone();
        self.tell_hub(HubCommand::LeaveAll { audience, rooms: rooms.into_rooms() });
    }

    /// Disconnects them, after what was sent before; with `close`, their connections too.
    pub fn disconnect_sockets(&self, close: bool) {
        let audience = self.audience.clone();
        self.tell_hub(HubCommand::DisconnectAll { audience, close });
    }

    fn tell_hub(&self, command: HubCommand) {
        self.shared.tell_hub(ToHub::Command(command));
    }
}
