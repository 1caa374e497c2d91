//! A client of a case and its wire: what is done to the wire, and what is waited for on it.
#![expect(clippy::disallowed_methods, reason = "a real wire moves in real time")]

use std::time::Duration;

use serde_json::Value;

use super::likeness::is_packet_like;
use super::proxy::{Forged, Proxy};
use super::squall_client::SquallClient;
use super::stage::PATIENCE;
use super::values::bytes_of;
use super::wire::Direction;

/// By then what was written has arrived and was heard, or the case that needs it is not put to the test.
const SETTLED: Duration = Duration::from_millis(100);

/// A client of the case.
pub(crate) struct Actor {
    pub(crate) proxy: Proxy,
    /// `None` where the official one plays.
    pub(crate) squall: Option<SquallClient>,
    /// How much of what passed on its wire was waited for.
    seen: usize,
}

impl Actor {
    /// One that has done nothing yet.
    pub(crate) fn new(proxy: Proxy, squall: Option<SquallClient>) -> Self {
        Self { proxy, squall, seen: 0 }
    }

    /// Does to its wire what a step says.
    pub(crate) async fn wire(&mut self, verb: &str, value: &Value) -> Result<(), String> {
        match verb {
            "cuts" => self.proxy.cut(),
            "stalls" => self.proxy.stall(),
            "holds" => self.proxy.hold(),
            "resumes" => {
                // What both sides have said meanwhile is to pass in one piece.
                tokio::time::sleep(SETTLED).await;
                self.proxy.resume();
            }
            "rests" => tokio::time::sleep(SETTLED).await,
            "refuses" => self.proxy.refuse(true),
            "accepts" => self.proxy.refuse(false),
            "forges" => self.proxy.forge(forged(value)?),
            "sees" => return self.sees(value.as_str().unwrap_or_default()).await,
            unknown => return Err(format!("no wire {unknown}")),
        }
        Ok(())
    }

    /// Waits until this has passed, behind what was waited for before.
    async fn sees(&mut self, line: &str) -> Result<(), String> {
        let (direction, packet) = directed(line)?;
        loop {
            let passed = self.proxy.passed();
            let mut next = passed.iter().enumerate().skip(self.seen);
            let found =
                next.find(|(_, found)| found.direction == direction && is_packet_like(packet, &found.packet));
            if let Some((at, _)) = found {
                self.seen = at + 1;
                return Ok(());
            }
            if tokio::time::timeout(PATIENCE, self.proxy.changed()).await.is_err() {
                return Err("it did not pass".to_owned());
            }
        }
    }

    /// The session that was opened last, as the server named it.
    pub(crate) fn session(&self) -> Option<String> {
        let passed = self.proxy.passed();
        let opens = passed.iter().rev().filter(|passed| passed.direction == Direction::ToClient);
        let mut handshakes = opens.filter_map(|passed| passed.packet.strip_prefix('0'));
        let handshake: Value = handshakes.find_map(|handshake| serde_json::from_str(handshake).ok())?;
        Some(handshake["sid"].as_str()?.to_owned())
    }
}

/// `> 42["x"]`, or with bytes `{ to: server, binary: 00ff }`.
fn forged(value: &Value) -> Result<Forged, String> {
    if let Some(content) = bytes_of(value) {
        let direction = if value["to"] == "server" { Direction::ToServer } else { Direction::ToClient };
        return Ok(Forged { direction, content, is_binary: true });
    }
    let (direction, packet) = directed(value.as_str().unwrap_or_default())?;
    Ok(Forged { direction, content: packet.to_owned().into(), is_binary: false })
}

fn directed(line: &str) -> Result<(Direction, &str), String> {
    let (sign, packet) = line.split_once(' ').ok_or("a packet is `> …` or `< …`")?;
    Ok((if sign == ">" { Direction::ToServer } else { Direction::ToClient }, packet))
}
