//! A history as text, one JSON object a line, and back: a [`Header`], then the records in order.
//!
//! Promise: what is read equals what was written, to the nanosecond and the last bit. Hashes are hexadecimal text, because
//! the numbers of most readers of JSON end at 53 bits.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Deserializer, Serialize, de};
use squall::socket::DisconnectReason;
use thiserror::Error;

use super::{Digest, History, Record, Word};

/// The version of this format.
const SCHEMA: u32 = 1;

/// The first line: which run this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The version of this format.
    pub schema: u32,
    /// The scenario that was run.
    pub scenario: String,
    /// With which seed.
    pub seed: u64,
    /// Of the records and the chunks.
    pub digest: Digest,
    /// How many chunks of bytes were handed to processes.
    pub chunks: u64,
    /// How many records follow.
    pub records: u64,
}

/// Why a log cannot be read.
#[derive(Debug, Error)]
pub enum LogError {
    /// The file.
    #[error("failed to read the log: {0}")]
    Io(#[from] io::Error),
    /// What is in it.
    #[error("line {line} of the log: {says}")]
    Line {
        /// Counted from one.
        line: usize,
        /// What is wrong with it.
        says: String,
    },
}

impl History {
    /// Writes the history of a scenario's run with a seed.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn write_jsonl(&self, scenario: &str, seed: u64, mut out: impl Write) -> io::Result<()> {
        let header = Header {
            schema: SCHEMA,
            scenario: scenario.to_owned(),
            seed,
            digest: self.digest,
            chunks: self.chunks,
            records: self.records.len() as u64,
        };
        write_line(&mut out, &header)?;
        for record in &self.records {
            write_line(&mut out, record)?;
        }
        out.flush()
    }

    /// Reads what [`History::write_jsonl`] wrote.
    ///
    /// # Errors
    /// When `log` fails, or is not a whole history in this format.
    pub fn read_jsonl(log: impl BufRead) -> Result<(Header, Self), LogError> {
        let mut lines = log.lines();
        let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
        let header: Header = parse_line(1, &first)?;
        if header.schema != SCHEMA {
            return Err(wrong(1, format!("schema {}, this program reads {SCHEMA}", header.schema)));
        }
        let mut records: Vec<Record> = Vec::new();
        for (place, text) in lines.enumerate() {
            let line = place + 2;
            let record: Record = parse_line(line, &text?)?;
            if record.step != place as u64 {
                return Err(wrong(line, format!("step {} where step {place} belongs", record.step)));
            }
            records.push(record);
        }
        if records.len() as u64 != header.records {
            let says = format!("the log ends after {} of {} records", records.len(), header.records);
            return Err(wrong(records.len() + 1, says));
        }
        let history = Self { records, digest: header.digest, chunks: header.chunks };
        Ok((header, history))
    }
}

fn write_line(out: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}

fn parse_line<'de, T: Deserialize<'de>>(line: usize, text: &'de str) -> Result<T, LogError> {
    serde_json::from_str(text).map_err(|error| wrong(line, error.to_string()))
}

fn wrong(line: usize, says: String) -> LogError {
    LogError::Line { line, says }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        u128::from_str_radix(&text, 16)
            .map(Self)
            .map_err(|_| de::Error::custom(format!("{text:?} is no digest")))
    }
}

/// Sixty-four bits as sixteen digits.
pub(super) mod hexadecimal {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(in crate::history) fn serialize<S: Serializer>(bits: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{bits:016x}"))
    }

    pub(in crate::history) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        u64::from_str_radix(&text, 16).map_err(|_| de::Error::custom(format!("{text:?} is no hash")))
    }
}

/// Seconds with their unit and as many decimals as they need: `1.234567s`.
pub(super) mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(in crate::history) fn serialize<S: Serializer>(
        at: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let (seconds, nanos) = (at.as_secs(), at.subsec_nanos());
        if nanos.is_multiple_of(1_000) {
            serializer.collect_str(&format_args!("{seconds}.{:06}s", nanos / 1_000))
        } else {
            serializer.collect_str(&format_args!("{seconds}.{nanos:09}s"))
        }
    }

    pub(in crate::history) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).ok_or_else(|| de::Error::custom(format!("{text:?} is no time: write 1.234567s")))
    }

    fn parse(text: &str) -> Option<Duration> {
        let (seconds, decimals) = text.strip_suffix('s')?.split_once('.')?;
        let nanos = format!("{decimals:0<9}");
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if nanos.len() != 9 || !digits(&nanos) || !digits(seconds) {
            return None;
        }
        Some(Duration::new(seconds.parse().ok()?, nanos.parse().ok()?))
    }
}

/// Socket.IO's reasons.
const REASONS: [DisconnectReason; 10] = [
    DisconnectReason::TransportClose,
    DisconnectReason::TransportError,
    DisconnectReason::PingTimeout,
    DisconnectReason::ForcedClose,
    DisconnectReason::ParseError,
    DisconnectReason::ClientNamespaceDisconnect,
    DisconnectReason::ServerNamespaceDisconnect,
    DisconnectReason::ServerShuttingDown,
    DisconnectReason::IoServerDisconnect,
    DisconnectReason::IoClientDisconnect,
];

/// Reads one of Socket.IO's reasons.
pub(super) fn disconnect_reason<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Word, D::Error> {
    word(deserializer, REASONS.iter().map(|reason| reason.as_str()))
}

/// Reads what a user can do to a connection.
pub(super) fn user_act<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Word, D::Error> {
    word(deserializer, ["connect", "disconnect"].into_iter())
}

