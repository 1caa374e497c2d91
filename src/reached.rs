//! The places that a run may reach and that nothing it says on the wire shows: states of the protocol, and rare branches.
//!
//! [`reached!`] says through `tracing` that its place was reached, by a name of the catalog, [`SITES`]. Whoever wants to know
//! listens to [`TARGET`]; where nobody does, a place costs one comparison. Layers without clock and tasks may use it too: it
//! gives nothing back.
//!
//! Promise: a name that is not in the catalog does not compile; `tests/tidy.rs` sees to it that each name of the catalog
//! stands at one place in the sources. So what was never reached can be listed.

/// The target of the events, whose names are those of [`SITES`].
pub const TARGET: &str = "squall::reached";

/// A place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Site {
    /// Its name: what it belongs to, and what happens there.
    pub name: &'static str,
    /// What it means to have reached it.
    pub about: &'static str,
    /// Whether only a peer gets the program here that does what no client and no server of Squall does.
    pub stranger: bool,
}

const fn site(name: &'static str, about: &'static str) -> Site {
    Site { name, about, stranger: false }
}

const fn strangers(name: &'static str, about: &'static str) -> Site {
    Site { name, about, stranger: true }
}

/// Every place there is, layer by layer.
pub const SITES: &[Site] = &[
    site("engine.ping_timeout.server", "the server heard no pong in time"),
    site("engine.ping_timeout.client", "a client heard no ping in time"),
    strangers("engine.overlap", "a client had two polls under way, or two POSTs"),
    site("engine.too_large", "a POST was larger than the server takes"),
    site("engine.poll_aborted", "the connection broke on which a poll waited"),
    site("engine.post_aborted", "the connection broke on which a POST came"),
    strangers("engine.parse_error.server", "what a client sent is not Engine.IO"),
    strangers("engine.parse_error.client", "what a server sent first is no handshake"),
    site("engine.request_failed", "a request of a client failed, or was refused"),
    site("engine.goodbye", "the server heard a client say that it goes"),
    site("engine.dismissed", "a client heard the server say that the session is over"),
    site("engine.last_poll", "a poll took the word that the application had closed the session"),
    site("engine.last_poll_missed", "no poll came to take it"),
    site("engine.upgrade_began", "a client dialled the WebSocket that is to take over from polling"),
    site("engine.probe_opened", "the server has that WebSocket"),
    site("engine.probe_answered", "the server answered the probe"),
    site("engine.upgrade_noop", "the server freed a poll for a client that pauses"),
    strangers("engine.probe_refused", "something else came on the probe"),
    site("engine.upgraded.server", "the server's session is on the WebSocket"),
    site("engine.upgraded.client", "a client's session is on the WebSocket"),
    site("engine.upgrade_timeout", "the server gave an upgrade up"),
    site("engine.upgrade_failed", "a client gave an upgrade up, and polls on"),
    site("engine.closed_in_upgrade.server", "the server's session ended while it was upgrading"),
    site("engine.closed_in_upgrade.client", "a client's session ended while it was upgrading"),
    strangers("http.transport_unknown", "a request for a transport that the server does not offer"),
    site("http.session_unknown", "a request of a session that the server does not have, or no longer"),
    strangers("http.bad_method", "a request that opens a session and is no GET"),
    site("http.bad_request", "a request that its session does not take, or that broke off"),
    strangers("http.forbidden", "a request that the application refused"),
    strangers("http.unsupported_version", "a request in another version of Engine.IO"),
    site("http.shutting_down", "a request for a session of a server that stops"),
    site("hub.connect_timeout", "a connection joined no namespace in time"),
    strangers("hub.namespace_unknown", "a CONNECT to a namespace that is not there"),
    site("hub.refused", "a middleware refused a CONNECT"),
    site("hub.not_connected", "a packet other than CONNECT, from who is in no namespace"),
    site("hub.ack_timeout", "a client did not answer the server in time"),
    site("hub.ack_lost", "a client that was to answer the server is gone"),
    site("hub.late_ack", "an answer came that nobody at the server waits for"),
    site("hub.answer_unheard", "who asked the server had gone before its answer"),
    site("hub.slow_reader", "more waited for a client than the server keeps"),
    site("hub.slow_handler", "more waited for a handler than the server keeps"),
    site("hub.volatile_dropped", "a volatile event was dropped, for something was to be written before it"),
    site("hub.shutdown", "the hub closed all connections, to stop"),
    site("hub.opened_in_shutdown", "a connection was opened after that"),
    site("recovery.granted", "a socket was taken up where it was"),
    site("recovery.replayed", "and had missed something"),
    site("recovery.taken_over", "and the server had thought it connected"),
    site("recovery.stored", "and it is of a server before this one"),
    site("recovery.refused", "a socket was asked for that is not to be had"),
    site("recovery.refused.unknown_session", "because the server has no such session"),
    strangers("recovery.refused.other_namespace", "because it is of another namespace"),
    site("recovery.refused.unknown_offset", "because the offset is not one of this server"),
    site("recovery.refused.not_kept", "because what was missed is not kept any more"),
    site("recovery.ended_meanwhile", "a session ended while a middleware thought about it"),
    site("recovery.expired", "a session ended because nobody came for it"),
    site("recovery.trimmed", "a session holds more than it may, and forgot the oldest"),
    site("recovery.loaded", "a server began with the sessions of one before"),
    site("recovery.held_back", "something was said only when the store had what it says"),
    site("recovery.store_failed", "the store of sessions failed, and none is stored any more"),
    site("client.dialled", "a client began a session"),
    site("client.connect_timeout", "an attempt to connect took too long"),
    site("client.recovery_asked", "a client asked for the socket that it had"),
    site("client.connected", "a namespace answered a client"),
    site("client.recovered", "and it was the socket that it had"),
    site("client.not_recovered", "and it was not, though it had asked for it"),
    strangers("client.early_event", "an event came before the answer to CONNECT"),
    site("client.refused", "a namespace refused a client"),
    site("client.dismissed", "the server took a client out of a namespace"),
    site("client.closing", "a client told its session to close"),
    site("client.closed", "a session of a client is over"),
    site("client.reconnect", "a client is connected again"),
    site("client.reconnect_failed", "a client gave up reconnecting"),
    site("client.buffered_emit", "something was emitted while not connected"),
    site("client.volatile_dropped", "a volatile event was dropped, for the transport was not writable"),
    site("client.retry", "an event was sent again (`retries`)"),
    site("client.retries_exhausted", "an event was sent as often as it may be"),
    site("client.ack_timeout", "nobody answered a client in time"),
    site("client.ack_lost", "a connection broke on which a client waited for an answer"),
    site("client.late_ack", "an answer came that nobody at the client waits for"),
    site("store.batched", "several messages were committed as one"),
    site("store.repeat", "a message was in the log already"),
    strangers("store.conflict", "another message with its id was"),
    site("store.commit_failed", "a commit failed, and its messages are not stored"),
    site("store.read", "messages were read that are not in memory any more"),
    site("chat.repeat", "a message that came again was acknowledged with the offset it has"),
    site("chat.catch_up", "who connected was behind the log"),
    site("chat.read_again", "the log could not be read, and was read again later"),
    site("chat.left_in_page", "a room was left while a page of it was sent"),
    site("chat.refused", "the server refused what a client asked"),
    site("chat.resend", "a client sent a message again"),
    site("chat.unavailable", "a client heard that its message cannot be stored now"),
    site("chat.outbox_left", "a client began with messages in its outbox"),
    site("chat.outbox_broken", "an outbox did not forget a message"),
    site("chat.known", "a message came that was shown before"),
    site("chat.elsewhere", "a message came of a room in which its client is not"),
    site("chat.catch_up.gap", "a message came whose predecessor is missing"),
    site("chat.ask_again", "the server did not answer a join or a leave in time"),
    site("chat.ask_lost", "a connection broke on which a join or a leave was asked for"),
    site("chat.went_by", "a join was answered when messages of its room had gone by"),
    site("chat.stray", "the server sent a client a room that it does not want, or not from there"),
];

