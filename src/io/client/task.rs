//! The one task of a client: it owns the manager and the connection that the manager asked for.
//!
//! Takes what the application asks and what the server sends; gives events to the application and messages to the server.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytestring::ByteString;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::engine::{self, ClientSession, CloseReason, Transport};
use crate::io::Env;
use crate::io::alarm::Alarm;
use crate::io::link::Link;
use crate::io::net::Connector;
use crate::reached::reached;
use crate::socket::{
    AckError, Args, Decoder, EmitId, Encoded, Manager, ManagerCommand, ManagerEvent, ManagerInput,
    ManagerOptions, ManagerOutput, Namespace, OptionsError,
};

use super::auth::AuthFunction;
use super::dial::Endpoint;
use super::failure::ConnectFailure;
use super::requests::Requests;
use super::{Board, ClientOptions, ConnectUrl, Event};

/// How many requests of the application are taken before the connection gets a turn.
const REQUESTS_IN_A_ROW: usize = 32;

/// What the application asks for, in one namespace.
pub(super) enum Request {
    /// Tell what happens, from now on.
    Listen(mpsc::UnboundedSender<Event>),
    /// Connect, with the `auth` that was set last.
    Connect,
    /// Change `auth`.
    SetAuth(Option<Value>),
    /// Ask a function for `auth`.
    SetAuthFunction(AuthFunction),
    /// Close the connection.
    CloseConnection,
    /// Send an event, and give back its answer.
    EmitWithAck {
        name: ByteString,
        args: Args,
        timeout: Option<Duration>,
        volatile: bool,
        answer: oneshot::Sender<Result<Args, AckError>>,
    },
    /// What the manager does alone.
    Command(ManagerCommand),
}

/// Where the application asks.
pub(super) struct Inbox {
    pub(super) requests: mpsc::UnboundedReceiver<(Namespace, Request)>,
    /// For what the task asks of itself later. Keeps nobody connected.
    pub(super) later: mpsc::WeakUnboundedSender<(Namespace, Request)>,
}

/// How a connection begins.
#[derive(Debug, Clone, Copy)]
enum Transports {
    WebSocket,
    Polling { upgrade: bool },
}

impl Transports {
    /// The first of the list is tried, and a WebSocket that comes later is upgraded to, as in the official client.
    fn new(list: &[Transport], upgrade: bool) -> Self {
        match list {
            [Transport::WebSocket, ..] => Self::WebSocket,
            [] => Self::Polling { upgrade },
            [Transport::Polling, later @ ..] => {
                Self::Polling { upgrade: upgrade && later.contains(&Transport::WebSocket) }
            }
        }
    }
}

/// The connection that the manager asked for.
enum Connection<C: Connector> {
    None,
    Open(Box<Link<C::Stream, ClientSession, Requests<C>>>, Decoder),
}

impl<C: Connector> Connection<C> {
    /// Takes one step.
    fn poll_step(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::None => Poll::Pending,
            Self::Open(link, _) => link.poll_progress(context),
        }
    }
}

/// What the task has for one namespace.
#[derive(Default)]
struct Local {
    auth: Option<Value>,
    auth_function: Option<AuthFunction>,
    listeners: Vec<mpsc::UnboundedSender<Event>>,
}

/// A client, from its first connection to the end of its last handle.
pub(super) struct ClientTask<C: Connector> {
    env: Env,
    endpoint: Arc<Endpoint<C>>,
    transports: Transports,
    manager: Manager,
    /// What the manager is yet to hear, in order.
    inputs: VecDeque<ManagerInput>,
    alarm: Alarm,
    connection: Connection<C>,
    requests: mpsc::UnboundedReceiver<(Namespace, Request)>,
    later: mpsc::WeakUnboundedSender<(Namespace, Request)>,
    namespaces: BTreeMap<Namespace, Local>,
    board: Arc<Mutex<Board>>,
    answers: BTreeMap<EmitId, oneshot::Sender<Result<Args, AckError>>>,
    /// What failed on the connection that is over, where it is known.
    failure: Option<ConnectFailure>,
    emits: u64,
}

impl<C: Connector> ClientTask<C> {
    pub(super) fn new(
        env: &Env,
        connector: C,
        url: ConnectUrl,
        options: ClientOptions,
        Inbox { requests, later }: Inbox,
        board: Arc<Mutex<Board>>,
    ) -> Result<Self, OptionsError> {
        let ClientOptions { path, query, extra_headers, transports, upgrade, auth, .. } = options;
        let ClientOptions { reconnect, timeout, retries, ack_timeout, .. } = options;
        let options = ManagerOptions { reconnect, timeout, retries, ack_timeout };
        let main = Local { auth, ..Local::default() };
        Ok(Self {
            env: env.clone(),
            endpoint: Arc::new(Endpoint::new(connector, url, &path, &query, extra_headers)),
            transports: Transports::new(&transports, upgrade),
            manager: Manager::new(options, env.entropy.clone())?,
            inputs: VecDeque::new(),
            alarm: Alarm::new(env.clock.clone()),
            connection: Connection::None,
            requests,
            later,
            namespaces: BTreeMap::from([(Namespace::MAIN, main)]),
            board,
            answers: BTreeMap::new(),
            failure: None,
            emits: 0,
        })
    }

