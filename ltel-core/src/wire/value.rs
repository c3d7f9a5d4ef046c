//! A value as a client wrote it, in either encoding, before anybody has asked what it should be.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::value::{Error, MapDeserializer, SeqDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::value::RawValue;
use serde_path_to_error::Segment;

// Bounded: lists in lists take far more memory than bytes of the frame, and stack besides.
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
    /// In its order; of keys that come twice the last one counts.
    Map(Vec<(Cow<'a, str>, Value<'a>)>),
    /// What no field can be: extension types, and what is too deep or too large.
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
    /// As a number that can be calculated with.
    #[inline]
    pub(super) fn float(self) -> Option<f64> {
        match self {
            Self::Unsigned(n) => Some(n as f64),
            Self::Negative(n) => Some(n as f64),
            Self::Float(n) => n.is_finite().then_some(n),
        }
    }

    /// As a count. Python's numbers become floats easily, and a load shape may return fractions: what is behind the point is
    /// left out.
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
    /// Reads JSON. What cannot be read is [`Value::Other`]: it costs its field, and not its frame.
    pub(super) fn from_json(json: &'a RawValue) -> Self {
        let values = Cell::new(VALUES);
        let mut deserializer = serde_json::Deserializer::from_str(json.get());
        Json { values: &values, depth: DEPTH }.deserialize(&mut deserializer).unwrap_or(Self::Other)
    }

    /// The text that stands for it where there must be one; nothing for what has none.
    pub(super) fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(text),
            Self::Bool(value) => Some(value.to_string().into()),
            Self::Number(value) => Some(value.to_string().into()),
            Self::Null | Self::List(_) | Self::Map(_) | Self::Other => None,
        }
    }

    /// Reads it as a `T`, and nothing else of it if a part of it is wrong.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, serde_path_to_error::Error<Error>> {
        serde_path_to_error::deserialize(self)
    }

    /// Takes out what a path leads to, or the last thing on its way that is there. False if there is none.
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

/// Reads a JSON value.
#[derive(Clone, Copy)]
struct Json<'b> {
    /// How many more there may be.
    values: &'b Cell<usize>,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Json<'_> {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value<'de>, D::Error> {
        let too_much = || D::Error::custom("too deep, or too many values");
        self.values.set(self.values.get().checked_sub(1).ok_or_else(too_much)?);
        let depth = self.depth.checked_sub(1).ok_or_else(too_much)?;
        deserializer.deserialize_any(Self { depth, ..self })
    }
}

impl<'de> Visitor<'de> for Json<'_> {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value<'de>, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value<'de>, E> {
        Ok(Value::Number(Number::Unsigned(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value<'de>, E> {
        Ok(Value::Number(u64::try_from(value).map_or(Number::Negative(value), Number::Unsigned)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value<'de>, E> {
        Ok(Value::Number(Number::Float(value)))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value<'de>, E> {
        Ok(Value::Text(value.to_owned().into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value<'de>, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(self)? {
            values.push(value);
        }
        Ok(Value::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value<'de>, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key()? {
            entries.push((Cow::Owned(key), map.next_value_seed(self)?));
        }
        Ok(Value::Map(entries))
    }
}

impl IntoDeserializer<'_> for &Value<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// Gives each field what it asks for, where the value can be that. A field that is null is absent.
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
