//! What the client still has to say: one message in flight, the oldest, until the server answers for it; or, sent plainly, all
//! of them.
//!
//! Promise: messages are sent in the order in which they were said. From the outbox, none is given up but on the server's
//! refusal; what is given up, in whatever mode, is said to be.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Value, json};

use super::SendMode;
use crate::chat::wire::{ChatError, DEFAULT_ROOM, ErrorCode};
use crate::reached::reached;
use crate::socket::{AckError, Args};
use crate::store::{LogOffset, MessageId, Pending};

/// The delay after the first answer that asks to try again.
const RETRY_DELAY_MIN: Duration = Duration::from_millis(500);

/// The longest delay: doubled six times.
const RETRY_DOUBLINGS_MAX: u32 = 6;

/// How often the time for an answer is doubled at most.
const PATIENCE_DOUBLINGS_MAX: u32 = 3;

/// The largest message, encoded, in bytes. A server takes 1,000,000 bytes by default, name and frame included, and closes
/// the connection over more: a longer message would come back from the outbox for ever.
const ENCODED_BYTES_MAX: usize = 990_000;

/// Why a message is never sent.
const TOO_LARGE: &str = "the message is larger than servers take";

/// The outbox, as the client works on it.
#[derive(Debug)]
pub(super) struct Outgoing {
    mode: SendMode,
    pending: VecDeque<Pending>,
    sends_of_oldest: u32,
    refusals_of_oldest: u32,
    /// How often the oldest was not answered in time, over the present connection.
    timeouts_of_oldest: u32,
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
    pub(super) fn new(mode: SendMode, left: Vec<Pending>) -> Self {
        if !left.is_empty() {
            reached!("chat.outbox_left");
        }
        Self { mode, pending: left.into(), sends_of_oldest: 0, refusals_of_oldest: 0, timeouts_of_oldest: 0 }
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

    /// Whether each message is sent once, whatever becomes of those before it.
    pub(super) fn is_plain(&self) -> bool {
        self.mode == SendMode::Plain
    }

    /// What an earlier process left and would have sent plainly.
    pub(super) fn left_for_plain(&self) -> Vec<Pending> {
        if self.is_plain() { self.pending.iter().cloned().collect() } else { Vec::new() }
    }

    /// Sends a message plainly; `None` where no server would take it.
    pub(super) fn send_plainly(&self, message: &Pending) -> Option<Args> {
        self.arguments(message)
    }

    /// Takes what came of a message that was sent plainly.
    pub(super) fn answer_plainly(&mut self, id: MessageId, answer: Result<Args, AckError>) -> Settled {
        self.pending.retain(|pending| pending.id != id);
        let result = match answer {
            Ok(answer) => read_answer(&answer).map_err(|error| error.message),
            Err(error) => Err(error.to_string()),
        };
        Settled { id, result }
    }

    /// A message that was said plainly and that no server would take.
    pub(super) fn never_plainly(&mut self, id: MessageId) -> Settled {
        self.pending.retain(|pending| pending.id != id);
        Settled { id, result: Err(TOO_LARGE.to_owned()) }
    }

    /// Counts a send of the oldest message; `None` where there is none.
    pub(super) fn send(&mut self) -> Option<Attempt> {
        let oldest = self.pending.front()?;
        let Some(args) = self.arguments(oldest) else {
            return Some(Attempt::Never(self.settle(Err(TOO_LARGE.to_owned()))));
        };
        self.sends_of_oldest = self.sends_of_oldest.saturating_add(1);
        if self.sends_of_oldest > 1 {
            reached!("chat.resend");
            tracing::debug!(id = %oldest.id, sends = self.sends_of_oldest, "a message is sent again");
        }
        Some(Attempt::Emit(args))
    }

    /// How long to wait for the answer to the last send, if `first` is how long for that of a first one. While a connection
    /// stands nothing is lost on it: a server that is slow is not helped by ever more of the same. Each time is twice the
    /// last, up to eight times the first. `retries` waits as the official client does.
    pub(super) fn patience(&self, first: Duration) -> Duration {
        match self.mode {
            SendMode::Outbox => {
                first.saturating_mul(2_u32.pow(self.timeouts_of_oldest.min(PATIENCE_DOUBLINGS_MAX)))
            }
            SendMode::Retry { .. } | SendMode::Plain => first,
        }
    }

    /// Takes the answer to the last send.
    pub(super) fn answer(&mut self, answer: Result<Args, AckError>) -> Answered {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if self.is_given_up() => {
                return Answered::Settled(self.settle(Err(error.to_string())));
            }
            // The server may have it or not; sent again under the same id, it has it once.
            Err(error) => {
                let still_connected = error == AckError::TimedOut;
                self.timeouts_of_oldest =
                    if still_connected { self.timeouts_of_oldest.saturating_add(1) } else { 0 };
                return Answered::Again;
            }
        };
        match read_answer(&answer) {
            Ok(offset) => Answered::Settled(self.settle(Ok(offset))),
            Err(ChatError { code: ErrorCode::Unavailable, message }) if !self.is_given_up() => {
                let delay = retry_delay(self.refusals_of_oldest);
                self.refusals_of_oldest = self.refusals_of_oldest.saturating_add(1);
                reached!("chat.unavailable");
                tracing::warn!(message, ?delay, "the server cannot take a message now; trying again");
                Answered::AgainAfter(delay)
            }
            Err(ChatError {
                code:
                    ErrorCode::BadRequest
                    | ErrorCode::TooLarge
                    | ErrorCode::TooManyRooms
                    | ErrorCode::Conflict
                    | ErrorCode::UnknownOffset
                    | ErrorCode::Unavailable
                    | ErrorCode::Other,
                message,
            }) => Answered::Settled(self.settle(Err(message))),
        }
    }

