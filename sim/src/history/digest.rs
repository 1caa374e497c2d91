//! Records and chunks go in, 128 bits come out: equal for equal runs, in any process, thread, profile or version of Rust.
//!
//! The encoding is written by hand, because `Debug` and derived formats may change under us: each entry begins with a
//! tag, numbers are little-endian, text is preceded by its length. A record's step is its place, and so is in the order.

use std::fmt;
use std::time::Duration;

use squall::store::MessageId;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::{Kind, Record};
use crate::plan::Name;

/// 128 bits over every record, with its virtual time, and every chunk of bytes handed to a process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Digest(pub u128);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A digest in the making. A tag, once given to something, never means anything else.
pub(super) struct Fold {
    state: Xxh3,
    entry: Vec<u8>,
}

impl Fold {
    pub(super) fn new() -> Self {
        Self { state: Xxh3::new(), entry: Vec::with_capacity(256) }
    }

    pub(super) fn digest(&self) -> Digest {
        Digest(self.state.digest128())
    }

    pub(super) fn chunk(&mut self, at: Duration, connection: u64, bytes: &[u8]) {
        self.tag(0);
        self.time(at);
        self.number(connection);
        self.number(bytes.len() as u64);
        self.number(xxh3_64(bytes));
        self.close();
    }

    pub(super) fn polls(&mut self, at: Duration, host: &str, process: u32, polls: u64) {
        self.tag(2);
        self.time(at);
        self.text(host);
        self.number(u64::from(process));
        self.number(polls);
        self.close();
    }

    pub(super) fn record(&mut self, record: &Record) {
        let Record { step: _, at, host, process, session, kind } = record;
        self.tag(1);
        self.time(*at);
        self.text(host);
        self.number(u64::from(*process));
        self.number(u64::from(*session));
        self.kind(kind);
        self.close();
    }

    fn kind(&mut self, kind: &Kind) {
        match kind {
            Kind::Sent { id, room, n, content } => {
                self.tag(1);
                self.text(&id.0);
                self.text(room);
                self.number(*n);
                self.number(*content);
            }
            Kind::Acknowledged { id, offset } => {
                self.tag(2);
                self.text(&id.0);
                self.number(offset.0);
            }
            Kind::Failed { id, reason } => {
                self.tag(3);
                self.text(&id.0);
                self.text(reason);
            }
            Kind::Delivered { id, room, offset, content } => {
                self.tag(4);
                self.message(id.as_ref(), room, offset.0, *content);
            }
            Kind::Committed { id, room, offset, content } => {
                self.tag(5);
                self.message(id.as_ref(), room, offset.0, *content);
            }
            Kind::Suppressed { id, offset } => {
                self.tag(6);
                self.text(&id.0);
                self.number(offset.0);
            }
            Kind::Connected { peer: None } => self.tag(7),
            Kind::Connected { peer: Some(peer) } => {
                self.tag(25);
                self.text(peer);
            }
            Kind::Disconnected { reason } => {
                self.tag(8);
                self.text(reason);
            }
            Kind::Did { act } => {
                self.tag(9);
                self.text(act);
            }
            Kind::Started => self.tag(10),
            Kind::Exited { how } => {
                self.tag(11);
                self.text(how);
            }
            // What it is stands in the plan, and 12 has never covered it.
            Kind::FaultBegan { fault, what: _ } => {
                self.tag(12);
                self.number(*fault as u64);
            }
            Kind::FaultEnded { fault } => {
                self.tag(13);
                self.number(*fault as u64);
            }
            // What it is stands in the plan.
            Kind::FaultDisarmed { fault, what: _ } => {
                self.tag(31);
                self.number(*fault as u64);
            }
            Kind::Trouble { what } => {
                self.tag(14);
                self.text(what);
            }
            Kind::SendFailed { id, reason } => {
                self.tag(15);
                self.text(&id.0);
                self.text(reason);
            }
            Kind::Asked { act, room } => {
                self.tag(16);
                self.text(act);
                self.text(room);
            }
            Kind::Joined { room, offset, since } => {
                self.tag(17);
                self.text(room);
                self.number(offset.0);
                self.tag(u8::from(since.is_some()));
                self.number(since.unwrap_or_default().0);
            }
            Kind::Left { room, offset } => {
                self.tag(18);
                self.text(room);
                self.number(offset.0);
            }
            Kind::Emitted { id, volatile, content } => {
                self.tag(19);
                self.event(id, *content);
                self.tag(u8::from(*volatile));
            }
            Kind::Arrived { id, content } => {
                self.tag(20);
                self.event(id, *content);
            }
            Kind::Relayed { id, audience, excluded, volatile } => {
                self.tag(21);
                self.text(&id.0);
                self.number(audience.len() as u64);
                for listener in audience {
                    self.text(&listener.client);
                    self.text(&listener.socket);
                }
                self.names(excluded);
                self.tag(u8::from(*volatile));
            }
            Kind::Heard { id, content } => {
                self.tag(22);
                self.event(id, *content);
            }
            Kind::Persisted { id } => {
                self.tag(29);
                self.text(&id.0);
            }
            Kind::Early { peer, namespace } => {
                self.tag(28);
                self.text(peer);
                self.text(namespace);
            }
            Kind::Resumed { recovered, socket } => {
                self.tag(26);
                self.number(u64::from(*recovered));
                self.text(socket);
            }
            Kind::Answered { id, content } => {
                self.tag(23);
                self.event(id, *content);
            }
            Kind::Skipped { what } => {
                self.tag(30);
                self.text(what);
            }
            Kind::Touched { fault, processes } => {
                self.tag(24);
                self.number(*fault as u64);
                self.names(processes);
            }
        }
    }

