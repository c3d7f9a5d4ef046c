//! The types of expressions.

use crate::event::FieldType;

/// The type of a value. A field that may be absent has the type of its values: null is no mistake before run time.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Type {
    /// Known at run time only: the values of a map, or the value of a part with a mistake.
    Dyn,
    Null,
    Bool,
    Int,
    UInt,
    Double,
    String,
    Bytes,
    List(Box<Type>),
    Map(Box<Type>),
    /// A map with the texts `class` and `text`.
    Error,
    /// A type, as `type(value)` gives it.
    Meta,
}

/// The texts of an error.
pub(super) const ERROR_FIELDS: &[&str] = &["class", "text"];

impl Type {
    pub(super) fn of_field(field_type: FieldType) -> Self {
        match field_type {
            FieldType::Int => Self::Int,
            FieldType::Double => Self::Double,
            FieldType::String => Self::String,
            FieldType::Error => Self::Error,
            FieldType::Map => Self::Map(Box::new(Self::Dyn)),
            FieldType::Counts => Self::Map(Box::new(Self::Int)),
            FieldType::Strings => Self::List(Box::new(Self::String)),
        }
    }

    /// In a sentence: `name` is ...
    pub(super) const fn described(&self) -> &'static str {
        match self {
            Self::Dyn => "known at run time only",
            Self::Null => "null",
            Self::Bool => "true or false",
            Self::Int | Self::UInt => "a whole number",
            Self::Double => "a number with a fraction",
            Self::String => "a text",
            Self::Bytes => "bytes",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
            Self::Error => "an error with `class` and `text`",
            Self::Meta => "a type",
        }
    }

    pub(super) const fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::UInt | Self::Double | Self::Dyn)
    }

    /// Whether a value may be of this type and the other.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Dyn | Self::Null, _) | (_, Self::Dyn | Self::Null) => true,
            (left, right) if left.is_number() && right.is_number() => true,
            (Self::List(left), Self::List(right)) | (Self::Map(left), Self::Map(right)) => left.overlaps(right),
            (Self::Error, Self::Map(values)) | (Self::Map(values), Self::Error) => values.overlaps(&Self::String),
            (left, right) => left == right,
        }
    }

    /// The type of values that are of one or the other.
    pub(super) fn join(self, other: Self) -> Self {
        match (self, other) {
            (left, right) if left == right => left,
            (Self::Null, other) | (other, Self::Null) => other,
            _ => Self::Dyn,
        }
    }

    /// The type of the items of a list, or of the keys of a map.
    pub(super) fn items(&self) -> Option<Self> {
        match self {
            Self::Dyn => Some(Self::Dyn),
            Self::List(items) => Some((**items).clone()),
            Self::Map(_) | Self::Error => Some(Self::String),
            _ => None,
        }
    }
}
