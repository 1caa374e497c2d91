//! One file: what a reader sees, what is durable, and the changes between the two.

use std::collections::BTreeMap;

use super::power::{Dice, Writeback};

/// What a disk writes in one piece, or nearly so.
const SECTOR: usize = 512;

/// How many bytes of changes that are synced may wait to be put into their place.
const SYNCED_MAX: usize = 4 << 20;

/// The bytes of a file. Knows no name.
///
/// What is written is kept as it came, and put into its place when somebody reads the file or when the power is lost: a
/// database writes its journal all the time and reads it hardly ever.
#[derive(Default)]
pub(super) struct File {
    /// What was done to it, in order, since it was last tidied.
    changes: Vec<Change>,
    /// How many of the changes are synced.
    synced: usize,
    /// How many bytes of changes are synced.
    waiting: usize,
    length: usize,
    volatile: Image,
    durable: Image,
}

/// A file's bytes as they were after so many changes.
#[derive(Default)]
struct Image {
    bytes: Vec<u8>,
    changes: usize,
}

#[derive(Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate { length: usize },
}

impl File {
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Copies what is there to the front of `buffer`, and says how much that is.
    pub(super) fn read(&mut self, offset: usize, buffer: &mut [u8]) -> usize {
        let there = self.volatile.after(&self.changes).get(offset..).unwrap_or_default();
        let length = there.len().min(buffer.len());
        buffer[..length].copy_from_slice(&there[..length]);
        length
    }

    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.change(Change::Write { offset, bytes: bytes.to_vec() });
    }

    pub(super) fn truncate(&mut self, length: usize) {
        self.change(Change::Truncate { length });
    }

    fn change(&mut self, change: Change) {
        self.length = change.length(self.length);
        self.changes.push(change);
    }

    /// What was done to it is durable.
    pub(super) fn sync(&mut self) {
        self.waiting += self.changes[self.synced..].iter().map(Change::bytes).sum::<usize>();
        self.synced = self.changes.len();
        if self.waiting > SYNCED_MAX {
            self.durable.after(&self.changes);
            self.tidy();
        }
    }

    /// Some of what was done to it is durable, and the rest will never be: after an fsync that failed, Linux takes all
    /// pages for clean, shows them to readers, and does not write them again. The next fsync succeeds.
    pub(super) fn fail_to_sync(&mut self, dice: Dice) {
        self.durable.bytes = self.survivors(dice);
        self.tidy();
    }

    /// What was not synced has survived, or not.
    pub(super) fn lose_power(&mut self, dice: Dice) {
        self.fail_to_sync(dice);
        self.volatile.bytes.clone_from(&self.durable.bytes);
        self.length = self.volatile.bytes.len();
    }

    /// The changes are in the place where they belong, in the durable bytes too.
    fn tidy(&mut self) {
        self.volatile.after(&self.changes);
        self.changes.clear();
        (self.synced, self.waiting, self.volatile.changes, self.durable.changes) = (0, 0, 0, 0);
    }

    /// The bytes that are durable, with some of what was not synced.
    fn survivors(&mut self, dice: Dice) -> Vec<u8> {
        let mut survived = self.durable.after(&self.changes[..self.synced]).clone();
        let unsynced = self.unsynced();
        if unsynced.is_empty() {
            return survived;
        }
        let writeback = Writeback::of(unsynced.len(), dice);
        let seen = writeback.seen(0);
        let length = unsynced[..seen].iter().fold(survived.len(), |length, change| change.length(length));
        survived.resize(length, 0);
        for (sector, changes) in self.touched(length) {
            let part = sector as u64 + 1;
            let from = sector * SECTOR;
            let mut bytes = [0; SECTOR];
            let durable = self.durable.bytes.get(from..).unwrap_or_default();
            let known = durable.len().min(SECTOR);
            bytes[..known].copy_from_slice(&durable[..known]);

            let reached = self.possible(&changes, seen, writeback.seen(part));
            let applied: Vec<&Change> =
                changes.iter().take_while(|at| **at < reached).map(|at| &unsynced[*at]).collect();
            if let Some((last, before)) = applied.split_last() {
                before.iter().for_each(|change| change.apply_to_sector(from, &mut bytes, SECTOR));
                last.apply_to_sector(from, &mut bytes, writeback.torn(part, SECTOR));
            }
            let end = length.min(from + SECTOR);
            survived[from..end].copy_from_slice(&bytes[..end - from]);
        }
        survived
    }

    /// What was done to it since it was last synced, in order.
    fn unsynced(&self) -> &[Change] {
        &self.changes[self.synced..]
    }

    /// Which changes touched each sector below that length.
    fn touched(&self, length: usize) -> BTreeMap<usize, Vec<usize>> {
        let mut touched: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (at, change) in self.unsynced().iter().enumerate() {
            let (from, to) = match change {
                Change::Write { offset, bytes } => (*offset, length.min(offset + bytes.len())),
                Change::Truncate { length: from } => (*from, length),
            };
            for sector in from / SECTOR..to.div_ceil(SECTOR) {
                touched.entry(sector).or_default().push(at);
            }
        }
        touched
    }

    /// A file's length and the sectors that it has are written in order: a sector that was cut off has not kept what it
    /// held before, and not yet what was written to it once it was there again.
    fn possible(&self, changes: &[usize], length_has_seen: usize, drawn: usize) -> usize {
        let cuts = || changes.iter().filter(|at| matches!(self.unsynced()[**at], Change::Truncate { .. }));
        let least = cuts().rfind(|at| **at < length_has_seen).map_or(0, |at| at + 1);
        let most = cuts().find(|at| **at >= length_has_seen).map_or(self.unsynced().len(), |at| *at);
        drawn.clamp(least, most)
    }
}

