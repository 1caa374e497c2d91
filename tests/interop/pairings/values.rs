//! Arguments as the cases write them, for Squall: bytes are `{ "binary": <hex> }`, and a text of some length is
//! `{ "text of": <length> }`. What `driver_values.mjs` is to the official library.

use bytes::Bytes;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};
use squall::socket::{AckError, Args};

/// A value of a case, as it is sent.
struct Sent<'v>(&'v Value);

impl Serialize for Sent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(bytes) = bytes_of(self.0) {
            return bytes.serialize(serializer);
        }
        if let Some(length) = self.0["text of"].as_u64() {
            return serializer.serialize_str(&"x".repeat(usize::try_from(length).unwrap_or(0)));
        }
        match self.0 {
            Value::Array(values) => serializer.collect_seq(values.iter().map(Sent)),
            Value::Object(object) => {
                let mut map = serializer.serialize_map(Some(object.len()))?;
                for (key, value) in object {
                    map.serialize_entry(key, &Sent(value))?;
                }
                map.end()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                self.0.serialize(serializer)
            }
        }
    }
}

/// The bytes that a value of a case stands for, where it stands for bytes.
pub(crate) fn bytes_of(value: &Value) -> Option<Bytes> {
    let hex = value["binary"].as_str()?;
    let digits = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    (0..hex.len()).step_by(2).map(digits).collect::<Option<Vec<u8>>>().map(Bytes::from)
}

/// What is sent for these values.
pub(crate) fn from_case(values: &[Value]) -> Args {
    values.iter().fold(Args::none(), |args, value| {
        args.and(&Sent(value)).unwrap_or_else(|error| panic!("a case sends what cannot be sent: {error}"))
    })
}

/// The name and the arguments of an event of a case.
pub(crate) fn event_from_case(command: &Value) -> (&str, Args) {
    let event = command["event"].as_array().map(Vec::as_slice).unwrap_or_default();
    let name = event.first().and_then(Value::as_str).expect("the case was checked");
    (name, from_case(&event[1..]))
}

/// An event as the cases write it.
pub(crate) fn event_to_case(name: &str, args: &Args) -> Value {
    let event = std::iter::once(json!(name)).chain(args_to_case(args));
    Value::Array(event.collect())
}

/// Arguments as the cases write them.
pub(crate) fn args_to_case(args: &Args) -> Vec<Value> {
    args.values().iter().map(|value| heard(value, args.attachments())).collect()
}

fn heard(value: &Value, attachments: &[Bytes]) -> Value {
    match value {
        Value::Object(object) if value["_placeholder"] == true => {
            let number =
                object.get("num").and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok());
            match number.and_then(|number| attachments.get(number)) {
                Some(bytes) => json!({ "binary": hex(bytes) }),
                None => value.clone(),
            }
        }
        Value::Object(object) => {
            object.iter().map(|(key, value)| (key.clone(), heard(value, attachments))).collect()
        }
        Value::Array(values) => values.iter().map(|value| heard(value, attachments)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What an emit that asks for an answer hears in the end.
pub(crate) fn answer_to_case(answer: &Result<Args, AckError>) -> Value {
    match answer {
        Ok(args) => json!({ "answer": args_to_case(args) }),
        Err(error) => json!({ "error": error.to_string() }),
    }
}
