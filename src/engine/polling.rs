//! The terms of HTTP long-polling: what a server's session is told of requests, and what a client's session asks for.

use std::fmt;
use std::str::FromStr;

use bytestring::ByteString;
use thiserror::Error;

use super::Sid;

/// How packets travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    /// HTTP long-polling: a GET that waits for packets, and a POST for each batch the other way.
    Polling,
    /// A WebSocket: one packet a message.
    WebSocket,
}

/// A name that no transport has.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("transport {0:?} is unknown: there are polling and websocket")]
pub struct TransportUnknown(String);

impl Transport {
    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::WebSocket => "websocket",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Transport {
    type Err = TransportUnknown;

    fn from_str(name: &str) -> Result<Self, TransportUnknown> {
        [Self::Polling, Self::WebSocket]
            .into_iter()
            .find(|transport| transport.as_str() == name)
            .ok_or_else(|| TransportUnknown(name.to_owned()))
    }
}

/// One HTTP request of a client. The driver gives each of a session another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// What became of an HTTP request of the client (server).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A GET arrived: it may be held until there is something to say.
    Polled,
    /// The head of a POST arrived; its body follows.
    Posting,
    /// The body of a POST is complete.
    Posted(ByteString),
    /// The body of a POST is larger than the server takes.
    TooLarge,
    /// Its connection broke before it was answered.
    Aborted,
}

/// The answer to an HTTP request (server).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// 200 to a GET: packets.
    Payload(ByteString),
    /// 200 to a POST: its packets were handled.
    Ok,
    /// 400: no request of this session, as it stands, may look so.
    BadRequest,
    /// 413: the body is larger than the server takes.
    TooLarge,
}

/// What a session asks of HTTP (client). One GET at a time; POSTs one after another, in the order they were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Send a GET; without an id it opens the session.
    Poll(Option<Sid>),
    /// Send a POST with this body.
    Post(Sid, ByteString),
    /// Open a WebSocket beside, to upgrade to it.
    WebSocket(Sid),
    /// There will be no more GET or POST: their connections may go.
    Hangup,
}

/// What HTTP answered (client).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// 200 to the GET: packets.
    Polled(ByteString),
    /// 200 to the POST.
    Posted,
    /// Either failed, for whatever reason.
    Failed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transports_are_known_by_name() {
        for transport in [Transport::Polling, Transport::WebSocket] {
            assert_eq!(transport.as_str().parse(), Ok(transport));
        }
        assert_eq!("pigeon".parse::<Transport>(), Err(TransportUnknown("pigeon".to_owned())));
    }
}
