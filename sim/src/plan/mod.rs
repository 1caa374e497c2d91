//! The only input of a run: a pure function of scenario and seed. It prints as YAML and reads back.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::units::{Span, SpanRange};

/// What a process is called: `server`, or a client's name in the scenario.
pub type Name = Arc<str>;

/// The name of the server's process.
pub const SERVER: &str = "server";

/// Everything a run depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The version of this format.
    pub version: u32,
    /// The scenario it was drawn from.
    pub scenario: String,
    /// The seed it was drawn with; draws made during the run use it too.
    pub seed: u64,
    /// What carries the bytes.
    pub backend: Backend,
    /// What is put to the test.
    pub app: AppKind,
    /// What it promises.
    pub guarantee: Guarantee,
    /// The server's options.
    pub server: ServerPlan,
    /// The clients' options, by name.
    pub clients: BTreeMap<Name, ClientPlan>,
    /// The network between them.
    pub network: NetworkPlan,
    /// What users do, by time.
    pub ops: Vec<Op>,
    /// What breaks, by time.
    pub faults: Vec<Fault>,
    /// How long after the last fault and the last op everything owed may take to arrive.
    pub settle: Span,
}

/// What carries the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// turmoil.
    Turmoil,
}

/// What is put to the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppKind {
    /// Squall's chat.
    Chat,
}

/// What is promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guarantee {
    /// Each acknowledged message is shown once, in one order, to everyone; nothing is excused.
    ExactlyOnce,
}

/// The server's options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerPlan {
    /// The server pings this long after the last pong.
    pub ping_interval: Span,
    /// A ping without a pong after this long ends the connection.
    pub ping_timeout: Span,
    /// How long a commit takes to become durable; drawn for each.
    pub fsync: SpanRange,
}

/// A client's options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientPlan {
    /// How it sends.
    pub send: Send,
    /// How it receives.
    pub receive: Receive,
    /// How long it waits for an acknowledgement before it sends again.
    pub ack_timeout: Span,
}

/// How a client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Send {
    /// From a durable outbox, in order, until acknowledged.
    Outbox,
}

/// How a client receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Receive {
    /// From the start of the log; after a reconnection from where it was.
    Resume,
}

/// The network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkPlan {
    /// One way; drawn for each chunk. Never less than 10 ms, the backend's tick.
    pub latency: SpanRange,
}

/// What a user does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Op {
    /// When.
    pub at: Span,
    /// Which client.
    pub who: Name,
    /// What.
    #[serde(rename = "do")]
    pub act: Act,
}

/// What a user can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Connect, and from then on by itself.
    Connect,
    /// Disconnect, until the next connect.
    Disconnect,
    /// Say something.
    Say(String),
}

/// What breaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// From when.
    pub at: Span,
    /// Until when; absent for what takes no time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Span>,
    /// What.
    pub what: FaultAct,
}

/// The faults, as they physically exist. Names follow Chaos Mesh and toxiproxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultAct {
    /// Nothing passes, nothing is lost: all arrives in order at the first retransmission after the heal.
    Stall(Path),
    /// Both ways silent; who connects tries again at 1 s, doubling.
    Partition(Pair),
    /// Every connection between the two gets an RST, at both ends.
    Reset(Pair),
    /// The process is gone; its kernel says FIN (RST if it holds unread bytes) and refuses until it is started again at `until`.
    Kill(Name),
    /// The process is asked to stop; started again at `until`.
    Shutdown(Name),
}

/// Two processes, unordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// The two.
    pub between: [Name; 2],
}

/// One way or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Path {
    /// Both ways.
    Between([Name; 2]),
    /// From the first to the second.
    OneWay([Name; 2]),
}
