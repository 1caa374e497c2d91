//! Squall's client as an actor of a case: does what the case asks for, tells what it hears. What `driver_client.mjs` is
//! to the official library.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::{Value, json};
use squall::engine::Transport;
use squall::io::net::TcpNet;
use squall::io::{ClientOptions, ConnectUrl, Event};
use squall::socket::AckId;
use squall::{Client, Env};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::values::{answer_to_case, event_from_case, event_to_case, from_case};

/// The answers that a namespace owes.
type Unanswered = Arc<Mutex<VecDeque<AckId>>>;

/// One client of a case.
pub(crate) struct SquallClient {
    env: Env,
    actor: String,
    namespaces: BTreeMap<String, (Client, Unanswered)>,
    lines: UnboundedSender<Value>,
}

impl SquallClient {
    /// One that does not connect yet.
    pub(crate) fn new(actor: &str, options: &Value, port: u16, lines: UnboundedSender<Value>) -> Self {
        let env = Env::tokio();
        let url = ConnectUrl { secure: false, host: "127.0.0.1".to_owned(), port };
        let (client, events) = Client::new(&env, TcpNet, url, client_options(options))
            .expect("a case has options that go together");
        let mut this = Self { env, actor: actor.to_owned(), namespaces: BTreeMap::new(), lines };
        this.listen("/", client, events);
        this
    }

    /// Does what a case asks for.
    pub(crate) fn play(&mut self, command: &Value) {
        let namespace = command["nsp"].as_str().expect("the case was checked").to_owned();
        if !self.namespaces.contains_key(&namespace) {
            let (client, events) = self.namespaces["/"].0.of(&namespace);
            self.listen(&namespace, client, events);
        }
        let (client, unanswered) = self.namespaces[&namespace].clone();
        match command["do"].as_str().unwrap_or_default() {
            "connect" => client.connect(),
            "auth" => client.set_auth(Some(command["auth"].clone())),
            "emit" => {
                let (name, args) = event_from_case(command);
                if command["volatile"] == true {
                    client.volatile().emit(name, args);
                } else {
                    client.emit(name, args);
                }
            }
            "ask" => self.ask(command, &namespace, client),
            "answer" => {
                let owed = unanswered.lock().expect("no one panics while holding it").pop_front();
                let args = from_case(command["event"].as_array().map(Vec::as_slice).unwrap_or_default());
                client.ack(owed.expect("the case answers what was heard"), args);
            }
            "disconnect" => client.disconnect(),
            "close" => client.close_connection(),
            unknown => panic!("a client of a case was asked to {unknown}: {command}"),
        }
    }

    fn listen(&mut self, namespace: &str, client: Client, mut events: UnboundedReceiver<Event>) {
        let unanswered = Unanswered::default();
        self.namespaces.insert(namespace.to_owned(), (client, unanswered.clone()));
        let (actor, namespace, lines) = (self.actor.clone(), namespace.to_owned(), self.lines.clone());
        self.env.spawn(async move {
            while let Some(event) = events.recv().await {
                if let Event::Received { ack: Some(id), .. } = &event {
                    unanswered.lock().expect("no one panics while holding it").push_back(*id);
                }
                let Some(mut line) = heard(event) else { continue };
                line["actor"] = json!(actor);
                // What concerns the connection is told in each namespace here, and once there.
                let is_of_connection = line["hears"] == "reconnect_failed"
                    || ["reconnect_attempt", "reconnect"].iter().any(|name| line["hears"][name].is_u64());
                line["nsp"] = json!(namespace);
                if is_of_connection && namespace != "/" {
                    continue;
                }
                // A case that has ended no longer listens.
                drop(lines.send(line));
            }
        });
    }

    fn ask(&self, command: &Value, namespace: &str, client: Client) {
        let (name, args) = event_from_case(command);
        let name = name.to_owned();
        let timeout = command["timeout"].as_u64().map(Duration::from_millis);
        let (lines, actor, namespace) = (self.lines.clone(), self.actor.clone(), namespace.to_owned());
        let mut asking = Box::pin(async move {
            let answer = client.emit_with_ack(&name, args, timeout).await;
            drop(lines.send(json!({ "actor": actor, "nsp": namespace, "hears": answer_to_case(&answer) })));
        });
        // The first step sends the event, before anything that the case does next.
        if (&mut asking).now_or_never().is_none() {
            self.env.spawn(asking);
        }
    }
}

/// `None` for what the official client does not tell.
fn heard(event: Event) -> Option<Value> {
    Some(match event {
        Event::Connected { sid, recovered } => {
            json!({ "sid": sid.to_string(), "hears": if recovered { "recovered" } else { "connect" } })
        }
        Event::ConnectError(error) => json!({ "hears": { "connect_error": error } }),
        Event::ConnectFailed(_) => json!({ "hears": "connect_failed" }),
        Event::Reconnecting { .. } | Event::Ping => return None,
        Event::ReconnectAttempt { attempt } => json!({ "hears": { "reconnect_attempt": attempt } }),
        Event::Reconnected { attempts } => json!({ "hears": { "reconnect": attempts } }),
        Event::ReconnectFailed => json!({ "hears": "reconnect_failed" }),
        Event::Disconnected(reason) => json!({ "hears": { "disconnect": reason.as_str() } }),
        Event::Received { name, args, .. } => json!({ "hears": event_to_case(&name, &args) }),
    })
}

fn client_options(official: &Value) -> ClientOptions {
    let mut options = ClientOptions::default();
    for (name, value) in official.as_object().into_iter().flatten() {
        let millis = || Duration::from_millis(value.as_u64().expect("milliseconds"));
        let count = || value.as_u64().and_then(|count| u32::try_from(count).ok());
        match name.as_str() {
            "path" => options.path = value.as_str().expect("a path").to_owned(),
            "auth" => options.auth = Some(value.clone()),
            "upgrade" => options.upgrade = value == true,
            "transports" => {
                options.transports = value.as_array().into_iter().flatten().map(transport).collect()
            }
            "reconnection" => options.reconnect.reconnection = value == true,
            "reconnectionAttempts" => options.reconnect.reconnection_attempts = count(),
            "reconnectionDelay" => options.reconnect.reconnection_delay = millis(),
            "reconnectionDelayMax" => options.reconnect.reconnection_delay_max = millis(),
            "randomizationFactor" => {
                options.reconnect.randomization_factor = value.as_f64().expect("a factor");
            }
            "timeout" => options.timeout = millis(),
            "retries" => options.retries = count(),
            "ackTimeout" => options.ack_timeout = Some(millis()),
            unknown => panic!("a case sets {unknown}, which no Squall client has"),
        }
    }
    options
}

fn transport(name: &Value) -> Transport {
    if name == "websocket" { Transport::WebSocket } else { Transport::Polling }
}