/// Reads what a user can ask of a room.
pub(super) fn room_act<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Word, D::Error> {
    word(deserializer, ["join", "leave"].into_iter())
}

fn word<'de, D: Deserializer<'de>>(
    deserializer: D,
    mut known: impl Iterator<Item = Word>,
) -> Result<Word, D::Error> {
    let text = String::deserialize(deserializer)?;
    known.find(|word| *word == text).ok_or_else(|| de::Error::custom(format!("unknown word {text:?}")))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use squall::store::{LogOffset, MessageId};

    use super::*;
    use crate::history::{Kind, Listener, Recorder};
    use crate::plan::Name;

    /// One record of each kind.
    fn every_kind() -> History {
        let id = || MessageId("alice-\"1\"".into());
        let room: Arc<str> = "general".into();
        let offset = LogOffset(17);
        let (some, content) = (Some(id()), u64::MAX);
        let listener = |client: &str| Listener { client: client.into(), socket: "socket".into() };
        let kinds = [
            Kind::Started,
            Kind::Did { act: "connect" },
            Kind::Connected { peer: None },
            Kind::Sent { id: id(), room: Arc::clone(&room), n: 1, content },
            Kind::Committed { id: some.clone(), room: Arc::clone(&room), offset, content },
            Kind::Suppressed { id: id(), offset },
            Kind::Acknowledged { id: id(), offset },
            Kind::Delivered { id: some, room: Arc::clone(&room), offset, content },
            Kind::Delivered { id: None, room: Arc::clone(&room), offset: LogOffset(18), content: 7 },
            Kind::Failed { id: id(), reason: "too large".to_owned() },
            Kind::SendFailed { id: id(), reason: "operation has timed out".to_owned() },
            Kind::Asked { act: "join", room: Arc::clone(&room) },
            Kind::Joined { room: Arc::clone(&room), offset, since: None },
            Kind::Joined { room: Arc::clone(&room), offset, since: Some(LogOffset(3)) },
            Kind::Left { room, offset },
            Kind::Emitted { id: id(), volatile: true, content },
            Kind::Arrived { id: id(), content },
            Kind::Relayed {
                id: id(),
                audience: vec![listener("bob"), listener("carol")],
                excluded: vec!["alice".into()],
                volatile: false,
            },
            Kind::Resumed { recovered: true, socket: "bob's".into() },
            Kind::Heard { id: id(), content },
            Kind::Answered { id: id(), content },
            Kind::Trouble { what: "refused".to_owned() },
            Kind::FaultBegan { fault: 2, what: "kill server".to_owned() },
            Kind::Touched { fault: 2, processes: vec!["alice".into(), "server".into()] },
            Kind::FaultEnded { fault: 2 },
            Kind::Disconnected { reason: "ping timeout" },
            Kind::Exited { how: "killed".to_owned() },
            Kind::Connected { peer: Some("alice".into()) },
            Kind::Early { peer: "alice".into(), namespace: "/events".to_owned() },
            Kind::Persisted { id: id() },
            Kind::Skipped { what: "say alice 3".to_owned() },
            Kind::FaultDisarmed { fault: 3, what: "kill server".to_owned() },
        ];
        let recorder = Recorder::new();
        let alice: Name = "alice".into();
        for (kind, millis) in kinds.into_iter().zip(0_u32..) {
            recorder.record(Duration::from_micros(1_234_567) * millis, &alice, 1, 2, kind);
        }
        recorder.chunk(Duration::from_nanos(1), 3, b"42[]");
        recorder.finish()
    }

    fn written(history: &History) -> String {
        let mut text = Vec::new();
        history.write_jsonl("burst", 7, &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn what_is_read_equals_what_was_written() {
        let history = every_kind();

        let (header, read) = History::read_jsonl(written(&history).as_bytes()).unwrap();

        assert_eq!(read, history);
        assert_eq!((header.scenario.as_str(), header.seed, header.records), ("burst", 7, 32));
    }

    #[test]
    fn the_format_is_what_readers_of_old_logs_know() {
        insta::assert_snapshot!(written(&every_kind()));
    }

    #[test]
    fn a_trace_has_stable_columns() {
        let lines: Vec<String> = every_kind().records.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn a_moment_keeps_its_nanoseconds() {
        let recorder = Recorder::new();
        recorder.record(Duration::new(5, 123_456_789), &"alice".into(), 1, 1, Kind::Connected { peer: None });
        let history = recorder.finish();

        let (_, read) = History::read_jsonl(written(&history).as_bytes()).unwrap();

        assert_eq!(read, history);
    }

    #[test]
    fn a_log_that_is_cut_short_or_damaged_names_the_line() {
        let text = written(&every_kind());
        let cut: String = text.lines().take(4).map(|line| format!("{line}\n")).collect();
        let cases = [
            (String::new(), "line 1 of the log: EOF while parsing"),
            (cut, "line 4 of the log: the log ends after 3 of 32 records"),
            (text.replace("ping timeout", "boredom"), "line 27 of the log: unknown word \"boredom\""),
            (text.replace("\"step\":3", "\"step\":4"), "line 5 of the log: step 4 where step 3 belongs"),
            (text.replace("\"0.000000s\"", "\"0,0s\""), "line 2 of the log: \"0,0s\" is no time"),
            (
                text.replace("\"schema\":1", "\"schema\":9"),
                "line 1 of the log: schema 9, this program reads 1",
            ),
        ];
        for (log, says) in cases {
            let error = History::read_jsonl(log.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(says), "{error}");
        }
    }
}
