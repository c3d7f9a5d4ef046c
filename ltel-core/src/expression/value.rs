//! A value of a field or an expression.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use crate::event::RequestError;
use crate::label::Label;

/// A value of a field or an expression. Where it can, it borrows from the event.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// Nothing: an absent field.
    #[default]
    Null,
    /// A bool.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Double(f64),
    /// A text.
    String(Cow<'a, str>),
    /// The error of a request or task.
    Error(&'a RequestError<'a>),
    /// A map of values of any type.
    Map(&'a Map<String, Json>),
    /// A map of whole numbers.
    Counts(&'a BTreeMap<String, u64>),
    /// A list of texts.
    Strings(&'a [String]),
    /// A list or map that was computed, or that is within another.
    Json(Cow<'a, Json>),
}

impl<'a> Value<'a> {
    /// A JSON value, borrowed. A whole number that is too large for 64 bits with a sign is a number with a fraction.
    #[must_use]
    pub fn of_json(json: &'a Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(bool) => Self::Bool(*bool),
            Json::Number(number) => match number.as_i64() {
                Some(int) => Self::Int(int),
                None => number.as_f64().map_or(Self::Null, Self::Double),
            },
            Json::String(text) => Self::String(Cow::Borrowed(text)),
            Json::Object(map) => Self::Map(map),
            Json::Array(_) => Self::Json(Cow::Borrowed(json)),
        }
    }

    /// The same value without a borrow.
    #[must_use]
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::Null => Value::Null,
            Self::Bool(bool) => Value::Bool(bool),
            Self::Int(int) => Value::Int(int),
            Self::Double(double) => Value::Double(double),
            Self::String(text) => Value::String(Cow::Owned(text.into_owned())),
            other => Value::Json(Cow::Owned(other.to_json())),
        }
    }

    /// As a label: a text, a whole number or a bool. Absent if it is null, `None` if it cannot be a label.
    #[must_use]
    pub fn as_label(&self) -> Option<Label<'_>> {
        match self {
            Self::Null => Some(Label::Absent),
            Self::Bool(bool) => Some(Label::Bool(*bool)),
            Self::Int(int) => Some(Label::Int(*int)),
            Self::String(text) => Some(Label::Str(text)),
            _ => None,
        }
    }

    /// As a number.
    #[must_use]
    pub const fn as_number(&self) -> Option<f64> {
        match self {
            Self::Int(int) => Some(*int as f64),
            Self::Double(double) => Some(*double),
            _ => None,
        }
    }

    /// As a field of a record. Errors are `Class: text`.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Bool(bool) => (*bool).into(),
            Self::Int(int) => (*int).into(),
            Self::Double(double) => (*double).into(),
            Self::String(text) => text.as_ref().into(),
            Self::Error(error) => format!("{}: {}", error.class, error.text).into(),
            Self::Map(map) => Json::Object((*map).clone()),
            Self::Counts(counts) => counts.iter().map(|(key, count)| (key.clone(), Json::from(*count))).collect(),
            Self::Strings(texts) => texts.iter().map(String::as_str).collect(),
            Self::Json(json) => json.as_ref().clone(),
        }
    }

    /// The name of its type in CEL.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Double(_) => "double",
            Self::String(_) => "string",
            Self::Error(_) | Self::Map(_) | Self::Counts(_) => "map",
            Self::Strings(_) => "list",
            Self::Json(json) => {
                if json.is_array() {
                    "list"
                } else {
                    "map"
                }
            }
        }
    }
}

macro_rules! from {
    ($($type:ty: $value:ident => $into:expr;)*) => {$(
        impl<'a> From<$type> for Value<'a> {
            #[inline]
            fn from($value: $type) -> Self {
                $into
            }
        }
    )*};
}
from! {
    bool: bool => Self::Bool(bool);
    i64: int => Self::Int(int);
    u64: count => Self::Int(i64::try_from(count).unwrap_or(i64::MAX));
    f64: double => Self::Double(double);
    &'a str: text => Self::String(Cow::Borrowed(text));
    &'a RequestError<'a>: error => Self::Error(error);
    &'a Map<String, Json>: map => Self::Map(map);
    &'a BTreeMap<String, u64>: counts => Self::Counts(counts);
    &'a [String]: texts => Self::Strings(texts);
}

impl<T: Into<Self>> From<Option<T>> for Value<'_> {
    #[inline]
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
