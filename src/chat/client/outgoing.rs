//! What the client still has to say: one message in flight, the oldest, until the server answers for it.
//!
//! Promise: messages are sent in the order in which they were said, and none is given up but on the server's refusal.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Value, json};

use crate::chat::wire::{ChatError, DEFAULT_ROOM, ErrorCode};
use crate::socket::{AckError, Args};
use crate::store::{LogOffset, MessageId, Pending};

/// The delay after the first answer that asks to try again.
const RETRY_DELAY_MIN: Duration = Duration::from_millis(500);

/// The longest delay: doubled six times.
const RETRY_DOUBLINGS_MAX: u32 = 6;

/// The largest message, encoded, in bytes. A server takes 1,000,000 bytes by default, name and frame included, and closes
/// the connection over more: a longer message would come back from the outbox for ever.
const ENCODED_BYTES_MAX: usize = 990_000;

/// The outbox, as the client works on it.
#[derive(Debug)]
pub(super) struct Outgoing {
    pending: VecDeque<Pending>,
    sends_of_oldest: u32,
    refusals_of_oldest: u32,
}

/// What to do for the oldest message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// Emit it, with these arguments, and wait for the answer.
    Emit(Args),
    /// No server would take it.
    Never(Settled),
}

/// What became of the oldest message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answered {
    /// It has left the outbox.
    Settled(Settled),
    /// Send it again when connected.
    Again,
    /// Send it again after this long, or when connected anew.
    AgainAfter(Duration),
}

/// A message that has left the outbox.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Settled {
    pub(super) id: MessageId,
    /// Where the server has it, or why it never will.
    pub(super) result: Result<LogOffset, String>,
}

impl Outgoing {
    /// With what an earlier process left, oldest first.
    pub(super) fn new(left: Vec<Pending>) -> Self {
        Self { pending: left.into(), sends_of_oldest: 0, refusals_of_oldest: 0 }
    }

    /// Takes what the outbox keeps durably.
    pub(super) fn push(&mut self, message: Pending) {
        self.pending.push_back(message);
    }

    /// What waits to be acknowledged, oldest first.
    pub(super) fn pending(&self) -> impl Iterator<Item = &Pending> {
        self.pending.iter()
    }

    /// How often the oldest of it was sent.
    pub(super) fn sends_of_oldest(&self) -> u32 {
        self.sends_of_oldest
    }

    /// Counts a send of the oldest message; `None` where there is none.
    pub(super) fn send(&mut self) -> Option<Attempt> {
        let oldest = self.pending.front()?;
        let args = arguments(oldest);
        if json!(args.0).to_string().len() > ENCODED_BYTES_MAX {
            return Some(Attempt::Never(
                self.settle(Err("the message is larger than servers take".to_owned())),
            ));
        }
        self.sends_of_oldest = self.sends_of_oldest.saturating_add(1);
        if self.sends_of_oldest > 1 {
            tracing::debug!(reached = "chat.resend", id = %oldest.id, sends = self.sends_of_oldest);
        }
        Some(Attempt::Emit(args))
    }

    /// Takes the answer to the last send.
    pub(super) fn answer(&mut self, answer: Result<Args, AckError>) -> Answered {
        // Without an answer the server may have it or not; sent again under the same id, it has it once.
        let Ok(answer) = answer else { return Answered::Again };
        match read_answer(&answer) {
            Ok(offset) => Answered::Settled(self.settle(Ok(offset))),
            Err(ChatError { code: ErrorCode::Unavailable, message }) => {
                let delay = retry_delay(self.refusals_of_oldest);
                self.refusals_of_oldest = self.refusals_of_oldest.saturating_add(1);
                tracing::warn!(message, ?delay, "the server cannot take a message now; trying again");
                Answered::AgainAfter(delay)
            }
            Err(ChatError {
                code:
                    ErrorCode::BadRequest
                    | ErrorCode::TooLarge
                    | ErrorCode::Conflict
                    | ErrorCode::UnknownOffset
                    | ErrorCode::Other,
                message,
            }) => Answered::Settled(self.settle(Err(message))),
        }
    }

    fn settle(&mut self, result: Result<LogOffset, String>) -> Settled {
        let oldest = self.pending.pop_front().expect("only a message that was pending is sent and answered");
        self.sends_of_oldest = 0;
        self.refusals_of_oldest = 0;
        Settled { id: oldest.id, result }
    }
}

