//! What the hub has for one connection: in go messages from the hub's task, out they come in the connection's task.
//!
//! Promise: what waits here is bounded. A reader so slow that the bound is reached loses its connection, not the server its
//! memory. Messages stay shared with the other connections they go to until they are written.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use tokio::sync::{Notify, mpsc};

use crate::reached::reached;
use crate::socket::Encoded;

/// What an entry costs besides its bytes, so that a flood of tiny messages is bounded too.
const ENTRY_COST: usize = 64;

/// What a connection's task is to do, in order.
#[derive(Debug)]
pub(super) enum Outgoing {
    /// Send these.
    Messages(Encoded),
    /// Close the session.
    Close,
}

/// The bytes that wait, as seen from all sides.
#[derive(Debug)]
pub(super) struct Meter {
    waiting: AtomicUsize,
    limit: usize,
    closed: AtomicBool,
    room: Notify,
    abort: Notify,
}

/// The hub's side.
#[derive(Debug)]
pub(super) struct Sender {
    queue: mpsc::UnboundedSender<Outgoing>,
    meter: Arc<Meter>,
}

/// The connection's side.
pub(super) struct Receiver {
    queue: mpsc::UnboundedReceiver<Outgoing>,
    meter: Arc<Meter>,
    /// Bytes that were taken but may not be written yet.
    taken: usize,
}

/// More waits than may.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Overflow;

/// A queue in which at most `limit` bytes wait, and one message more: no message is refused for its own size.
pub(super) fn channel(limit: usize) -> (Sender, Receiver) {
    let (sender, queue) = mpsc::unbounded_channel();
    let meter = Arc::new(Meter {
        waiting: AtomicUsize::new(0),
        limit,
        closed: AtomicBool::new(false),
        room: Notify::new(),
        abort: Notify::new(),
    });
    (Sender { queue: sender, meter: meter.clone() }, Receiver { queue, meter, taken: 0 })
}

impl Sender {
    /// Queues messages.
    pub(super) fn send(&self, messages: Encoded) -> Result<(), Overflow> {
        if self.meter.waiting.load(Ordering::Relaxed) > self.meter.limit {
            return Err(Overflow);
        }
        self.meter.waiting.fetch_add(cost(&messages), Ordering::Relaxed);
        // The connection may be over; the hub hears of it in time.
        drop(self.queue.send(Outgoing::Messages(messages)));
        Ok(())
    }

    /// Queues messages that are of no use later: if anything waits, they are dropped.
    pub(super) fn send_volatile(&self, messages: Encoded) {
        if self.meter.waiting.load(Ordering::Acquire) == 0 {
            // What is empty has room.
            drop(self.send(messages));
        } else {
            reached!("hub.volatile_dropped");
        }
    }

    /// Queues the end of the session.
    pub(super) fn close(&self) {
        drop(self.queue.send(Outgoing::Close));
    }

    /// Ends the session at once, whatever waits.
    pub(super) fn abort(&self) {
        self.meter.abort.notify_one();
    }

    /// To be asked for room.
    pub(super) fn meter(&self) -> Arc<Meter> {
        self.meter.clone()
    }
}

impl Meter {
    /// Ends when less than a quarter of the limit waits, or the connection is over.
    pub(super) async fn room(&self) {
        loop {
            let mut room = pin!(self.room.notified());
            // Registered before looking, so that what happens between the two is not missed.
            room.as_mut().enable();
            if self.has_room() {
                return;
            }
            room.await;
        }
    }

    /// Ends when the session is to end at once.
    pub(super) async fn aborted(&self) {
        self.abort.notified().await;
    }

    fn has_room(&self) -> bool {
        let waiting = self.waiting.load(Ordering::Acquire);
        waiting == 0 || waiting < self.limit / 4 || self.closed.load(Ordering::Acquire)
    }
}

impl Receiver {
    /// The next to do, once there is something. When the hub is no more, the session closes.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Outgoing> {
        let next = ready!(self.queue.poll_recv(context)).unwrap_or(Outgoing::Close);
        Poll::Ready(self.take(next))
    }

    /// The next to do, if there is something.
    pub(super) fn try_next(&mut self) -> Option<Outgoing> {
        let next = self.queue.try_recv().ok()?;
        Some(self.take(next))
    }

    fn take(&mut self, next: Outgoing) -> Outgoing {
        if let Outgoing::Messages(messages) = &next {
            self.taken += cost(messages);
        }
        next
    }

    /// How many bytes were taken since the last [`Receiver::written`].
    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    /// All that was taken is written.
    pub(super) fn written(&mut self) {
        if self.taken > 0 {
            self.meter.waiting.fetch_sub(self.taken, Ordering::Release);
            self.taken = 0;
            if self.meter.has_room() {
                self.meter.room.notify_waiters();
            }
        }
    }

    /// To be asked for an abort while the queue is borrowed.
    pub(super) fn meter(&self) -> Arc<Meter> {
        self.meter.clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.meter.closed.store(true, Ordering::Release);
        self.meter.room.notify_waiters();
    }
}

fn cost(messages: &Encoded) -> usize {
    messages.iter().map(|message| message.wire_len() + ENTRY_COST).sum()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::engine::Message;

    fn message(length: usize) -> Encoded {
        [Message::Binary(vec![0; length].into())].into()
    }

    #[test]
    fn a_queue_over_its_limit_takes_no_more() {
        let (sender, _receiver) = channel(1000);

        assert_eq!(sender.send(message(5000)), Ok(()), "no message is refused for its own size");
        assert_eq!(sender.send(message(1)), Err(Overflow));
    }

    #[test]
    fn what_is_taken_waits_until_it_is_written() {
        let (sender, mut receiver) = channel(1000);
        sender.send(message(2000)).unwrap();

        assert!(receiver.try_next().is_some());
        assert_eq!(sender.send(message(1)), Err(Overflow));
        receiver.written();
        assert_eq!(sender.send(message(1)), Ok(()));
    }

    #[test]
    fn what_is_volatile_goes_only_where_nothing_waits() {
        let (sender, mut receiver) = channel(1000);
        let take_all = |receiver: &mut Receiver| std::iter::from_fn(|| receiver.try_next()).count();
        sender.send_volatile(message(1));
        sender.send_volatile(message(2));

        assert_eq!(take_all(&mut receiver), 1);
        sender.send_volatile(message(3));
        assert_eq!(take_all(&mut receiver), 0, "taken is not written");
        receiver.written();
        sender.send_volatile(message(4));
        assert_eq!(take_all(&mut receiver), 1);
    }

    #[test]
    fn tiny_messages_are_bounded_too() {
        let (sender, _receiver) = channel(6400);

        let sent = (0..1000).filter(|_| sender.send(message(0)).is_ok()).count();

        assert_eq!(sent, 101);
    }

    #[test]
    fn there_is_room_below_a_quarter_or_when_all_is_over() {
        let (sender, mut receiver) = channel(1000);
        let meter = sender.meter();
        assert!(meter.room().now_or_never().is_some());
        sender.send(message(500)).unwrap();
        let mut room = Box::pin(meter.room());
        assert!((&mut room).now_or_never().is_none());

        assert!(receiver.try_next().is_some());
        receiver.written();
        assert!(room.now_or_never().is_some());

        sender.send(message(500)).unwrap();
        let mut room = Box::pin(meter.room());
        assert!((&mut room).now_or_never().is_none());
        drop(receiver);
        assert!(room.now_or_never().is_some());
    }
}
