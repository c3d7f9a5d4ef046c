//! What operators and functions do with values, as the crate `cel` does.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Map, Value as Json};

use super::{Conversion, Missing};
use crate::expression::syntax::Binary;
use crate::expression::{Fault, Value};

/// A number that stands in the expression.
#[derive(Clone, Copy, Debug)]
pub(in crate::expression) enum Number {
    Int(i64),
    Double(f64),
}

impl Number {
    /// How a value is ordered to this number.
    pub(super) fn order(self, value: &Value<'_>) -> Option<Ordering> {
        match (value, self) {
            (Value::Int(left), Self::Int(right)) => Some(left.cmp(&right)),
            (Value::Int(left), Self::Double(right)) => (*left as f64).partial_cmp(&right),
            (Value::Double(left), Self::Int(right)) => left.partial_cmp(&(right as f64)),
            (Value::Double(left), Self::Double(right)) => left.partial_cmp(&right),
            _ => None,
        }
    }
}

/// How two values are ordered, if they can be.
pub(super) fn compare(left: &Value<'_>, right: &Value<'_>) -> Option<Ordering> {
    match (left, right) {
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (left, Value::Int(right)) => Number::Int(*right).order(left),
        (left, Value::Double(right)) => Number::Double(*right).order(left),
        _ => None,
    }
}

/// Why two values have no order.
#[cold]
pub(super) fn no_order(left: &Value<'_>, right: &Value<'_>, missing: &Missing) -> Fault {
    match (left, right) {
        (Value::Null, _) | (_, Value::Null) => missing.clone(),
        _ => Fault::new(format!("{} and {} cannot be compared", a(left), a(right))),
    }
}

/// The type of a value in a sentence.
pub(super) fn a(value: &Value<'_>) -> &'static str {
    match value.type_name() {
        "null" => "null",
        "bool" => "a bool",
        "int" => "a whole number",
        "double" => "a number",
        "string" => "a text",
        "list" => "a list",
        _ => "a map",
    }
}

/// Whether two values are equal. Values of different types are not, but for numbers.
pub(super) fn equal(left: &Value<'_>, right: &Value<'_>) -> bool {
    match (left, right) {
        (Value::Null, Value::Null) => true,
        (Value::String(_) | Value::Bool(_) | Value::Int(_) | Value::Double(_), _) => {
            compare(left, right) == Some(Ordering::Equal)
        }
        (Value::Null, _) | (_, Value::Null | Value::String(_) | Value::Bool(_) | Value::Int(_) | Value::Double(_)) => {
            false
        }
        _ => equal_json(&json(left), &json(right)),
    }
}

fn equal_json(left: &Json, right: &Json) -> bool {
    match (left, right) {
        (Json::Array(left), Json::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal_json(left, right))
        }
        (Json::Object(left), Json::Object(right)) => {
            let same = |(key, value): (&String, &Json)| right.get(key).is_some_and(|other| equal_json(value, other));
            left.len() == right.len() && left.iter().all(same)
        }
        (Json::Array(_) | Json::Object(_), _) | (_, Json::Array(_) | Json::Object(_)) => false,
        (left, right) => equal(&Value::of_json(left), &Value::of_json(right)),
    }
}

/// A list or map as JSON. An error is a map here, not a text.
fn json<'v>(value: &'v Value<'_>) -> Cow<'v, Json> {
    match value {
        Value::Json(json) => Cow::Borrowed(json.as_ref()),
        Value::Error(error) => {
            let texts = [("class", &error.class), ("text", &error.text)];
            Cow::Owned(Json::Object(
                texts.map(|(key, text)| (key.to_owned(), text.as_ref().into())).into_iter().collect(),
            ))
        }
        other => Cow::Owned(other.to_json()),
    }
}

/// The value of a key.
pub(super) fn key<'a>(map: Value<'a>, name: &str, missing: &Missing) -> Result<Value<'a>, Fault> {
    let value = match map {
        Value::Map(map) => map.get(name).map(Value::of_json),
        Value::Error(error) => match name {
            "class" => Some(Value::from(&*error.class)),
            "text" => Some(Value::from(&*error.text)),
            _ => None,
        },
        Value::Counts(counts) => counts.get(name).map(|count| of_count(*count)),
        Value::Json(Cow::Borrowed(json)) => json.get(name).map(Value::of_json),
        Value::Json(Cow::Owned(Json::Object(mut map))) => map.remove(name).map(of_owned),
        _ => None,
    };
    value.ok_or_else(|| missing.clone())
}

/// Whether a map has a key.
pub(super) fn has(map: &Value<'_>, name: &str) -> Result<bool, Fault> {
    Ok(match map {
        Value::Map(map) => map.contains_key(name),
        Value::Error(_) => matches!(name, "class" | "text"),
        Value::Counts(counts) => counts.contains_key(name),
        Value::Json(json) if json.is_object() => json.get(name).is_some(),
        other => return Err(no_keys(other)),
    })
}

