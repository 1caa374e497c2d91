//! What waits for the handlers of one socket: in go events from the hub's task, out they come in the socket's own.
//!
//! Promise: order is kept, the disconnect comes last, and what waits is bounded.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytestring::ByteString;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::socket::{AckId, Args, DisconnectReason, RoomName};

/// An event on its way to its handler.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) name: ByteString,
    pub(super) args: Args,
    pub(super) ack: Option<AckId>,
}

/// Why a socket is gone, and what it was part of until then.
#[derive(Debug, PartialEq)]
pub(super) struct Disconnection {
    pub(super) reason: DisconnectReason,
    pub(super) rooms: BTreeSet<RoomName>,
}

#[derive(Debug)]
enum Delivery {
    Event(Event, usize),
    Disconnected(Disconnection),
}

/// The hub's side.
pub(super) struct Sender {
    queue: mpsc::UnboundedSender<Delivery>,
    waiting: Arc<AtomicUsize>,
    limit: usize,
    overflown: bool,
}

/// The socket's side.
pub(super) struct Receiver {
    queue: mpsc::UnboundedReceiver<Delivery>,
    waiting: Arc<AtomicUsize>,
}

/// More waits than may.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Overflow;

/// A queue in which at most `limit` bytes wait, and one event more.
pub(super) fn channel(limit: usize) -> (Sender, Receiver) {
    let (sender, queue) = mpsc::unbounded_channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    (Sender { queue: sender, waiting: waiting.clone(), limit, overflown: false }, Receiver { queue, waiting })
}

impl Sender {
    /// Queues an event. After an overflow no more events are taken: the handlers see no hole.
    pub(super) fn send(&mut self, event: Event) -> Result<(), Overflow> {
        self.overflown |= self.waiting.load(Ordering::Acquire) > self.limit;
        if self.overflown {
            return Err(Overflow);
        }
        let cost = cost(&event);
        self.waiting.fetch_add(cost, Ordering::AcqRel);
        // The socket's task may be gone by a panic of its handlers; it sees to the disconnect.
        drop(self.queue.send(Delivery::Event(event, cost)));
        Ok(())
    }

    /// Says why the socket is gone, after all that came before.
    pub(super) fn disconnected(self, disconnection: Disconnection) {
        drop(self.queue.send(Delivery::Disconnected(disconnection)));
    }
}

impl Receiver {
    /// The next event, or why there is none. `None` where the hub is no more.
    pub(super) async fn next(&mut self) -> Option<Result<Event, Disconnection>> {
        Some(match self.queue.recv().await? {
            Delivery::Event(event, cost) => {
                self.waiting.fetch_sub(cost, Ordering::AcqRel);
                Ok(event)
            }
            Delivery::Disconnected(disconnection) => Err(disconnection),
        })
    }

    /// Why the socket is gone, whatever came before.
    pub(super) async fn disconnected(&mut self) -> Option<Disconnection> {
        loop {
            if let Err(disconnection) = self.next().await? {
                return Some(disconnection);
            }
        }
    }
}

/// What an event costs while it waits, in bytes: its memory, roughly.
fn cost(event: &Event) -> usize {
    let values: usize = event.args.values().iter().map(value_cost).sum();
    let attachments: usize =
        event.args.attachments().iter().map(|bytes| size_of_val(bytes) + bytes.len()).sum();
    size_of::<Delivery>() + event.name.len() + values + attachments
}

/// Recurses no deeper than the JSON parser did, which has a limit.
fn value_cost(value: &Value) -> usize {
    let behind = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(value_cost).sum(),
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| size_of::<String>() + key.len() + value_cost(value)).sum()
        }
    };
    size_of::<Value>() + behind
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::FutureExt;
    use serde_json::json;

    use super::*;
    use crate::socket::args;

    fn event(length: usize) -> Event {
        Event { name: "e".into(), args: Args::from(vec![json!("x".repeat(length))]), ack: None }
    }

    #[test]
    fn after_an_overflow_nothing_more_is_taken() {
        let (mut sender, mut receiver) = channel(1000);
        assert_eq!(sender.send(event(5000)), Ok(()));
        assert_eq!(sender.send(event(1)), Err(Overflow));

        assert!(matches!(receiver.next().now_or_never(), Some(Some(Ok(_)))));

        assert_eq!(sender.send(event(1)), Err(Overflow), "there is room again, but an event is missing");
    }

    #[test]
    fn what_is_taken_makes_room() {
        let (mut sender, mut receiver) = channel(1000);
        for _ in 0..100 {
            assert_eq!(sender.send(event(900)), Ok(()));
            assert!(matches!(receiver.next().now_or_never(), Some(Some(Ok(_)))));
        }
    }

    #[test]
    fn the_size_of_an_event_is_that_of_all_within() {
        let small = Event { name: "e".into(), args: Args::from(vec![json!([{}])]), ack: None };
        let large =
            Event { name: "e".into(), args: Args::from(vec![json!([{ "k": "x".repeat(500) }])]), ack: None };

        assert!(cost(&large) - cost(&small) >= 501);
        let bytes = Bytes::from(vec![0; 500]);
        let attached = Event { name: "e".into(), args: args![[bytes]], ack: None };
        assert!(cost(&attached) - cost(&small) >= 500);
    }

    #[test]
    fn the_disconnect_comes_after_the_events() {
        let (mut sender, mut receiver) = channel(1000);
        sender.send(event(1)).unwrap();
        let disconnection =
            || Disconnection { reason: DisconnectReason::PingTimeout, rooms: ["a".into()].into() };
        sender.disconnected(disconnection());

        assert!(matches!(receiver.next().now_or_never(), Some(Some(Ok(_)))));
        let last = receiver.next().now_or_never().flatten().expect("there is one more");
        assert_eq!(last.expect_err("it is the last"), disconnection());
    }
}
