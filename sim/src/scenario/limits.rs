//! How large a scenario, and a plan, may be, and what no run could ever satisfy.
//!
//! The limits keep a slip of the pen (`every: 100h`) from becoming a run without end.

use std::time::Duration;

use squall::chat::ChatConfig;
use squall::socket::ManagerOptions;

use super::terms::{ClientPlan, NetworkPlan, SERVER, ServerPlan, WORLD};

/// The backend's tick: nothing crosses a link faster, and no fault is shorter.
pub const TICK: Duration = Duration::from_millis(10);

/// No time in a scenario is longer, and no fault or op comes later.
pub const TIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The most clients.
pub const CLIENTS_MAX: usize = 40;

/// The most messages of one `say`.
pub const COUNT_MAX: u32 = 10_000;

/// The most ops of a plan.
pub const OPS_MAX: u64 = 100_000;

/// The most bytes that all messages of a plan may have together: a plan is held in memory, and printed.
pub const CONTENT_BYTES_TOTAL_MAX: u64 = 16 << 20;

/// The most seeds of one scenario.
pub const SEEDS_MAX: u32 = 1_000_000;

/// The longest content that the chat takes: a longer one would be refused, and is not what a scenario is about.
pub fn content_bytes_max() -> u64 {
    u64::try_from(ChatConfig::default().max_content_bytes).unwrap_or(u64::MAX)
}

/// How long one attempt to connect may take.
pub fn connect_timeout() -> Duration {
    ManagerOptions::default().timeout
}

/// The longest name of a client.
const NAME_LETTERS_MAX: usize = 32;

/// Whether a client may have this name: `[a-z][a-z0-9_-]*`, and not that of something else in a history.
pub fn is_client_name(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|first| first.is_ascii_lowercase())
        && letters.all(|letter| matches!(letter, 'a'..='z' | '0'..='9' | '_' | '-'))
        && name.len() <= NAME_LETTERS_MAX
        && name != SERVER
        && name != WORLD
}

/// The longest time from saying something over a healthy link to hearing the answer.
pub fn round_trip(network: &NetworkPlan) -> Duration {
    // Each way may wait for the next tick.
    (network.latency.high + TICK) * 2
}

/// Why nobody could ever connect.
pub fn never_connects(network: &NetworkPlan) -> Option<String> {
    // TCP, the upgrade to WebSocket, Engine.IO's open, Socket.IO's CONNECT.
    (round_trip(network) * 4 >= connect_timeout()).then(|| {
        let limit = humantime::format_duration(connect_timeout());
        format!("connecting takes four round trips and is given up after {limit}")
    })
}

/// Why every healthy connection would be given up.
pub fn never_holds(server: &ServerPlan, network: &NetworkPlan) -> Option<String> {
    (server.ping_timeout.0 <= round_trip(network)).then(|| {
        let round_trip = humantime::format_duration(round_trip(network));
        format!("a pong may take {round_trip} on a healthy link")
    })
}

/// Why every acknowledgement of a client would come too late.
pub fn never_acknowledged(client: &ClientPlan, server: &ServerPlan, network: &NetworkPlan) -> Option<String> {
    let answer = round_trip(network) + server.fsync.high;
    (client.ack_timeout.0 <= answer).then(|| {
        let answer = humantime::format_duration(answer);
        format!("an acknowledgement may take {answer} on a healthy link")
    })
}
