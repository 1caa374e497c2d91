//! Which session an HTTP request belongs to, and the way there: requests and WebSockets go into a [`Mailbox`], answers
//! come out of a [`Held`] request.
//!
//! Promise: a request whose connection breaks is reported to its session, and leaves nothing behind.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};

use tokio::sync::{mpsc, oneshot};

use crate::engine::{Input, Request, RequestId, Response, Sid};
use crate::io::link::{Arrival, Errand, Http};
use crate::io::net::BoxStream;
use crate::io::websocket::WebSocket;

/// What an HTTP connection has for a session.
enum Mail {
    Request(RequestId, Request, Option<oneshot::Sender<Response>>),
    WebSocket(Box<WebSocket<BoxStream>>),
}

/// The sessions of a server. A handle: cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Sessions(Arc<Inner>);

#[derive(Default)]
struct Inner {
    mailboxes: Mutex<BTreeMap<Sid, Mailbox>>,
    requests: AtomicU64,
}

/// The way to one session.
#[derive(Clone)]
pub(super) struct Mailbox {
    mails: mpsc::UnboundedSender<Mail>,
    sessions: Sessions,
}

/// The session's end: the requests that wait for it. It is unknown to new ones once this is dropped.
pub(super) struct Inbox {
    sid: Sid,
    mails: mpsc::UnboundedReceiver<Mail>,
    waiting: BTreeMap<RequestId, oneshot::Sender<Response>>,
    sessions: Sessions,
}

/// A request that its session has.
pub(super) struct Held {
    id: RequestId,
    mailbox: Mailbox,
    answer: oneshot::Receiver<Response>,
    answered: bool,
}

impl Sessions {
    /// A session, known by its id from now on.
    pub(super) fn register(&self, sid: Sid) -> (Mailbox, Inbox) {
        let (sender, mails) = mpsc::unbounded_channel();
        let mailbox = Mailbox { mails: sender, sessions: self.clone() };
        self.mailboxes().insert(sid.clone(), mailbox.clone());
        (mailbox, Inbox { sid, mails, waiting: BTreeMap::new(), sessions: self.clone() })
    }

    /// The session with this id, if there is one.
    pub(super) fn find(&self, sid: &str) -> Option<Mailbox> {
        self.mailboxes().get(&Sid::from_peer(sid)).cloned()
    }

    fn mailboxes(&self) -> MutexGuard<'_, BTreeMap<Sid, Mailbox>> {
        self.0.mailboxes.lock().expect("no one panics while holding it")
    }
}

impl Mailbox {
    /// Hands in a request by its first word: that it polls, or that it is posting.
    pub(super) fn request(&self, request: Request) -> Held {
        let id = RequestId(self.sessions.0.requests.fetch_add(1, Ordering::Relaxed));
        let (sender, answer) = oneshot::channel();
        self.send(Mail::Request(id, request, Some(sender)));
        Held { id, mailbox: self.clone(), answer, answered: false }
    }

    /// Hands in a WebSocket that names the session.
    pub(super) fn websocket(&self, socket: WebSocket<BoxStream>) {
        self.send(Mail::WebSocket(Box::new(socket)));
    }

    /// Ends when the session is over.
    pub(super) async fn closed(&self) {
        self.mails.closed().await;
    }

    fn send(&self, mail: Mail) {
        // The session may be over, and what is dropped here says so.
        drop(self.mails.send(mail));
    }
}

impl Held {
    /// Tells the session what became of the request.
    pub(super) fn tell(&self, request: Request) {
        self.mailbox.send(Mail::Request(self.id, request, None));
    }

    /// The session's answer; `None` where the session is over. May be dropped and asked again.
    pub(super) async fn answer(&mut self) -> Option<Response> {
        let answer = (&mut self.answer).await.ok();
        self.answered = true;
        answer
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.answered {
            self.tell(Request::Aborted);
        }
    }
}

impl Http<BoxStream> for Inbox {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Arrival<BoxStream>> {
        match ready!(self.mails.poll_recv(context)) {
            Some(Mail::Request(id, request, answer)) => {
                if let Some(answer) = answer {
                    self.waiting.insert(id, answer);
                }
                if request == Request::Aborted {
                    self.waiting.remove(&id);
                }
                Poll::Ready(Arrival::Input(Input::Request(id, request)))
            }
            Some(Mail::WebSocket(socket)) => Poll::Ready(Arrival::WebSocket(socket)),
            // Not while it is registered.
            None => Poll::Pending,
        }
    }

    fn run(&mut self, errand: Errand) {
        match errand {
            Errand::Respond(id, response) => {
                if let Some(answer) = self.waiting.remove(&id) {
                    // Its connection may have broken just now.
                    drop(answer.send(response));
                }
            }
            // A server asks for nothing.
            Errand::Ask(_) => {}
        }
    }

    async fn finish(self) {}
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.sessions.mailboxes().remove(&self.sid);
    }
}
