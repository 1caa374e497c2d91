//! How large a scenario, and a plan, may be, and what no run could ever satisfy.
//!
//! The limits keep a slip of the pen (`every: 100h`) from becoming a run without end.

use std::ops::RangeInclusive;
use std::time::Duration;

use squall::chat::ChatConfig;
use squall::socket::ManagerOptions;

use super::client::ClientPlan;
use super::terms::{NetworkPlan, SERVER, ServerPlan, WORLD};

/// The backend's tick: nothing crosses a link faster, and no fault is shorter.
pub const TICK: Duration = Duration::from_millis(10);

/// No time in a scenario is longer, and no fault or op comes later.
pub const TIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The most clients.
pub const CLIENTS_MAX: usize = 40;

/// The most messages of one `say`, or events of one `emit` or `broadcast`.
pub const COUNT_MAX: u32 = 10_000;

/// The most ops of a plan.
pub const OPS_MAX: u64 = 100_000;

/// The most bytes that all messages of a plan may have together: a plan is held in memory, and printed.
pub const CONTENT_BYTES_TOTAL_MAX: u64 = 16 << 20;

/// The longest message, longer than the chat takes: it is refused, and its connection lives on.
pub const SAY_BYTES_MAX: u32 = 100_000;

/// The longest binary attachment: servers refuse packets of more than a million bytes.
pub const BINARY_BYTES_MAX: u32 = 900_000;

/// The most rooms that a client is in from the start.
pub const ROOMS_MAX: usize = 100;

/// The most attempts to connect, and the most retries.
pub const ATTEMPTS_MAX: u32 = 1_000;

/// The most seeds of one scenario.
pub const SEEDS_MAX: u32 = 1_000_000;

/// The longest content that the chat takes: a longer one is refused.
pub fn content_bytes_max() -> u64 {
    u64::try_from(ChatConfig::default().max_content_bytes).unwrap_or(u64::MAX)
}

/// How many of a hundred transmissions a link may lose and still be one.
pub const LOSS_PERCENT: RangeInclusive<u8> = 1..=99;

/// How wrong clocks run, in percent of true time: far more than a quartz does, and as much as what corrects one may.
pub const CLOCK_PERCENT: RangeInclusive<u64> = 98..=102;

/// The last operation of a disk that a fault may begin with.
pub const DISK_OPERATIONS_MAX: u64 = 1_000_000;

/// The last record of a history that a fault may begin with.
pub const STEPS_MAX: u64 = 10_000_000;

/// How long one attempt to connect may take.
pub fn connect_timeout() -> Duration {
    ManagerOptions::default().timeout
}

/// The longest name of a client, a room or an event.
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

/// Whether a room may have this name: small letters, digits, `_` and `-`, so that it needs no quotes anywhere.
pub fn is_room_name(name: &str) -> bool {
    (1..=NAME_LETTERS_MAX).contains(&name.len())
        && name.chars().all(|letter| matches!(letter, 'a'..='z' | '0'..='9' | '_' | '-'))
}

/// Whether an event may have this name: as a room, and neither Socket.IO nor the chat means something by it.
pub fn is_event_name(name: &str) -> bool {
    const RESERVED: [&str; 8] =
        ["connect", "connect_error", "connection", "disconnect", "disconnecting", "error", "join", "leave"];
    is_room_name(name) && !RESERVED.contains(&name)
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
