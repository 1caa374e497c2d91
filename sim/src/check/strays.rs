//! Messages that were shown to someone who is not entitled to them, and why not.
//!
//! A room may be shown before its reader is told that it has joined, so what is no stay yet may become one: only what no
//! stay of that life covers in the end is astray.

use squall::store::LogOffset;

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
pub(super) struct Strays {
    rooms: Rooms,
    suspects: Vec<Suspect>,
    examined: u64,
}

#[derive(Debug, Clone)]
struct Suspect {
    why: Why,
    record: Record,
    /// What shows when it joined or left.
    evidence: Option<Record>,
}

impl Strays {
    pub(super) fn new(plan: &Plan) -> Self {
        Self { rooms: Rooms::new(plan), suspects: Vec::new(), examined: 0 }
    }

    /// Takes the next record.
    pub(super) fn observe(&mut self, record: &Record) {
        self.rooms.observe(record);
        let Kind::Delivered { room, offset, .. } = &record.kind else { return };
        self.examined += 1;
        if !self.rooms.entitles(&record.host, record.process, room, *offset) {
            let (why, evidence) = self.why(record, room, *offset);
            self.suspects.push(Suspect { why, record: record.clone(), evidence });
        }
    }

    /// Why an offset is in no stay.
    fn why(&self, record: &Record, room: &str, offset: LogOffset) -> (Why, Option<Record>) {
        let stays = self.rooms.stays(&record.host, record.process, room);
        let Some(last) = stays.iter().find(|stay| stay.until.is_none()).or(stays.last()) else {
            return (Why::NeverThere, None);
        };
        if last.until.is_some_and(|until| offset > until) {
            (Why::Left, last.left.clone())
        } else {
            (Why::NotYetThere, last.joined.clone())
        }
    }

    /// How many messages were looked at.
    pub(super) fn examined(&self) -> u64 {
        self.examined
    }

    /// The first message that strayed for this reason, after what shows it.
    pub(super) fn first(&self, why: Why) -> Option<(&Record, Vec<Record>)> {
        self.suspects.iter().find_map(|suspect| {
            let Suspect { record, evidence, .. } = suspect;
            let Kind::Delivered { room, offset, .. } = &record.kind else { return None };
            let covered = self.rooms.entitles(&record.host, record.process, room, *offset);
            let (now, since) = self.why(record, room, *offset);
            let (is, evidence) = match suspect.why {
                Why::NeverThere => (now, since.as_ref()),
                Why::Left | Why::NotYetThere => (suspect.why, evidence.as_ref()),
            };
            (!covered && is == why).then(|| {
                let mut witness: Vec<Record> = evidence.into_iter().chain([record]).cloned().collect();
                witness.sort_by_key(|record| record.step);
                (record, witness)
            })
        })
    }
}
