//! The rooms of our client against those of our server, over a wire that breaks anywhere: whatever happens, who is in a room
//! is shown each of its messages once and in order, from where he joined it to where he left it, and nothing else.

use std::collections::{BTreeMap, VecDeque};

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::chat::client::rooms::{Arrival, Granted, Request, Rooms as ClientRooms};
use crate::chat::server::request::read_start;
use crate::chat::server::rooms::{Rooms as ServerRooms, Turn};
use crate::chat::wire::{ChatError, JoinedRooms};
use crate::chat::{ChatEvent, ReceiveMode, Shown};
use crate::socket::Args;
use crate::store::LogOffset;

const NAMES: [&str; 3] = ["general", "b", "c"];
const PAGE: usize = 2;

/// What may happen next, where it can.
#[derive(Debug, Clone)]
enum Step {
    /// Someone says something.
    Say(usize),
    /// The user joins, from the log's end, or after a quarter of it for each of `since`.
    Join(usize, Option<u64>),
    Leave(usize),
    /// The client says its rooms to a server that has not answered yet.
    Dial,
    Connect,
    /// With a request under way that is lost, or comes again on the next connection.
    Break {
        comes_again: bool,
    },
    /// The server takes what the client sent, or the client what the server sent.
    Up,
    Down,
    /// The server reads a page, or sends the next message of it.
    Read,
    Send,
}

fn step() -> impl Strategy<Value = Step> {
    let room = 0..NAMES.len();
    prop_oneof![
        4 => room.clone().prop_map(Step::Say),
        2 => (room.clone(), proptest::option::of(0..=4_u64)).prop_map(|(room, since)| Step::Join(room, since)),
        2 => room.prop_map(Step::Leave),
        1 => Just(Step::Dial),
        2 => Just(Step::Connect),
        1 => any::<bool>().prop_map(|comes_again| Step::Break { comes_again }),
        4 => Just(Step::Up),
        8 => Just(Step::Down),
        4 => Just(Step::Read),
        6 => Just(Step::Send),
    ]
}

#[derive(Debug)]
enum Down {
    Connected,
    Joined(JoinedRooms),
    Answer(Result<Granted, ChatError>),
    Message(Args),
}

/// A connection, with the server's end of it.
#[derive(Debug)]
struct Link {
    server: ServerRooms,
    page: Option<(Turn, VecDeque<LogOffset>, Option<LogOffset>)>,
    up: VecDeque<Request>,
    down: VecDeque<Down>,
    client_knows: bool,
    client_knows_rooms: bool,
}

/// A user's stay in a room, as the user sees it.
#[derive(Debug)]
struct Stay {
    since: Option<LogOffset>,
    /// Where the log ended when the user asked, or before.
    asked_at: LogOffset,
    joined_at: Option<LogOffset>,
    shown: Vec<LogOffset>,
    leaving: bool,
    next: Option<Option<LogOffset>>,
}

impl Stay {
    fn new(since: Option<LogOffset>, asked_at: LogOffset) -> Self {
        Self { since, asked_at, joined_at: None, shown: Vec::new(), leaving: false, next: None }
    }
}

struct Model {
    /// The room of each message, in the order of their offsets.
    log: Vec<usize>,
    client: ClientRooms,
    auth: Option<Value>,
    /// The log's end when the client last said its rooms.
    dialed_at: LogOffset,
    link: Option<Link>,
    comes_again: Option<Request>,
    stays: BTreeMap<String, Stay>,
}

impl Model {
    fn new() -> Self {
        let client = ClientRooms::new(ReceiveMode::Resume, vec![NAMES[0].to_owned()]);
        let stay = Stay::new(Some(LogOffset::START), LogOffset::START);
        let stays = BTreeMap::from([(NAMES[0].to_owned(), stay)]);
        Self {
            log: Vec::new(),
            client,
            auth: None,
            dialed_at: LogOffset::START,
            link: None,
            comes_again: None,
            stays,
        }
    }

    fn head(&self) -> LogOffset {
        LogOffset(self.log.len() as u64)
    }

