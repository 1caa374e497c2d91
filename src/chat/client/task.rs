//! The client's one task: owns outbox, connection and rooms, and does one thing at a time.
//!
//! In come the user's commands, what the connection says, and the answers to what was sent; out go [`ChatEvent`]s.

mod requests;

use std::future::{Future, pending};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::ChatEvent;
use super::outgoing::{Answered, Attempt, Outgoing, Settled, retry_delay};
use super::rooms::{Arrival, Rooms};
use crate::chat::wire::{CHAT_ERROR, CHAT_MESSAGE, ChatError, JOINED};
use crate::io::env::BoxFuture;
use crate::io::{Client, Env, Event};
use crate::reached::reached;
use crate::socket::{AckError, Args, DisconnectReason};
use crate::store::{LogOffset, MessageId, OutboxStorage, Pending, StoreError};

/// What the user asks for.
pub(super) enum Command {
    Connect,
    Say { room: String, content: String, answer: oneshot::Sender<Result<MessageId, StoreError>> },
    Join { room: String, since: Option<LogOffset> },
    Leave { room: String },
    Disconnect,
    Flush { answer: oneshot::Sender<()> },
}

/// What the handles can look at; changed by the task alone.
pub(super) struct Progress {
    pub(super) outgoing: Outgoing,
    pub(super) rooms: Rooms,
}

/// The task, between two things it does.
pub(super) struct Task<O> {
    pub(super) env: Env,
    pub(super) client: Client,
    pub(super) commands: mpsc::UnboundedReceiver<Command>,
    pub(super) events: mpsc::UnboundedReceiver<Event>,
    pub(super) user: mpsc::UnboundedSender<ChatEvent>,
    pub(super) outbox: Outbox<O>,
    pub(super) progress: Arc<Mutex<Progress>>,
    pub(super) ack_timeout: Duration,
    pub(super) link: Link,
    /// The oldest message, sent and not answered. Kept when the connection breaks: only its end says that no copy of the
    /// message waits to be sent.
    pub(super) in_flight: Option<BoxFuture<Result<Args, AckError>>>,
    /// What was sent plainly and not answered.
    pub(super) unordered: FuturesUnordered<BoxFuture<(MessageId, Result<Args, AckError>)>>,
    /// The request about rooms that is under way.
    pub(super) asked: Option<BoxFuture<Result<Args, AckError>>>,
    /// Before the oldest message may be sent again.
    pub(super) resend_pause: Option<BoxFuture<()>>,
    /// Before the client connects again to catch up.
    pub(super) catch_up_pause: Option<BoxFuture<()>>,
}

/// The connection, as the user wants it and as it was last heard of.
#[derive(Default)]
pub(super) struct Link {
    wanted: bool,
    connected: bool,
    /// Why the last attempt to connect failed, since there was a connection.
    failure: Option<String>,
    /// The request about rooms that is under way was asked for on an earlier connection.
    asked_before: bool,
    /// Leaving, to connect again from the last message shown.
    catching_up: bool,
    /// How many times it did since a message was last shown.
    catch_ups: u32,
}

impl Link {
    /// Says why an attempt failed. Attempts are many: a reason is worth a warning when it is new.
    fn failed(&mut self, reason: String) {
        if self.failure.as_ref() == Some(&reason) {
            return tracing::debug!(reason, "still not connected");
        }
        tracing::warn!(reason, "not connected");
        self.failure = Some(reason);
    }
}

impl<O: OutboxStorage> Task<O> {
    /// Until the last handle is dropped, or the process dies.
    pub(super) async fn run(mut self) {
        for message in self.with_progress(|progress| progress.outgoing.left_for_plain()) {
            self.send_plainly(message).await;
        }
        loop {
            self.send_request();
            self.send_oldest().await;
            tokio::select! {
                biased;
                command = self.commands.recv() => match command {
                    Some(command) => self.on_command(command).await,
                    None => return,
                },
                event = self.events.recv() => match event {
                    Some(event) => self.on_event(event),
                    None => return,
                },
                answer = end_of(&mut self.asked) => self.on_request_end(answer),
                answer = end_of(&mut self.in_flight) => self.on_answer(answer).await,
                Some((id, answer)) = self.unordered.next() => self.on_plain_answer(id, answer).await,
                () = end_of(&mut self.resend_pause) => {}
                () = end_of(&mut self.catch_up_pause) => self.client.connect(),
            }
        }
    }