    /// Whether the oldest message was sent as often as it may be.
    fn is_given_up(&self) -> bool {
        match self.mode {
            SendMode::Outbox => false,
            SendMode::Retry { retries } => self.sends_of_oldest > retries,
            SendMode::Plain => true,
        }
    }

    /// What is sent; `None` where no server would take it. The official tutorial's server takes the third argument for its
    /// callback, so who is in the default room sends none.
    fn arguments(&self, message: &Pending) -> Option<Args> {
        let id = match self.mode {
            SendMode::Outbox | SendMode::Plain => json!(message.id),
            SendMode::Retry { .. } => Value::Null,
        };
        let mut args = vec![json!(message.content)];
        if message.room != DEFAULT_ROOM {
            args.extend([id, json!({ "room": message.room })]);
        } else if !id.is_null() {
            args.push(id);
        }
        (json!(args).to_string().len() <= ENCODED_BYTES_MAX).then_some(Args::from(args))
    }

    fn settle(&mut self, result: Result<LogOffset, String>) -> Settled {
        let oldest = self.pending.pop_front().expect("only a message that was pending is sent and answered");
        self.sends_of_oldest = 0;
        self.refusals_of_oldest = 0;
        self.timeouts_of_oldest = 0;
        Settled { id: oldest.id, result }
    }
}

/// 0.5 s, doubled with each of the tries `before` it, to 32 s.
pub(super) fn retry_delay(before: u32) -> Duration {
    RETRY_DELAY_MIN * 2_u32.pow(before.min(RETRY_DOUBLINGS_MAX))
}