    fn of_room(&self, room: &str) -> impl Iterator<Item = LogOffset> {
        let room = NAMES.iter().position(|name| *name == room).unwrap();
        (1..).zip(&self.log).filter(move |(_, of)| **of == room).map(|(offset, _)| LogOffset(offset))
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Say(room) => self.log.push(room),
            Step::Join(room, quarters) => {
                let since = quarters.map(|quarters| LogOffset(self.head().0 * quarters / 4));
                self.join(NAMES[room], since);
            }
            Step::Leave(room) => self.leave(NAMES[room]),
            Step::Dial if self.link.is_none() => {
                self.auth = Some(self.client.auth());
                self.dialed_at = self.head();
            }
            Step::Dial => {}
            Step::Connect => self.connect(),
            Step::Break { comes_again } => self.disconnect(comes_again),
            Step::Up => drop(self.up()),
            Step::Down => drop(self.down()),
            Step::Read => drop(self.read()),
            Step::Send => drop(self.send()),
        }
        if let Some(link) = self.link.as_mut().filter(|link| link.client_knows) {
            link.up.extend(self.client.next_request());
        }
    }

    fn join(&mut self, name: &str, since: Option<LogOffset>) {
        // A room that was named when the client dialed, left and joined again meanwhile, may begin where it was named.
        let is_settled = self.link.as_ref().is_some_and(|link| link.client_knows_rooms);
        let asked_at = if is_settled { self.head() } else { self.dialed_at };
        match self.stays.get_mut(name) {
            None => drop(self.stays.insert(name.to_owned(), Stay::new(since, asked_at))),
            Some(stay) if stay.leaving => stay.next = Some(since),
            Some(_) => {}
        }
        self.client.join(name.to_owned(), since);
    }

    fn leave(&mut self, name: &str) {
        if let Some(stay) = self.stays.get_mut(name) {
            stay.leaving = true;
            stay.next = None;
        }
        let told = self.client.leave(name);
        self.hear(told);
    }

    fn connect(&mut self) {
        let Some(auth) = self.auth.take().filter(|_| self.link.is_none()) else { return };
        let start = read_start(&auth).expect("our client connects as the server wants it");
        let mut server = ServerRooms::new(NAMES.len());
        for (room, since) in start.rooms {
            server.join(&room, since, self.head()).expect("our client asks for what there is");
        }
        let down = VecDeque::from([Down::Connected, Down::Joined(server.joined())]);
        let up = self.comes_again.take().into_iter().collect();
        self.link =
            Some(Link { server, page: None, up, down, client_knows: false, client_knows_rooms: false });
    }

    fn disconnect(&mut self, comes_again: bool) {
        let Some(link) = self.link.take() else { return };
        // What the client has not sent since it came back it will still send.
        let unsent = self.client.asked().is_some() && !link.client_knows && !link.up.is_empty();
        if link.client_knows {
            let told = self.client.disconnected();
            self.hear(told);
        }
        if comes_again || unsent {
            self.comes_again = self.client.asked().cloned();
        } else {
            let told = self.client.unanswered();
            self.hear(told);
        }
    }

    /// Whether there was anything to do; so below.
    fn up(&mut self) -> bool {
        let head = self.head();
        let Some(link) = &mut self.link else { return false };
        let Some(request) = link.up.pop_front() else { return false };
        let answer = match request {
            Request::Join { room, since } => link
                .server
                .join(&room, since, head)
                .map(|joined| Granted { offset: joined.offset, since: Some(joined.since) }),
            Request::Leave { room } => {
                Ok(Granted { offset: link.server.leave(&room).unwrap_or(head), since: None })
            }
        };
        link.down.push_back(Down::Answer(answer));
        true
    }

    fn down(&mut self) -> bool {
        let Some(link) = &mut self.link else { return false };
        let Some(down) = link.down.pop_front() else { return false };
        match down {
            Down::Connected => {
                link.client_knows = true;
                self.client.connected();
            }
            Down::Joined(joined) => {
                link.client_knows_rooms = true;
                let told = self.client.joined(&joined);
                self.hear(told);
            }
            Down::Answer(answer) => {
                let told = self.client.answered(answer);
                self.hear(told);
            }
            Down::Message(args) => match self.client.receive(&args).unwrap() {
                Arrival::Next(Shown { room, offset, .. }) => {
                    let stay =
                        self.stays.get_mut(&room).expect("only who is in a room is shown its messages");
                    stay.shown.push(offset);
                }
                Arrival::Known | Arrival::Elsewhere => {}
                Arrival::Gap { .. } => self.disconnect(false),
            },
        }
        true
    }

    fn read(&mut self) -> bool {
        let head = self.head();
        let Some(link) = self.link.as_mut().filter(|link| link.page.is_none()) else { return false };
        let Some(turn) = link.server.turn(head) else { return false };
        let page: VecDeque<_> =
            self.of_room(&turn.room).filter(|offset| *offset > turn.after).take(PAGE).collect();
        let exhausted = (page.len() < PAGE).then_some(head);
        self.link.as_mut().unwrap().page = Some((turn, page, exhausted));
        true
    }

    fn send(&mut self) -> bool {
        let Some(link) = &mut self.link else { return false };
        let Some((turn, page, exhausted)) = &mut link.page else { return false };
        let sent = page.pop_front().and_then(|offset| Some((offset, link.server.send(turn, offset)?)));
        if let Some((offset, prev)) = sent {
            let meta = json!({ "room": turn.room, "id": null, "prev": prev });
            link.down.push_back(Down::Message(Args::from(vec![json!(""), json!(offset), meta])));
        } else {
            if let Some(head) = exhausted {
                link.server.exhausted(turn, *head);
            }
            link.page = None;
        }
        true
    }

    fn hear(&mut self, events: impl IntoIterator<Item = ChatEvent>) {
        for event in events {
            match event {
                ChatEvent::Joined { room, offset } => {
                    let stay = self.stays.get_mut(&room).expect("only who joins has joined");
                    assert!(!stay.leaving && stay.joined_at.is_none(), "joined once");
                    stay.joined_at = Some(offset);
                }
                ChatEvent::Left { room, offset } => {
                    let stay = self.stays.remove(&room).expect("only who is in a room leaves it");
                    assert!(stay.leaving, "{room} was left by nobody");
                    self.judge(&room, &stay, offset);
                    if let Some(since) = stay.next {
                        self.stays.insert(room, Stay::new(since, stay.asked_at));
                    }
                }
                other @ (ChatEvent::Connected
                | ChatEvent::Disconnected(_)
                | ChatEvent::Refused(_)
                | ChatEvent::GaveUp
                | ChatEvent::Message(_)
                | ChatEvent::NotJoined { .. }
                | ChatEvent::Acknowledged { .. }
                | ChatEvent::Failed { .. }
                | ChatEvent::OutboxBroken(_)) => panic!("rooms say nothing else: {other:?}"),
            }
        }
    }

    /// All of the room from the stay's start up to `last` was shown, in order.
    fn judge(&self, room: &str, stay: &Stay, last: LogOffset) {
        // Who left before he heard of his join was shown whatever the server sent meanwhile.
        let first = stay.shown.first().copied();
        let before_first = first.map_or(last, |first| LogOffset(first.0 - 1));
        let start = stay.since.or(stay.joined_at).unwrap_or(before_first);
        assert!(stay.since.is_some() || first.is_none_or(|first| first > stay.asked_at), "{room}: {stay:?}");
        let owed: Vec<_> = self.of_room(room).filter(|offset| start < *offset && *offset <= last).collect();
        assert_eq!(stay.shown, owed, "{room} up to {last}: {stay:?}");
    }

    /// Connects, and lets everything happen that can.
    fn heal(&mut self) {
        for _ in 0..100 {
            if self.link.is_none() {
                self.take(&Step::Dial);
                self.take(&Step::Connect);
            }
            while self.up() || self.down() || self.send() || self.read() {
                self.take(&Step::Up);
            }
        }
    }
}

proptest! {
    #[test]
    fn what_a_user_is_entitled_to_is_shown_once_in_order_and_nothing_else(steps in vec(step(), 0..120)) {
        let mut model = Model::new();
        steps.iter().for_each(|step| model.take(step));
        model.heal();
        let (head, stays) = (model.head(), std::mem::take(&mut model.stays));
        for (room, stay) in &stays {
            prop_assert!(!stay.leaving, "{} is never left: {:?}", room, stay);
            model.judge(room, stay, head);
        }
    }
}
