//! Sends one end's segments on their way: draws their latency, waits for the link, and keeps their order.
//!
//! A segment leaves for the carrier one tick before it is due, which is its latency after it was ready to be sent. It
//! leaves after what was sent before it, and so is never due before that; latencies do not add up. Whether it passes is
//! decided as it leaves.

use std::sync::Arc;
use std::time::Duration;

use super::super::{moment, turmoil};
use super::frame::{End, Frame, Route, Segment};
use super::link::{Held, first_retransmission};
use super::network::Network;
use crate::draw::{Stream, draw_duration};

/// How long a carrier may take.
const CARRIER: Duration = turmoil::TICK;

/// The way from one end of a connection to the other.
pub(super) struct Path {
    network: Arc<Network>,
    route: Route,
    /// What its draws are keyed by: the dialer's name and which connection of it this is, and the direction.
    entity: String,
    drawn: u64,
    /// When the last thing scheduled arrives.
    due: Duration,
}

impl Path {
    pub(super) fn new(network: &Arc<Network>, route: Route) -> Self {
        Self::keyed(network, route, "")
    }

    /// For an answer to what belongs to no socket. It is drawn apart.
    pub(super) fn answering(network: &Arc<Network>, route: Route) -> Self {
        Self::keyed(network, route, " answer")
    }

    fn keyed(network: &Arc<Network>, route: Route, what: &str) -> Self {
        let dialer = network.name(route.connection.dialer);
        let direction = match route.end {
            End::Acceptor => "up",
            End::Dialer => "down",
        };
        let entity = format!("{dialer}/{}/{direction}{what}", route.connection.serial);
        Self { network: Arc::clone(network), route, entity, drawn: 0, due: Duration::ZERO }
    }

    /// Sends something once, now: where the link is blocked, it is lost.
    pub(super) async fn attempt(&mut self, segment: Segment) {
        let leaves = self.schedule(moment::now());
        self.sleep_until(leaves).await;
        if self.network.links.is_open(self.route.from, self.route.to, &mut Held::default()) {
            self.transmit(segment);
        }
    }

    /// Ends when what has been ready since `since` may leave. Where the link is blocked, that is at the first
    /// retransmission after it has opened.
    pub(super) async fn pass(&mut self, since: Duration) {
        let leaves = self.schedule(since);
        self.sleep_until(leaves).await;
        let (from, to) = (self.route.from, self.route.to);
        let mut held = Held::default();
        while !self.network.links.is_open(from, to, &mut held) {
            self.network.links.opened(from, to, &mut held).await;
            self.sleep_until(first_retransmission(leaves, moment::now())).await;
        }
        self.due = self.due.max(moment::now() + CARRIER);
    }

    /// Sends what [`Path::pass`] let through.
    pub(super) fn transmit(&self, segment: Segment) {
        self.network.carry(Frame { route: self.route, due: self.due, segment });
    }

    /// Draws the latency of the next segment and says when it leaves.
    fn schedule(&mut self, since: Duration) -> Duration {
        let range = self.network.latency.inclusive();
        let latency = draw_duration(range, self.network.seed, Stream::Latency, &self.entity, self.drawn);
        self.drawn += 1;
        self.due = since + latency;
        self.due.saturating_sub(CARRIER)
    }

    pub(super) async fn sleep_until(&self, until: Duration) {
        if until > moment::now() {
            self.network.host(self.route.from).sleep_until(until).await;
        }
    }
}
