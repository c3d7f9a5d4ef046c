//! Fields of a structured record.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::event::{RequestError, ResponseTime};

/// A type that can be a field of a record. An absent field is left out of its record.
///
/// ```
/// use ltel_core::field::AsField;
///
/// assert_eq!("pay".as_field(), Some("pay".into()));
/// assert_eq!(None::<u64>.as_field(), None);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a record",
    label = "not a field's value",
    note = "fields are text, numbers, bools, times, JSON values, or lists, maps and `Option`s of these"
)]
pub trait AsField {
    /// The value, if there is one.
    fn as_field(&self) -> Option<Value>;
}

macro_rules! into_json {
    ($($type:ty),*) => {$(
        impl AsField for $type {
            fn as_field(&self) -> Option<Value> {
                Some(Value::from(self.clone()))
            }
        }
    )*};
}
into_json!(bool, u8, u16, u32, u64, usize, i8, i16, i32, i64, isize, String, Cow<'_, str>, Value, Map<String, Value>);

impl AsField for str {
    fn as_field(&self) -> Option<Value> {
        Some(self.into())
    }
}

impl AsField for f64 {
    fn as_field(&self) -> Option<Value> {
        // JSON has no other numbers.
        self.is_finite().then(|| (*self).into())
    }
}

impl AsField for f32 {
    fn as_field(&self) -> Option<Value> {
        f64::from(*self).as_field()
    }
}

impl AsField for ResponseTime {
    fn as_field(&self) -> Option<Value> {
        self.ms().as_field()
    }
}

/// RFC 3339.
impl AsField for Timestamp {
    fn as_field(&self) -> Option<Value> {
        Some(self.to_string().into())
    }
}

/// `Class: text`.
impl AsField for RequestError<'_> {
    fn as_field(&self) -> Option<Value> {
        Some(format!("{}: {}", self.class, self.text).into())
    }
}

impl<T: AsField> AsField for Option<T> {
    fn as_field(&self) -> Option<Value> {
        self.as_ref().and_then(AsField::as_field)
    }
}

impl<T: AsField + ?Sized> AsField for &T {
    fn as_field(&self) -> Option<Value> {
        (**self).as_field()
    }
}

impl<T: AsField> AsField for [T] {
    fn as_field(&self) -> Option<Value> {
        Some(self.iter().map(|item| item.as_field().unwrap_or_default()).collect())
    }
}

impl<T: AsField> AsField for Vec<T> {
    fn as_field(&self) -> Option<Value> {
        self.as_slice().as_field()
    }
}

impl<T: AsField> AsField for BTreeMap<String, T> {
    fn as_field(&self) -> Option<Value> {
        Some(self.iter().filter_map(|(key, value)| Some((key.clone(), value.as_field()?))).collect())
    }
}
