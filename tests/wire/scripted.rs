//! A client whose server is the test: the machines are real, the frames of the server are written out by hand, and what
//! the client sends is kept as it stands on the wire.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use squall::engine::{
    ClientSession, CloseReason, Command, Entropy, Event, Frame, Input, Output, Time, TransportEnd,
};
use squall::socket::{
    Args, Decoder, EmitId, Manager, ManagerCommand, ManagerEvent, ManagerInput, ManagerOptions,
    ManagerOutput, Namespace, ReconnectOptions,
};

const OPEN: &str = r#"0{"sid":"e","upgrades":[],"pingInterval":300,"pingTimeout":200,"maxPayload":1000000}"#;

/// Delays are not drawn here.
struct NoEntropy;

impl Entropy for NoEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

/// A client, and all that it has said.
pub(crate) struct Scripted {
    now: Time,
    manager: Manager,
    session: Option<(ClientSession, Decoder)>,
    manager_until: Option<Time>,
    session_until: Option<Time>,
    sent: Vec<String>,
    heard: Vec<String>,
    asked: u64,
}

impl Scripted {
    /// It has not connected. Attempts to reconnect are made 1, 2, 4 and 5 s after the failure before.
    pub(crate) fn new(options: ManagerOptions) -> Self {
        let reconnect = ReconnectOptions { randomization_factor: 0.0, ..options.reconnect };
        let manager = Manager::new(ManagerOptions { reconnect, ..options }, Arc::new(NoEntropy));
        Self {
            now: Time::ZERO,
            manager: manager.expect("options go together"),
            session: None,
            manager_until: None,
            session_until: None,
            sent: Vec::new(),
            heard: Vec::new(),
            asked: 0,
        }
    }

