//! What a run showed, in a form in which runs on two backends can be compared.
//!
//! Compared are, for each process, its records, with what they say, in order; for each end of each connection the packets
//! that were read from it, in order, and how calls on it succeeded or failed; and for each fault when it began, touched
//! something and ended. All at the same millisecond; only the end of a fault may be a tick late. Not compared are
//!
//! - the order of what happens to one process at one moment: that is the chance of a scheduler;
//! - bytes that are chance by their nature: the masks of WebSocket frames, and the numbers that the hub gives to what it
//!   sends to several sockets at one moment. The packets in the bytes are compared to the last character of the rest;
//! - the last tick of a run: one backend ends it in the middle of the other's.

use std::collections::BTreeMap;
use std::time::Duration;

use squall_sim::history::Kind;
use squall_sim::hunt::Judged;
use squall_sim::plan::SERVER;
use squall_sim::scenario::limits::TICK;
use squall_sim::world::{Seen, Sight};

use super::wire::{Decoder, Direction};

/// What a run showed.
#[derive(Default)]
pub(crate) struct Shown {
    /// By whom it happened to. What happened at one moment is in the order of its text.
    happened: BTreeMap<String, Vec<(Duration, String)>>,
    /// The ends of faults. One that bytes decide is seen at the end of its tick.
    ended: Vec<(Duration, String)>,
    /// The packets that each end of each connection read.
    read: BTreeMap<String, Vec<String>>,
}

impl Shown {
    /// What a run showed until a moment.
    pub(crate) fn of(run: &Judged, until: Duration) -> Self {
        let mut shown = Self::default();
        for record in run.outcome.history.records.iter().filter(|record| record.at < until) {
            let text = format!("life {} session {}: {:?}", record.process, record.session, record.kind);
            if matches!(record.kind, Kind::FaultEnded { .. }) {
                shown.ended.push((record.at, text));
            } else {
                shown.happened.entry(record.host.to_string()).or_default().push((record.at, text));
            }
        }
        let mut bytes: BTreeMap<String, (Direction, Vec<u8>)> = BTreeMap::new();
        for seen in run.outcome.seen.iter().filter(|seen| seen.at < until) {
            let end = end(seen);
            match &seen.sight {
                Sight::Read(read) => {
                    let (_, bytes) = bytes.entry(end).or_insert_with(|| (direction(seen), Vec::new()));
                    bytes.extend_from_slice(read);
                }
                Sight::Connected | Sight::Accepted | Sight::End | Sight::Failed(..) => {
                    let text = format!("{:?}", seen.sight);
                    shown.happened.entry(end).or_default().push((seen.at, text));
                }
            }
        }
        shown.happened.values_mut().for_each(|happened| happened.sort());
        shown.read =
            bytes.into_iter().map(|(end, (direction, bytes))| (end, packets(direction, &bytes))).collect();
        shown
    }

    /// The first difference, by name of what it happened to; none where both show the same.
    pub(crate) fn difference(&self, other: &Self) -> Option<String> {
        let ended = |shown: &Self| BTreeMap::from([("end of faults".to_owned(), shown.ended.clone())]);
        first(&self.happened, &other.happened, |one, other| one == other)
            .or_else(|| first(&self.read, &other.read, |one, other| one == other))
            .or_else(|| {
                first(&ended(self), &ended(other), |(at, one), (at_other, other)| {
                    one == other && at.abs_diff(*at_other) <= TICK
                })
            })
    }
}

/// The first difference between the lists of one name.
fn first<T: std::fmt::Debug>(
    one: &BTreeMap<String, Vec<T>>,
    other: &BTreeMap<String, Vec<T>>,
    same: impl Fn(&T, &T) -> bool,
) -> Option<String> {
    let names: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    names.into_iter().find_map(|name| {
        let [one, other] = [one, other].map(|lists| lists.get(name).map_or(&[][..], Vec::as_slice));
        let longest = one.len().max(other.len());
        let at = (0..longest)
            .find(|at| !one.get(*at).zip(other.get(*at)).is_some_and(|(one, other)| same(one, other)))?;
        Some(format!("{name}, number {at}:\n  turmoil {:?}\n  event   {:?}", one.get(at), other.get(at)))
    })
}

/// `server#1 at the end 200000003`
fn end(seen: &Seen) -> String {
    format!("{}#{} at the end {:x}", seen.process, seen.life, seen.end)
}

fn direction(seen: &Seen) -> Direction {
    if *seen.process == *SERVER { Direction::ToServer } else { Direction::ToClient }
}

/// The packets in what an end of a connection read, and whether it ends in the middle of one.
fn packets(direction: Direction, bytes: &[u8]) -> Vec<String> {
    let mut decoder = Decoder::new(direction);
    let lines = decoder.feed(bytes);
    let mut packets: Vec<String> = lines
        .into_iter()
        .map(|(layer, packet)| format!("{} {layer:?} {}", direction.sign(), without_replay_offset(&packet)))
        .collect();
    packets.push(format!("no frame has begun: {}", decoder.is_between_frames()));
    packets
}

/// A packet with `*` for the number of every replay offset, such as `"DRftqsvx.18"`.
fn without_replay_offset(packet: &str) -> String {
    let parts = packet.split('"').map(|part| match part.split_once('.') {
        Some((epoch, number)) if epoch.len() == 8 && number.bytes().all(|digit| digit.is_ascii_digit()) => {
            format!("{epoch}.*")
        }
        Some(_) | None => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("\"")
}
