//! What the terminal shows: events of the chat in, lines out.
//!
//! Messages go to the output, remarks about them to another stream, so that a pipe gets messages alone. Nothing that
//! another user wrote drives the terminal: what is not printed as itself is escaped.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use crate::chat::wire::DEFAULT_ROOM;
use crate::chat::{ChatEvent, Shown};
use crate::store::MessageId;

/// How much of a message that failed is shown.
const EXCERPT_CHARACTERS: usize = 60;

/// The two streams, and what of the user's own is on its way.
pub(super) struct Screen<W> {
    messages: W,
    remarks: W,
    /// With what the ids of the user's own messages begin.
    client_id: String,
    waiting: BTreeMap<MessageId, String>,
    /// The rooms that are heard: where there are several, messages are shown with theirs.
    rooms: BTreeSet<String>,
    connected: bool,
}

impl<W: Write> Screen<W> {
    /// For the client of that id.
    pub(super) fn new(messages: W, remarks: W, client_id: &str) -> Self {
        let client_id = format!("{client_id}-");
        let rooms = BTreeSet::from([DEFAULT_ROOM.to_owned()]);
        Self { messages, remarks, client_id, waiting: BTreeMap::new(), rooms, connected: false }
    }

    /// The outbox has a message of the user, who said it now or in an earlier process.
    pub(super) fn keep(&mut self, id: MessageId, content: String) {
        self.waiting.insert(id, content);
    }

    /// Messages of another room may come.
    pub(super) fn hears(&mut self, room: &str) {
        self.rooms.insert(room.to_owned());
    }

    /// The user said something now.
    pub(super) fn said(&mut self, id: MessageId, content: String) -> io::Result<()> {
        self.keep(id, content);
        if self.connected { Ok(()) } else { self.remark_offline("not connected") }
    }

    /// Something happened.
    pub(super) fn show(&mut self, event: &ChatEvent) -> io::Result<()> {
        match event {
            ChatEvent::Connected => {
                self.connected = true;
                self.remark("connected")
            }
            ChatEvent::Disconnected(reason) => {
                self.connected = false;
                self.remark_offline(reason.as_str())
            }
            ChatEvent::Refused(reason) => self.remark(&format!("the server refuses: {}", escape(reason))),
            ChatEvent::GaveUp => self.remark("gave up connecting"),
            ChatEvent::Message(message) => self.show_message(message),
            ChatEvent::Joined { room, .. } => self.remark(&format!("joined {}", escape(room))),
            ChatEvent::Left { room, .. } => {
                self.rooms.remove(room);
                self.remark(&format!("left {}", escape(room)))
            }
            ChatEvent::NotJoined { room, reason } => {
                self.rooms.remove(room);
                self.remark(&format!("cannot join {}: {}", escape(room), escape(reason)))
            }
            ChatEvent::Acknowledged { id, .. } => {
                self.waiting.remove(id);
                Ok(())
            }
            ChatEvent::Failed { id, reason } => {
                let content = self.waiting.remove(id).unwrap_or_default();
                self.remark(&format!("NOT DELIVERED: {} ({})", excerpt(&escape(&content)), escape(reason)))
            }
            ChatEvent::OutboxBroken(error) => self.remark(&format!("the outbox has an error: {error}")),
        }
    }

    /// A line about the chat, not of it.
    pub(super) fn remark(&mut self, remark: &str) -> io::Result<()> {
        writeln!(self.remarks, "-- {remark}")?;
        self.remarks.flush()
    }

    fn remark_offline(&mut self, why: &str) -> io::Result<()> {
        let waiting = self.waiting.len();
        let plural = if waiting == 1 { "" } else { "s" };
        self.remark(&format!("offline ({why}) — {waiting} message{plural} waiting"))
    }

    fn show_message(&mut self, message: &Shown) -> io::Result<()> {
        let is_own = message.id.as_ref().is_some_and(|id| id.0.starts_with(&self.client_id));
        let mark = if is_own { '>' } else { ' ' };
        let room = if self.rooms.len() > 1 { format!("[{}] ", escape(&message.room)) } else { String::new() };
        writeln!(self.messages, "{mark} {room}{}", escape(&message.content))?;
        self.messages.flush()
    }
}

/// Enough to know a message by: what cannot be delivered is often too long to be shown.
fn excerpt(content: &str) -> String {
    let mut characters = content.chars();
    let mut excerpt: String = characters.by_ref().take(EXCERPT_CHARACTERS).collect();
    if characters.next().is_some() {
        excerpt.push('…');
    }
    excerpt
}

