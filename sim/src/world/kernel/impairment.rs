//! What a way does to what passes, as Linux's netem does it: delays it, loses it, or lets only so much through.

use std::time::Duration;

use super::super::moment;
use super::frame::{ConnectionId, Route};
use super::link::{Links, State};
use super::state::BUFFER;
use crate::draw::{Stream, draw_duration, draw_within};
use crate::scenario::limits::TICK;
use crate::units::{Rate, SpanRange};

/// What a fault does to one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::world) enum Impairment {
    /// Nothing passes.
    Block,
    /// Everything takes longer by a drawn time.
    Delay(SpanRange),
    /// Of a hundred transmissions so many are lost.
    Loss(u8),
    /// Of the bytes of all connections together only so many pass.
    Slow(Rate),
}

/// What a fault does to one way, and how far it is with it.
#[derive(Debug)]
pub(super) struct Imposed {
    pub(super) fault: usize,
    pub(super) impairment: Impairment,
    /// When it began. Hosts live through a tick one after another: one may be before a moment that another has reached.
    pub(super) since: Duration,
    /// The only connection that meets it; all do where there is none.
    pub(super) only: Option<ConnectionId>,
    /// When a slow way has let everything through that was given to it.
    pub(super) free_at: Duration,
}

/// Who draws: a direction of a connection, and how many things it has sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key<'a> {
    pub(super) seed: u64,
    pub(super) entity: &'a str,
    pub(super) n: u64,
}

/// The most bytes that Ethernet carries at a time: what a slow way lets through one after the other.
const SEGMENT_BYTES: usize = 1448;

/// Timers wake on the millisecond after the one they were set for. A way that was free for less was never idle.
const TIMER_GRAIN: Duration = Duration::from_millis(1);

impl Links {
    /// How much longer something takes that leaves now.
    pub(super) fn delay(&self, route: Route, key: Key<'_>) -> Duration {
        let mut state = self.lock();
        let mut delays = Vec::new();
        for imposed in state.met_by(route) {
            if let Impairment::Delay(by) = imposed.impairment {
                let entity = format!("{}/delay {}", key.entity, delays.len());
                let by = draw_duration(by.inclusive(), key.seed, Stream::Latency, &entity, key.n);
                delays.push((imposed.fault, by));
            }
        }
        delays.iter().for_each(|(fault, _)| self.touch(&mut state, *fault, route));
        delays.into_iter().map(|(_, by)| by).sum()
    }

    /// Whether a transmission is lost: the first one of something, its first repetition, and so on.
    pub(super) fn loses(&self, route: Route, key: Key<'_>, transmission: u32) -> bool {
        let mut state = self.lock();
        let losses = state.met_by(route).filter_map(|imposed| match imposed.impairment {
            Impairment::Loss(percent) => Some((imposed.fault, percent)),
            Impairment::Block | Impairment::Delay(_) | Impairment::Slow(_) => None,
        });
        let lost_by = losses.enumerate().find(|(layer, (_, percent))| {
            let entity = format!("{}/{layer}/{transmission}", key.entity);
            draw_within(1..=100, key.seed, Stream::Loss, &entity, key.n) <= u64::from(*percent)
        });
        let Some((_, (fault, _))) = lost_by else { return false };
        self.touch(&mut state, fault, route);
        true
    }

    /// How many bytes may leave at a time.
    pub(super) fn piece(&self, route: Route) -> usize {
        let state = self.lock();
        let rates = state.met_by(route).filter_map(Imposed::rate);
        // A fast way is not cut into more pieces than it has ticks.
        rates.min().map_or(BUFFER, |Rate(rate)| {
            let a_tick = usize::try_from(u128::from(rate) * TICK.as_millis() / 1000).unwrap_or(BUFFER);
            a_tick.clamp(SEGMENT_BYTES, BUFFER)
        })
    }