    /// Runs until the last handle is dropped and the client has disconnected.
    pub(super) async fn run(mut self) {
        loop {
            tokio::select! {
                biased;
                // What has arrived goes before the moment to stop waiting for it.
                () = poll_fn(|context| self.connection.poll_step(context)) => {}
                request = self.requests.recv() => match request {
                    Some((namespace, request)) => self.on_request(namespace, request),
                    None => return self.leave(),
                },
                () = self.alarm.expired() => self.inputs.push_back(ManagerInput::TimedOut),
            }
            self.settle();
            // The connection went first: a server that floods must not keep the application from being heard.
            for _ in 0..REQUESTS_IN_A_ROW {
                let Ok((namespace, request)) = self.requests.try_recv() else { break };
                self.on_request(namespace, request);
                self.settle();
            }
        }
    }

    /// No one is left who could ask for something. The connection ends by itself, after what was sent before.
    fn leave(&mut self) {
        let disconnect =
            |namespace: &Namespace| ManagerInput::Command(namespace.clone(), ManagerCommand::Disconnect);
        self.inputs.extend(self.namespaces.keys().map(disconnect));
        self.settle();
    }

    fn on_request(&mut self, namespace: Namespace, request: Request) {
        let local = self.namespaces.entry(namespace.clone()).or_default();
        let command = match request {
            Request::Listen(listener) => return local.listeners.push(listener),
            Request::Connect => ManagerCommand::Connect { auth: local.auth.clone() },
            Request::SetAuth(auth) => {
                local.auth.clone_from(&auth);
                local.auth_function = None;
                let asks_no_more = ManagerInput::Command(namespace.clone(), ManagerCommand::AskAuth(false));
                self.inputs.push_back(asks_no_more);
                ManagerCommand::SetAuth(auth)
            }
            Request::SetAuthFunction(function) => {
                local.auth_function = Some(function);
                ManagerCommand::AskAuth(true)
            }
            Request::CloseConnection => return self.close(),
            Request::EmitWithAck { name, args, timeout, volatile, answer } => {
                let emit = EmitId(self.emits);
                self.emits += 1;
                self.answers.insert(emit, answer);
                ManagerCommand::Emit { name, args, ack: Some((emit, timeout)), volatile }
            }
            Request::Command(command) => command,
        };
        self.inputs.push_back(ManagerInput::Command(namespace, command));
    }

    /// Lets the manager and the connection speak until both wait.
    fn settle(&mut self) {
        loop {
            self.hear_connection();
            let Some(input) = self.inputs.pop_front() else { return };
            self.manager.handle(input, self.env.clock.monotonic());
            self.do_what_the_manager_says();
        }
    }

    /// What the session has said goes to the manager.
    fn hear_connection(&mut self) {
        let Connection::Open(link, decoder) = &mut self.connection else { return };
        let mut parse_error = false;
        while let Some(event) = link.next_event() {
            match event {
                engine::Event::Opened(_) => self.inputs.push_back(ManagerInput::Opened),
                engine::Event::Received(message) => match decoder.receive(message) {
                    Ok(Some(packet)) => self.inputs.push_back(ManagerInput::Received(packet)),
                    Ok(None) => {}
                    Err(error) => {
                        tracing::debug!(%error, url = %self.endpoint.url(), "server does not speak Socket.IO");
                        parse_error = true;
                        link.close();
                        break;
                    }
                },
                engine::Event::Pinged => self.inputs.push_back(ManagerInput::Pinged),
                // It is the end, and told by `over`.
                engine::Event::Closed(_) => {}
            }
        }
        if let Some(reason) = link.over() {
            let reason = if parse_error { CloseReason::ParseError } else { reason };
            self.failure = link.http().failure();
            self.inputs.push_back(ManagerInput::Closed(reason));
            self.let_go();
        }
    }

    /// Lets the connection end by itself, so that the next one need not wait for it.
    fn let_go(&mut self) {
        if let Connection::Open(link, _) = std::mem::replace(&mut self.connection, Connection::None) {
            self.env.spawn(link.finish());
        }
    }

