//! A request becomes a WebSocket: once its answer is written, the stream goes to a session, in a task of its own.

use std::sync::Arc;

use bytes::Bytes;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::io::net::BoxStream;
use crate::io::websocket::{self, WebSocket};

use super::connection::Connection;
use super::endpoint::Host;
use super::request::RequestInfo;
use super::sessions::Mailbox;

/// Which session a WebSocket is for.
pub(super) enum Target {
    /// One that polls.
    Known(Mailbox),
    /// One that this request opens.
    New(Arc<RequestInfo>),
}

/// Waits for the stream and puts the session on it.
pub(super) fn start(host: Arc<dyn Host>, upgrade: OnUpgrade, target: Target) {
    let max_message = host.endpoint().options.max_http_buffer_size;
    let upgraded = {
        let host = host.clone();
        async move {
            let stream = match upgrade.await {
                Ok(upgraded) => upgraded,
                Err(error) => return tracing::debug!(%error, "upgrade failed"),
            };
            let socket = websocket(stream, max_message).await;
            match target {
                Target::Known(session) => session.websocket(socket),
                Target::New(request) => Connection::on_websocket(host, socket, request).run().await,
            }
        }
    };
    host.endpoint().spawn(upgraded);
}

async fn websocket(upgraded: Upgraded, max_message: usize) -> WebSocket<BoxStream> {
    let (stream, read) = match upgraded.downcast::<TokioIo<BoxStream>>() {
        Ok(parts) => (parts.io.into_inner(), parts.read_buf),
        // Another HTTP server took the stream.
        Err(upgraded) => (BoxStream::new(TokioIo::new(upgraded)), Bytes::new()),
    };
    let config = Some(websocket::config(max_message));
    let stream = WebSocketStream::from_partially_read(stream, read.into(), Role::Server, config).await;
    WebSocket::new(stream)
}
