//! What users do in a story. Plans give each of these its time, its text, and its numbers.

use crate::units::SpanRange;

use super::terms::Name;

/// Something that one or more users do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// When, counted from the start of the run; drawn for each of `who`.
    pub at: SpanRange,
    /// Which clients.
    pub who: Vec<Name>,
    /// What.
    pub act: StepAct,
}

/// What a user does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepAct {
    /// Connect, and from then on by itself.
    Connect,
    /// Disconnect, until the next connect.
    Disconnect,
    /// Ask to be let into a chat room.
    Join(JoinStep),
    /// Leave a chat room.
    Leave(Name),
    /// Say something, once or often.
    Say(Say),
    /// Emit an event that the server echoes, once or often.
    Emit(EmitStep),
    /// Emit an event that the server relays to others, once or often.
    Broadcast(BroadcastStep),
    /// Reload the page: the client's memory is lost, its outbox is kept.
    Reload,
    /// Nothing: the run goes on at least until then.
    Wait,
}

impl StepAct {
    /// As scenarios name it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Disconnect => "disconnect",
            Self::Join(_) => "join",
            Self::Leave(_) => "leave",
            Self::Say(_) => "say",
            Self::Emit(_) => "emit",
            Self::Broadcast(_) => "broadcast",
            Self::Reload => "reload",
            Self::Wait => "wait",
        }
    }

    /// How many bytes each of its messages or attachments is to have, where it says so.
    pub fn bytes(&self) -> Option<u32> {
        match self {
            Self::Say(say) => say.bytes,
            Self::Emit(emit) => emit.binary,
            Self::Broadcast(broadcast) => broadcast.binary,
            Self::Connect | Self::Disconnect | Self::Join(_) | Self::Leave(_) | Self::Reload | Self::Wait => {
                None
            }
        }
    }

    /// How often, and how far apart.
    pub fn pace(&self) -> Pace {
        match self {
            Self::Say(Say { pace, .. })
            | Self::Emit(EmitStep { pace, .. })
            | Self::Broadcast(BroadcastStep { pace, .. }) => *pace,
            Self::Connect | Self::Disconnect | Self::Join(_) | Self::Leave(_) | Self::Reload | Self::Wait => {
                Pace { count: 1, every: SpanRange::default() }
            }
        }
    }
}

/// How often something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How many times.
    pub count: u32,
    /// The time between two of them; drawn for each gap.
    pub every: SpanRange,
}

/// Which room, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinStep {
    /// The chat room.
    pub room: Name,
    /// After which offset the client is shown it; `None` for what comes from now on.
    pub since: Option<u64>,
}

/// What is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Say {
    /// How many messages.
    pub pace: Pace,
    /// The length of each in bytes, where its text is shorter; zero for a message that says nothing.
    pub bytes: Option<u32>,
    /// In which chat room.
    pub room: Name,
}

/// An event that the server echoes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmitStep {
    /// How many events.
    pub pace: Pace,
    /// Its name.
    pub event: Name,
    /// The length of its binary attachment; `None` for an event without one.
    pub binary: Option<u32>,
    /// Whether it is dropped where it cannot be sent at once.
    pub volatile: bool,
    /// Whether the client asks for an acknowledgement.
    pub ack: bool,
    /// Whom the server echoes it to: everyone in the room; `None` for its sender alone.
    pub room: Option<Name>,
}

/// An event that the server relays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BroadcastStep {
    /// How many events.
    pub pace: Pace,
    /// To whom: everyone else in the room; `None` for everyone else.
    pub room: Option<Name>,
    /// But not to who is in one of these rooms.
    pub except: Vec<Name>,
    /// The length of its binary attachment; `None` for an event without one.
    pub binary: Option<u32>,
    /// Whether it is dropped, on either way, where it cannot be sent at once.
    pub volatile: bool,
}
