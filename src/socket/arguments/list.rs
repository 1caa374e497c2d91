//! The arguments without their bytes: JSON, in whichever form it came.
//!
//! What the application says is text at once: it is written, and hardly ever read on the way. What a peer said is values: it
//! was read, and is hardly ever written again. Who asks for the other form gets it all the same.

use std::fmt;
use std::sync::OnceLock;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Deserializer, Serializer, Value};

use super::attach::attach;

/// How many bytes most lists have at most: no less is asked for, so that few grow as they are written.
const TYPICAL: usize = 128;

/// Values in order.
#[derive(Clone)]
pub(super) enum List {
    Values(Vec<Value>),
    Text(Text),
}

/// Values as they stand in a packet, between the brackets.
#[derive(Clone, Default)]
pub(super) struct Text {
    json: Vec<u8>,
    count: usize,
    /// What it says, once someone has asked.
    values: OnceLock<Vec<Value>>,
}

impl List {
    /// One more value. Its bytes are added to the attachments. After an error, the list is of no use.
    pub(super) fn push(
        &mut self,
        value: &(impl Serialize + ?Sized),
        attachments: &mut Vec<Bytes>,
    ) -> Result<(), serde_json::Error> {
        match self {
            Self::Values(values) => {
                values.push(attach(value, serde_json::value::Serializer, attachments)?);
                Ok(())
            }
            Self::Text(text) => text.push(value, attachments),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Values(values) => values.len(),
            Self::Text(text) => text.count,
        }
    }

    pub(super) fn values(&self) -> &[Value] {
        match self {
            Self::Values(values) => values,
            Self::Text(text) => text.values.get_or_init(|| text.read()),
        }
    }

    /// Writes the values behind each other, a comma between them.
    pub(super) fn write(&self, wire: &mut String) {
        match self {
            Self::Values(values) => {
                for (index, value) in values.iter().enumerate() {
                    if index > 0 {
                        wire.push(',');
                    }
                    push_json(wire, value);
                }
            }
            Self::Text(text) => wire.push_str(str::from_utf8(&text.json).expect("JSON is UTF-8")),
        }
    }
}

impl Text {
    fn push(
        &mut self,
        value: &(impl Serialize + ?Sized),
        attachments: &mut Vec<Bytes>,
    ) -> Result<(), serde_json::Error> {
        self.values.take();
        if self.count == 0 {
            self.json.reserve(TYPICAL);
        } else {
            self.json.push(b',');
        }
        self.count += 1;
        attach(value, &mut Serializer::new(&mut self.json), attachments)
    }

    fn read(&self) -> Vec<Value> {
        let array = [b"[", self.json.as_slice(), b"]"].concat();
        let mut reader = Deserializer::from_slice(&array);
        // What was deep when it was written is as deep when it is read.
        reader.disable_recursion_limit();
        Vec::deserialize(&mut reader).expect("what was written is JSON")
    }
}

impl Default for List {
    fn default() -> Self {
        Self::Text(Text::default())
    }
}

impl PartialEq for List {
    fn eq(&self, other: &Self) -> bool {
        self.values() == other.values()
    }
}

impl Eq for List {}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.values().fmt(f)
    }
}

/// Not by `Display`: that goes through a formatter, piece by piece, at three times the cost.
pub(in crate::socket) fn push_json(wire: &mut String, value: &(impl Serialize + ?Sized)) {
    wire.push_str(&serde_json::to_string(value).expect("values and strings always serialise"));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pushed(mut list: List, values: &[Value]) -> List {
        values.iter().for_each(|value| list.push(value, &mut Vec::new()).unwrap());
        list
    }

    fn written(list: &List) -> String {
        let mut wire = String::new();
        list.write(&mut wire);
        wire
    }

    #[test]
    fn both_forms_are_written_read_and_counted_alike() {
        let values = [json!("a \"b\" \u{e9}"), json!(null), json!({ "z": [1, -2.5], "a": {} })];

        for (count, text) in [
            (0, ""),
            (1, r#""a \"b\" é""#),
            (2, r#""a \"b\" é",null"#),
            (3, r#""a \"b\" é",null,{"z":[1,-2.5],"a":{}}"#),
        ] {
            for form in [List::default(), List::Values(Vec::new())] {
                let list = pushed(form, &values[..count]);

                assert_eq!(written(&list), text);
                assert_eq!(list.values(), &values[..count]);
                assert_eq!(list.len(), count);
            }
        }
    }

    #[test]
    fn what_was_read_is_read_anew_when_there_is_more() {
        let list = pushed(List::default(), &[json!(1)]);
        assert_eq!(list.values(), [json!(1)]);

        assert_eq!(pushed(list, &[json!(2)]).values(), [json!(1), json!(2)]);
    }

    #[test]
    fn what_is_deeper_than_peers_may_send_is_read_all_the_same() {
        let deep = (0..1000).fold(json!(0), |value, _| json!([value]));

        assert_eq!(pushed(List::default(), std::slice::from_ref(&deep)).values(), [deep]);
    }
}
