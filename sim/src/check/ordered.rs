//! A set whose members come and go nearly in order, as the messages of a log do: at its ends it is a queue. What comes or
//! goes in its midst moves what is behind.

use std::collections::VecDeque;

/// Members, each once and in order.
#[derive(Debug, Clone)]
pub(super) struct Ordered<T> {
    members: VecDeque<T>,
}

impl<T: Ord> Ordered<T> {
    /// False where it is there already.
    pub(super) fn insert(&mut self, member: T) -> bool {
        if self.last().is_none_or(|last| *last < member) {
            self.members.push_back(member);
            return true;
        }
        let place = self.members.binary_search(&member);
        place.map_err(|place| self.members.insert(place, member)).is_err()
    }

    pub(super) fn remove(&mut self, member: &T) {
        if self.first() == Some(member) {
            self.members.pop_front();
        } else if let Ok(place) = self.members.binary_search(member) {
            self.members.remove(place);
        }
    }

    /// The first one that `is_due`, taken out.
    pub(super) fn pop_first_if(&mut self, is_due: impl FnOnce(&T) -> bool) -> Option<T> {
        if self.first().is_some_and(is_due) { self.members.pop_front() } else { None }
    }

    pub(super) fn first(&self) -> Option<&T> {
        self.members.front()
    }

    pub(super) fn last(&self) -> Option<&T> {
        self.members.back()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.members.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn clear(&mut self) {
        self.members.clear();
    }
}

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self { members: VecDeque::new() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_a_sorted_set_holds(steps in vec((any::<bool>(), 0..20_u8), 0..60)) {
            let (mut ordered, mut set) = (Ordered::default(), BTreeSet::new());
            for (comes, member) in steps {
                if comes {
                    prop_assert_eq!(ordered.insert(member), set.insert(member));
                } else {
                    ordered.remove(&member);
                    set.remove(&member);
                }
                prop_assert!(ordered.iter().eq(&set));
                prop_assert_eq!((ordered.first(), ordered.last()), (set.first(), set.last()));
            }
        }
    }
}