    /// When bytes that are given to the way now are through. None where no one slows it.
    pub(super) fn through_at(&self, route: Route, bytes: usize, now: Duration) -> Option<Duration> {
        let mut state = self.lock();
        let mut slowing = Vec::new();
        let imposed = state.ways.get_mut(&route.way())?;
        for imposed in imposed.iter_mut().filter(|imposed| imposed.is_met_by(route)) {
            if let Some(Rate(rate)) = imposed.rate() {
                let micros = bytes as u128 * 1_000_000 / u128::from(rate.max(1));
                let takes = Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX));
                imposed.free_at = imposed.free_at.max(now.saturating_sub(TIMER_GRAIN)) + takes;
                slowing.push((imposed.fault, imposed.free_at));
            }
        }
        slowing.iter().for_each(|(fault, _)| self.touch(&mut state, *fault, route));
        slowing.into_iter().map(|(_, at)| at).max()
    }

    /// Whether someone slows it.
    pub(super) fn is_slow(&self, route: Route) -> bool {
        self.lock().met_by(route).any(|imposed| imposed.rate().is_some())
    }
}

impl State {
    /// What what goes there meets.
    pub(super) fn met_by(&self, route: Route) -> impl Iterator<Item = &Imposed> {
        let imposed = self.ways.get(&route.way()).into_iter().flatten();
        imposed.filter(move |imposed| imposed.is_met_by(route))
    }
}

impl Imposed {
    fn is_met_by(&self, route: Route) -> bool {
        self.since <= moment::now() && self.only.is_none_or(|only| only == route.connection)
    }