    async fn on_command(&mut self, command: Command) {
        match command {
            Command::Connect => {
                self.link.wanted = true;
                self.client.connect();
            }
            Command::Disconnect => {
                self.link.wanted = false;
                self.catch_up_pause = None;
                self.client.disconnect();
            }
            // One thing is done at a time: what the user was told before he asked is forgotten by now.
            Command::Flush { answer } => answer.send(()).unwrap_or_default(),
            // Who asked may be gone; it was said all the same.
            Command::Say { room, content, answer } => drop(answer.send(self.say(room, content).await)),
            Command::Join { room, since } => {
                self.with_progress(|progress| progress.rooms.join(room, since));
            }
            Command::Leave { room } => {
                let left = self.with_progress(|progress| progress.rooms.leave(&room));
                self.tell_all(left);
            }
        }
    }

    async fn say(&mut self, room: String, content: String) -> Result<MessageId, StoreError> {
        let kept = (room.clone(), content.clone());
        let id = self.outbox.run(move |outbox| outbox.push(&kept.0, &kept.1)).await?;
        let message = Pending { id: id.clone(), room, content };
        let is_plain = self.with_progress(|progress| {
            progress.outgoing.push(message.clone());
            progress.outgoing.is_plain()
        });
        if is_plain {
            self.send_plainly(message).await;
        }
        Ok(id)
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Connected { sid, .. } => {
                tracing::debug!(%sid, "connected");
                self.link.connected = true;
                self.link.failure = None;
                self.resend_pause = None;
                self.with_progress(|progress| progress.rooms.connected());
                self.tell(ChatEvent::Connected);
            }
            Event::Disconnected(reason) => self.on_disconnected(reason),
            Event::ConnectError(error) => self.tell(ChatEvent::Refused(refusal(&error))),
            Event::ReconnectFailed => self.tell(ChatEvent::GaveUp),
            Event::ConnectFailed(why) => self.link.failed(why.to_string()),
            Event::Reconnecting { attempt, at } => tracing::debug!(attempt, %at, "connecting again"),
            Event::ReconnectAttempt { .. } | Event::Reconnected { .. } | Event::Ping => {}
            Event::Received { name, args, ack: _ } => match name.as_str() {
                CHAT_MESSAGE => self.on_message(&args),
                JOINED => self.on_joined(&args),
                CHAT_ERROR => {
                    self.tell(ChatEvent::Refused(refusal(args.values().first().unwrap_or(&Value::Null))))
                }
                _ => tracing::debug!(name, "an event of another application is ignored"),
            },
        }
    }

    fn on_disconnected(&mut self, reason: DisconnectReason) {
        self.link.connected = false;
        self.tell(ChatEvent::Disconnected(reason));
        self.lose_rooms();
        // The connection that showed the gap may have broken by itself, before this client could leave it.
        let left_by_us = self.link.catching_up || reason == DisconnectReason::IoClientDisconnect;
        self.link.catching_up = false;
        if left_by_us && self.link.wanted {
            let before = self.link.catch_ups.saturating_sub(1);
            self.catch_up_pause = (before > 0).then(|| self.env.sleep(retry_delay(before)));
            if self.catch_up_pause.is_none() {
                self.client.connect();
            }
        }
    }

    fn on_message(&mut self, args: &Args) {
        if self.link.catching_up {
            // It comes again, behind what is missing.
            return;
        }
        self.take_join_answer();
        match self.with_progress(|progress| progress.rooms.receive(args)) {
            Ok(Arrival::Next(message)) => {
                self.link.catch_ups = 0;
                self.tell(ChatEvent::Message(message));
            }
            Ok(Arrival::Known) => reached!("chat.known"),
            Ok(Arrival::Elsewhere) => reached!("chat.elsewhere"),
            Ok(Arrival::Gap { prev }) => {
                reached!("chat.catch_up.gap");
                tracing::debug!(%prev, "messages are missing");
                self.link.catching_up = true;
                self.link.catch_ups = self.link.catch_ups.saturating_add(1);
                self.client.disconnect();
            }
            Err(reason) => tracing::warn!(reason, "a message of the server is ignored"),
        }
    }

    /// Sends the oldest message, where it can be sent now.
    async fn send_oldest(&mut self) {
        if self.with_progress(|progress| progress.outgoing.is_plain()) {
            return;
        }
        while self.link.connected && self.in_flight.is_none() && self.resend_pause.is_none() {
            match self.with_progress(|progress| progress.outgoing.send()) {
                None => return,
                Some(Attempt::Never(settled)) => self.settle(settled).await,
                Some(Attempt::Emit(args)) => self.emit(args).await,
            }
        }
    }

    async fn emit(&mut self, args: Args) {
        let timeout = self.with_progress(|progress| progress.outgoing.patience(self.ack_timeout));
        let client = self.client.clone();
        let mut sent: BoxFuture<_> =
            Box::pin(async move { client.emit_with_ack(CHAT_MESSAGE, args, Some(timeout)).await });
        // Polled once here: it is on its way before anything else is heard.
        match (&mut sent).now_or_never() {
            Some(answer) => self.on_answer(answer).await,
            None => self.in_flight = Some(sent),
        }
    }

    async fn on_answer(&mut self, answer: Result<Args, AckError>) {
        match self.with_progress(|progress| progress.outgoing.answer(answer)) {
            Answered::Settled(settled) => self.settle(settled).await,
            Answered::Again => {}
            Answered::AgainAfter(delay) => self.resend_pause = Some(self.env.sleep(delay)),
        }
    }

    /// Sends a message once, in order, whatever comes of others.
    async fn send_plainly(&mut self, message: Pending) {
        let Some(args) = self.with_progress(|progress| progress.outgoing.send_plainly(&message)) else {
            let settled = self.with_progress(|progress| progress.outgoing.never_plainly(message.id));
            return self.settle(settled).await;
        };
        let (client, timeout, id) = (self.client.clone(), self.ack_timeout, message.id);
        let mut sent = Box::pin(async move {
            let answer = client.emit_with_ack(CHAT_MESSAGE, args, Some(timeout)).await;
            (id, answer)
        });
        // Polled once here: it is on its way before what is said next.
        match (&mut sent).now_or_never() {
            Some((id, answer)) => self.on_plain_answer(id, answer).await,
            None => self.unordered.push(sent),
        }
    }

    async fn on_plain_answer(&mut self, id: MessageId, answer: Result<Args, AckError>) {
        let settled = self.with_progress(|progress| progress.outgoing.answer_plainly(id, answer));
        self.settle(settled).await;
    }

    /// The user is told first: a process that dies while the outbox forgets may have forgotten, and the next one could not
    /// tell what became of the message. If it has not, the next one sends again and tells again.
    async fn settle(&mut self, Settled { id, result }: Settled) {
        let removed = id.clone();
        self.tell(match result {
            Ok(offset) => ChatEvent::Acknowledged { id, offset },
            Err(reason) => ChatEvent::Failed { id, reason },
        });
        if let Err(error) = self.outbox.run(move |outbox| outbox.remove(&removed)).await {
            reached!("chat.outbox_broken");
            // Harmless for this message: a later process sends it again, and the server knows it.
            self.tell(ChatEvent::OutboxBroken(error));
        }
    }

    /// The user may have stopped listening; what was said is sent all the same.
    fn tell(&self, event: ChatEvent) {
        drop(self.user.send(event));
    }

    fn with_progress<T>(&self, change: impl FnOnce(&mut Progress) -> T) -> T {
        change(&mut self.progress.lock().expect("no one panics while holding it"))
    }
}

/// A refusal in words: of CONNECT, or of the chat server.
fn refusal(error: &Value) -> String {
    serde_json::from_value(error.clone()).map_or_else(
        |_| error.get("message").and_then(Value::as_str).map_or_else(|| error.to_string(), str::to_owned),
        |ChatError { message, .. }| message,
    )
}

/// Ends with what is in the slot, and empties it. Never ends while it is empty.
async fn end_of<F: Future + Unpin>(slot: &mut Option<F>) -> F::Output {
    match slot {
        Some(future) => {
            let output = future.await;
            *slot = None;
            output
        }
        None => pending().await,
    }
}

/// The outbox storage, used by one job at a time.
pub(super) struct Outbox<O> {
    env: Env,
    storage: Arc<Mutex<O>>,
}

impl<O: OutboxStorage> Outbox<O> {
    pub(super) fn new(env: &Env, storage: O) -> Self {
        Self { env: env.clone(), storage: Arc::new(Mutex::new(storage)) }
    }

    /// Does blocking work on the storage.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut O) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let storage = Arc::clone(&self.storage);
        let job = move || job(&mut storage.lock().expect("no job panics"));
        self.env.run_blocking(job).await.unwrap_or(Err(StoreError::Closed))
    }
}
