//! Label values, which distinguish the series of an instrument.

use std::borrow::Cow;
use std::sync::Arc;

use opentelemetry::Value;

/// A label's value, borrowed from the event it comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Label<'a> {
    /// Text.
    Str(&'a str),
    /// A whole number.
    Int(i64),
    /// A bool.
    Bool(bool),
    /// The series does not have this label.
    #[default]
    Absent,
}

/// A type that can be a label.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a label",
    label = "not a label value",
    note = "labels are text, whole numbers of up to 64 bits, bools, or an `Option` of these"
)]
pub trait AsLabel {
    /// The label's value.
    fn as_label(&self) -> Label<'_>;
}

impl AsLabel for str {
    #[inline]
    fn as_label(&self) -> Label<'_> {
        Label::Str(self)
    }
}

impl AsLabel for String {
    #[inline]
    fn as_label(&self) -> Label<'_> {
        Label::Str(self)
    }
}

impl AsLabel for Cow<'_, str> {
    #[inline]
    fn as_label(&self) -> Label<'_> {
        Label::Str(self)
    }
}

impl AsLabel for bool {
    #[inline]
    fn as_label(&self) -> Label<'_> {
        Label::Bool(*self)
    }
}

impl AsLabel for Label<'_> {
    #[inline]
    fn as_label(&self) -> Label<'_> {
        *self
    }
}

/// Text, a whole number or a bool; anything else is absent.
impl AsLabel for serde_json::Value {
    #[inline]
    fn as_label(&self) -> Label<'_> {
        match self {
            Self::String(text) => Label::Str(text),
            Self::Bool(b) => Label::Bool(*b),
            Self::Number(number) => number.as_i64().map_or(Label::Absent, Label::Int),
            _ => Label::Absent,
        }
    }
}

impl<T: AsLabel + ?Sized> AsLabel for &T {
    #[inline]
    fn as_label(&self) -> Label<'_> {
        (**self).as_label()
    }
}

impl<T: AsLabel> AsLabel for Option<T> {
    #[inline]
    fn as_label(&self) -> Label<'_> {
        self.as_ref().map_or(Label::Absent, AsLabel::as_label)
    }
}

macro_rules! whole_numbers {
    ($($int:ty),*) => {$(
        impl AsLabel for $int {
            #[inline]
            fn as_label(&self) -> Label<'_> {
                Label::Int(i64::from(*self))
            }
        }
    )*};
}
whole_numbers!(u8, u16, u32, i8, i16, i32, i64);

impl AsLabel for u64 {
    #[inline]
    fn as_label(&self) -> Label<'_> {
        Label::Int(i64::try_from(*self).unwrap_or(i64::MAX))
    }
}

/// A label's value that a series keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OwnedLabel {
    // Shared with the attributes of points: a long text is there once.
    Str(Arc<str>),
    Int(i64),
    Bool(bool),
    Absent,
}

impl OwnedLabel {
    pub(crate) fn borrow(&self) -> Label<'_> {
        match self {
            Self::Str(text) => Label::Str(text),
            Self::Int(n) => Label::Int(*n),
            Self::Bool(b) => Label::Bool(*b),
            Self::Absent => Label::Absent,
        }
    }

    /// Whether it is this label.
    #[inline]
    pub(crate) fn is(&self, label: Label<'_>) -> bool {
        match (label, self) {
            // Nearly all are texts.
            (Label::Str(want), Self::Str(have)) => *want == **have,
            (want, have) => want == have.borrow(),
        }
    }
}

impl From<Label<'_>> for OwnedLabel {
    fn from(label: Label<'_>) -> Self {
        match label {
            Label::Str(text) => Self::Str(text.into()),
            Label::Int(n) => Self::Int(n),
            Label::Bool(b) => Self::Bool(b),
            Label::Absent => Self::Absent,
        }
    }
}

impl OwnedLabel {
    pub(crate) fn value(&self) -> Option<Value> {
        Some(match self {
            Self::Str(text) => Value::String(Arc::clone(text).into()),
            Self::Int(n) => Value::I64(*n),
            Self::Bool(b) => Value::Bool(*b),
            Self::Absent => return None,
        })
    }
}