    fn rate(&self) -> Option<Rate> {
        match self.impairment {
            Impairment::Slow(rate) => Some(rate),
            Impairment::Block | Impairment::Delay(_) | Impairment::Loss(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::link::Held;
    use super::super::link::tests::{A, B, links, up};
    use super::*;

    fn key(n: u64) -> Key<'static> {
        Key { seed: 7, entity: "alice/1/up", n }
    }

    fn span(text: &str) -> SpanRange {
        text.parse().expect("a range")
    }

    #[test]
    fn delays_add_up_and_are_gone_when_lifted() {
        let links = links();
        links.impose((A, B), 0, Impairment::Delay(span("100ms")), None);
        links.impose((A, B), 1, Impairment::Delay(span("1s..2s")), None);

        let delay = links.delay(up(1), key(0));
        assert!((1100..=2100).contains(&delay.as_millis()), "{delay:?}");
        assert_ne!(links.delay(up(1), key(1)), delay);
        assert_eq!(links.delay(up(1).back(), key(0)), Duration::ZERO);

        links.lift((A, B), 0);
        links.lift((A, B), 1);
        assert_eq!(links.delay(up(1), key(0)), Duration::ZERO);
        assert_eq!(links.touched(), [(0, 2), (1, 2)].into());
    }

    #[test]
    fn of_a_hundred_transmissions_about_so_many_are_lost_each_by_its_own_draw() {
        let links = links();
        links.impose((A, B), 0, Impairment::Loss(20), None);

        let lost = (0..1000).filter(|n| links.loses(up(1), key(*n), 0)).count();
        let again = (0..1000).filter(|n| links.loses(up(1), key(*n), 0) && links.loses(up(1), key(*n), 1));

        assert!((150..250).contains(&lost), "{lost}");
        assert!((15..75).contains(&again.count()));
    }

    #[test]
    fn two_losses_lose_more_than_one() {
        let links = links();
        links.impose((A, B), 0, Impairment::Loss(50), None);
        links.impose((A, B), 1, Impairment::Loss(50), None);

        let lost = (0..1000).filter(|n| links.loses(up(1), key(*n), 0)).count();

        assert!((700..800).contains(&lost), "{lost}");
        assert!(links.touched()[&1] > 150, "{:?}", links.touched());
    }

    #[test]
    fn a_cap_is_shared_by_all_connections_and_the_slowest_rules() {
        let links = links();
        let now = Duration::from_secs(10);
        assert_eq!((links.through_at(up(1), 1000, now), links.piece(up(1))), (None, BUFFER));
        links.impose((A, B), 0, Impairment::Slow(Rate(10_000)), None);
        links.impose((A, B), 1, Impairment::Slow(Rate(1_000_000)), None);

        let first = links.through_at(up(1), 1000, now).expect("it is slow");
        let second = links.through_at(up(2), 1000, now).expect("it is slow");

        assert_eq!(first, now + Duration::from_millis(100) - TIMER_GRAIN);
        assert_eq!(second, first + Duration::from_millis(100));
        assert_eq!(links.piece(up(1)), SEGMENT_BYTES);
        links.lift((A, B), 0);
        assert_eq!(links.piece(up(1)), 10_000);
    }

    #[test]
    fn what_is_about_one_connection_no_other_meets() {
        let links = links();
        let only = Some(up(1).connection);
        links.impose((A, B), 0, Impairment::Delay(span("100ms")), only);
        links.impose((A, B), 1, Impairment::Slow(Rate(10_000)), only);
        links.impose((A, B), 2, Impairment::Loss(99), only);

        assert_eq!(links.delay(up(2), key(0)), Duration::ZERO);
        assert_eq!(links.through_at(up(2), 1000, Duration::ZERO), None);
        assert!((0..10).all(|n| !links.loses(up(2), key(n), 0)));
        assert_eq!(links.delay(up(1), key(0)), Duration::from_millis(100));
        assert!(links.is_slow(up(1)) && !links.is_slow(up(2)));
    }

    #[test]
    fn what_begins_in_the_midst_of_a_tick_is_not_met_by_who_is_still_before_it() {
        let links = links();
        moment::set(Duration::from_millis(7));
        links.impose((A, B), 0, Impairment::Block, None);

        moment::set(Duration::from_millis(6));
        assert!(links.is_open(up(1), &mut Held::default()));
        moment::set(Duration::from_millis(7));
        assert!(!links.is_open(up(1), &mut Held::default()));
        moment::set(Duration::ZERO);
    }

    /// An impairment, and between which of twenty moments it is there.
    fn spells() -> impl Strategy<Value = Vec<(u64, u64, Impairment)>> {
        let impairment = prop_oneof![
            Just(Impairment::Block),
            (1..9_u64).prop_map(|tenths| {
                let by = Duration::from_millis(tenths * 100);
                Impairment::Delay(SpanRange { low: by, high: by })
            }),
            (1..9_u64).prop_map(|kilobytes| Impairment::Slow(Rate(kilobytes * 1_000_000))),
            Just(Impairment::Loss(99)),
        ];
        prop::collection::vec((0..20_u64, 1..20_u64, impairment), 1..12)
    }

    proptest! {
        #[test]
        fn at_every_moment_a_way_does_what_those_do_that_have_begun_and_not_ended(spells in spells()) {
            let links = links();
            for now in 0..40 {
                let numbered = || spells.iter().enumerate();
                numbered().filter(|(_, (at, lasts, _))| at + lasts == now).for_each(|(fault, _)| links.lift((A, B), fault));
                let begins = numbered().filter(|(_, (at, ..))| *at == now);
                begins.for_each(|(fault, (.., what))| links.impose((A, B), fault, *what, None));

                let there: Vec<Impairment> =
                    spells.iter().filter(|(at, lasts, _)| *at <= now && now < at + lasts).map(|(.., what)| *what).collect();
                let blocked = there.contains(&Impairment::Block);
                prop_assert_eq!(links.is_open(up(1), &mut Held::default()), !blocked);
                let delays = there.iter().filter_map(|what| if let Impairment::Delay(by) = what { Some(by.low) } else { None });
                prop_assert_eq!(links.delay(up(1), key(now)), delays.sum::<Duration>());
                let rates = there.iter().filter_map(|what| if let Impairment::Slow(rate) = what { Some(rate.0) } else { None });
                // What a tick lets through, of the slowest.
                prop_assert_eq!(links.piece(up(1)), rates.min().map_or(BUFFER, |rate| ((rate / 100) as usize).min(BUFFER)));
                let loses = (0..20).any(|n| links.loses(up(1), key(n), 0));
                prop_assert_eq!(loses, there.contains(&Impairment::Loss(99)));
            }
        }
    }
}
