//! The chat server: a message is durable before it is acknowledged or shown; each socket reads one log through one cursor.

use crate::io::{Env, Server};
use crate::store::Log;

/// The limits of a chat.
#[derive(Debug, Clone)]
pub struct ChatConfig {
    /// The longest content it takes, in bytes; 65,536.
    pub max_content_bytes: usize,
    /// How many messages of the log are read at once while a socket catches up; 100.
    pub page: usize,
}

impl Default for ChatConfig {
    fn default() -> Self {
        Self { max_content_bytes: 64 << 10, page: 100 }
    }
}

/// Puts the chat on a server.
pub fn serve(_env: &Env, _server: &Server, _log: &Log, _config: ChatConfig) {
    todo!()
}