/// An answer with an error is a refusal; any other acknowledges, also that of a server that does not say where the
/// message is (the tutorial's answers with nothing).
pub(super) fn read_answer(answer: &Args) -> Result<LogOffset, ChatError> {
    let answer = answer.values().first().unwrap_or(&Value::Null);
    match answer.get("error") {
        Some(error) => Err(serde_json::from_value(error.clone())
            .unwrap_or_else(|_| ChatError::new(ErrorCode::Other, format!("the server answered {error}")))),
        None => Ok(answer.get("offset").and_then(Value::as_u64).map_or(LogOffset::START, LogOffset)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_mode(mode: SendMode, contents: &[&str]) -> Outgoing {
        let pending = |content: &&str| Pending {
            id: MessageId(format!("id of {content}").into()),
            room: DEFAULT_ROOM.to_owned(),
            content: (*content).to_owned(),
        };
        Outgoing::new(mode, contents.iter().map(pending).collect())
    }

    fn outgoing(contents: &[&str]) -> Outgoing {
        in_mode(SendMode::Outbox, contents)
    }

    fn sent(outgoing: &mut Outgoing) -> Value {
        match outgoing.send() {
            Some(Attempt::Emit(args)) => json!(args.values()),
            other => panic!("nothing to emit: {other:?}"),
        }
    }

    fn settled(content: &str, result: Result<u64, &str>) -> Answered {
        let result = result.map(LogOffset).map_err(str::to_owned);
        Answered::Settled(Settled { id: MessageId(format!("id of {content}").into()), result })
    }

    fn refusal(code: &str) -> Result<Args, AckError> {
        Ok(Args::from(vec![json!({ "error": { "code": code, "message": "no" } })]))
    }

    #[test]
    fn messages_are_sent_in_order_and_leave_when_acknowledged() {
        let mut outgoing = outgoing(&["a", "b"]);

        assert_eq!(sent(&mut outgoing), json!(["a", "id of a"]));
        assert_eq!(outgoing.answer(Ok(Args::from(vec![json!({ "offset": 7 })]))), settled("a", Ok(7)));
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
    fn a_server_that_is_slow_is_given_ever_more_time_while_the_connection_stands() {
        const FIRST: Duration = Duration::from_secs(1);
        let patience_after = |outgoing: &mut Outgoing, error: AckError| {
            sent(outgoing);
            assert_eq!(outgoing.answer(Err(error)), Answered::Again);
            outgoing.patience(FIRST).as_secs()
        };
        let mut outgoing = outgoing(&["a", "b"]);
        assert_eq!(outgoing.patience(FIRST), FIRST);
        let grown = [1, 2, 3, 4, 5].map(|_| patience_after(&mut outgoing, AckError::TimedOut));
        assert_eq!(grown, [2, 4, 8, 8, 8]);
        assert_eq!(outgoing.patience(Duration::MAX), Duration::MAX, "who waits for ever");
        assert_eq!(patience_after(&mut outgoing, AckError::Disconnected), 1, "another connection");
        assert_eq!(patience_after(&mut outgoing, AckError::TimedOut), 2);
        sent(&mut outgoing);
        assert_eq!(outgoing.answer(Ok(Args::none())), settled("a", Ok(0)));
        assert_eq!(outgoing.patience(FIRST), FIRST, "another message");
        let mut retrying = in_mode(SendMode::Retry { retries: 9 }, &["a"]);
        assert_eq!(patience_after(&mut retrying, AckError::TimedOut), 1);
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
    fn retries_have_no_id_and_end_with_the_last_reason() {
        let mut outgoing = in_mode(SendMode::Retry { retries: 1 }, &["a", "b"]);
        assert_eq!(sent(&mut outgoing), json!(["a"]));
        assert_eq!(outgoing.answer(Err(AckError::Disconnected)), Answered::Again);
        assert_eq!(sent(&mut outgoing), json!(["a"]));
        assert_eq!(outgoing.answer(Err(AckError::TimedOut)), settled("a", Err("operation has timed out")));
        assert_eq!(sent(&mut outgoing), json!(["b"]));
        assert!(matches!(outgoing.answer(refusal("unavailable")), Answered::AgainAfter(_)));
        sent(&mut outgoing);
        assert_eq!(outgoing.answer(refusal("unavailable")), settled("b", Err("no")));
    }

    #[test]
    fn what_is_sent_plainly_is_settled_by_whatever_comes_of_it() {
        let mut outgoing = in_mode(SendMode::Plain, &["a", "b"]);
        let ids: Vec<_> = outgoing.pending().map(|pending| pending.id.clone()).collect();
        let second = outgoing.answer_plainly(ids[1].clone(), Ok(Args::from(vec![json!({ "offset": 1 })])));
        assert_eq!(second.result, Ok(LogOffset(1)));
        let first = outgoing.answer_plainly(ids[0].clone(), Err(AckError::Disconnected));
        assert_eq!(first.result, Err("socket has been disconnected".to_owned()));
        assert_eq!(outgoing.pending().count(), 0);
    }

    #[test]
    fn another_room_than_the_first_is_named() {
        let in_lobby =
            Pending { id: MessageId("1".into()), room: "lobby".to_owned(), content: "a".to_owned() };
        let sent_by = |mode| sent(&mut Outgoing::new(mode, vec![in_lobby.clone()]));
        assert_eq!(sent_by(SendMode::Outbox), json!(["a", "1", { "room": "lobby" }]));
        assert_eq!(sent_by(SendMode::Retry { retries: 1 }), json!(["a", null, { "room": "lobby" }]));
    }

    #[test]
    fn a_message_over_which_servers_close_the_connection_is_not_sent() {
        let mut outgoing = outgoing(&["\u{1}".repeat(ENCODED_BYTES_MAX / 6).as_str(), "b"]);
        assert!(matches!(outgoing.send(), Some(Attempt::Never(Settled { result: Err(_), .. }))));
        assert_eq!(sent(&mut outgoing), json!(["b", "id of b"]));
    }
}