    /// With default options, and connected in the main namespace; what was said so far is forgotten.
    pub(crate) fn connected(options: ManagerOptions) -> Self {
        let mut client = Self::new(options);
        client.connect("/");
        client.open();
        client.says(r#"40{"sid":"s"}"#);
        client.sent();
        client.heard();
        client
    }

    pub(crate) fn connect(&mut self, namespace: &str) {
        self.command(namespace, ManagerCommand::Connect { auth: None });
    }

    pub(crate) fn disconnect(&mut self, namespace: &str) {
        self.command(namespace, ManagerCommand::Disconnect);
    }

    pub(crate) fn emit(&mut self, name: &'static str, args: impl Into<Args>) {
        self.send(name, args.into(), None, false);
    }

    pub(crate) fn emit_volatile(&mut self, name: &'static str, args: impl Into<Args>) {
        self.send(name, args.into(), None, true);
    }

    /// Emits, and hears of the answer as of the emit of this number, counted from one.
    pub(crate) fn ask(&mut self, name: &'static str, args: impl Into<Args>, timeout: Option<Duration>) {
        self.asked += 1;
        self.send(name, args.into(), Some((EmitId(self.asked), timeout)), false);
    }

    fn send(
        &mut self,
        name: &'static str,
        args: Args,
        ack: Option<(EmitId, Option<Duration>)>,
        volatile: bool,
    ) {
        self.command("/", ManagerCommand::Emit { name: name.into(), args, ack, volatile });
    }

    pub(crate) fn command(&mut self, namespace: &str, command: ManagerCommand) {
        self.manage(ManagerInput::Command(Namespace::new(namespace), command));
    }

    /// The server opens the WebSocket that was asked for, and the session.
    pub(crate) fn open(&mut self) {
        self.hand_in(Input::Opened);
        self.says(OPEN);
    }

    /// The server sends a frame.
    pub(crate) fn says(&mut self, text: &'static str) {
        self.hand_in(Input::Received(Frame::Text(text.into())));
    }

    /// The server sends bytes.
    pub(crate) fn says_bytes(&mut self, bytes: &'static [u8]) {
        self.hand_in(Input::Received(Frame::Binary(Bytes::from_static(bytes))));
    }

    /// The server is gone, or was not there.
    pub(crate) fn hangs_up(&mut self) {
        self.hand_in(Input::Closed(TransportEnd::Close));
    }

    /// Time passes, and what is due in it happens.
    pub(crate) fn wait(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(due) =
            [self.manager_until, self.session_until].into_iter().flatten().min().filter(|due| *due <= end)
        {
            self.now = self.now.max(due);
            if self.session_until.is_some_and(|until| until <= due) {
                self.hand_in(Input::TimedOut);
            } else {
                self.manage(ManagerInput::TimedOut);
            }
        }
        self.now = end;
    }

    /// What stands on the wire since the last look: frames, `dial` and `close`.
    pub(crate) fn sent(&mut self) -> Vec<String> {
        std::mem::take(&mut self.sent)
    }

    /// What the application heard since the last look.
    pub(crate) fn heard(&mut self) -> Vec<String> {
        std::mem::take(&mut self.heard)
    }

    fn manage(&mut self, input: ManagerInput) {
        self.manager.handle(input, self.now);
        let mut commands = Vec::new();
        loop {
            match self.manager.poll_output() {
                ManagerOutput::Dial => {
                    self.sent.push("dial".to_owned());
                    self.session = Some((ClientSession::new(), Decoder::default()));
                }
                // This transport is always writable.
                ManagerOutput::Transmit(encoded) | ManagerOutput::TransmitVolatile(encoded) => {
                    commands.extend(encoded.iter().map(|message| Command::Send(message.clone())));
                }
                ManagerOutput::Close => commands.push(Command::Close),
                ManagerOutput::AskAuth(namespace) => panic!("{namespace} asks for what it has"),
                ManagerOutput::Event(namespace, event) => self.heard.push(told(&namespace, event)),
                ManagerOutput::Wait { until, .. } => {
                    self.manager_until = until;
                    break;
                }
            }
        }
        commands.into_iter().for_each(|command| self.hand_in(Input::Command(command)));
    }

    fn hand_in(&mut self, input: Input) {
        let Some((session, decoder)) = &mut self.session else { return };
        session.handle(input, self.now);
        let mut inputs = Vec::new();
        self.session_until = loop {
            match session.poll_output() {
                Output::Transmit(Frame::Text(text)) => self.sent.push(text.to_string()),
                Output::Transmit(Frame::Binary(bytes)) => self.sent.push(format!("{bytes:?}")),
                Output::Close => self.sent.push("close".to_owned()),
                Output::Event(Event::Opened(_)) => inputs.push(ManagerInput::Opened),
                Output::Event(Event::Received(message)) => match decoder.receive(message) {
                    Ok(packet) => inputs.extend(packet.map(ManagerInput::Received)),
                    Err(_) => {
                        self.sent.push("close".to_owned());
                        inputs.push(ManagerInput::Closed(CloseReason::ParseError));
                    }
                },
                Output::Event(Event::Pinged) => inputs.push(ManagerInput::Pinged),
                Output::Event(Event::Closed(reason)) => inputs.push(ManagerInput::Closed(reason)),
                Output::Respond(..) | Output::Ask(_) | Output::CloseProbe => panic!("it does not poll"),
                Output::Wait { until, .. } => break until,
            }
        };
        if inputs.iter().any(|input| matches!(input, ManagerInput::Closed(_))) {
            (self.session, self.session_until) = (None, None);
        }
        inputs.into_iter().for_each(|input| self.manage(input));
    }
}

/// An event in the words of the official client.
fn told(namespace: &Namespace, event: ManagerEvent) -> String {
    let what = match event {
        ManagerEvent::Connected { sid, .. } => format!("connect {sid}"),
        ManagerEvent::ConnectError(error) => format!("connect_error {error}"),
        ManagerEvent::ConnectFailed(reason) => format!("connect_error {reason}"),
        ManagerEvent::ConnectTimedOut => "connect_error timeout".to_owned(),
        ManagerEvent::Pinged => "ping".to_owned(),
        ManagerEvent::Reconnecting { attempt, .. } => format!("waits for attempt {attempt}"),
        ManagerEvent::ReconnectAttempt { attempt } => format!("reconnect_attempt {attempt}"),
        ManagerEvent::Reconnected { attempts } => format!("reconnect {attempts}"),
        ManagerEvent::ReconnectFailed => "reconnect_failed".to_owned(),
        ManagerEvent::Disconnected(reason) => format!("disconnect {reason}"),
        ManagerEvent::Received { name, args, ack } => {
            let ack = ack.map(|id| format!(" asks {}", id.0)).unwrap_or_default();
            format!("{name} {}{ack}", listed(&args))
        }
        ManagerEvent::Acked { emit, result: Ok(args) } => format!("answer {} {}", emit.0, listed(&args)),
        ManagerEvent::Acked { emit, result: Err(error) } => format!("answer {} {error}", emit.0),
    };
    if *namespace == Namespace::MAIN { what } else { format!("{namespace}: {what}") }
}

/// Arguments as JSON, with what was attached behind.
fn listed(args: &Args) -> String {
    let values: Value = json!(args.values());
    args.attachments().iter().fold(values.to_string(), |listed, bytes| format!("{listed} {bytes:?}"))
}
