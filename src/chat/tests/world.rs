//! Processes on one machine for the tests: a network and databases that outlive them, time that flies when all wait.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::chat::{ChatClient, ChatConfig, ChatEvent, ChatOptions, serve};
use crate::io::env::{BoxFuture, Spawn};
use crate::io::net::{Connector, Listener};
use crate::io::{Client, ClientOptions, ConnectUrl, Env, Event, Server, ServerOptions};
use crate::store::testing::inline_env;
use crate::store::{Log, MessageId, MessageLog, SqliteLog, SqliteOutbox};

/// Longer than any wait of these tests is meant to be.
const FOR_EVER: Duration = Duration::from_secs(300);

/// What outlives processes.
pub(in crate::chat) struct World {
    pub(in crate::chat) net: MemoryNet,
    directory: tempfile::TempDir,
}

impl World {
    pub(in crate::chat) fn new() -> Self {
        Self { net: MemoryNet::default(), directory: tempfile::tempdir().unwrap() }
    }

    /// The machine's disk.
    pub(in crate::chat) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A chat server on the machine's database.
    pub(in crate::chat) async fn serve_chat(&self) -> Process {
        self.serve_chat_on(SqliteLog::open(&self.directory.path().join("log.db")).unwrap()).await
    }

    pub(in crate::chat) async fn serve_chat_on(&self, storage: impl MessageLog) -> Process {
        let process = Process::new();
        let log = Log::open(&process.env, storage).await.unwrap();
        let server = Server::new(&process.env, ServerOptions::default());
        serve(&process.env, &server, &log, ChatConfig::default());
        self.run(&process, server);
        process
    }

    /// Whatever else a server may do.
    pub(in crate::chat) fn serve(&self, set_up: impl FnOnce(&Server)) -> Process {
        let process = Process::new();
        let server = Server::new(&process.env, ServerOptions::default());
        set_up(&server);
        self.run(&process, server);
        process
    }

    fn run(&self, process: &Process, server: Server) {
        let listener = self.net.listen();
        process.env.spawn(async move { server.serve(listener).await.unwrap() });
    }

    /// A chat client whose outbox outlives it.
    pub(in crate::chat) async fn person(&self, name: &str) -> Person {
        self.person_with(name, ChatOptions::default()).await
    }

    pub(in crate::chat) async fn person_with(&self, name: &str, options: ChatOptions) -> Person {
        self.person_in(Process::new(), name, options).await
    }

    /// As [`World::person_with`], in a process of the test's own.
    pub(in crate::chat) async fn person_in(
        &self,
        process: Process,
        name: &str,
        options: ChatOptions,
    ) -> Person {
        let path = self.directory.path().join(format!("{name}.db"));
        let outbox = SqliteOutbox::open(&path, Arc::new(RandomEntropy(name.to_owned()))).unwrap();
        let (client, events) =
            ChatClient::new(&process.env, self.net.clone(), url(), options, outbox).await.unwrap();
        Person { process, client, events, unread: VecDeque::new() }
    }

    /// A client that says what it likes, and what it hears.
    pub(in crate::chat) fn raw(&self, auth: Value) -> Raw {
        let env = inline_env();
        let options = ClientOptions { auth: Some(auth), ..ClientOptions::default() };
        let (client, events) = Client::new(&env, self.net.clone(), url(), options).unwrap();
        client.connect();
        Raw { env, client, events }
    }
}

pub(in crate::chat) fn url() -> ConnectUrl {
    ConnectUrl { secure: false, host: "server".to_owned(), port: 3000 }
}

/// A process: what it spawned ends with it.
pub(in crate::chat) struct Process {
    pub(in crate::chat) env: Env,
    tasks: Arc<Tasks>,
}

#[derive(Default)]
struct Tasks(Mutex<Vec<JoinHandle<()>>>);

impl Spawn for Tasks {
    #[expect(clippy::disallowed_methods, reason = "this is the seam")]
    fn spawn(&self, future: BoxFuture<()>) {
        self.0.lock().unwrap().push(tokio::spawn(future));
    }
}

impl Process {
    pub(in crate::chat) fn new() -> Self {
        let tasks = Arc::new(Tasks::default());
        Self { env: Env { spawn: tasks.clone(), ..inline_env() }, tasks }
    }

    /// Ends it where it is; when this returns, its tasks are dropped.
    pub(in crate::chat) async fn kill(self) {
        let tasks = std::mem::take(&mut *self.tasks.0.lock().unwrap());
        tasks.iter().for_each(JoinHandle::abort);
        for task in tasks {
            drop(task.await);
        }
    }
}

/// Different for each name.
struct RandomEntropy(String);

impl crate::engine::Entropy for RandomEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.iter_mut().zip(self.0.bytes().cycle()).for_each(|(byte, letter)| *byte = letter);
    }
}

