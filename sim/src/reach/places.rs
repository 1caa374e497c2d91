//! The places of [`squall::reached`]: how often runs reached each, and which none did.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use squall::reached::{SITES, Site};

/// How often each place was reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached(BTreeMap<Cow<'static, str>, u64>);

impl Reached {
    /// Counts a place once more.
    pub fn count(&mut self, place: &'static str) {
        *self.0.entry(Cow::Borrowed(place)).or_default() += 1;
    }

    /// Adds what other runs reached.
    pub fn add(&mut self, other: &Self) {
        for (place, times) in &other.0 {
            *self.0.entry(place.clone()).or_default() += times;
        }
    }

    /// How often this place was reached.
    pub fn times(&self, place: &str) -> u64 {
        self.0.get(place).copied().unwrap_or_default()
    }

    /// All that was reached, and how often.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(place, times)| (&**place, *times))
    }

    /// The places that were never reached, in the order of the catalog.
    pub fn never(&self) -> impl Iterator<Item = &'static Site> {
        SITES.iter().filter(|site| self.times(site.name) == 0)
    }
}

impl FromIterator<(&'static str, u64)> for Reached {
    fn from_iter<I: IntoIterator<Item = (&'static str, u64)>>(places: I) -> Self {
        Self(places.into_iter().map(|(place, times)| (Cow::Borrowed(place), times)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_add_up_and_what_none_reached_is_known() {
        let mut reached = Reached::default();
        reached.count("chat.repeat");
        reached.add(&[("chat.repeat", 2), ("chat.resend", 1)].into_iter().collect());

        assert_eq!(reached.iter().collect::<Vec<_>>(), [("chat.repeat", 3), ("chat.resend", 1)]);
        let never: Vec<&str> = reached.never().map(|site| site.name).collect();
        assert_eq!(never.len(), SITES.len() - 2);
        assert!(!never.contains(&"chat.repeat") && never.contains(&"chat.unavailable"));
    }
}
