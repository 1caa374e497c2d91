//! What the application emitted in one namespace: the send buffer or the queue of retries, and who waits for an
//! acknowledgement until when.
//!
//! Without retries an emit waits in the send buffer until the socket is connected, and is sent once. With retries it
//! waits in the queue, whose head alone is in flight: sent again until it is acknowledged or has been tried often enough.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use bytestring::ByteString;

use crate::engine::Time;
use crate::reached::reached;

use super::super::waiters::Waiters;
use super::super::{AckError, AckId, Args, EmitId, Encoded, Kind, Namespace, Packet, encode};

/// An emit whose waiting is over.
pub(super) type Settled = (EmitId, Result<Args, AckError>);

/// Of the options, those of emits.
#[derive(Debug, Clone, Copy)]
pub(super) struct EmitOptions {
    pub(super) retries: Option<u32>,
    pub(super) ack_timeout: Option<Duration>,
}

/// Emits that are not settled.
#[derive(Debug)]
pub(super) struct Emits {
    options: EmitOptions,
    /// To be sent once, oldest first.
    buffer: VecDeque<(Option<AckId>, Encoded)>,
    /// To be sent until acknowledged, oldest first.
    queue: VecDeque<Queued>,
    waiters: Waiters<AckId, Waiter>,
    /// Counts for the whole life of the client: an id is never used again on a later connection, nor for a later try.
    next_id: u64,
}

/// Who waits for an acknowledgement.
#[derive(Debug)]
enum Waiter {
    /// The application, for an emit that is sent once.
    Emit(EmitId),
    /// The head of the queue, for this try.
    Head,
}

/// An emit in the queue.
#[derive(Debug)]
struct Queued {
    name: ByteString,
    args: Args,
    emit: Option<EmitId>,
    timeout: Option<Duration>,
    tries: u32,
    in_flight: bool,
}

impl Emits {
    pub(super) fn new(options: EmitOptions) -> Self {
        let (buffer, queue) = (VecDeque::new(), VecDeque::new());
        Self { options, buffer, queue, waiters: Waiters::default(), next_id: 0 }
    }

    /// Takes an emit; what is to be sent comes from [`Self::take`].
    pub(super) fn push(
        &mut self,
        namespace: &Namespace,
        name: ByteString,
        args: Args,
        ack: Option<(EmitId, Option<Duration>)>,
        now: Time,
    ) {
        if self.options.retries.is_some() {
            let (emit, timeout) = (ack.map(|(emit, _)| emit), self.timeout(ack));
            self.queue.push_back(Queued { name, args, emit, timeout, tries: 0, in_flight: false });
        } else {
            let ack = self.wait_once(ack, now);
            self.buffer.push_back((ack, event(namespace, name, args, ack)));
        }
    }

    /// Takes an emit that leaves at once or never.
    pub(super) fn volatile(
        &mut self,
        namespace: &Namespace,
        name: ByteString,
        args: Args,
        ack: Option<(EmitId, Option<Duration>)>,
        now: Time,
    ) -> Encoded {
        let ack = self.wait_once(ack, now);
        event(namespace, name, args, ack)
    }

    fn timeout(&self, ack: Option<(EmitId, Option<Duration>)>) -> Option<Duration> {
        ack.and_then(|(_, timeout)| timeout).or(self.options.ack_timeout)
    }

    /// The application waits from now on, whenever the event is sent.
    fn wait_once(&mut self, ack: Option<(EmitId, Option<Duration>)>, now: Time) -> Option<AckId> {
        let timeout = self.timeout(ack);
        ack.map(|(emit, _)| self.wait_for(Waiter::Emit(emit), timeout, now))
    }

    fn wait_for(&mut self, who: Waiter, timeout: Option<Duration>, now: Time) -> AckId {
        let id = AckId(self.next_id);
        self.next_id += 1;
        self.waiters.wait(id, who, timeout.map(|timeout| now + timeout));
        id
    }

    /// What is to be sent now, in order. Asked while connected.
    pub(super) fn take(&mut self, namespace: &Namespace, now: Time) -> Vec<Encoded> {
        let mut sent: Vec<Encoded> = self.buffer.drain(..).map(|(_, encoded)| encoded).collect();
        sent.extend(self.try_head(namespace, now));
        sent
    }