/// Someone who chats.
pub(in crate::chat) struct Person {
    pub(in crate::chat) process: Process,
    pub(in crate::chat) client: ChatClient,
    events: mpsc::UnboundedReceiver<ChatEvent>,
    /// What was shown and not yet read by the test.
    unread: VecDeque<String>,
}

impl Person {
    pub(in crate::chat) async fn say(&self, content: &str) -> MessageId {
        self.client.say(content).await.unwrap()
    }

    /// The next event.
    pub(in crate::chat) async fn hear(&mut self) -> ChatEvent {
        let event = soon(&self.process.env, self.events.recv()).await.expect("the client lives");
        self.keep(&event);
        event
    }

    fn keep(&mut self, event: &ChatEvent) {
        if let ChatEvent::Message(message) = event {
            self.unread.push_back(message.content.clone());
        }
    }

    /// Waits for an event.
    pub(in crate::chat) async fn until(&mut self, is_it: impl Fn(&ChatEvent) -> bool) -> ChatEvent {
        loop {
            let event = self.hear().await;
            if is_it(&event) {
                return event;
            }
        }
    }

    /// The next messages, waited for.
    pub(in crate::chat) async fn read(&mut self, count: usize) -> Vec<String> {
        while self.unread.len() < count {
            self.hear().await;
        }
        self.unread.drain(..count).collect()
    }

    /// Everything shown until a minute from now.
    pub(in crate::chat) async fn read_for_a_minute(&mut self) -> Vec<String> {
        self.process.env.sleep(Duration::from_secs(60)).await;
        while let Ok(event) = self.events.try_recv() {
            self.keep(&event);
        }
        self.unread.drain(..).collect()
    }

    /// Waits until everything said is settled.
    pub(in crate::chat) async fn settle(&mut self) {
        while !self.client.status().pending.is_empty() {
            self.hear().await;
        }
    }
}

/// A client that says what it likes.
pub(in crate::chat) struct Raw {
    pub(in crate::chat) env: Env,
    pub(in crate::chat) client: Client,
    events: mpsc::UnboundedReceiver<Event>,
}

impl Raw {
    /// Sends a chat message of any shape; the answer.
    pub(in crate::chat) async fn send(&self, args: Value) -> Value {
        self.ask("chat message", args).await
    }

    /// Sends any event; the answer.
    pub(in crate::chat) async fn ask(&self, name: &str, args: Value) -> Value {
        let Value::Array(args) = args else { panic!("arguments are an array") };
        let answer = self.client.emit_with_ack(name, args, None);
        json!(soon(&self.env, answer).await.unwrap().values())
    }

    /// What is next heard of the server: an event as an array, or why the connection ended.
    pub(in crate::chat) async fn hear(&mut self) -> Value {
        loop {
            match soon(&self.env, self.events.recv()).await.expect("the client lives") {
                Event::Received { name, args, .. } => return json!([name, args.values()]),
                Event::Disconnected(reason) => return json!(reason.as_str()),
                Event::Connected { .. }
                | Event::ConnectError(_)
                | Event::ConnectFailed(_)
                | Event::Ping
                | Event::Reconnecting { .. }
                | Event::ReconnectAttempt { .. }
                | Event::Reconnected { .. }
                | Event::ReconnectFailed => {}
            }
        }
    }
}

/// What should not take for ever.
pub(in crate::chat) async fn soon<T>(env: &Env, future: impl Future<Output = T>) -> T {
    tokio::select! {
        biased;
        output = future => output,
        () = env.sleep(FOR_EVER) => panic!("nothing happened for {FOR_EVER:?}"),
    }
}

/// A network of one server: refuses connections while nobody listens.
#[derive(Clone, Default)]
pub(in crate::chat) struct MemoryNet(Arc<Mutex<Option<mpsc::UnboundedSender<DuplexStream>>>>);

pub(in crate::chat) struct MemoryListener(mpsc::UnboundedReceiver<DuplexStream>);

impl MemoryNet {
    fn listen(&self) -> MemoryListener {
        let (dialled, accepted) = mpsc::unbounded_channel();
        *self.0.lock().unwrap() = Some(dialled);
        MemoryListener(accepted)
    }
}

impl Connector for MemoryNet {
    type Stream = DuplexStream;

    async fn connect(&self, _host: &str, _port: u16) -> io::Result<DuplexStream> {
        let (near, far) = tokio::io::duplex(64 << 10);
        let listener = self.0.lock().unwrap().clone();
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        listener.ok_or_else(refused)?.send(far).map_err(|_| refused())?;
        Ok(near)
    }
}

impl Listener for MemoryListener {
    type Stream = DuplexStream;

    async fn accept(&mut self) -> io::Result<(DuplexStream, SocketAddr)> {
        match self.0.recv().await {
            Some(stream) => Ok((stream, SocketAddr::from(([127, 0, 0, 1], 1)))),
            None => std::future::pending().await,
        }
    }
}
