//! The arguments of events and acknowledgements: JSON, with bytes anywhere in it.
//!
//! Values go in by serde and come out by serde. Bytes are what serde calls bytes: a [`Bytes`] anywhere in a value, not a
//! `Vec<u8>`, which is a list of numbers. They are kept beside the JSON as attachments, with the protocol's placeholder
//! in their place.
//!
//! Promise: each placeholder of [`Args`] that has attachments names one of them, and [`Args`] without attachments have no
//! placeholder: an object that only looks like one is an object.

mod attach;
mod detach;
mod from_args;
mod list;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use thiserror::Error;

use detach::Detaching;
use list::List;

pub use from_args::FromArgs;
pub(super) use list::push_json;

/// How many attachments a packet may have: the official parser closes the connection on which more are announced.
pub(super) const ATTACHMENTS_MAX: usize = 10;

const PLACEHOLDER: &str = "_placeholder";
const NUMBER: &str = "num";

/// The arguments of an event or of an acknowledgement. [`args!`] makes them.
///
/// ```
/// use bytes::Bytes;
/// use serde::{Deserialize, Serialize};
/// use squall::args;
///
/// #[derive(Serialize, Deserialize)]
/// struct Picture {
///     name: String,
///     pixels: Bytes,
/// }
///
/// let picture = Picture { name: "dot".to_owned(), pixels: Bytes::from_static(&[6]) };
/// let args = args!["see this", picture];
///
/// assert_eq!(args.get::<String>(0)?, "see this");
/// assert_eq!(args.get::<Picture>(1)?.pixels, [6][..]);
/// # Ok::<(), squall::socket::ArgsError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Args {
    list: List,
    attachments: Vec<Bytes>,
}

/// An argument that is not what the reader asked for.
#[derive(Debug, Error)]
pub enum ArgsError {
    /// There are not so many arguments.
    #[error("argument {index} is missing")]
    Missing {
        /// Counted from zero.
        index: usize,
    },
    /// The argument is of another type.
    #[error("argument {index} is not valid: {source}")]
    Invalid {
        /// Counted from zero.
        index: usize,
        /// What serde says.
        source: serde_json::Error,
    },
}

/// A value that cannot be sent as an argument.
#[derive(Debug, Error)]
pub enum NotSendable {
    /// It has no JSON form, such as a map whose keys are no strings.
    #[error("value has no JSON form: {0}")]
    NoJson(#[from] serde_json::Error),
    /// With it, a packet would have more attachments than peers take.
    #[error("more than {ATTACHMENTS_MAX} attachments in one packet: peers would close the connection")]
    TooManyAttachments,
    /// There are bytes, and beside them an object with `_placeholder: true`: peers would take it for bytes too.
    #[error("an object with `\"{PLACEHOLDER}\": true` cannot go with bytes: peers would take it for bytes")]
    Placeholder,
}

impl Args {
    /// No arguments.
    pub fn none() -> Self {
        Self::default()
    }

    /// One argument.
    ///
    /// # Errors
    /// When the value cannot be sent.
    pub fn one(value: &(impl Serialize + ?Sized)) -> Result<Self, NotSendable> {
        Self::none().and(value)
    }

    /// These, and one more.
    ///
    /// # Errors
    /// When the value cannot be sent, or not together with those before.
    pub fn and(mut self, value: &(impl Serialize + ?Sized)) -> Result<Self, NotSendable> {
        self.list.push(value, &mut self.attachments)?;
        if self.attachments.len() > ATTACHMENTS_MAX {
            return Err(NotSendable::TooManyAttachments);
        }
        if !self.attachments.is_empty() && placeholders(self.values()).count() != self.attachments.len() {
            return Err(NotSendable::Placeholder);
        }
        Ok(self)
    }

    /// What a peer sent; the attachments come later, by [`Args::attach`].
    ///
    /// # Errors
    /// When a placeholder names none of so many attachments.
    pub(super) fn announced(values: Vec<Value>, attachments: usize) -> Result<Self, BadPlaceholder> {
        let named = |number: &Value| number.as_u64().is_some_and(|number| number < attachments as u64);
        if attachments == 0 || placeholders(&values).all(named) {
            Ok(Self::from(values))
        } else {
            Err(BadPlaceholder)
        }
    }

