//! The handshake: what the server tells a client about their session.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Sid, Transport};

/// How a session notices that its peer is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// The server sends a ping this long after the last pong; the first one this long after the handshake.
    pub ping_interval: Duration,
    /// A ping that has no pong after this long ends the session.
    pub ping_timeout: Duration,
}

impl Default for Heartbeat {
    /// 25 s and 20 s, the reference implementation's defaults.
    fn default() -> Self {
        Self { ping_interval: Duration::from_secs(25), ping_timeout: Duration::from_secs(20) }
    }
}

/// The content of an `open` packet (Engine.IO v4 "Handshake").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// The session's id.
    pub sid: Sid,
    /// What the session may be upgraded to.
    pub upgrades: Vec<Transport>,
    /// The rhythm of its heartbeat.
    pub heartbeat: Heartbeat,
    /// The largest message or polling body the server takes, in bytes.
    pub max_payload: u64,
}

/// A handshake that is not one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("handshake is not valid: {0}")]
pub struct HandshakeError(String);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    sid: String,
    upgrades: Vec<String>,
    ping_interval: u64,
    ping_timeout: u64,
    max_payload: u64,
}

impl Handshake {
    /// The JSON of an `open` packet; intervals in whole milliseconds.
    pub fn to_json(&self) -> String {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let wire = Wire {
            sid: self.sid.as_str().to_owned(),
            upgrades: self.upgrades.iter().map(ToString::to_string).collect(),
            ping_interval: millis(self.heartbeat.ping_interval),
            ping_timeout: millis(self.heartbeat.ping_timeout),
            max_payload: self.max_payload,
        };
        serde_json::to_string(&wire).expect("strings and numbers always serialise")
    }

    /// Reads the JSON of an `open` packet.
    ///
    /// # Errors
    /// When a field is missing or of the wrong type.
    pub fn from_json(json: &str) -> Result<Self, HandshakeError> {
        let wire: Wire = serde_json::from_str(json).map_err(|error| HandshakeError(error.to_string()))?;
        Ok(Self {
            sid: Sid::from_peer(wire.sid),
            // A transport that is not spoken here, such as WebTransport, is no offer.
            upgrades: wire.upgrades.iter().filter_map(|name| name.parse().ok()).collect(),
            heartbeat: Heartbeat {
                ping_interval: Duration::from_millis(wire.ping_interval),
                ping_timeout: Duration::from_millis(wire.ping_timeout),
            },
            max_payload: wire.max_payload,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::handshake;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_of_later_versions_are_ignored() {
        let json = handshake().to_json().replace("{", "{\"later\":[1],");

        assert_eq!(Handshake::from_json(&json), Ok(handshake()));
    }

    #[test]
    fn upgrades_that_are_not_spoken_are_ignored() {
        let json = handshake().to_json().replace("[]", r#"["webtransport","websocket"]"#);

        let upgrades = Handshake::from_json(&json).map(|handshake| handshake.upgrades);

        assert_eq!(upgrades, Ok(vec![Transport::WebSocket]));
    }

    #[test]
    fn numbers_that_are_no_milliseconds_are_refused() {
        for wrong in ["-1", "1.5", "\"25000\"", "null", "18446744073709551616", "1e400"] {
            let json = handshake().to_json().replace("25000", wrong);
            assert!(Handshake::from_json(&json).is_err(), "accepted {wrong}");
        }
    }

    #[test]
    fn a_duration_too_long_for_the_wire_becomes_the_longest() {
        let heartbeat = Heartbeat { ping_interval: Duration::MAX, ..Heartbeat::default() };

        let json = Handshake { heartbeat, ..handshake() }.to_json();

        assert!(json.contains("\"pingInterval\":18446744073709551615"), "{json}");
    }

    proptest! {
        #[test]
        fn no_json_panics(text in ".*", number in "-?[0-9]{1,30}") {
            drop(Handshake::from_json(&text));
            drop(Handshake::from_json(&handshake().to_json().replace("20000", &number)));
        }
    }
}
