//! The dice of a loss of power: how much of what was not synced had reached the disk.
//!
//! In: how many changes were not synced. Out: for each part of what they changed (a sector, a name, a length), how many of
//! them it has seen. A part never goes back: who has seen the fifth change has seen the first four.

use std::ops::RangeInclusive;

use crate::draw::{Stream, draw_within};

/// Keyed draws for one thing at one loss of power.
pub(super) struct Dice {
    seed: u64,
    entity: String,
}

impl Dice {
    pub(super) fn new(seed: u64, entity: String) -> Self {
        Self { seed, entity }
    }

    /// The same dice, for a thing within.
    pub(super) fn within(&self, name: &str) -> Self {
        Self { seed: self.seed, entity: format!("{}/{name}", self.entity) }
    }

    /// A number of a range, for the `n`-th thing.
    pub(super) fn roll(&self, range: RangeInclusive<usize>, n: u64) -> usize {
        let (low, high) = range.into_inner();
        let drawn = draw_within(low as u64..=high as u64, self.seed, Stream::Power, &self.entity, n);
        usize::try_from(drawn).expect("it lies between two numbers of this type")
    }
}

/// How far an operating system had got with writing back.
pub(super) struct Writeback {
    dice: Dice,
    seen: RangeInclusive<usize>,
}

impl Writeback {
    /// Nothing was written back, or everything, or all up to some change and parts of the next, or just anything: caches
    /// write in the order that suits them.
    pub(super) fn of(changes: usize, dice: Dice) -> Self {
        let seen = match dice.roll(0..=3, 0) {
            0 => 0..=0,
            1 => changes..=changes,
            2 => {
                let whole = dice.roll(0..=changes, 1);
                whole..=changes.min(whole + 1)
            }
            _ => 0..=changes,
        };
        Self { dice, seen }
    }

    /// How many of the changes the `n`-th part has seen.
    pub(super) fn seen(&self, part: u64) -> usize {
        self.dice.roll(self.seen.clone(), part + 2)
    }

    /// How many bytes of the last change that the `n`-th part has seen are there, of so many: mostly all.
    /// A sector need not be written at once, but is written from its front to its back (sqlite.org/atomiccommit.html, 2.0).
    pub(super) fn torn(&self, part: u64, bytes: usize) -> usize {
        let dice = self.dice.within("torn");
        if dice.roll(0..=7, part * 2) == 0 { dice.roll(0..=bytes, part * 2 + 1) } else { bytes }
    }
}