    /// The attachments that were announced.
    pub(super) fn attach(&mut self, attachments: Vec<Bytes>) {
        self.attachments = attachments;
    }

    /// These, but for the last value. What is attached stays: it is no one's that is taken away but text.
    pub(super) fn without_last(self) -> Self {
        let values = self.values().split_last().map_or_else(Vec::new, |(_, rest)| rest.to_vec());
        Self { list: List::Values(values), ..self }
    }

    /// Writes them behind each other, a comma between them.
    pub(super) fn write(&self, wire: &mut String) {
        self.list.write(wire);
    }

    /// Reads an argument, counted from zero.
    ///
    /// # Errors
    /// When it is missing or of another type.
    pub fn get<T: DeserializeOwned>(&self, index: usize) -> Result<T, ArgsError> {
        let value = self.values().get(index).ok_or(ArgsError::Missing { index })?;
        let read = if self.attachments.is_empty() {
            T::deserialize(value)
        } else {
            T::deserialize(Detaching { value, attachments: &self.attachments })
        };
        read.map_err(|source| ArgsError::Invalid { index, source })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The arguments as JSON. Where [`Args::attachments`] has bytes, their place is taken by
    /// `{ "_placeholder": true, "num": <index> }`.
    pub fn values(&self) -> &[Value] {
        self.list.values()
    }

    /// The bytes among the arguments.
    pub fn attachments(&self) -> &[Bytes] {
        &self.attachments
    }
}

impl From<Vec<Value>> for Args {
    /// JSON alone: no object in it is taken for bytes.
    fn from(values: Vec<Value>) -> Self {
        Self { list: List::Values(values), attachments: Vec::new() }
    }
}

/// Arguments of an event or an acknowledgement: any values that serialise, with [`Bytes`] anywhere in them.
///
/// (`json!` knows no bytes: inside of it they become a list of numbers.)
///
/// # Panics
/// As `json!` does, when a value has no JSON form; and when the values cannot be sent together, see
/// [`NotSendable`]. [`Args::and`] gives an error instead.
#[doc(hidden)]
#[macro_export]
macro_rules! __args {
    ($($value:expr),* $(,)?) => {
        $crate::socket::Args::none()
            $(.and(&$value).unwrap_or_else(|error| ::std::panic!("{error}")))*
    };
}

#[doc(inline)]
pub use __args as args;

/// A placeholder that names no attachment.
#[derive(Debug)]
pub(super) struct BadPlaceholder;

/// What stands in the place of bytes: the number of their attachment.
fn placeholder(number: usize) -> Value {
    let fields = [(PLACEHOLDER, Value::from(true)), (NUMBER, Value::from(number))];
    Value::Object(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// What a placeholder has as its number, if the object is one.
fn placeholder_number(object: &Map<String, Value>) -> Option<&Value> {
    let is_one = object.get(PLACEHOLDER) == Some(&Value::Bool(true));
    is_one.then(|| object.get(NUMBER).unwrap_or(&Value::Null))
}

/// The numbers of all placeholders, as peers find them. Recurses no deeper than the JSON parser did, which has a limit.
fn placeholders(values: &[Value]) -> impl Iterator<Item = &Value> {
    let mut found = Vec::new();
    values.iter().for_each(|value| find_placeholders(value, &mut found));
    found.into_iter()
}

fn find_placeholders<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        Value::Array(values) => values.iter().for_each(|value| find_placeholders(value, found)),
        Value::Object(fields) => match placeholder_number(fields) {
            Some(number) => found.push(number),
            None => fields.values().for_each(|value| find_placeholders(value, found)),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    const SIX: Bytes = Bytes::from_static(&[6]);

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Picture {
        name: String,
        pixels: Bytes,
        thumbnail: Option<Bytes>,
        frames: Vec<Frame>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Frame {
        Empty,
        Full(Bytes),
        Part { at: (u8, u8), data: Bytes },
    }

    fn picture() -> Picture {
        let part = Frame::Part { at: (1, 2), data: Bytes::from_static(b"part") };
        Picture {
            name: "dot".to_owned(),
            pixels: SIX,
            thumbnail: Some(Bytes::new()),
            frames: vec![Frame::Empty, Frame::Full(Bytes::from_static(b"full")), part],
        }
    }

    #[test]
    fn bytes_are_attached_where_they_stand_and_in_order() {
        let args = args![1, SIX, json!([2]), BTreeMap::from([(3, SIX)]), "four"];

        let place = |number: usize| json!({ "_placeholder": true, "num": number });
        assert_eq!(args.values(), [json!(1), place(0), json!([2]), json!({ "3": place(1) }), json!("four")]);
        assert_eq!(args.attachments(), [SIX, SIX]);
    }

    #[test]
    fn what_is_put_in_is_read_out() {
        let args = args![picture(), SIX];

        assert_eq!(args.attachments().len(), 5);
        assert_eq!(args.get::<Picture>(0).unwrap(), picture());
        assert_eq!(args.get::<Bytes>(1).unwrap(), SIX);
        assert_eq!(args.get::<Option<Bytes>>(1).unwrap(), Some(SIX));
        assert!(matches!(args.get::<u8>(1), Err(ArgsError::Invalid { index: 1, .. })));
        assert!(matches!(args.get::<Bytes>(2), Err(ArgsError::Missing { index: 2 })));
    }

    #[test]
    fn beside_bytes_the_rest_is_read_as_without_them() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Mixed {
            keyed: BTreeMap<i32, f64>,
            flag: BTreeMap<bool, ()>,
            pair: (char, Option<u8>),
            #[serde(flatten)]
            more: BTreeMap<String, Value>,
        }
        let mixed = || Mixed {
            keyed: BTreeMap::from([(-3, 0.5), (4, 2.0)]),
            flag: BTreeMap::from([(true, ())]),
            pair: ('x', None),
            more: BTreeMap::from([("more".to_owned(), json!({ "a": [null, 1] }))]),
        };

        assert_eq!(args![mixed(), SIX].get::<Mixed>(0).unwrap(), mixed());
        assert_eq!(args![mixed()].get::<Mixed>(0).unwrap(), mixed());
    }

    #[test]
    fn too_many_or_too_few_elements_are_an_error_beside_bytes_too() {
        let args = args![json!([1, 2, 3]), SIX];

        assert!(args.get::<(u8, u8)>(0).is_err());
        assert!(args.get::<(u8, u8, u8, u8)>(0).is_err());
        assert_eq!(args.get::<(u8, u8, u8)>(0).unwrap(), (1, 2, 3));
    }

    #[test]
    fn an_object_that_looks_like_a_placeholder_is_an_object() {
        let lookalike = json!({ "_placeholder": true, "num": 0 });

        let args = args![lookalike];

        assert_eq!(args.get::<Value>(0).unwrap(), lookalike);
        assert!(args.get::<Bytes>(0).is_err());
        assert!(matches!(args.and(&SIX), Err(NotSendable::Placeholder)));
        assert!(matches!(args![SIX].and(&vec![&lookalike]), Err(NotSendable::Placeholder)));
        let unlike = [json!({ "_placeholder": 1, "num": 0 }), json!({ "_placeholder": false })];
        assert!(args![SIX].and(&unlike).is_ok());
    }

    #[test]
    fn what_cannot_be_sent_is_an_error() {
        let map = BTreeMap::from([((1, 2), 3)]);
        assert!(matches!(Args::one(&map), Err(NotSendable::NoJson(_))));
        let ten = args![vec![SIX; ATTACHMENTS_MAX]];
        assert_eq!(ten.attachments().len(), ATTACHMENTS_MAX);
        assert!(matches!(ten.and(&SIX), Err(NotSendable::TooManyAttachments)));
    }

    #[test]
    fn a_placeholder_of_a_peer_names_an_attachment() {
        let announced = |value: Value, attachments| Args::announced(vec![value], attachments).is_ok();
        for (number, named) in [
            (json!(1), true),
            (json!(2), false),
            (json!(-1), false),
            (json!(0.5), false),
            (json!("0"), false),
        ] {
            assert_eq!(announced(json!([{ "_placeholder": true, "num": number }]), 2), named, "{number}");
        }
        assert!(!announced(json!({ "_placeholder": true }), 2));
        assert!(announced(json!({ "_placeholder": true }), 0), "without attachments it is an object");
    }
}
