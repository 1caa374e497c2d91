//! Who is there, with which options.

use std::sync::Arc;

use squall::chat::ChatOptions;

use super::Resolver;
use crate::scenario::client::{self, ClientPlan, Transport};
use crate::scenario::limits::{self, ATTEMPTS_MAX, CLIENTS_MAX, ROOMS_MAX};
use crate::scenario::schema::{ClientText, Entries};
use crate::scenario::terms::Name;
use crate::scenario::yaml::Spanned;
use crate::units::Span;

impl Resolver<'_> {
    pub(super) fn clients(
        &mut self,
        written: Option<&Spanned<Entries<ClientText>>>,
    ) -> Vec<(Name, Option<ClientPlan>)> {
        let Some(written) = written else { return Vec::new() };
        let entries = &written.value.0;
        if entries.is_empty() {
            self.wrong(written, "there are no clients").label("name at least one");
        }
        if let Some((excess, _)) = entries.get(CLIENTS_MAX) {
            let title = format!("there are {} clients", entries.len());
            self.wrong(excess, title).label(format!("at most {CLIENTS_MAX}"));
        }
        entries.iter().map(|(name, client)| (self.client_name(name), self.client(client))).collect()
    }

    fn client_name(&mut self, name: &Spanned<String>) -> Name {
        if !limits::is_client_name(&name.value) {
            self.wrong(name, format!("a client cannot be called `{}`", name.value))
                .label("a small letter, then small letters, digits, `_`, `-`; not `server` or `world`");
        }
        Arc::from(name.value.as_str())
    }

    fn client(&mut self, written: &ClientText) -> Option<ClientPlan> {
        let ack_timeout = self.span_or(written.ack_timeout.as_ref(), ChatOptions::default().ack_timeout);
        let transports = self.transports(written.transports.as_ref());
        let attempts = self.attempts(written.reconnection_attempts.as_ref());
        let [delay, delay_max] = self.delays(written);
        let retries = self.retries(written.retries.as_ref());
        let rooms = match &written.rooms {
            None => Some(client::default_rooms()),
            Some(rooms) => self.rooms(rooms),
        };
        Some(ClientPlan {
            send: written.send.as_ref().map_or_else(Default::default, |send| send.value),
            receive: written.receive.as_ref().map_or_else(Default::default, |receive| receive.value),
            transports: transports?,
            reconnection: written.reconnection.unwrap_or_else(client::default_reconnection),
            reconnection_attempts: attempts?,
            reconnection_delay: delay?,
            reconnection_delay_max: delay_max?,
            retries: retries?,
            ack_timeout: Span(ack_timeout?),
            rooms: rooms?,
            while_dead: written.while_dead,
        })
    }

    fn transports(&mut self, written: Option<&Spanned<Vec<Transport>>>) -> Option<Vec<Transport>> {
        let Some(transports) = written else { return Some(client::default_transports()) };
        let list = &transports.value;
        let twice = (1..list.len()).any(|place| list[..place].contains(&list[place]));
        if list.is_empty() || twice {
            let title = if twice { "a transport stands twice" } else { "there is no transport" };
            self.wrong(transports, title).label("`polling`, `websocket`, or both, the first first");
            return None;
        }
        Some(list.clone())
    }

    /// The inner `None` is for ever.
    fn attempts(&mut self, written: Option<&Spanned<u32>>) -> Option<Option<u32>> {
        let Some(attempts) = written else { return Some(None) };
        if !(1..=ATTEMPTS_MAX).contains(&attempts.value) {
            self.wrong(attempts, format!("{} attempts to connect again", attempts.value))
                .label(format!("1 to {ATTEMPTS_MAX}"))
                .help("for a client that never tries, write `reconnection: false`");
            return None;
        }
        Some(Some(attempts.value))
    }

    fn delays(&mut self, written: &ClientText) -> [Option<Span>; 2] {
        let delay = self.span_or(written.reconnection_delay.as_ref(), client::default_reconnection_delay().0);
        let delay_max =
            self.span_or(written.reconnection_delay_max.as_ref(), client::default_reconnection_delay_max().0);
        let blamed = written.reconnection_delay.as_ref().or(written.reconnection_delay_max.as_ref());
        if let (Some(delay), Some(delay_max), Some(blamed)) = (delay, delay_max, blamed)
            && delay > delay_max
        {
            self.wrong(blamed, "the first delay is longer than the longest").label(format!(
                "`reconnection_delay` is {}, `reconnection_delay_max` is {}",
                Span(delay),
                Span(delay_max)
            ));
        }
        [delay.map(Span), delay_max.map(Span)]
    }

    fn retries(&mut self, written: Option<&Spanned<u32>>) -> Option<u32> {
        let Some(retries) = written else { return Some(client::default_retries()) };
        if retries.value > ATTEMPTS_MAX {
            self.wrong(retries, format!("{} retries", retries.value))
                .label(format!("at most {ATTEMPTS_MAX}"));
            return None;
        }
        Some(retries.value)
    }

    fn rooms(&mut self, written: &[Spanned<String>]) -> Option<Vec<Name>> {
        if let Some(excess) = written.get(ROOMS_MAX) {
            self.wrong(excess, format!("there are {} rooms", written.len()))
                .label(format!("at most {ROOMS_MAX}"));
        }
        self.distinct_rooms(written)
    }

    /// The names of rooms, each once.
    pub(super) fn distinct_rooms(&mut self, written: &[Spanned<String>]) -> Option<Vec<Name>> {
        let all: Vec<Option<Name>> = written
            .iter()
            .enumerate()
            .map(|(place, room)| {
                if written[..place].iter().any(|earlier| earlier.value == room.value) {
                    self.wrong(room, format!("`{}` stands twice", room.value)).label("the second one");
                    return None;
                }
                self.room(&room.value, room)
            })
            .collect();
        all.into_iter().collect()
    }

    /// The name of a room, which stands at `at`.
    pub(super) fn room<T>(&mut self, name: &str, at: &Spanned<T>) -> Option<Name> {
        if !limits::is_room_name(name) {
            self.wrong(at, format!("a room cannot be called `{name}`"))
                .label("1 to 32 small letters, digits, `_`, `-`");
            return None;
        }
        Some(Arc::from(name))
    }
}
