//! One attempt to open a WebSocket to the server. May be dropped at any time.

use std::io;

use thiserror::Error;
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite;

use crate::io::net::Connector;
use crate::io::websocket::{self, WebSocket};

use super::ConnectUrl;

/// The largest message that a client takes from its server, in bytes. The server is trusted with more than clients are:
/// the limit only keeps a mistake from eating the memory.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// Why an attempt failed.
#[derive(Debug, Error)]
pub(super) enum DialError {
    #[error("failed to connect: {0}")]
    Connect(#[from] io::Error),
    #[error("failed to open a WebSocket: {0}")]
    WebSocket(#[from] tungstenite::Error),
}

/// Connects and asks for a WebSocket with Engine.IO v4.
pub(super) async fn dial<C: Connector>(
    connector: &C,
    url: &ConnectUrl,
    path: &str,
) -> Result<WebSocket<C::Stream>, DialError> {
    let stream = connector.connect(&url.host, url.port).await?;
    let slash = if path.starts_with('/') { "" } else { "/" };
    let request = format!("ws://{}{slash}{path}?EIO=4&transport=websocket", url.authority());
    let config = websocket::config(MESSAGE_BYTES_MAX);
    let (stream, _response) = client_async_with_config(request, stream, Some(config)).await?;
    Ok(WebSocket::new(stream))
}