impl Image {
    /// The bytes, once they are what they are after all these changes.
    fn after(&mut self, changes: &[Change]) -> &Vec<u8> {
        changes[self.changes..].iter().for_each(|change| change.apply(&mut self.bytes));
        self.changes = changes.len();
        &self.bytes
    }
}

impl Change {
    fn bytes(&self) -> usize {
        match self {
            Self::Write { bytes, .. } => bytes.len(),
            Self::Truncate { .. } => 0,
        }
    }

    fn apply(&self, contents: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => {
                if contents.len() < *offset {
                    contents.resize(*offset, 0);
                }
                let (over, beyond) = bytes.split_at(bytes.len().min(contents.len() - offset));
                contents[*offset..offset + over.len()].copy_from_slice(over);
                contents.extend_from_slice(beyond);
            }
            Self::Truncate { length } => contents.resize(*length, 0),
        }
    }

    /// How long a file is after it that was so long before.
    fn length(&self, before: usize) -> usize {
        match self {
            Self::Write { offset, bytes } => before.max(offset + bytes.len()),
            Self::Truncate { length } => *length,
        }
    }

    /// What it does to the first `reach` bytes of a sector that begins at `from`.
    fn apply_to_sector(&self, from: usize, sector: &mut [u8; SECTOR], reach: usize) {
        match self {
            Self::Write { offset, bytes } => {
                let start = from.max(*offset);
                let end = (from + reach).min(offset + bytes.len());
                if start < end {
                    sector[start - from..end - from].copy_from_slice(&bytes[start - offset..end - offset]);
                }
            }
            // Not written to the sector, but to what says that the file has it: not torn.
            Self::Truncate { length } => sector[length.saturating_sub(from).min(SECTOR)..].fill(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn dice(seed: u64) -> Dice {
        Dice::new(seed, "test".to_owned())
    }

    fn contents(file: &mut File) -> Vec<u8> {
        let mut contents = vec![0; file.length()];
        assert_eq!(file.read(0, &mut contents), contents.len());
        contents
    }

    /// What dice can make of the same file.
    fn fates(make: impl Fn() -> File) -> BTreeSet<Vec<u8>> {
        let fate = |seed| {
            let mut file = make();
            file.lose_power(dice(seed));
            contents(&mut file)
        };
        (0..300).map(fate).collect()
    }

    fn synced(bytes: &[u8]) -> File {
        let mut file = File::default();
        file.write(0, bytes);
        file.sync();
        file
    }

    #[test]
    fn what_is_not_synced_survives_or_not() {
        let fates = fates(|| {
            let mut file = synced(b"old");
            file.write(0, b"new");
            file
        });
        assert!(fates.contains(&b"old"[..]) && fates.contains(&b"new"[..]), "{fates:?}");
    }

    #[test]
    fn a_write_tears_between_sectors_and_in_them_but_spares_its_neighbours() {
        let fates = fates(|| {
            let mut file = synced(&[1; 4 * SECTOR]);
            file.write(SECTOR / 2, &[2; 2 * SECTOR]);
            file
        });
        let second_alone = |fate: &&Vec<u8>| fate[SECTOR - 1] == 1 && fate[SECTOR] == 2;
        assert!(fates.iter().any(|fate| second_alone(&fate)), "caches write in any order");
        assert!(fates.iter().any(|fate| fate[SECTOR] == 2 && fate[2 * SECTOR - 1] == 1), "torn in a sector");
        for fate in &fates {
            let (before, rest) = fate.split_at(SECTOR / 2);
            let (_, after) = rest.split_at(2 * SECTOR);
            assert!(before.iter().chain(after).all(|byte| *byte == 1));
        }
    }

    #[test]
    fn a_file_that_was_cut_off_and_grew_again_shows_nothing_of_what_it_held() {
        let fates = fates(|| {
            let mut file = synced(&[1; 2 * SECTOR]);
            file.truncate(0);
            file.write(SECTOR, &[2; SECTOR]);
            file
        });
        assert!(fates.iter().any(Vec::is_empty) && fates.iter().any(|fate| fate.contains(&2)));
        for fate in &fates {
            assert!(!(fate.contains(&1) && fate.contains(&2)), "old and new cannot stand together");
            assert!(!fate.contains(&1) || *fate == [1; 2 * SECTOR], "nor can half of the old");
        }
    }

    #[test]
    fn after_a_sync_that_failed_the_next_one_does_not_help() {
        let fates = fates(|| {
            let mut file = synced(b"old");
            file.write(0, b"new");
            file.fail_to_sync(dice(0));
            assert_eq!(contents(&mut file), b"new");
            file.sync();
            file
        });
        assert_eq!(fates.len(), 1, "what becomes of it was decided when the sync failed: {fates:?}");
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            3 => (0..3000_usize, vec(any::<u8>(), 1..1500)).prop_map(|(offset, bytes)| Change::Write { offset, bytes }),
            1 => (0..3000_usize).prop_map(|length| Change::Truncate { length }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_synced_survives_whatever_the_dice_say(changes in vec(change(), 0..12), seed: u64) {
            let mut file = File::default();
            let mut model = Vec::new();
            for change in changes {
                change.apply(&mut model);
                file.change(change);
            }
            prop_assert_eq!(&contents(&mut file), &model);
            file.sync();
            file.lose_power(dice(seed));
            prop_assert_eq!(contents(&mut file), model);
        }

        #[test]
        fn each_byte_is_one_that_was_there_at_some_moment(changes in vec(change(), 0..12), seed: u64) {
            let mut file = File::default();
            let mut moments = vec![Vec::new()];
            for change in changes {
                let mut next = moments.last().unwrap().clone();
                change.apply(&mut next);
                moments.push(next);
                file.change(change);
            }
            file.lose_power(dice(seed));
            prop_assert!(moments.iter().any(|moment| moment.len() == file.length()));
            for (at, byte) in contents(&mut file).into_iter().enumerate() {
                // Where a file grows before its bytes are written there are zeros.
                let known = byte == 0 || moments.iter().any(|moment| moment.get(at) == Some(&byte));
                prop_assert!(known, "byte {}", at);
            }
        }
    }
}