/// The value at an index of a list, or of a key of a map.
pub(super) fn index<'a>(operand: Value<'a>, index: &Value<'_>, missing: &Missing) -> Result<Value<'a>, Fault> {
    if let Value::String(name) = index {
        return key(operand, name, missing);
    }
    let at = place(index).ok_or_else(|| missing.clone())?;
    let value = match operand {
        Value::Strings(texts) => texts.get(at).map(|text| Value::from(text.as_str())),
        Value::Json(Cow::Borrowed(Json::Array(items))) => items.get(at).map(Value::of_json),
        Value::Json(Cow::Owned(Json::Array(mut items))) => (at < items.len()).then(|| of_owned(items.swap_remove(at))),
        _ => None,
    };
    value.ok_or_else(|| missing.clone())
}

fn place(index: &Value<'_>) -> Option<usize> {
    match index {
        Value::Int(int) => usize::try_from(*int).ok(),
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // it is a whole number within this range
        Value::Double(double) if double.fract() == 0.0 && *double >= 0.0 && *double < 9e15 => Some(*double as usize),
        _ => None,
    }
}

/// Whether a list has a value, or a map a key.
pub(super) fn contains(container: &Value<'_>, value: &Value<'_>) -> Result<bool, Fault> {
    match container {
        Value::Strings(texts) => Ok(matches!(value, Value::String(text) if texts.iter().any(|have| have == text))),
        Value::Json(json) if json.is_array() => {
            Ok(json.as_array().is_some_and(|items| items.iter().any(|item| equal(&of_item(item), value))))
        }
        map @ (Value::Map(_) | Value::Error(_) | Value::Counts(_) | Value::Json(_)) => match value {
            Value::String(name) => has(map, name),
            Value::Int(_) | Value::Double(_) | Value::Bool(_) => Ok(false),
            other => Err(Fault::new(format!("a key is a text, not {}", a(other)))),
        },
        other => Err(Fault::new(format!("{} has no items", a(other)))),
    }
}

/// The items of a list, or the keys of a map.
pub(super) fn items<'v>(value: &'v Value<'_>) -> Option<Box<dyn Iterator<Item = Value<'v>> + 'v>> {
    Some(match value {
        Value::Strings(texts) => Box::new(texts.iter().map(|text| Value::from(text.as_str()))),
        Value::Map(map) => Box::new(map.keys().map(|key| Value::from(key.as_str()))),
        Value::Counts(counts) => Box::new(counts.keys().map(|key| Value::from(key.as_str()))),
        Value::Error(_) => Box::new(["class", "text"].into_iter().map(Value::from)),
        Value::Json(json) => match json.as_ref() {
            Json::Array(items) => Box::new(items.iter().map(of_item)),
            Json::Object(map) => Box::new(map.keys().map(|key| Value::from(key.as_str()))),
            _ => return None,
        },
        _ => return None,
    })
}

fn of_item(json: &Json) -> Value<'_> {
    Value::of_json(json)
}

fn of_count(count: u64) -> Value<'static> {
    i64::try_from(count).map_or(Value::Double(count as f64), Value::Int)
}

fn of_owned(json: Json) -> Value<'static> {
    match json {
        Json::String(text) => Value::String(Cow::Owned(text)),
        map_or_list @ (Json::Array(_) | Json::Object(_)) => Value::Json(Cow::Owned(map_or_list)),
        Json::Null => Value::Null,
        Json::Bool(bool) => Value::Bool(bool),
        Json::Number(number) => number.as_i64().map_or(Value::Double(number.as_f64().unwrap_or(f64::NAN)), Value::Int),
    }
}

