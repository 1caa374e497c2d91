//! The client's HTTP: a GET and a POST at a time, each on a connection of its own, and WebSockets.
//!
//! Takes what the session asks, gives what HTTP answers. POSTs are sent one after another, in order.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytestring::ByteString;

use crate::engine::{Answer, Ask, Input, Sid, TransportEnd};
use crate::io::Env;
use crate::io::env::BoxFuture;
use crate::io::link::{Arrival, Errand, Http};
use crate::io::net::Connector;
use crate::io::websocket::WebSocket;

use super::dial::{DialError, Endpoint};
use super::failure::ConnectFailure;
use super::lane::{Lane, RequestError};

/// What a session has asked of HTTP.
pub(super) struct Requests<C: Connector> {
    endpoint: Arc<Endpoint<C>>,
    poll: Lane<C>,
    post: Lane<C>,
    /// POSTs that wait for the one under way.
    posts: VecDeque<(Sid, ByteString)>,
    dial: Option<BoxFuture<Result<WebSocket<C::Stream>, DialError>>>,
    /// Whether the WebSocket that is dialled is a probe, without which the session goes on.
    probes: bool,
    failure: Option<ConnectFailure>,
}

impl<C: Connector> Requests<C> {
    /// Nothing is asked yet.
    pub(super) fn new(env: &Env, endpoint: &Arc<Endpoint<C>>) -> Self {
        Self {
            endpoint: endpoint.clone(),
            poll: Lane::new(env, endpoint),
            post: Lane::new(env, endpoint),
            posts: VecDeque::new(),
            dial: None,
            probes: false,
            failure: None,
        }
    }

    /// What failed last of what the session cannot do without.
    pub(super) fn failure(&self) -> Option<ConnectFailure> {
        self.failure.clone()
    }

    /// Opens a WebSocket: for a new session, or with an id for one that polls.
    pub(super) fn open_websocket(&mut self, sid: Option<Sid>) {
        let endpoint = self.endpoint.clone();
        self.probes = sid.is_some();
        self.dial = Some(Box::pin(async move { endpoint.dial(sid).await }));
    }

    fn start_post(&mut self) {
        if !self.post.is_busy()
            && let Some((sid, body)) = self.posts.pop_front()
        {
            self.post.start(Some(&sid), Some(body));
        }
    }

    fn answered(&mut self, result: Result<Answer, RequestError>) -> Arrival<C::Stream> {
        Arrival::Input(Input::Answer(result.unwrap_or_else(|error| {
            self.log(&error);
            self.failure = Some((&error).into());
            Answer::Failed
        })))
    }

    fn log(&self, error: &impl fmt::Display) {
        tracing::debug!(%error, url = %self.endpoint.url(), "request failed");
    }
}

impl<C: Connector> Http<C::Stream> for Requests<C> {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Arrival<C::Stream>> {
        if let Poll::Ready(result) = self.poll.poll(context) {
            return Poll::Ready(self.answered(result.map(Answer::Polled)));
        }
        if let Poll::Ready(result) = self.post.poll(context) {
            self.start_post();
            return Poll::Ready(self.answered(result.map(|_ok| Answer::Posted)));
        }
        let Some(dial) = &mut self.dial else { return Poll::Pending };
        let dialled = std::task::ready!(dial.as_mut().poll(context));
        self.dial = None;
        Poll::Ready(match dialled {
            Ok(socket) => Arrival::WebSocket(Box::new(socket)),
            Err(error) => {
                self.log(&error);
                if !self.probes {
                    self.failure = Some((&error).into());
                }
                Arrival::Input(Input::Closed(TransportEnd::Error))
            }
        })
    }

    fn run(&mut self, errand: Errand) {
        match errand {
            Errand::Ask(Ask::Poll(sid)) => self.poll.start(sid.as_ref(), None),
            Errand::Ask(Ask::Post(sid, body)) => {
                self.posts.push_back((sid, body));
                self.start_post();
            }
            Errand::Ask(Ask::WebSocket(sid)) => self.open_websocket(Some(sid)),
            Errand::Ask(Ask::Hangup) => {
                self.poll.hang_up();
                self.post.hang_up();
            }
            // A client answers none.
            Errand::Respond(..) => {}
        }
    }

    /// Sends what is to be posted. The poll stays open meanwhile, and until the server has answered it: to break it off
    /// would look like a failure.
    async fn finish(mut self) {
        self.dial = None;
        if !self.post.is_busy() {
            return;
        }
        while self.post.is_busy() || self.poll.is_busy() {
            if let Arrival::Input(Input::Answer(Answer::Failed)) =
                poll_fn(|context| self.poll_next(context)).await
            {
                return;
            }
        }
    }
}