    fn message(&mut self, id: Option<&MessageId>, room: &str, offset: u64, content: u64) {
        match id {
            None => self.tag(0),
            Some(id) => {
                self.tag(1);
                self.text(&id.0);
            }
        }
        self.text(room);
        self.number(offset);
        self.number(content);
    }

    fn event(&mut self, id: &MessageId, content: u64) {
        self.text(&id.0);
        self.number(content);
    }

    fn names(&mut self, names: &[Name]) {
        self.number(names.len() as u64);
        names.iter().for_each(|name| self.text(name));
    }

    fn tag(&mut self, tag: u8) {
        self.entry.push(tag);
    }

    fn time(&mut self, at: Duration) {
        self.number(at.as_secs());
        self.number(u64::from(at.subsec_nanos()));
    }

    fn number(&mut self, number: u64) {
        self.entry.extend_from_slice(&number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.entry.extend_from_slice(text.as_bytes());
    }

    fn close(&mut self) {
        self.state.update(&self.entry);
        self.entry.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use squall::store::LogOffset;

    use super::*;
    use crate::history::Recorder;

    fn sent(id: &str) -> Kind {
        Kind::Sent { id: MessageId(id.into()), room: "general".into(), n: 1, content: 2 }
    }

    fn digest(write: impl FnOnce(&Recorder)) -> Digest {
        let recorder = Recorder::new();
        write(&recorder);
        recorder.finish().digest
    }

    const MOMENT: Duration = Duration::from_millis(1_500);

    /// Digests are compared between versions of this program: if this fails, the encoding has changed.
    #[test]
    fn the_encoding_is_the_one_it_has_always_been() {
        let digest = digest(|recorder| {
            let alice = "alice".into();
            recorder.record(MOMENT, &alice, 1, 1, sent("alice-1"));
            recorder.chunk(MOMENT, 4, b"42[\"chat message\"]");
            let id = Some(MessageId("alice-1".into()));
            let offset = LogOffset(1);
            recorder.record(
                MOMENT,
                &alice,
                1,
                1,
                Kind::Delivered { id, room: Arc::from("general"), offset, content: 2 },
            );
        });
        assert_eq!(digest.to_string(), "37bbb791a0489483727bb6b26b39fe45");
    }

    #[test]
    fn every_field_of_a_record_moves_the_digest() {
        let one = |at, host: &str, process, session, kind| {
            digest(|recorder| recorder.record(at, &host.into(), process, session, kind))
        };
        let all = [
            one(MOMENT, "alice", 1, 1, sent("alice-1")),
            one(MOMENT + Duration::from_nanos(1), "alice", 1, 1, sent("alice-1")),
            one(MOMENT, "bob", 1, 1, sent("alice-1")),
            one(MOMENT, "alice", 2, 1, sent("alice-1")),
            one(MOMENT, "alice", 1, 2, sent("alice-1")),
            one(MOMENT, "alice", 1, 1, sent("alice-2")),
            one(MOMENT, "alice", 1, 1, Kind::Started),
            one(MOMENT, "alice", 1, 1, Kind::Connected { peer: None }),
            digest(|_| {}),
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn every_property_of_a_chunk_moves_the_digest() {
        let one = |at, connection, bytes: &[u8]| digest(|recorder| recorder.chunk(at, connection, bytes));
        let split = digest(|recorder| {
            recorder.chunk(MOMENT, 1, b"4");
            recorder.chunk(MOMENT, 1, b"2");
        });
        let all = [
            one(MOMENT, 1, b"42"),
            one(MOMENT, 1, b"43"),
            one(MOMENT, 1, b"4"),
            one(MOMENT, 2, b"42"),
            one(MOMENT + Duration::from_nanos(1), 1, b"42"),
            split,
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}
