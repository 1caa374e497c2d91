//! Socket.IO above a session: its messages become packets, and those go to the hub.

use std::sync::Arc;

use crate::engine::{CloseReason, Message};
use crate::socket::{ConnectionId, Decoder, HubCommand};

use super::Shared;
use super::endpoint::{Endpoint, Host, Inlet};
use super::hub_task::ToHub;
use super::outgoing;
use super::request::RequestInfo;

impl Host for Shared {
    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn open(
        self: Arc<Self>,
        connection: ConnectionId,
        outgoing: outgoing::Sender,
        request: Arc<RequestInfo>,
    ) -> Box<dyn Inlet> {
        self.tell_hub(ToHub::Opened(connection, outgoing, request));
        Box::new(Packets { connection, shared: self, decoder: Decoder::default() })
    }

    fn close_all(&self) {
        self.tell_hub(ToHub::Command(HubCommand::Shutdown));
    }

    fn abort_all(&self) {
        self.tell_hub(ToHub::AbortAll);
    }

    fn forget(&self) {
        // What is dropped may be the application's, and ask for the registry.
        let registered = std::mem::take(&mut *self.registry());
        drop(registered);
        self.endpoint.forget();
    }
}

/// One session's packets.
struct Packets {
    connection: ConnectionId,
    shared: Arc<Shared>,
    decoder: Decoder,
}

impl Inlet for Packets {
    fn receive(&mut self, message: Message) -> Result<(), String> {
        if let Some(packet) = self.decoder.receive(message).map_err(|error| error.to_string())? {
            self.shared.tell_hub(ToHub::Received(self.connection, packet));
        }
        Ok(())
    }

    fn closed(self: Box<Self>, reason: CloseReason) {
        self.shared.tell_hub(ToHub::Closed(self.connection, reason));
    }
}
