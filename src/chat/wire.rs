//! What chat server and client say to each other. The names are the official tutorial's, so that its page works unchanged.
//!
//! Up: `chat message` `(content, clientOffset?, ack?)`; the answer is `{ offset }` or `{ error: { code, message } }`.
//! Down: `chat message` `(content, serverOffset, { room, id, prev })`, where `prev` is the offset before it that this
//! socket is entitled to. CONNECT: `{ serverOffset? }`; absent is live only, 0 is from the start.

/// The event, both ways.
pub const CHAT_MESSAGE: &str = "chat message";

/// The room of who names none.
pub const DEFAULT_ROOM: &str = "general";