/// 0.5 s, doubled with each of the tries `before` it, to 32 s.
pub(super) fn retry_delay(before: u32) -> Duration {
    RETRY_DELAY_MIN * 2_u32.pow(before.min(RETRY_DOUBLINGS_MAX))
}

/// The official tutorial's server takes the third argument for its callback, so who is in the default room sends none.
fn arguments(message: &Pending) -> Args {
    let mut args = vec![json!(message.content), json!(message.id)];
    if message.room != DEFAULT_ROOM {
        args.push(json!({ "room": message.room }));
    }
    Args(args)
}

/// An answer with an error is a refusal; any other acknowledges, also that of a server that does not say where the
/// message is (the tutorial's answers with nothing).
fn read_answer(answer: &Args) -> Result<LogOffset, ChatError> {
    let answer = answer.0.first().unwrap_or(&Value::Null);
    match answer.get("error") {
        Some(error) => Err(serde_json::from_value(error.clone())
            .unwrap_or_else(|_| ChatError::new(ErrorCode::Other, format!("the server answered {error}")))),
        None => Ok(answer.get("offset").and_then(Value::as_u64).map_or(LogOffset::START, LogOffset)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing(contents: &[&str]) -> Outgoing {
        let pending = |content: &&str| Pending {
            id: MessageId(format!("id of {content}")),
            room: DEFAULT_ROOM.to_owned(),
            content: (*content).to_owned(),
        };
        Outgoing::new(contents.iter().map(pending).collect())
    }

    fn sent(outgoing: &mut Outgoing) -> Value {
        match outgoing.send() {
            Some(Attempt::Emit(args)) => json!(args.0),
            other => panic!("nothing to emit: {other:?}"),
        }
    }

    fn settled(content: &str, result: Result<u64, &str>) -> Answered {
        let result = result.map(LogOffset).map_err(str::to_owned);
        Answered::Settled(Settled { id: MessageId(format!("id of {content}")), result })
    }

    fn refusal(code: &str) -> Result<Args, AckError> {
        Ok(Args(vec![json!({ "error": { "code": code, "message": "no" } })]))
    }

    #[test]
    fn messages_are_sent_in_order_and_leave_when_acknowledged() {
        let mut outgoing = outgoing(&["a", "b"]);

        assert_eq!(sent(&mut outgoing), json!(["a", "id of a"]));
        assert_eq!(outgoing.answer(Ok(Args(vec![json!({ "offset": 7 })]))), settled("a", Ok(7)));
        assert_eq!(sent(&mut outgoing), json!(["b", "id of b"]));
        assert_eq!(outgoing.answer(Ok(Args::none())), settled("b", Ok(0)));
        assert_eq!(outgoing.send(), None);
    }

    #[test]
    fn what_was_not_answered_is_sent_again_as_it_was() {
        let mut outgoing = outgoing(&["a", "b"]);
        for error in [AckError::TimedOut, AckError::Disconnected] {
            assert_eq!(sent(&mut outgoing), json!(["a", "id of a"]));
            assert_eq!(outgoing.answer(Err(error)), Answered::Again);
        }
        assert_eq!(outgoing.sends_of_oldest(), 2);
    }

    #[test]
    fn a_server_that_cannot_store_is_asked_ever_more_rarely() {
        let mut outgoing = outgoing(&["a"]);
        let mut delays = Vec::new();
        for _ in 0..9 {
            sent(&mut outgoing);
            let answered = outgoing.answer(refusal("unavailable"));
            let Answered::AgainAfter(delay) = answered else { panic!("{answered:?}") };
            delays.push(delay.as_millis());
        }
        assert_eq!(delays, [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 32_000, 32_000]);
    }

    #[test]
    fn what_the_server_will_never_take_leaves_with_the_reason() {
        for code in ["bad_request", "too_large", "conflict", "a code of next year"] {
            let mut outgoing = outgoing(&["a", "b"]);
            sent(&mut outgoing);
            assert_eq!(outgoing.answer(refusal(code)), settled("a", Err("no")), "{code}");
            assert_eq!(sent(&mut outgoing), json!(["b", "id of b"]));
        }
    }

    #[test]
    fn a_message_over_which_servers_close_the_connection_is_not_sent() {
        let mut outgoing = outgoing(&["\u{1}".repeat(ENCODED_BYTES_MAX / 6).as_str(), "b"]);
        assert!(matches!(outgoing.send(), Some(Attempt::Never(Settled { result: Err(_), .. }))));
        assert_eq!(sent(&mut outgoing), json!(["b", "id of b"]));
    }
}
