//! A value as a client wrote it, in either encoding, before it is converted to the type of its field.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::{Error, MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_path_to_error::Segment;

// Bounded: values take far more memory than the bytes of the frame, and nested lists take stack. What is beyond is
// `Value::Other`: how deep values are, and how many there are in one of a frame's fields.
pub(super) const DEPTH: usize = 32;
pub(super) const VALUES: usize = 1 << 16;

/// Any value.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Number(Number),
    /// Also MessagePack's bytes.
    Text(Cow<'a, str>),
    List(Vec<Value<'a>>),
    /// In its order; of duplicate keys the last one counts.
    Map(Vec<(Cow<'a, str>, Value<'a>)>),
    /// A value that fits no field: extension types, and values that are too deep or too large.
    Other,
}

/// A number as it was written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Unsigned(u64),
    Negative(i64),
    Float(f64),
}

impl Number {
    /// As a float.
    #[inline]
    pub(super) fn float(self) -> Option<f64> {
        match self {
            Self::Unsigned(n) => Some(n as f64),
            Self::Negative(n) => Some(n as f64),
            Self::Float(n) => n.is_finite().then_some(n),
        }
    }

    /// As a count. Python's numbers easily become floats, and a load shape may return fractions: these are rounded
    /// down.
    #[inline]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // within the range, and meant to be cut
    pub(super) fn whole(self) -> Option<u64> {
        const BEYOND: f64 = 18_446_744_073_709_551_616.0; // 2^64
        match self {
            Self::Unsigned(n) => Some(n),
            Self::Float(n) if (0.0..BEYOND).contains(&n) => Some(n as u64),
            Self::Float(_) | Self::Negative(_) => None,
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned(n) => n.fmt(f),
            Self::Negative(n) => n.fmt(f),
            Self::Float(n) => n.fmt(f),
        }
    }
}

impl<'a> Value<'a> {
    /// The text that stands for it where there must be one; nothing for what has none.
    pub(super) fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(text),
            Self::Bool(value) => Some(value.to_string().into()),
            Self::Number(value) => Some(value.to_string().into()),
            Self::Null | Self::List(_) | Self::Map(_) | Self::Other => None,
        }
    }

    /// Reads it as a `T`; an error if any part of it is wrong.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, serde_path_to_error::Error<Error>> {
        serde_path_to_error::deserialize(self)
    }

    /// Removes the value at a path, or the last value on the way that exists. False if there is none.
    pub(super) fn take_out(&mut self, path: &[&Segment]) -> bool {
        match (self, path) {
            (Self::Map(entries), [Segment::Map { key }, rest @ ..]) => {
                let Some((_, value)) = entries.iter_mut().rfind(|(have, _)| have == key) else { return false };
                if !value.take_out(rest) {
                    entries.retain(|(have, _)| have != key);
                }
                true
            }
            (Self::List(values), [Segment::Seq { index }, rest @ ..]) => {
                let Some(value) = values.get_mut(*index) else { return false };
                if !value.take_out(rest) {
                    values.remove(*index);
                }
                true
            }
            _ => false,
        }
    }
}

impl IntoDeserializer<'_> for &Value<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// Converts the value to what a field asks for, if possible. A field that is null is absent.
impl<'de> Deserializer<'de> for &Value<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(Number::Unsigned(n)) => visitor.visit_u64(*n),
            Value::Number(Number::Negative(n)) => visitor.visit_i64(*n),
            Value::Number(Number::Float(n)) if n.is_finite() => visitor.visit_f64(*n),
            Value::Text(text) => visitor.visit_str(text),
            Value::List(values) => visitor.visit_seq(SeqDeserializer::new(values.iter())),
            Value::Map(entries) => {
                visitor.visit_map(MapDeserializer::new(entries.iter().map(|(key, value)| (&**key, value))))
            }
            Value::Number(Number::Float(_)) | Value::Other => Err(Error::custom("not a value")),
        }
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Value::Number(number) if let Some(n) = number.whole() => visitor.visit_u64(n),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let Value::Map(entries) = self else { return Err(Error::custom("not a map")) };
        let known = fields.iter().filter_map(|field| entries.iter().rfind(|(key, _)| key == field));
        let present = known.filter(|(_, value)| !matches!(value, Value::Null));
        visitor.visit_map(MapDeserializer::new(present.map(|(key, value)| (&**key, value))))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self {
            Value::Text(text) => visitor.visit_enum((&**text).into_deserializer()),
            _ => Err(Error::custom("not a text")),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u128 f32 f64 char str string bytes byte_buf unit unit_struct newtype_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}