    fn try_head(&mut self, namespace: &Namespace, now: Time) -> Option<Encoded> {
        let timeout = self.queue.front().filter(|head| !head.in_flight)?.timeout;
        let id = self.wait_for(Waiter::Head, timeout, now);
        let head = self.queue.front_mut()?;
        head.in_flight = true;
        head.tries = head.tries.saturating_add(1);
        if head.tries > 1 {
            reached!("client.retry");
            tracing::debug!(tries = head.tries, "not acknowledged: sent again");
        }
        Some(event(namespace, head.name.clone(), head.args.clone(), Some(id)))
    }

    /// An answer came while connected, when whoever waits was sent.
    pub(super) fn answer(&mut self, id: AckId, args: Args) -> Option<Settled> {
        debug_assert!(self.buffer.is_empty(), "while connected, nothing stays in the send buffer");
        let Some(who) = self.waiters.settle(&id) else {
            reached!("client.late_ack");
            return None;
        };
        self.settle(who, Ok(args))
    }

    /// The connection is lost, and with it what was sent. What is emitted from now on waits for the next connection.
    pub(super) fn lose(&mut self) -> Vec<Settled> {
        debug_assert!(self.buffer.is_empty(), "while connected, nothing stays in the send buffer");
        let lost = self.waiters.settle_range(..);
        if !lost.is_empty() {
            reached!("client.ack_lost");
        }
        lost.into_iter().filter_map(|who| self.settle(who, Err(AckError::Disconnected))).collect()
    }

    /// Who has waited too long. What of theirs is in the send buffer is never sent.
    pub(super) fn expire(&mut self, now: Time) -> Vec<Settled> {
        let expired = self.waiters.expire(now);
        if expired.is_empty() {
            return Vec::new();
        }
        reached!("client.ack_timeout");
        tracing::debug!(count = expired.len(), "no acknowledgement in time");
        let ids: BTreeSet<AckId> = expired.iter().map(|&(id, _)| id).collect();
        self.buffer.retain(|(ack, _)| ack.is_none_or(|id| !ids.contains(&id)));
        expired.into_iter().filter_map(|(_, who)| self.settle(who, Err(AckError::TimedOut))).collect()
    }

    fn settle(&mut self, who: Waiter, result: Result<Args, AckError>) -> Option<Settled> {
        match who {
            Waiter::Emit(emit) => Some((emit, result)),
            Waiter::Head => self.finish_try(result),
        }
    }

    /// A try of the head is over. One that failed leaves it there, unless it was the last.
    fn finish_try(&mut self, result: Result<Args, AckError>) -> Option<Settled> {
        let head = self.queue.front_mut().expect("who is in flight stays at the head");
        head.in_flight = false;
        if result.is_err() && head.tries <= self.options.retries.unwrap_or_default() {
            return None;
        }
        let head = self.queue.pop_front()?;
        if let Err(error) = &result {
            reached!("client.retries_exhausted");
            tracing::warn!(event = %head.name, tries = head.tries, %error, "an event is given up");
        }
        head.emit.map(|emit| (emit, result))
    }

    /// When the next one will have waited too long.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.waiters.deadline()
    }

    /// How many emits of the application wait for an acknowledgement, and how many of them are not sent.
    #[cfg(test)]
    pub(super) fn unsettled(&self) -> (usize, usize) {
        let buffered = self.buffer.iter().filter(|(ack, _)| ack.is_some()).count();
        let queued = self.queue.iter().filter(|queued| queued.emit.is_some());
        let in_flight = self.queue.iter().filter(|queued| queued.in_flight).count();
        let once = self.waiters.len() - in_flight;
        (once + queued.clone().count(), buffered + queued.filter(|queued| !queued.in_flight).count())
    }
}

fn event(namespace: &Namespace, name: ByteString, args: Args, ack: Option<AckId>) -> Encoded {
    encode(&Packet { namespace: namespace.clone(), kind: Kind::Event { name, args, ack } })
}
