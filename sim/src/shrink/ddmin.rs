//! Delta debugging over places: which of so many steps are needed?

/// Asks `accepts` about ever smaller selections of `0..steps`, as places in the selection that it accepted last (at first
/// all of them), until no single step can be left out of that one.
pub(super) fn minimise(steps: usize, mut accepts: impl FnMut(&[usize]) -> bool) {
    let mut size = steps;
    let mut chunk = steps;
    while size > 0 && chunk > 0 {
        let mut removed = false;
        let mut start = 0;
        while start < size {
            let end = (start + chunk).min(size);
            let kept: Vec<usize> = (0..start).chain(end..size).collect();
            if accepts(&kept) {
                size = kept.len();
                removed = true;
            } else {
                start = end;
            }
        }
        // A pass that removed something may have made room for another of the same size; single steps are tried until
        // none can go.
        if !(removed && chunk == 1) {
            chunk /= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is left of `0..steps` where exactly the selections with all of `needed` are accepted, and how often was asked.
    fn minimised(steps: usize, needed: &[usize]) -> (Vec<usize>, usize) {
        let (mut selection, mut asked) = ((0..steps).collect::<Vec<_>>(), 0);
        minimise(steps, |kept| {
            asked += 1;
            let candidate: Vec<usize> = kept.iter().map(|place| selection[*place]).collect();
            let accepted = needed.iter().all(|step| candidate.contains(step));
            if accepted {
                selection = candidate;
            }
            accepted
        });
        (selection, asked)
    }

    #[test]
    fn what_is_not_needed_goes_at_once() {
        assert_eq!(minimised(1000, &[]), (vec![], 1));
    }

    #[test]
    fn one_needle_is_found_in_few_questions() {
        let (left, asked) = minimised(1000, &[617]);
        assert_eq!(left, [617]);
        assert!(asked < 50, "asked {asked} times");
    }

    proptest! {
        #[test]
        fn only_what_is_needed_is_left(steps in 1_usize..60, picks in proptest::collection::vec(any::<prop::sample::Index>(), 0..6)) {
            let mut needed: Vec<usize> = picks.iter().map(|pick| pick.index(steps)).collect();
            needed.sort_unstable();
            needed.dedup();
            prop_assert_eq!(minimised(steps, &needed).0, needed);
        }
    }
}
