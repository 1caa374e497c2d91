//! What the seeds must show.

use std::collections::BTreeMap;

use squall::reached::SITES;

use super::Resolver;
use crate::scenario::anomaly::Anomaly;
use crate::scenario::expect::{Count, Expect};
use crate::scenario::schema::{Entries, ExpectText};
use crate::scenario::yaml::Spanned;

impl Resolver<'_> {
    pub(super) fn expect(&mut self, written: &ExpectText) -> Expect {
        Expect {
            broken: written.broken.as_ref().and_then(|anomaly| self.anomaly(anomaly)),
            counted: self.counted(&written.counted),
            reached: self.reached(&written.reached),
        }
    }

    fn anomaly(&mut self, written: &Spanned<String>) -> Option<Anomaly> {
        let anomaly = Anomaly::of_key(&written.value);
        if anomaly.is_none() {
            let known = Anomaly::ALL.map(Anomaly::key);
            self.wrong(written, format!("unknown anomaly `{}`", written.value))
                .label("nothing that a checker looks for")
                .help(format!("what can stand here: {}", known.join(", ")))
                .did_you_mean(&written.value, known.iter().map(String::as_str));
        }
        anomaly
    }

    fn counted(&mut self, written: &Entries<Spanned<String>>) -> BTreeMap<Anomaly, Count> {
        let mut counted = BTreeMap::new();
        for (name, count) in &written.0 {
            let anomaly = self.anomaly(name);
            let count = match count.value.parse::<Count>() {
                Ok(parsed) => Some(parsed),
                Err(error) => {
                    self.wrong(count, error);
                    None
                }
            };
            if let (Some(anomaly), Some(count)) = (anomaly, count) {
                counted.insert(anomaly, count);
            }
        }
        counted
    }

    fn reached(&mut self, written: &[Spanned<String>]) -> Vec<&'static str> {
        let mut reached = Vec::new();
        for place in written {
            match squall::reached::find(&place.value) {
                None => {
                    self.wrong(place, format!("unknown place `{}`", place.value))
                        .label("nothing that the program says it has reached")
                        .help("scenarios/README.md lists what can stand here, under *What can be reached*")
                        .did_you_mean(&place.value, SITES.iter().map(|site| site.name));
                }
                Some(site) if reached.contains(&site.name) => {
                    self.wrong(place, format!("`{}` stands twice", site.name)).label("the second one");
                }
                Some(site) => reached.push(site.name),
            }
        }
        reached
    }
}
