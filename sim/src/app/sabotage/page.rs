//! The official tutorial's page, but for its queue: it shows whatever comes and takes each message's offset for its own.
//! The queue is Squall's outbox, so that nothing else breaks: the tutorial's is lost when the page is loaded again.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Value, json};
use squall::Client;
use squall::chat::wire::{CHAT_MESSAGE, DEFAULT_ROOM};
use squall::io::env::BoxFuture;
use squall::io::{ClientOptions, ConnectUrl, Event};
use squall::socket::{AckError, Args};
use squall::store::{LogOffset, OutboxStorage, Pending};
use tokio::sync::mpsc;

use crate::app::Machine;
use crate::app::recording::content_hash;
use crate::history::Kind;
use crate::plan::{Act, Say};

/// As the tutorial's `ackTimeout`.
const ACK_TIMEOUT: Duration = Duration::from_secs(10);

/// One life of a page.
pub(in crate::app) struct Page<O> {
    machine: Machine,
    client: Client,
    outbox: O,
    waiting: VecDeque<Pending>,
    in_flight: Option<BoxFuture<Result<Args, AckError>>>,
    session: u32,
}

impl<O: OutboxStorage> Page<O> {
    /// Runs until the process is gone.
    pub(in crate::app) async fn run(
        machine: Machine,
        url: ConnectUrl,
        options: ClientOptions,
        mut outbox: O,
        mut ops: mpsc::UnboundedReceiver<Act>,
    ) {
        let waiting = outbox.pending().expect("an outbox that opened can be read").into();
        let options = ClientOptions { auth: Some(json!({ "serverOffset": 0 })), ..options };
        let (client, mut events) = Client::new(&machine.env, machine.net.clone(), url, options)
            .expect("without retries, all options go together");
        let mut page = Self { machine, client, outbox, waiting, in_flight: None, session: 0 };
        loop {
            page.send();
            tokio::select! {
                biased;
                event = events.recv() => match event {
                    Some(event) => page.hear(event),
                    None => return,
                },
                answer = answer(&mut page.in_flight) => page.on_answer(answer),
                act = ops.recv() => match act {
                    Some(act) => page.perform(act),
                    None => return,
                },
            }
        }
    }

    fn record(&self, kind: Kind) {
        self.machine.record(self.session, kind);
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Connected { .. } => {
                self.session += 1;
                self.record(Kind::Connected { peer: None });
            }
            Event::Disconnected(reason) => self.record(Kind::Disconnected { reason: reason.as_str() }),
            Event::Received { args, .. } => self.show(&args),
            Event::ConnectError(_)
            | Event::ConnectFailed(_)
            | Event::Ping
            | Event::Reconnecting { .. }
            | Event::ReconnectAttempt { .. }
            | Event::Reconnected { .. }
            | Event::ReconnectFailed => {}
        }
    }

    /// `messages.append(item); socket.auth.serverOffset = serverOffset;`
    fn show(&self, args: &Args) {
        let (Ok(content), Ok(offset)) = (args.get::<String>(0), args.get::<LogOffset>(1)) else { return };
        self.client.set_auth(Some(json!({ "serverOffset": offset })));
        let room = DEFAULT_ROOM.into();
        self.record(Kind::Delivered { id: None, room, offset, content: content_hash(&content) });
    }

    fn perform(&mut self, act: Act) {
        match act {
            Act::Connect => {
                self.record(Kind::Did { act: "connect" });
                self.client.connect();
            }
            Act::Disconnect => {
                self.record(Kind::Did { act: "disconnect" });
                self.client.disconnect();
            }
            Act::Say(Say { room, content }) => {
                if let Ok(id) = self.outbox.push(&room, &content) {
                    self.waiting.push_back(Pending { id, room: room.to_string(), content });
                }
            }
            // The tutorial has neither rooms nor other events.
            Act::Join(_) | Act::Leave(_) | Act::Emit(_) | Act::Broadcast(_) | Act::Reload | Act::Wait => {}
        }
    }

    /// Sends the oldest message, as long as it takes.
    fn send(&mut self) {
        let (None, Some(oldest)) = (&self.in_flight, self.waiting.front()) else { return };
        let args: Vec<Value> = vec![json!(oldest.content), json!(oldest.id)];
        let client = self.client.clone();
        self.in_flight =
            Some(Box::pin(async move { client.emit_with_ack(CHAT_MESSAGE, args, Some(ACK_TIMEOUT)).await }));
    }

    fn on_answer(&mut self, answer: Result<Args, AckError>) {
        self.in_flight = None;
        if answer.is_ok()
            && let Some(Pending { id, .. }) = self.waiting.pop_front()
        {
            // What cannot be forgotten is sent again by a later life, and is a repeat there.
            drop(self.outbox.remove(&id));
            self.record(Kind::Acknowledged { id, offset: LogOffset::START });
        }
    }
}

/// Never ends while nothing is in flight.
async fn answer(in_flight: &mut Option<BoxFuture<Result<Args, AckError>>>) -> Result<Args, AckError> {
    match in_flight {
        Some(answer) => answer.await,
        None => std::future::pending().await,
    }
}