    fn do_what_the_manager_says(&mut self) {
        loop {
            match self.manager.poll_output() {
                ManagerOutput::Dial => self.dial(),
                ManagerOutput::Transmit(messages) => {
                    if let Connection::Open(link, _) = &mut self.connection {
                        messages.iter().for_each(|message| link.send(message.clone()));
                    }
                }
                ManagerOutput::TransmitVolatile(messages) => self.transmit_volatile(&messages),
                ManagerOutput::Close => self.close(),
                ManagerOutput::AskAuth(namespace) => self.ask_auth(namespace),
                ManagerOutput::Event(namespace, event) => self.tell(&namespace, event),
                ManagerOutput::Wait { until, why } => {
                    self.alarm.set(until);
                    self.update_board(|board| {
                        board.waiting = why;
                        for namespace in self.namespaces.keys() {
                            board.set_active(namespace, self.manager.is_active(namespace));
                        }
                    });
                    return;
                }
            }
        }
    }

    /// As the server, and as the official client: what has to wait for the transport is dropped.
    fn transmit_volatile(&mut self, messages: &Encoded) {
        match &mut self.connection {
            Connection::Open(link, _) if link.is_flushed() => {
                messages.iter().for_each(|message| link.send(message.clone()));
            }
            Connection::Open(..) | Connection::None => {
                reached!("client.volatile_dropped");
                tracing::debug!("the transport is not writable");
            }
        }
    }

    fn dial(&mut self) {
        self.failure = None;
        let mut requests = Requests::new(&self.env, &self.endpoint);
        let session = match self.transports {
            Transports::WebSocket => {
                requests.open_websocket(None);
                ClientSession::new()
            }
            Transports::Polling { upgrade } => ClientSession::polling(upgrade),
        };
        let link = Link::new(&self.env, session, requests);
        self.connection = Connection::Open(Box::new(link), Decoder::default());
    }

    fn close(&mut self) {
        // Its end is heard like any other.
        if let Connection::Open(link, _) = &mut self.connection {
            link.close();
        }
    }

    /// The function runs in a task of its own: neither heartbeats nor other namespaces wait for it.
    fn ask_auth(&mut self, namespace: Namespace) {
        let Some(function) = self.namespaces.get(&namespace).and_then(|local| local.auth_function.clone())
        else {
            return;
        };
        let later = self.later.clone();
        self.env.spawn(async move {
            let auth = function.ask().await;
            if let Some(requests) = later.upgrade() {
                drop(requests.send((namespace, Request::Command(ManagerCommand::Auth(auth)))));
            }
        });
    }

    fn tell(&mut self, namespace: &Namespace, event: ManagerEvent) {
        let event = match event {
            ManagerEvent::Connected { sid, recovered } => {
                self.update_board(|board| {
                    board.connected.insert(namespace.clone(), sid.clone());
                    board.recovered.remove(namespace);
                    board.recovered.extend(recovered.then(|| namespace.clone()));
                });
                Event::Connected { sid, recovered }
            }
            ManagerEvent::ConnectError(error) => Event::ConnectError(error),
            ManagerEvent::ConnectFailed(reason) => {
                Event::ConnectFailed(self.failure.clone().unwrap_or_else(|| reason.into()))
            }
            ManagerEvent::ConnectTimedOut => Event::ConnectFailed(ConnectFailure::TimedOut),
            ManagerEvent::Reconnecting { attempt, at } => Event::Reconnecting { attempt, at },
            ManagerEvent::ReconnectAttempt { attempt } => Event::ReconnectAttempt { attempt },
            ManagerEvent::Reconnected { attempts } => Event::Reconnected { attempts },
            ManagerEvent::ReconnectFailed => Event::ReconnectFailed,
            ManagerEvent::Pinged => Event::Ping,
            ManagerEvent::Disconnected(reason) => {
                self.update_board(|board| drop(board.connected.remove(namespace)));
                Event::Disconnected(reason)
            }
            ManagerEvent::Received { name, args, ack } => Event::Received { name: name.into(), args, ack },
            ManagerEvent::Acked { emit, result } => {
                if let Some(answer) = self.answers.remove(&emit) {
                    // Who asked may have stopped waiting.
                    drop(answer.send(result));
                }
                return;
            }
        };
        if let Some(local) = self.namespaces.get_mut(namespace) {
            local.tell(event);
        }
    }

    fn update_board(&self, update: impl FnOnce(&mut Board)) {
        update(&mut self.board.lock().expect("no one panics while holding it"));
    }
}

impl Local {
    fn tell(&mut self, event: Event) {
        // The application may not care any more.
        self.listeners.retain(|listener| !listener.is_closed());
        let Some((last, others)) = self.listeners.split_last() else { return };
        for listener in others {
            drop(listener.send(event.clone()));
        }
        drop(last.send(event));
    }
}
