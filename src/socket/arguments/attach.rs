//! A value as JSON, with a placeholder for each of its bytes: one of `serde_json`'s own serialisers, wrapped.
//!
//! All but bytes is its affair; what is nested is wrapped again, so that bytes are found at any depth.

use std::cell::RefCell;
use std::fmt;

use bytes::Bytes;
use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

/// Serialises a value; its bytes are added to the attachments.
pub(super) fn attach<S: Serializer>(
    value: &(impl Serialize + ?Sized),
    serializer: S,
    attachments: &mut Vec<Bytes>,
) -> Result<S::Ok, S::Error> {
    let shared = RefCell::new(std::mem::take(attachments));
    let json = Nested { value, attachments: &shared }.serialize(serializer);
    *attachments = shared.into_inner();
    json
}

/// A value within a value.
struct Nested<'a, T: ?Sized> {
    value: &'a T,
    attachments: &'a RefCell<Vec<Bytes>>,
}

impl<T: Serialize + ?Sized> Serialize for Nested<'_, T> {
    fn serialize<S: Serializer>(&self, inner: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Attaching { inner, attachments: self.attachments })
    }
}

/// A serialiser, or what it gives for a list, a map or a struct.
struct Attaching<'a, S> {
    inner: S,
    attachments: &'a RefCell<Vec<Bytes>>,
}

macro_rules! unchanged {
    ($($method:ident: $type:ty),* $(,)?) => {
        $(fn $method(self, value: $type) -> Result<S::Ok, S::Error> {
            self.inner.$method(value)
        })*
    };
}

macro_rules! opens {
    ($($method:ident($($name:ident: $type:ty),*) -> $compound:ident),* $(,)?) => {
        $(fn $method(self, $($name: $type),*) -> Result<Self::$compound, S::Error> {
            Ok(Attaching { inner: self.inner.$method($($name),*)?, attachments: self.attachments })
        })*
    };
}

impl<'a, S: Serializer> Serializer for Attaching<'a, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Attaching<'a, S::SerializeSeq>;
    type SerializeTuple = Attaching<'a, S::SerializeTuple>;
    type SerializeTupleStruct = Attaching<'a, S::SerializeTupleStruct>;
    type SerializeTupleVariant = Attaching<'a, S::SerializeTupleVariant>;
    type SerializeMap = Attaching<'a, S::SerializeMap>;
    type SerializeStruct = Attaching<'a, S::SerializeStruct>;
    type SerializeStructVariant = Attaching<'a, S::SerializeStructVariant>;

    fn serialize_bytes(self, bytes: &[u8]) -> Result<S::Ok, S::Error> {
        let number = {
            let mut attachments = self.attachments.borrow_mut();
            attachments.push(Bytes::copy_from_slice(bytes));
            attachments.len() - 1
        };
        super::placeholder(number).serialize(self.inner)
    }

    unchanged! {
        serialize_bool: bool,
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
        serialize_i128: i128,
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_u64: u64,
        serialize_u128: u128,
        serialize_f32: f32,
        serialize_f64: f64,
        serialize_char: char,
        serialize_str: &str,
        serialize_unit_struct: &'static str,
    }

    opens! {
        serialize_seq(length: Option<usize>) -> SerializeSeq,
        serialize_tuple(length: usize) -> SerializeTuple,
        serialize_tuple_struct(name: &'static str, length: usize) -> SerializeTupleStruct,
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, length: usize)
            -> SerializeTupleVariant,
        serialize_map(length: Option<usize>) -> SerializeMap,
        serialize_struct(name: &'static str, length: usize) -> SerializeStruct,
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, length: usize)
            -> SerializeStructVariant,
    }

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_none()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.serialize_some(&Nested { value, attachments: self.attachments })
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit_variant(name, index, variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.inner.serialize_newtype_struct(name, &Nested { value, attachments: self.attachments })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let value = Nested { value, attachments: self.attachments };
        self.inner.serialize_newtype_variant(name, index, variant, &value)
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! elements {
    ($($trait:ident: $method:ident),* $(,)?) => {
        $(impl<S: $trait> $trait for Attaching<'_, S> {
            type Ok = S::Ok;
            type Error = S::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
                self.inner.$method(&Nested { value, attachments: self.attachments })
            }

            fn end(self) -> Result<S::Ok, S::Error> {
                self.inner.end()
            }
        })*
    };
}

elements! {
    SerializeSeq: serialize_element,
    SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field,
}

macro_rules! fields {
    ($($trait:ident),* $(,)?) => {
        $(impl<S: $trait> $trait for Attaching<'_, S> {
            type Ok = S::Ok;
            type Error = S::Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), S::Error> {
                self.inner.serialize_field(key, &Nested { value, attachments: self.attachments })
            }

            fn end(self) -> Result<S::Ok, S::Error> {
                self.inner.end()
            }
        })*
    };
}

fields! { SerializeStruct, SerializeStructVariant }

impl<S: SerializeMap> SerializeMap for Attaching<'_, S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), S::Error> {
        self.inner.serialize_key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        self.inner.serialize_value(&Nested { value, attachments: self.attachments })
    }

    fn end(self) -> Result<S::Ok, S::Error> {
        self.inner.end()
    }
}
