//! Where the server is, and one attempt to open a WebSocket to it. May be dropped at any time.

use std::io;

use hyper::HeaderMap;
use thiserror::Error;
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::engine::{Sid, Transport};
use crate::io::net::Connector;
use crate::io::websocket::{self, WebSocket};

use super::ConnectUrl;

/// The largest message that a client takes from its server, in bytes. The server is trusted with more than clients are:
/// the limit only keeps a mistake from eating the memory.
pub(super) const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// Why an attempt failed.
#[derive(Debug, Error)]
pub(super) enum DialError {
    #[error("failed to connect: {0}")]
    Connect(#[from] io::Error),
    #[error("failed to open a WebSocket: {0}")]
    WebSocket(#[from] tungstenite::Error),
}

/// The endpoint that a client speaks to, and the way there.
#[derive(Debug)]
pub(super) struct Endpoint<C> {
    connector: C,
    url: ConnectUrl,
    path: String,
    /// The application's part of the query, each pair behind an `&`.
    query: String,
    headers: HeaderMap,
}

impl<C: Connector> Endpoint<C> {
    pub(super) fn new(
        connector: C,
        url: ConnectUrl,
        path: &str,
        pairs: &[(String, String)],
        headers: HeaderMap,
    ) -> Self {
        let slash = if path.starts_with('/') { "" } else { "/" };
        let mut query = String::new();
        for (key, value) in pairs {
            query.push('&');
            percent_encode(key, &mut query);
            query.push('=');
            percent_encode(value, &mut query);
        }
        Self { connector, url, path: format!("{slash}{path}"), query, headers }
    }

    /// Adds what the application wants in every request; what the request needs itself stays as it is.
    pub(super) fn add_headers(&self, headers: &mut HeaderMap) {
        let own = headers.clone();
        for (name, value) in self.headers.iter().filter(|(name, _)| !own.contains_key(*name)) {
            headers.append(name, value.clone());
        }
    }

    /// The server's address.
    pub(super) fn url(&self) -> &ConnectUrl {
        &self.url
    }

    /// The path and query of a request, with Engine.IO v4.
    pub(super) fn target(&self, transport: Transport, sid: Option<&Sid>) -> String {
        let mut target = format!("{}?EIO=4&transport={transport}{}", self.path, self.query);
        if let Some(sid) = sid {
            target.push_str("&sid=");
            percent_encode(sid.as_str(), &mut target);
        }
        target
    }

    /// A new stream to the server.
    pub(super) async fn connect(&self) -> io::Result<C::Stream> {
        let ConnectUrl { secure, host, port } = &self.url;
        if *secure {
            self.connector.connect_secure(host, *port).await
        } else {
            self.connector.connect(host, *port).await
        }
    }

    /// Connects and asks for a WebSocket; with an id, for that session.
    pub(super) async fn dial(&self, sid: Option<Sid>) -> Result<WebSocket<C::Stream>, DialError> {
        let stream = self.connect().await?;
        let target = self.target(Transport::WebSocket, sid.as_ref());
        // Whether the stream is encrypted is settled; the scheme is not sent.
        let mut request = format!("ws://{}{target}", self.url.authority()).into_client_request()?;
        self.add_headers(request.headers_mut());
        let config = websocket::config(MESSAGE_BYTES_MAX);
        let (stream, _response) = client_async_with_config(request, stream, Some(config)).await?;
        Ok(WebSocket::new(stream))
    }
}

/// An id is what the server says it is: it must not become another part of the URL (RFC 3986 §2.3).
fn percent_encode(text: &str, target: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            target.push(char::from(byte));
        } else {
            target.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::net::TcpNet;

    #[test]
    fn an_id_cannot_become_another_part_of_the_url() {
        let endpoint =
            Endpoint::new(TcpNet, "http://localhost".parse().unwrap(), "socket.io/", &[], HeaderMap::new());

        let target = endpoint.target(Transport::Polling, Some(&Sid::from_peer("a_-9&x=\u{e9} #")));

        assert_eq!(target, "/socket.io/?EIO=4&transport=polling&sid=a_-9%26x%3D%C3%A9%20%23");
    }
}