/// The place of that name.
pub fn find(name: &str) -> Option<&'static Site> {
    SITES.iter().find(|site| site.name == name)
}

/// Whether there is a place of that name. For [`reached!`], when it compiles.
#[doc(hidden)]
pub const fn is_site(name: &str) -> bool {
    let mut at = 0;
    while at < SITES.len() {
        if is_same(SITES[at].name.as_bytes(), name.as_bytes()) {
            return true;
        }
        at += 1;
    }
    false
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

/// Says that a place of the catalog was reached.
macro_rules! reached {
    ($name:literal) => {{
        const _: () = assert!($crate::reached::is_site($name), "the catalog of src/reached.rs has no such name");
        tracing::event!(name: $name, target: $crate::reached::TARGET, tracing::Level::TRACE, concat!("reached ", $name))
    }};
}

pub(crate) use reached;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_catalog_has_each_name_once_and_each_is_words_joined_by_dots() {
        let names: BTreeSet<&str> = SITES.iter().map(|site| site.name).collect();
        assert_eq!(names.len(), SITES.len());
        let is_word = |word: &str| {
            !word.is_empty() && word.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_')
        };
        for name in names {
            assert!(name.contains('.') && name.split('.').all(is_word), "{name}");
        }
    }

    #[test]
    fn a_name_is_known_only_as_a_whole() {
        assert!(is_site("chat.repeat") && find("chat.repeat").is_some());
        for name in ["", "chat", "chat.repea", "chat.repeats", "chat.Repeat"] {
            assert!(!is_site(name) && find(name).is_none(), "{name}");
        }
    }
}
