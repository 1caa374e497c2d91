//! Squall's server as an actor of a case: does what the case asks for, tells what its handlers hear. What
//! `driver_server.mjs` is to the official library.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::{Value, json};
use squall::io::{Ack, ConnectError, Incoming, ServerNamespace, ServerOptions};
use squall::{Env, Server, Socket};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use super::values::{answer_to_case, event_from_case, event_to_case, from_case};

/// A socket, and the answers it owes.
struct Connected {
    socket: Socket,
    unanswered: VecDeque<Ack>,
}

#[derive(Default)]
struct State {
    /// By the socket's id.
    sockets: BTreeMap<String, Connected>,
    /// By the namespace whose door they wait at.
    doors: BTreeMap<String, Arc<Notify>>,
}

/// The server of one case.
#[derive(Clone)]
pub(crate) struct SquallServer {
    env: Env,
    server: Option<Server>,
    state: Arc<Mutex<State>>,
    lines: UnboundedSender<Value>,
}

impl SquallServer {
    /// One that does not listen yet.
    pub(crate) fn new(lines: UnboundedSender<Value>) -> Self {
        Self { env: Env::tokio(), server: None, state: Arc::default(), lines }
    }

    /// Does what a case asks for.
    pub(crate) async fn play(&mut self, command: &Value) {
        let socket = self.socket(command);
        match (command["do"].as_str().unwrap_or_default(), socket) {
            ("listen", _) => self.listen(command).await,
            ("emit", socket) => self.emit(command, socket),
            ("ask", Some(socket)) => self.ask(command, socket),
            ("answer", Some(socket)) => self.answer(command, &socket),
            ("join", Some(socket)) => socket.join(text(&command["room"])),
            ("leave", Some(socket)) => socket.leave(text(&command["room"])),
            ("disconnect", Some(socket)) => socket.disconnect(command["close"] == true),
            ("admit", _) => self.door(text(&command["nsp"])).notify_one(),
            ("close", _) => self.close(),
            (unknown, _) => panic!("the server of a case was asked to {unknown}: {command}"),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no one panics while holding it")
    }

    fn socket(&self, command: &Value) -> Option<Socket> {
        let sid = command["sid"].as_str()?;
        self.state().sockets.get(sid).map(|connected| connected.socket.clone())
    }

    fn door(&self, namespace: &str) -> Arc<Notify> {
        self.state().doors.entry(namespace.to_owned()).or_default().clone()
    }

    fn namespace(&self, command: &Value) -> ServerNamespace {
        self.server.as_ref().expect("a case begins with the server").of(text(&command["nsp"]))
    }

    async fn listen(&mut self, command: &Value) {
        let server = Server::new(&self.env, options(&command["options"]));
        self.server = Some(server.clone());
        // A case may emit one event several times; each is listened to once.
        let events: Arc<BTreeSet<String>> = Arc::new(texts(&command["events"]).map(str::to_owned).collect());
        for (name, door) in command["namespaces"].as_object().into_iter().flatten() {
            self.open(&server.of(name), door, &events);
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("a bound listener").port();
        self.env.spawn(async move {
            // It ends with the runtime of the case.
            drop(server.serve(listener).await);
        });
        self.tell(&json!({ "hears": { "listening": port } }));
    }

    fn open(&self, namespace: &ServerNamespace, door: &Value, events: &Arc<BTreeSet<String>>) {
        if let Some(token) = door["token"].as_str().map(str::to_owned) {
            let refusal = ConnectError {
                message: text(&door["refusal"]["message"]).to_owned(),
                data: door["refusal"].get("data").cloned(),
            };
            namespace.use_middleware(move |socket| {
                let is_known = socket.auth()["token"] == token.as_str();
                let decision = if is_known { Ok(()) } else { Err(refusal.clone()) };
                async move { decision }
            });
        }
        if !door["greets"].is_null() {
            let greeting = json!({ "event": door["greets"] });
            namespace.use_middleware(move |socket| {
                let (name, args) = event_from_case(&greeting);
                socket.emit(name, args);
                async { Ok(()) }
            });
        }
        if door["waits"] == true {
            let door = self.door(namespace.name());
            namespace.use_middleware(move |_socket| {
                let door = door.clone();
                async move {
                    door.notified().await;
                    Ok(())
                }
            });
        }
        let (here, events) = (self.clone(), events.clone());
        namespace.on_connect(move |socket| {
            here.listen_to(&socket, &events);
            async {}
        });
    }

    fn listen_to(&self, socket: &Socket, events: &BTreeSet<String>) {
        let connected = Connected { socket: socket.clone(), unanswered: VecDeque::new() };
        self.state().sockets.insert(socket.id().to_string(), connected);
        self.tell_of(socket, &json!("connection"));
        for name in events {
            let here = self.clone();
            socket.on(name, move |socket, event| {
                here.hear(&socket, event);
                async {}
            });
        }
        let here = self.clone();
        socket.on_disconnect(move |socket, reason| {
            here.tell_of(&socket, &json!({ "disconnect": reason.as_str() }));
            async {}
        });
    }

    fn hear(&self, socket: &Socket, Incoming { name, args, ack }: Incoming) {
        if let Some(connected) = self.state().sockets.get_mut(&socket.id().to_string()) {
            connected.unanswered.push_back(ack);
        }
        self.tell_of(socket, &event_to_case(&name, &args));
    }

    /// To one socket; to all others where the command says whom to; of the server, to all.
    fn emit(&self, command: &Value, socket: Option<Socket>) {
        let (name, args) = event_from_case(command);
        let is_volatile = command["volatile"] == true;
        let is_broadcast = command["broadcast"] == true;
        let mut broadcast = match socket {
            Some(socket) if !is_broadcast && is_volatile => return socket.volatile().emit(name, args),
            Some(socket) if !is_broadcast => return socket.emit(name, args),
            Some(socket) => socket.broadcast(),
            // A broadcast of the server to everyone is what `emit` of the namespace is.
            None if !is_broadcast && !is_volatile => return self.namespace(command).emit(name, args),
            None => self.namespace(command).except("nobody is in this room"),
        };
        for room in texts(&command["to"]) {
            broadcast = broadcast.to(room);
        }
        for room in texts(&command["except"]) {
            broadcast = broadcast.except(room);
        }
        if is_volatile {
            broadcast = broadcast.volatile();
        }
        broadcast.emit(name, args);
    }

    fn ask(&self, command: &Value, socket: Socket) {
        let (name, args) = event_from_case(command);
        let (here, name, asked) = (self.clone(), name.to_owned(), socket.clone());
        let timeout = command["timeout"].as_u64().map(Duration::from_millis);
        let mut asking = Box::pin(async move {
            let answer = socket.emit_with_ack(&name, args, timeout).await;
            here.tell_of(&asked, &answer_to_case(&answer));
        });
        // The first step sends the event, before anything that the case does next.
        if (&mut asking).now_or_never().is_none() {
            self.env.spawn(asking);
        }
    }

    fn answer(&self, command: &Value, socket: &Socket) {
        let owed =
            self.state().sockets.get_mut(&socket.id().to_string()).and_then(|of| of.unanswered.pop_front());
        let args = from_case(command["event"].as_array().map(Vec::as_slice).unwrap_or_default());
        owed.expect("the case answers what was heard").send(args);
    }

    fn close(&self) {
        let Some(server) = self.server.clone() else { return };
        self.env.spawn(async move { server.shutdown(Duration::from_secs(5)).await });
    }

    fn tell_of(&self, socket: &Socket, hears: &Value) {
        let (sid, nsp) = (socket.id().to_string(), socket.namespace());
        self.tell(&json!({ "sid": sid, "nsp": nsp, "hears": hears }));
    }

    fn tell(&self, line: &Value) {
        let mut line = line.clone();
        line["actor"] = json!("server");
        // A case that has ended no longer listens.
        drop(self.lines.send(line));
    }
}

fn options(official: &Value) -> ServerOptions {
    let mut options = ServerOptions::default();
    for (name, value) in official.as_object().into_iter().flatten() {
        let millis = || Duration::from_millis(value.as_u64().expect("milliseconds"));
        match name.as_str() {
            "pingInterval" => options.heartbeat.ping_interval = millis(),
            "pingTimeout" => options.heartbeat.ping_timeout = millis(),
            "connectTimeout" => options.connect_timeout = millis(),
            "maxHttpBufferSize" => {
                let size = value.as_u64().and_then(|size| usize::try_from(size).ok());
                options.max_http_buffer_size = size.expect("a number of bytes");
            }
            "path" => options.path = text(value).to_owned(),
            unknown => panic!("a case sets {unknown}, which no Squall server has"),
        }
    }
    options
}

fn text(value: &Value) -> &str {
    value.as_str().expect("the case was checked")
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().map(text)
}
