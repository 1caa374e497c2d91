//! Connection state recovery, the client's side: what it keeps of its session in a namespace, and asks for with CONNECT.
//!
//! In goes what the server says, out comes what to say to it. The offset is the last argument of an event that waits for
//! no answer; it is the position up to which the application has heard everything.

use serde_json::{Value, json};

use super::super::{AckId, Args};
use crate::reached::reached;

/// The session in a namespace, where the server has sessions.
#[derive(Debug, Default)]
pub(super) struct Session {
    pid: Option<String>,
    offset: Option<String>,
    /// Whether the CONNECT that is not yet answered asks for it.
    asked: bool,
}

impl Session {
    /// What to send along with CONNECT. An application that says `pid` or `offset` itself means something else by it, and
    /// what the server made of the two together would be wrong: then no session is asked for. (The reference
    /// implementation sends its `pid` with the application's `offset`.)
    pub(super) fn ask(&mut self, auth: Option<Value>) -> Option<Value> {
        let mut said = auth.unwrap_or_else(|| json!({}));
        let free = said
            .as_object()
            .is_some_and(|fields| !fields.contains_key("pid") && !fields.contains_key("offset"));
        self.asked = free && self.pid.is_some();
        if self.asked {
            reached!("client.recovery_asked");
            said["pid"] = json!(self.pid);
            if let Some(offset) = &self.offset {
                said["offset"] = json!(offset);
            }
        }
        said.as_object().is_none_or(|fields| !fields.is_empty()).then_some(said)
    }

    /// Takes the answer to CONNECT; whether the session goes on. If not, what was heard before is no one's.
    pub(super) fn answered(&mut self, pid: Option<&str>) -> bool {
        let asked = std::mem::take(&mut self.asked);
        let recovered = asked && pid.is_some() && self.pid.as_deref() == pid;
        if recovered {
            reached!("client.recovered");
        } else {
            if asked {
                reached!("client.not_recovered");
            }
            self.pid = pid.map(str::to_owned);
            self.offset = None;
        }
        recovered
    }

    /// Takes note of an event that the application hears.
    pub(super) fn heard(&mut self, args: &Args, ack: Option<AckId>) {
        if let (Some(_), None, Some(Value::String(offset))) = (&self.pid, ack, args.values().last()) {
            self.offset = Some(offset.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Session {
        let mut session = Session::default();
        session.ask(None);
        assert!(!session.answered(Some("p")), "the first is a new one");
        session.heard(&Args::from(vec![json!("text"), json!("1")]), None);
        session
    }

    #[test]
    fn a_client_asks_for_its_session_beside_what_the_application_says() {
        let mut session = known();

        assert_eq!(
            session.ask(Some(json!({ "token": 1 }))),
            Some(json!({ "token": 1, "pid": "p", "offset": "1" }))
        );

        assert!(session.answered(Some("p")));
    }

    #[test]
    fn a_client_without_session_says_what_the_application_says() {
        assert_eq!(Session::default().ask(None), None);
        let mut session = Session::default();
        session.heard(&Args::from(vec![json!("1")]), None);
        assert_eq!(session.ask(Some(json!({ "token": 1 }))), Some(json!({ "token": 1 })));
    }

    #[test]
    fn an_application_that_uses_the_names_for_itself_is_not_recovered() {
        for own in [json!({ "offset": 3 }), json!({ "pid": 3 })] {
            let mut session = known();
            assert_eq!(session.ask(Some(own.clone())), Some(own));
            assert!(!session.answered(Some("p")));
        }
    }

    #[test]
    fn what_was_heard_in_another_session_is_no_offset_of_this_one() {
        let mut session = known();
        session.ask(None);
        assert!(!session.answered(Some("q")));

        assert_eq!(session.ask(None), Some(json!({ "pid": "q" })));
        session.answered(None);
        assert_eq!(session.ask(None), None, "the server has no sessions any more");
    }

    #[test]
    fn only_text_that_ends_an_event_without_answer_is_an_offset() {
        let mut session = known();
        session.heard(&Args::from(vec![json!("2")]), Some(AckId(0)));
        session.heard(&Args::from(vec![json!("2"), json!(3)]), None);
        session.heard(&Args::none(), None);

        assert_eq!(session.ask(None), Some(json!({ "pid": "p", "offset": "1" })));
    }
}
