//! Sends one end's segments on their way: draws their latency, waits for the link, and keeps their order.
//!
//! A segment leaves for the carrier one tick before it is due, which is its latency after it was ready to be sent. It
//! leaves after what was sent before it, and so is never due before that; latencies do not add up. Whether it passes is
//! decided as it leaves, and what does not is sent again as TCP would: so loss is delay, of all that stands behind it too.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::super::moment;
use super::frame::{End, Frame, Route, Segment};
use super::impairment::Key;
use super::link::Held;
use super::marks::Then;
use super::network::Network;
use super::retransmission::Transmissions;
use crate::draw::{Stream, draw_duration};
use crate::scenario::limits::TICK;

/// How long a carrier may take.
const CARRIER: Duration = TICK;

/// What became of what was to be sent.
pub(super) enum Sent {
    /// It is on its way.
    Whole,
    /// The connection was cut behind some of it: an RST is on its way to the other end.
    Cut,
    /// A fault has begun behind some of it; this is still to pass.
    UpTo(Bytes),
}

/// The way from one end of a connection to the other.
#[derive(Clone)]
pub(super) struct Path {
    network: Arc<Network>,
    route: Route,
    /// What its draws are keyed by: the dialer's name and which connection of it this is, and the direction.
    entity: Arc<str>,
    drawn: u64,
    /// When the last thing scheduled arrives.
    due: Duration,
    /// How often the machine had lost power when it began.
    losses: u32,
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
        let entity = format!("{dialer}/{}/{direction}{what}", route.connection.serial).into();
        let losses = network.losses(route.from);
        Self { network: Arc::clone(network), route, entity, drawn: 0, due: Duration::ZERO, losses }
    }

    /// Sends something once, now: where it does not pass, it is gone.
    pub(super) fn attempt(&mut self, segment: Segment) {
        let leaves = self.schedule(moment::now());
        // What comes later does not wait for it, nor it for what comes later.
        let path = self.clone();
        self.network.host(self.route.from).spawn(async move {
            path.sleep_until(leaves).await;
            if path.is_open(&mut Held::default()) && !path.loses(0) {
                path.transmit(segment);
            }
        });
    }

    /// Ends when what has been ready since `since` may leave, and so arrives. Where the link is blocked, that is at the
    /// first retransmission after it has opened; where transmissions are lost, at the first one that is not. False when
    /// TCP gives up.
    pub(super) async fn pass(&mut self, since: Duration) -> bool {
        let leaves = self.schedule(since);
        self.sleep_until(leaves).await;
        let mut transmissions = Transmissions::new(leaves.max(moment::now()));
        let mut held = Held::default();
        let mut transmission = 0;
        loop {
            if self.is_open(&mut held) {
                if !self.loses(transmission) {
                    break;
                }
                transmission += 1;
            } else if !self.opened(&mut held, transmissions.gives_up_at()).await {
                return false;
            }
            let Some(next) = transmissions.next(moment::now()) else { return false };
            self.sleep_until(next).await;
        }
        self.due = self.due.max(moment::now() + CARRIER);
        true
    }

    /// How many bytes may leave at a time.
    pub(super) fn piece(&self) -> usize {
        self.network.links.piece(self.route)
    }

    /// Sends what [`Path::pass`] let through, as fast as the link takes it.
    pub(super) async fn send(&mut self, segment: Segment) -> Sent {
        let Segment::Data(mut bytes) = segment else {
            self.transmit(segment);
            return Sent::Whole;
        };
        self.squeeze(bytes.len()).await;
        while let Some((passing, then)) = self.network.links.pass(self.route, bytes.len()) {
            let rest = bytes.split_off(passing);
            if !bytes.is_empty() {
                self.transmit(Segment::Data(bytes));
            }
            match then {
                Then::Cut(_) => {
                    self.transmit(Segment::Rst);
                    return Sent::Cut;
                }
                Then::Strike(strike) => strike(),
            }
            if !rest.is_empty() {
                return Sent::UpTo(rest);
            }
            bytes = rest;
        }
        if !bytes.is_empty() {
            self.transmit(Segment::Data(bytes));
        }
        Sent::Whole
    }

    /// Ends when what was sent last has arrived.
    pub(super) async fn arrived(&self) {
        self.sleep_until(self.due).await;
    }

    /// Sends what [`Path::pass`] let through, whatever the link takes.
    pub(super) fn transmit(&self, segment: Segment) {
        if self.network.losses(self.route.from) == self.losses {
            self.network.carry(Frame { route: self.route, due: self.due, segment });
        }
    }

    pub(super) async fn sleep_until(&self, until: Duration) {
        if until > moment::now() {
            self.network.host(self.route.from).sleep_until(until).await;
        }
    }

    /// Draws the latency of the next segment and says when it leaves.
    fn schedule(&mut self, since: Duration) -> Duration {
        self.drawn += 1;
        let Key { seed, entity, n } = self.key();
        let latency = draw_duration(self.network.latency.inclusive(), seed, Stream::Latency, entity, n);
        self.due = since + latency + self.network.links.delay(self.route, self.key());
        self.due.saturating_sub(CARRIER)
    }

    /// Of the segment that was scheduled last.
    fn key(&self) -> Key<'_> {
        Key { seed: self.network.seed, entity: &self.entity, n: self.drawn - 1 }
    }

    fn is_open(&self, held: &mut Held) -> bool {
        self.network.links.is_open(self.route, held)
    }

    fn loses(&self, transmission: u32) -> bool {
        self.network.links.loses(self.route, self.key(), transmission)
    }

    /// Ends when the link is open, or at `until` with false.
    async fn opened(&self, held: &mut Held, until: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.network.links.opened(self.route, held) => true,
            () = self.sleep_until(until) => false,
        }
    }

    /// Ends when a slow link has let so many bytes through, or is slow no more.
    async fn squeeze(&mut self, bytes: usize) {
        let Some(through) = self.network.links.through_at(self.route, bytes, moment::now()) else { return };
        let route = self.route;
        tokio::select! {
            biased;
            () = self.sleep_until(through) => {}
            () = self.network.links.until(route.way(), || !self.network.links.is_slow(route)) => {}
        }
        self.due = self.due.max(moment::now() + CARRIER);
    }
}
