//! Limits of the length of texts and the number of values in a frame. What a client sends is kept in many places during a
//! run, so it is limited here, once, before anything keeps it.

use std::borrow::Cow;

use super::value::Value;
use super::wrong::WrongFields;

/// Bytes of an id or a key: run, client and source ids, host names, methods, classes of errors, keys of maps.
pub(super) const ID: usize = 256;

/// Bytes of a name: of a request, a test plan, a locustfile, a task, a user class, a custom event.
pub(super) const NAME: usize = 1_024;

/// Bytes of any other text: a URL, the text of an error, a value of a context or of a custom event.
pub(super) const TEXT: usize = 4_096;

/// Bytes of a traceback.
pub(super) const TRACEBACK: usize = 16_384;

/// Values of a context or of a custom event's attributes, nested ones included.
pub(super) const USER_VALUES: usize = 128;

/// Labels of a value, nested values included.
const LABEL_VALUES: usize = 64;

/// Entries of any other list or map, such as the workers of a run.
const ENTRIES: usize = 10_000;

/// The limits of one field.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    key: usize,
    text: usize,
    values: usize,
}

impl Bounds {
    /// For what a user attaches to a request or to a custom event.
    pub(super) const USER: Self = Self { key: ID, text: TEXT, values: USER_VALUES };

    /// For the labels of a value of the locustfile's own metrics: each set of them is a series.
    pub(super) const LABELS: Self = Self { key: ID, text: NAME, values: LABEL_VALUES };

    /// For a field of a frame without rows. `None` for a value that is compared and never kept.
    pub(super) fn of(kind: &str, field: &str) -> Option<Self> {
        let text = match (kind, field) {
            ("custom", "attributes") => return Some(Self::USER),
            ("hello", "token") => return None,
            (_, "traceback") => TRACEBACK,
            (_, "error") | ("log", "message") => TEXT,
            (
                _,
                "client_id" | "run_id" | "coordinator" | "locust_version" | "source" | "sources" | "reports"
                | "trace_id" | "span_id" | "level" | "user_class",
            ) => ID,
            _ => NAME,
        };
        Some(Self { key: text.min(NAME), text, values: ENTRIES })
    }
}

/// A text with a maximum of bytes. A longer one is cut, and ends with `…` and a hash of the whole text: texts that differ only
/// beyond the limit stay distinct.
pub(super) fn cut<'a>(mut text: Cow<'a, str>, limit: usize, field: &str, wrong: &mut WrongFields) -> Cow<'a, str> {
    if text.len() > limit {
        shorten(&mut text, limit, &mut 0);
        wrong.count_cut(field, 1);
    }
    text
}

/// A name that was made here, cut as one that arrives.
pub(crate) fn cut_name(mut name: Cow<'_, str>) -> Cow<'_, str> {
    shorten(&mut name, NAME, &mut 0);
    name
}

fn shorten(text: &mut Cow<'_, str>, limit: usize, cut: &mut u64) {
    if text.len() > limit {
        *cut += 1;
        let mark = format!("…{:016x}", fnv(text.as_bytes()));
        let end = text.floor_char_boundary(limit - mark.len());
        *text = Cow::Owned([&text[..end], &mark].concat());
    }
}

/// FNV-1a: the same on every machine and in every version, so that several ltels cut alike.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Cuts the texts and lists of a value.
pub(super) fn bound(value: &mut Value<'_>, bounds: Bounds, field: impl Fn() -> String, wrong: &mut WrongFields) {
    let mut cut_here = 0;
    bound_nested(value, bounds, &mut { bounds.values }, &mut cut_here);
    if cut_here > 0 {
        wrong.count_cut(&field(), cut_here);
    }
}

fn bound_nested(value: &mut Value<'_>, bounds: Bounds, left: &mut usize, cut: &mut u64) {
    let mut fits = |length: usize| {
        *cut += u64::from(length > *left);
        let most = length.min(*left);
        *left -= most;
        most
    };
    match value {
        Value::Text(text) => shorten(text, bounds.text, cut),
        Value::List(values) => {
            values.truncate(fits(values.len()));
            for value in values {
                bound_nested(value, bounds, left, cut);
            }
        }
        Value::Map(entries) => {
            entries.truncate(fits(entries.len()));
            for (key, value) in entries {
                shorten(key, bounds.key, cut);
                bound_nested(value, bounds, left, cut);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Other => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_and_stays_apart_from_others() {
        let mut wrong = WrongFields::default();
        let (a, b) = ("é".repeat(600) + "a", "é".repeat(600) + "b");
        let cut_a = cut(Cow::Borrowed(&a), NAME, "requests.name", &mut wrong);
        let cut_b = cut(Cow::Borrowed(&b), NAME, "requests.name", &mut wrong);
        assert!(cut_a.len() <= NAME && cut_b.len() <= NAME && cut_a != cut_b);
        assert!(cut_a.starts_with("éé") && cut_a.contains('…'), "{cut_a}");
        assert_eq!(wrong.cut().collect::<Vec<_>>(), [("requests.name", 2)]);
        assert!(wrong.iter().next().is_none());
        let short = "é".repeat(512);
        assert!(matches!(cut(Cow::Borrowed(&short), NAME, "x", &mut wrong), Cow::Borrowed(_)));
    }

    #[test]
    fn what_a_user_attaches_is_bounded_in_all_its_depth() {
        let list = |n| Value::List(vec![Value::Null; n]);
        let mut value = Value::Map(vec![("k".repeat(1_000).into(), list(100)), ("b".into(), list(100))]);
        let mut wrong = WrongFields::default();
        bound(&mut value, Bounds::USER, || "custom.attributes".to_owned(), &mut wrong);
        let Value::Map(entries) = value else { panic!("a map") };
        let lengths: Vec<_> =
            entries.iter().map(|(_, value)| matches!(value, Value::List(l) if !l.is_empty())).collect();
        assert_eq!((entries[0].0.len(), lengths), (ID, vec![true, true]));
        let nested: usize = entries.iter().map(|(_, v)| if let Value::List(l) = v { l.len() } else { 0 }).sum();
        assert_eq!(nested, USER_VALUES - 2);
        // The key and the list.
        assert_eq!(wrong.cut().collect::<Vec<_>>(), [("custom.attributes", 2)]);
    }
}
