//! A record as one line of a trace: when, who in which life and on which connection, what. Columns are stable.

use std::fmt;

use squall::store::MessageId;

use super::{Kind, Record};
use crate::plan::Name;

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = format!("{}.{:03}s", self.at.as_secs(), self.at.subsec_millis());
        // The world has no lives.
        let who = match self.process {
            0 => self.host.to_string(),
            process => format!("{}#{process}/{}", self.host, self.session),
        };
        write!(f, "{time:>9} {who:<12} {}", self.kind)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent { id, room, .. } => write!(f, "sent {id} to {room}"),
            Self::Acknowledged { id, offset } => write!(f, "acknowledged {id} at {offset}"),
            Self::Failed { id, reason } => write!(f, "failed {id}: {reason}"),
            Self::Delivered { id, room, offset, .. } => {
                write!(f, "delivered {} at {offset} of {room}", or_nameless(id.as_ref()))
            }
            Self::Committed { id, room, offset, .. } => {
                write!(f, "committed {} at {offset} of {room}", or_nameless(id.as_ref()))
            }
            Self::Suppressed { id, offset } => write!(f, "suppressed {id}, already at {offset}"),
            Self::SendFailed { id, reason } => write!(f, "gave up on {id}: {reason}"),
            Self::Asked { act, room } => write!(f, "asked to {act} {room}"),
            Self::Joined { room, offset, since: None } => write!(f, "joined {room} at {offset}"),
            Self::Joined { room, offset, since: Some(since) } => {
                write!(f, "joined {room} at {offset}, to be shown it after {since}")
            }
            Self::Left { room, offset } => write!(f, "left {room} at {offset}"),
            Self::Emitted { id, volatile, .. } => write!(f, "emitted {id}{}", volatility(*volatile)),
            Self::Arrived { id, .. } => write!(f, "{id} arrived"),
            Self::Relayed { id, audience, excluded, volatile } => {
                write!(
                    f,
                    "relayed {id}{} to {}",
                    volatility(*volatile),
                    list(audience.iter().map(|listener| &listener.client))
                )?;
                if excluded.is_empty() { Ok(()) } else { write!(f, ", not to {}", list(excluded)) }
            }
            Self::Persisted { id } => write!(f, "persisted {id}"),
            Self::Resumed { recovered: true, .. } => f.write_str("resumed its socket of events"),
            Self::Resumed { recovered: false, .. } => f.write_str("got a new socket of events"),
            Self::Heard { id, .. } => write!(f, "heard {id}"),
            Self::Answered { id, .. } => write!(f, "answered {id}"),
            Self::Connected { peer: None } => f.write_str("connected"),
            Self::Connected { peer: Some(peer) } => write!(f, "connected to {peer}"),
            Self::Early { peer, namespace } => {
                write!(f, "sent {peer} an event in {namespace} before the answer to CONNECT")
            }
            Self::Disconnected { reason } => write!(f, "disconnected: {reason}"),
            Self::Did { act } => write!(f, "did {act}"),
            Self::Trouble { what } => write!(f, "in trouble: {what}"),
            Self::Skipped { what } => write!(f, "not running, did not {what}"),
            Self::Started => f.write_str("started"),
            Self::Exited { how } => write!(f, "exited: {how}"),
            Self::FaultBegan { fault, what } if what.is_empty() => write!(f, "fault {fault} began"),
            Self::FaultBegan { fault, what } => write!(f, "fault {fault} began: {what}"),
            Self::FaultEnded { fault } => write!(f, "fault {fault} ended"),
            Self::FaultDisarmed { fault, what } => write!(f, "fault {fault} never began: {what}"),
            Self::Touched { fault, processes } => write!(f, "fault {fault} touched {}", list(processes)),
        }
    }
}

fn or_nameless(id: Option<&MessageId>) -> &str {
    id.map_or("a message without id", |id| &*id.0)
}

fn volatility(volatile: bool) -> &'static str {
    if volatile { " (volatile)" } else { "" }
}

fn list<'a>(names: impl IntoIterator<Item = &'a Name>) -> String {
    let names: Vec<&str> = names.into_iter().map(|name| &**name).collect();
    if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
}
