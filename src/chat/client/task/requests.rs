//! The part of the client's task that keeps its server's rooms as its user wants them.

use std::mem;

use futures_util::FutureExt;
use serde_json::{Value, json};

use super::Task;
use crate::chat::ChatEvent;
use crate::chat::client::outgoing::read_answer;
use crate::chat::client::rooms::{Granted, Request};
use crate::chat::wire::{JOIN, JoinedRooms, LEAVE};
use crate::io::env::BoxFuture;
use crate::reached::reached;
use crate::socket::{AckError, Args};
use crate::store::{LogOffset, OutboxStorage};

impl<O: OutboxStorage> Task<O> {
    /// Asks for the next change of rooms, where one can be asked for now.
    pub(super) fn send_request(&mut self) {
        // What is emitted on a connection that ends would come back on the next one.
        if !self.link.connected || !self.link.wanted || self.link.catching_up || self.asked.is_some() {
            return;
        }
        if let Some(request) = self.with_progress(|progress| progress.rooms.next_request()) {
            self.ask(request);
        }
    }

    fn ask(&mut self, request: Request) {
        let (name, args): (&str, Vec<Value>) = match request {
            Request::Join { room, since: None } => (JOIN, vec![room.into()]),
            Request::Join { room, since: Some(since) } => {
                (JOIN, vec![room.into(), json!({ "since": since })])
            }
            Request::Leave { room } => (LEAVE, vec![room.into()]),
        };
        let (client, timeout) = (self.client.clone(), self.ack_timeout);
        let mut asked: BoxFuture<_> =
            Box::pin(async move { client.emit_with_ack(name, args, Some(timeout)).await });
        // Polled once here: it is on its way before what is said next.
        self.asked = Some(match (&mut asked).now_or_never() {
            Some(answer) => Box::pin(std::future::ready(answer)),
            None => asked,
        });
        self.link.asked_before = false;
    }

    /// Takes the answer to a join, where it is there: it came before the message that arrives now.
    pub(super) fn take_join_answer(&mut self) {
        if self.is_joining()
            && let Some(answer) = self.asked.as_mut().and_then(FutureExt::now_or_never)
        {
            self.asked = None;
            self.on_request_end(answer);
        }
    }

    fn is_joining(&self) -> bool {
        self.with_progress(|progress| matches!(progress.rooms.asked(), Some(Request::Join { .. })))
    }

    /// Takes what came of the request that was under way.
    pub(super) fn on_request_end(&mut self, answer: Result<Args, AckError>) {
        match answer {
            Ok(answer) => {
                if !self.is_joining() {
                    // Messages of a room that is left came before the answer; they are here by now.
                    while let Ok(event) = self.events.try_recv() {
                        self.on_event(event);
                    }
                }
                let since =
                    answer.values().first().and_then(|answer| answer.get("since")).and_then(Value::as_u64);
                let granted =
                    read_answer(&answer).map(|offset| Granted { offset, since: since.map(LogOffset) });
                let told = self.with_progress(|progress| progress.rooms.answered(granted));
                self.tell_all(told);
            }
            Err(AckError::TimedOut) if !self.link.asked_before => {
                reached!("chat.ask_again");
                let asked = self.with_progress(|progress| progress.rooms.asked().cloned());
                if let Some(request) = asked {
                    self.ask(request);
                }
            }
            Err(AckError::TimedOut | AckError::Disconnected) => {
                reached!("chat.ask_lost");
                if !mem::take(&mut self.link.asked_before) {
                    // Heard before what the connection itself says of its end.
                    self.link.connected = false;
                }
                let told = self.with_progress(|progress| progress.rooms.unanswered());
                self.tell_all(told);
            }
        }
    }

    /// The server says with which rooms the connection has begun.
    pub(super) fn on_joined(&mut self, args: &Args) {
        match args.get::<JoinedRooms>(0) {
            Ok(joined) => {
                let told = self.with_progress(|progress| progress.rooms.joined(&joined));
                self.tell_all(told);
            }
            Err(error) => tracing::warn!(%error, "what the server says of rooms is ignored"),
        }
    }

    /// The connection is gone.
    pub(super) fn lose_rooms(&mut self) {
        self.link.asked_before = self.asked.is_some();
        let told = self.with_progress(|progress| progress.rooms.disconnected());
        self.tell_all(told);
    }

    pub(super) fn tell_all(&self, told: impl IntoIterator<Item = ChatEvent>) {
        told.into_iter().for_each(|event| self.tell(event));
    }
}