/// How many characters, items or keys it has.
pub(super) fn size(value: &Value<'_>) -> Result<Value<'static>, Fault> {
    let size = match value {
        Value::String(text) => text.chars().count(),
        Value::Strings(texts) => texts.len(),
        Value::Map(map) => map.len(),
        Value::Counts(counts) => counts.len(),
        Value::Error(_) => 2,
        Value::Json(json) => json.as_array().map(Vec::len).or_else(|| json.as_object().map(Map::len)).unwrap_or(0),
        other => return Err(Fault::new(format!("{} has no size", a(other)))),
    };
    Ok(Value::Int(i64::try_from(size).unwrap_or(i64::MAX)))
}

pub(super) fn negate(value: &Value<'_>) -> Result<Value<'static>, Fault> {
    match value {
        Value::Int(int) => int.checked_neg().map(Value::Int).ok_or_else(|| Fault::of(OVERFLOW)),
        Value::Double(double) => Ok(Value::Double(-double)),
        other => Err(Fault::new(format!("{} has no negative", a(other)))),
    }
}

const OVERFLOW: &str = "the result has more than 64 bits";

pub(super) fn arithmetic<'a>(
    operator: Binary,
    left: Value<'a>,
    right: Value<'a>,
    missing: &Missing,
) -> Result<Value<'a>, Fault> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => {
            if right == 0 && matches!(operator, Binary::Divide | Binary::Remainder) {
                return Err(Fault::of("a whole number is divided by zero"));
            }
            let result = match operator {
                Binary::Add => left.checked_add(right),
                Binary::Subtract => left.checked_sub(right),
                Binary::Multiply => left.checked_mul(right),
                Binary::Divide => left.checked_div(right),
                _ => left.checked_rem(right),
            };
            result.map(Value::Int).ok_or_else(|| Fault::of(OVERFLOW))
        }
        (Value::Double(left), Value::Double(right)) => Ok(Value::Double(match operator {
            Binary::Add => left + right,
            Binary::Subtract => left - right,
            Binary::Multiply => left * right,
            Binary::Divide => left / right,
            _ => return Err(Fault::of("`%` is for whole numbers")),
        })),
        (Value::String(left), Value::String(right)) if operator == Binary::Add => {
            let mut text = String::with_capacity(left.len() + right.len());
            text.push_str(&left);
            text.push_str(&right);
            Ok(Value::String(Cow::Owned(text)))
        }
        (left, right) if operator == Binary::Add && is_list(&left) && is_list(&right) => {
            let (Json::Array(mut items), Json::Array(more)) = (left.to_json(), right.to_json()) else {
                return Err(missing.clone());
            };
            items.extend(more);
            Ok(Value::Json(Cow::Owned(Json::Array(items))))
        }
        (Value::Null, _) | (_, Value::Null) => Err(missing.clone()),
        (left, right) => {
            let sign = operator.sign();
            Err(Fault::new(format!("`{sign}` needs two numbers of one type, not {} and {}", a(&left), a(&right))))
        }
    }
}

fn is_list(value: &Value<'_>) -> bool {
    value.type_name() == "list"
}

pub(super) fn convert(conversion: Conversion, value: Value<'_>) -> Result<Value<'_>, Fault> {
    let cannot = |value: &Value<'_>, expected: &'static str| match value {
        // The text itself may hold anything.
        Value::String(_) => Fault::new(format!("the text is not {expected}")),
        other => Fault::new(format!("expected {expected}, found {}", a(other))),
    };
    Ok(match (conversion, value) {
        (Conversion::Int, Value::Int(int)) => Value::Int(int),
        #[allow(clippy::cast_possible_truncation)] // it is within the range
        (Conversion::Int, Value::Double(double)) if double > i64::MIN as f64 && double < i64::MAX as f64 => {
            Value::Int(double as i64)
        }
        (Conversion::Int, Value::String(text)) => {
            Value::Int(text.parse().map_err(|_| cannot(&Value::String(text), "a whole number"))?)
        }
        (Conversion::Int, other) => return Err(cannot(&other, "a whole number of 64 bits")),
        (Conversion::Double, Value::Int(int)) => Value::Double(int as f64),
        (Conversion::Double, Value::Double(double)) => Value::Double(double),
        (Conversion::Double, Value::String(text)) => {
            Value::Double(text.parse().map_err(|_| cannot(&Value::String(text), "a number"))?)
        }
        (Conversion::Double, other) => return Err(cannot(&other, "a number")),
        (Conversion::String, text @ Value::String(_)) => text,
        (Conversion::String, Value::Int(int)) => Value::String(Cow::Owned(int.to_string())),
        (Conversion::String, Value::Double(double)) => Value::String(Cow::Owned(double.to_string())),
        (Conversion::String, Value::Bool(bool)) => Value::from(if bool { "true" } else { "false" }),
        (Conversion::String, other) => return Err(cannot(&other, "a text, a number or a bool")),
        (Conversion::Bool, Value::Bool(bool)) => Value::Bool(bool),
        (Conversion::Bool, Value::String(text)) => Value::Bool(match text.as_ref() {
            "1" | "t" | "true" | "TRUE" | "True" => true,
            "0" | "f" | "false" | "FALSE" | "False" => false,
            _ => return Err(Fault::of("the text is not `true` or `false`")),
        }),
        (Conversion::Bool, other) => return Err(cannot(&other, "`true` or `false`")),
    })
}

fn no_keys(value: &Value<'_>) -> Fault {
    Fault::of(match value.type_name() {
        "null" => "null has no keys",
        "string" => "a text has no keys",
        "list" => "a list has no keys",
        _ => "it has no keys",
    })
}
