//! The keys that a table of options can have: the configuration and the replay check tables against them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use serde::de::value::MapDeserializer;
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error, ValueDeserializer};

/// The keys of a type of options, as its `Deserialize` lists them.
#[derive(Clone, Copy, Debug)]
pub struct Keys {
    listed: Option<&'static [&'static str]>,
    unread: fn(&DeTable<'_>) -> Vec<String>,
}

impl Keys {
    /// The keys of the type `T`.
    #[must_use]
    pub fn of<T: DeserializeOwned>() -> Self {
        let listed = Mutex::new(None);
        // There is no value, so this is always an error. A type that panics here panics again when it reads its table.
        let _ = catch_unwind(AssertUnwindSafe(|| T::deserialize(Lister(&listed)).is_ok()));
        Self { listed: listed.into_inner().unwrap_or_default(), unread: unread::<T> }
    }

    /// All keys, if the type lists them: a struct without `#[serde(flatten)]` does.
    #[must_use]
    pub const fn listed(&self) -> Option<&'static [&'static str]> {
        self.listed
    }

    /// The keys of a table that the type does not read. If the type does not list its keys, this tries each key, and works only
    /// if the table has no other error.
    #[must_use]
    pub fn unknown(&self, table: &DeTable<'_>) -> Vec<String> {
        match self.listed {
            Some(listed) => {
                let keys = table.keys().map(|key| key.get_ref().as_ref());
                keys.filter(|key| !listed.contains(key)).map(str::to_owned).collect()
            }
            None => (self.unread)(table),
        }
    }
}

/// Reads the table once for each key, with a value in its place that no type takes. If that changes nothing, the key is not
/// read. `flatten` hides its keys from serde's own means: what is unknown to the struct is buffered, and dropped.
fn unread<T: DeserializeOwned>(table: &DeTable<'_>) -> Vec<String> {
    let is_read_with = |refused: Option<&str>| {
        let entries = table.iter().map(|(key, value)| {
            let key = key.get_ref().as_ref();
            let value = if refused == Some(key) { Trial::Refused } else { Trial::Value(value.clone()) };
            (key, value)
        });
        T::deserialize(MapDeserializer::<'_, _, Error>::new(entries)).is_ok()
    };
    if !is_read_with(None) {
        return Vec::new();
    }
    let keys = table.keys().map(|key| key.get_ref().as_ref());
    keys.filter(|key| is_read_with(Some(key))).map(str::to_owned).collect()
}

/// Notes the fields that a struct asks for.
struct Lister<'a>(&'a Mutex<Option<&'static [&'static str]>>);

impl<'de> Deserializer<'de> for Lister<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("no value"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if let Ok(mut listed) = self.0.lock() {
            *listed = Some(fields);
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq tuple
        tuple_struct map enum identifier ignored_any
    }
}

/// A value of the table, or one that every type rejects but that serde can buffer: bytes, which TOML does not have.
enum Trial<'a> {
    Value(Spanned<DeValue<'a>>),
    Refused,
}

impl<'a> IntoDeserializer<'a, Error> for Trial<'a> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Trial<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Value(value) => ValueDeserializer::from(value).deserialize_any(visitor),
            Self::Refused => visitor.visit_bytes(&[0xff]),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Value(value) => ValueDeserializer::from(value).deserialize_option(visitor),
            Self::Refused => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Value(value) => ValueDeserializer::from(value).deserialize_newtype_struct(name, visitor),
            Self::Refused => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self {
            Self::Value(value) => ValueDeserializer::from(value).deserialize_struct(name, fields, visitor),
            Self::Refused => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self {
            Self::Value(value) => ValueDeserializer::from(value).deserialize_enum(name, variants, visitor),
            Self::Refused => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Plain {
        _name: String,
        #[serde(default)]
        _limit: Option<u64>,
    }

    #[derive(Deserialize)]
    struct Inner {
        #[serde(default)]
        _path: Option<String>,
        #[serde(default)]
        _on: bool,
        #[serde(default)]
        _shades: Vec<f64>,
    }

    #[derive(Deserialize)]
    struct Flat {
        _name: String,
        #[serde(flatten)]
        _inner: Inner,
    }

    #[derive(Deserialize)]
    struct All {
        #[serde(flatten)]
        _all: HashMap<String, serde_json::Value>,
    }

    fn unknown<T: DeserializeOwned>(table: &str) -> Vec<String> {
        Keys::of::<T>().unknown(DeTable::parse(table).expect("TOML").get_ref())
    }

    #[test]
    fn a_struct_lists_its_keys() {
        assert_eq!(Keys::of::<Plain>().listed(), Some(&["_name", "_limit"][..]));
        assert_eq!(unknown::<Plain>("_name = 'a'\n_limits = 3"), ["_limits"]);
        assert_eq!(Keys::of::<crate::recorder::NoOptions>().listed(), Some(&[][..]));
    }

    #[test]
    fn flattened_keys_are_known() {
        assert_eq!(Keys::of::<Flat>().listed(), None);
        assert_eq!(unknown::<Flat>("_name = 'a'\n_path = 'b'\n_on = true\n_shades = [1.5]"), [""; 0]);
        assert_eq!(unknown::<Flat>("_name = 'a'\n_pat = 'b'\n_on = true\nshades = []"), ["_pat", "shades"]);
        assert_eq!(unknown::<All>("a = 1\nb = { c = 1979-05-27 }"), [""; 0]);
        // What is missing or of the wrong type is an error of its own.
        assert_eq!(unknown::<Flat>("_pat = 'b'"), [""; 0]);
    }
}