/// Control characters, line separators and what reorders text are shown by their names.
fn escape(content: &str) -> String {
    let mut escaped = String::with_capacity(content.len());
    for character in content.chars() {
        let drives_terminal = character.is_control()
            || matches!(character, '\u{2028}' | '\u{2029}' | '\u{61c}' | '\u{200e}' | '\u{200f}')
            || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if drives_terminal {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use crate::socket::DisconnectReason;
    use crate::store::LogOffset;

    use super::*;

    fn id(n: u32) -> MessageId {
        MessageId(format!("me-{n}").into())
    }

    fn message(id: &str, content: &str) -> ChatEvent {
        let id = Some(MessageId(id.into()));
        ChatEvent::Message(Shown {
            room: "general".to_owned(),
            offset: LogOffset(1),
            id,
            content: content.to_owned(),
        })
    }

    /// What a screen prints: messages and remarks.
    fn printed(act: impl FnOnce(&mut Screen<&mut Vec<u8>>)) -> (String, String) {
        let (mut messages, mut remarks) = (Vec::new(), Vec::new());
        act(&mut Screen::new(&mut messages, &mut remarks, "me"));
        (String::from_utf8(messages).unwrap(), String::from_utf8(remarks).unwrap())
    }

    #[test]
    fn own_messages_are_marked() {
        let (messages, _) = printed(|screen| {
            screen.show(&message("mel-1", "theirs")).unwrap();
            screen.show(&message("me-1", "mine")).unwrap();
        });
        assert_eq!(messages, "  theirs\n> mine\n");
    }

    #[test]
    fn messages_are_shown_with_their_room_while_several_are_heard() {
        let (messages, _) = printed(|screen| {
            screen.hears("lobby");
            screen.show(&message("x-1", "two rooms")).unwrap();
            screen.show(&ChatEvent::Left { room: "lobby".to_owned(), offset: LogOffset(1) }).unwrap();
            screen.show(&message("x-2", "one room")).unwrap();
        });
        assert_eq!(messages, "  [general] two rooms\n  one room\n");
    }

    #[test]
    fn what_waits_is_counted_while_offline() {
        let (_, remarks) = printed(|screen| {
            screen.said(id(1), "one".to_owned()).unwrap();
            screen.show(&ChatEvent::Connected).unwrap();
            screen.said(id(2), "two".to_owned()).unwrap();
            screen.show(&ChatEvent::Acknowledged { id: id(1), offset: LogOffset(1) }).unwrap();
            screen.show(&ChatEvent::Disconnected(DisconnectReason::PingTimeout)).unwrap();
            screen.said(id(3), "three".to_owned()).unwrap();
        });
        let expected = "\
            -- offline (not connected) — 1 message waiting\n\
            -- connected\n\
            -- offline (ping timeout) — 1 message waiting\n\
            -- offline (not connected) — 2 messages waiting\n";
        assert_eq!(remarks, expected);
    }

    #[test]
    fn a_failure_names_the_message_and_the_reason() {
        let (_, remarks) = printed(|screen| {
            screen.show(&ChatEvent::Connected).unwrap();
            screen.said(id(1), "mine".to_owned()).unwrap();
            screen.said(id(2), "x".repeat(61)).unwrap();
            screen.show(&ChatEvent::Failed { id: id(1), reason: "no".to_owned() }).unwrap();
            screen.show(&ChatEvent::Failed { id: id(2), reason: "too long".to_owned() }).unwrap();
        });
        let long = "x".repeat(60);
        let expected =
            format!("-- connected\n-- NOT DELIVERED: mine (no)\n-- NOT DELIVERED: {long}… (too long)\n");
        assert_eq!(remarks, expected);
    }

    #[test]
    fn hostile_content_does_not_drive_the_terminal() {
        let (messages, remarks) = printed(|screen| {
            screen.show(&message("x", "\u{1b}]0;owned\u{7}\r\n\u{9b}2J \u{202e}evil é 漢")).unwrap();
            screen.show(&ChatEvent::Refused("\u{1b}[2J".to_owned())).unwrap();
        });
        assert_eq!(messages, "  \\u{1b}]0;owned\\u{7}\\r\\n\\u{9b}2J \\u{202e}evil é 漢\n");
        assert_eq!(remarks, "-- the server refuses: \\u{1b}[2J\n");
    }
}
