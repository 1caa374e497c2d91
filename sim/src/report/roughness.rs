//! Whether it was rough enough: what faults led to, over all seeds of a long hunt, against what such a hunt must have seen.
//!
//! In: the weather of 10,000 seeds of a swarm, or more. Out: what there was too little of. That every promise held says little
//! of code that was never in trouble, and a change of the dice or of a timer may calm the weather without turning anything red.

use super::weather::Weather;
use crate::plan::FaultKind;

/// In so many seeds of a hundred each kind of fault touches traffic.
const TOUCHED_PERCENT: u64 = 5;

/// How much there must be of the rest, over all seeds together.
const PING_TIMEOUTS: u64 = 500;
const RECOVERIES_GRANTED: u64 = 500;
const RECOVERIES_REFUSED: u64 = 200;
const RESTARTS: u64 = 500;
const REPEATS: u64 = 1_000;

/// What there was too little of, a line each; nothing where it was rough.
pub fn too_calm(weather: &Weather) -> Vec<String> {
    let enough = |percent: u64| weather.all > 0 && percent >= weather.all * TOUCHED_PERCENT;
    let kinds = FaultKind::ALL.into_iter().map(|kind| {
        let runs = weather.runs.get(kind.as_str()).copied().unwrap_or_default();
        let (kind, all) = (kind.as_str(), weather.all);
        let says =
            format!("{kind} touched traffic in {runs} of {all} seeds, not in {TOUCHED_PERCENT} % of them");
        (enough(runs * 100), says)
    });
    let totals = [
        ("ping timeouts noticed by clients", weather.noticed_by_clients, PING_TIMEOUTS),
        ("ping timeouts noticed by the server", weather.noticed_by_server, PING_TIMEOUTS),
        ("recoveries granted", weather.granted, RECOVERIES_GRANTED),
        ("recoveries refused", weather.refused, RECOVERIES_REFUSED),
        ("restarts with unacknowledged sends", weather.restarts, RESTARTS),
        ("repeats suppressed", weather.repeats, REPEATS),
    ];
    let totals = totals
        .into_iter()
        .map(|(what, times, least)| (times >= least, format!("{what}: {times}, not {least}")));
    kinds.chain(totals).filter(|(is_rough, _)| !is_rough).map(|(_, says)| says).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rough() -> Weather {
        Weather {
            noticed_by_clients: 500,
            noticed_by_server: 500,
            granted: 500,
            refused: 200,
            restarts: 500,
            repeats: 1_000,
            runs: FaultKind::ALL.into_iter().map(|kind| (kind.as_str().to_owned(), 500)).collect(),
            all: 10_000,
        }
    }

    #[test]
    fn what_is_just_enough_is_rough() {
        assert_eq!(too_calm(&rough()), [""; 0]);
    }

    #[test]
    fn one_less_of_anything_is_too_calm() {
        let less: [fn(&mut Weather); 6] = [
            |weather| weather.noticed_by_clients -= 1,
            |weather| weather.noticed_by_server -= 1,
            |weather| weather.granted -= 1,
            |weather| weather.refused -= 1,
            |weather| weather.restarts -= 1,
            |weather| weather.repeats -= 1,
        ];
        for make_less in less {
            let mut weather = rough();
            make_less(&mut weather);
            assert_eq!(too_calm(&weather).len(), 1, "{weather:?}");
        }
        for kind in FaultKind::ALL {
            let mut weather = rough();
            weather.runs.insert(kind.as_str().to_owned(), 499);
            let says = format!("{} touched traffic in 499 of 10000 seeds, not in 5 % of them", kind.as_str());
            assert_eq!(too_calm(&weather), [says]);
        }
    }

    #[test]
    fn a_kind_that_was_never_planned_is_missing_too() {
        let mut weather = rough();
        weather.runs.remove("kill");
        assert_eq!(too_calm(&weather), ["kill touched traffic in 0 of 10000 seeds, not in 5 % of them"]);
    }

    #[test]
    fn no_seed_at_all_is_too_calm() {
        assert_eq!(too_calm(&Weather::default()).len(), FaultKind::ALL.len() + 6);
    }
}
