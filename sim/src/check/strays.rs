//! Messages that were shown to someone who is not entitled to them, and why not.
//!
//! A room may be shown before its reader is told that it has joined, so what is no stay yet may become one: only what no
//! stay of that life covers in the end is astray.

use squall::store::LogOffset;

use super::Run;
use super::roll::{Entry, Life, Roll, Room};
use super::rooms::Rooms;
use crate::history::{Kind, Record};
use crate::plan::Plan;

/// Why someone is not entitled to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It never was in the room.
    NeverThere,
    /// It had left before.
    Left,
    /// It joined later.
    NotYetThere,
}

/// What was shown to someone who was not entitled to it at that time.
#[derive(Debug, Clone)]
pub(super) struct Strays<'r> {
    rooms: Rooms,
    suspects: Vec<Suspect<'r>>,
    examined: u64,
}

#[derive(Debug, Clone)]
struct Suspect<'r> {
    why: Why,
    record: &'r Record,
    life: Life,
    room: Room,
    offset: LogOffset,
    /// The step that shows when it joined or left.
    evidence: Option<u64>,
}

impl<'r> Strays<'r> {
    pub(super) fn new(plan: &Plan, roll: &mut Roll) -> Self {
        Self { rooms: Rooms::new(plan, roll), suspects: Vec::new(), examined: 0 }
    }

    /// Takes the next record.
    pub(super) fn observe(&mut self, entry: &Entry<'r>) {
        self.rooms.observe(entry);
        let Kind::Delivered { offset, .. } = entry.kind else { return };
        self.examined += 1;
        let (record, life, room) = (entry.record, entry.life(), entry.room);
        if !self.rooms.entitles(life, room, offset) {
            let (why, evidence) = self.why(life, room, offset);
            self.suspects.push(Suspect { why, record, life, room, offset, evidence });
        }
    }

    /// Why an offset is in no stay, and the step that shows it.
    fn why(&self, life: Life, room: Room, offset: LogOffset) -> (Why, Option<u64>) {
        let stays = self.rooms.stays(life, room);
        let Some(last) = stays.iter().find(|stay| stay.until.is_none()).or(stays.last()) else {
            return (Why::NeverThere, None);
        };
        if last.until.is_some_and(|until| offset > until) {
            (Why::Left, last.left)
        } else {
            (Why::NotYetThere, last.joined)
        }
    }

    /// How many messages were looked at.
    pub(super) fn examined(&self) -> u64 {
        self.examined
    }

    /// The first message that strayed for this reason, after what shows it.
    pub(super) fn first(&self, why: Why, run: &Run<'r>) -> Option<(&'r Record, Vec<Record>)> {
        self.suspects.iter().find_map(|suspect| {
            let Suspect { record, life, room, offset, .. } = *suspect;
            let covered = self.rooms.entitles(life, room, offset);
            let (now, since) = self.why(life, room, offset);
            let (is, evidence) = match suspect.why {
                Why::NeverThere => (now, since),
                Why::Left | Why::NotYetThere => (suspect.why, suspect.evidence),
            };
            (!covered && is == why).then(|| (record, run.witness(evidence.into_iter().chain([record.step]))))
        })
    }
}
