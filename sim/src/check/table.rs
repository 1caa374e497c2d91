//! Maps and sets of what a roll numbers: its numbers are dense, so that to look something up is to go to its place.
//!
//! In go things by number, out they come by number, or all in the order of their numbers, as from a sorted map. What is
//! never entered may be asked for, be it about a record that names nothing.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use super::roll::{Host, Life};

/// What a roll numbers.
pub(super) trait Number: Copy {
    /// Its place among all of its kind.
    fn place(self) -> usize;

    /// What has that place.
    fn at(place: usize) -> Self;
}

/// A map from what a roll numbers.
#[derive(Debug, Clone)]
pub(super) struct Table<K, V> {
    rows: Vec<Option<V>>,
    keys: PhantomData<K>,
}

/// A set of what a roll numbers.
#[derive(Debug, Clone)]
pub(super) struct Marks<K> {
    /// A bit each.
    words: Vec<u64>,
    keys: PhantomData<K>,
}

/// A map from lives, of which a process has few.
#[derive(Debug, Clone)]
pub(super) struct Lives<V> {
    hosts: Table<Host, BTreeMap<u32, V>>,
}

impl<K: Number, V> Table<K, V> {
    pub(super) fn get(&self, key: K) -> Option<&V> {
        self.rows.get(key.place())?.as_ref()
    }

    pub(super) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        self.rows.get_mut(key.place())?.as_mut()
    }

    pub(super) fn contains(&self, key: K) -> bool {
        self.get(key).is_some()
    }

    /// What there is of a key, to be changed.
    pub(super) fn row(&mut self, key: K) -> &mut Option<V> {
        let place = key.place();
        if place >= self.rows.len() {
            self.rows.resize_with(place + 1, || None);
        }
        &mut self.rows[place]
    }

    /// What there is of a key, or what is usual.
    pub(super) fn entry(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        self.row(key).get_or_insert_default()
    }

    pub(super) fn remove(&mut self, key: K) -> Option<V> {
        self.rows.get_mut(key.place())?.take()
    }

    /// Keeps only what `keeps` says.
    pub(super) fn retain(&mut self, keeps: impl Fn(&V) -> bool) {
        self.rows.iter_mut().filter(|row| !row.as_ref().is_some_and(&keeps)).for_each(|row| *row = None);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        self.rows.iter().enumerate().filter_map(|(place, row)| Some((K::at(place), row.as_ref()?)))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (K, &mut V)> {
        self.rows.iter_mut().enumerate().filter_map(|(place, row)| Some((K::at(place), row.as_mut()?)))
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.rows.iter().flatten()
    }
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { rows: Vec::new(), keys: PhantomData }
    }
}

impl<K: Number, V> FromIterator<(K, V)> for Table<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut table = Self::default();
        pairs.into_iter().for_each(|(key, value)| *table.row(key) = Some(value));
        table
    }
}

impl<K: Number> Marks<K> {
    pub(super) fn contains(&self, key: K) -> bool {
        let (word, bit) = Self::at(key);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// False where it is marked already.
    pub(super) fn insert(&mut self, key: K) -> bool {
        let (word, bit) = Self::at(key);
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let is_new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        is_new
    }

    fn at(key: K) -> (usize, u64) {
        let place = key.place();
        (place / 64, 1 << (place % 64))
    }
}

impl<K> Default for Marks<K> {
    fn default() -> Self {
        Self { words: Vec::new(), keys: PhantomData }
    }
}

impl<V> Lives<V> {
    pub(super) fn get(&self, (host, process): Life) -> Option<&V> {
        self.hosts.get(host)?.get(&process)
    }

    /// What there is of a life, or what `begins` it.
    pub(super) fn entry_or(&mut self, (host, process): Life, begins: impl FnOnce() -> V) -> &mut V {
        self.hosts.entry(host).entry(process).or_insert_with(begins)
    }

    /// What there is of a life, or what is usual.
    pub(super) fn entry(&mut self, life: Life) -> &mut V
    where
        V: Default,
    {
        self.entry_or(life, V::default)
    }

    /// What there is of each life of a process, the first first.
    pub(super) fn of(&self, host: Host) -> impl Iterator<Item = &V> {
        self.hosts.get(host).into_iter().flat_map(BTreeMap::values)
    }

    /// What there is of each life, with its process.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Host, &V)> {
        self.hosts.iter().flat_map(|(host, lives)| lives.values().map(move |life| (host, life)))
    }
}

impl<V> Default for Lives<V> {
    fn default() -> Self {
        Self { hosts: Table::default() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::check::roll::Message;

    proptest! {
        #[test]
        fn a_table_holds_what_a_sorted_map_holds(steps in vec((0..3_u8, 0..100_usize), 0..60)) {
            let (mut table, mut marks, mut map) = (Table::default(), Marks::default(), BTreeMap::new());
            for (step, (act, place)) in steps.into_iter().enumerate() {
                let key = Message::at(place);
                if act == 0 {
                    prop_assert_eq!(table.remove(key), map.remove(&key));
                } else {
                    *table.row(key) = Some(step);
                    map.insert(key, step);
                    marks.insert(key);
                }
                prop_assert!(table.iter().eq(map.iter().map(|(key, value)| (*key, value))));
                prop_assert!(map.keys().all(|key| marks.contains(*key) && !marks.insert(*key)));
            }
        }
    }

    #[test]
    fn what_names_nothing_may_be_asked_for() {
        let (table, marks) = (Table::from_iter([(Message::FIRST, ())]), Marks::<Message>::default());
        assert!(table.contains(Message::FIRST) && !table.contains(Message::LAST));
        assert!(!marks.contains(Message::LAST));
    }

    #[test]
    fn lives_of_one_process_are_apart_and_in_order() {
        let mut lives: Lives<u8> = Lives::default();
        let [alice, bob] = [0, 1].map(Host::at);
        for (life, value) in [((bob, 2), 3), ((alice, 1), 1), ((bob, 1), 2)] {
            *lives.entry(life) = value;
        }
        assert_eq!((lives.get((bob, 2)), lives.get((alice, 2))), (Some(&3), None));
        assert_eq!(lives.of(bob).copied().collect::<Vec<_>>(), [2, 3]);
        assert_eq!(lives.iter().collect::<Vec<_>>(), [(alice, &1), (bob, &2), (bob, &3)]);
    }
}
