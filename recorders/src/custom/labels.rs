//! The labels of a value as those of a series: in the order of their names, each of a type that a label can have.

use ltel_core::name::RESERVED_LABELS;
use ltel_core::prelude::*;
use serde_json::{Map, Value};

// Bounded: bytes of a label that is a list or a map, as JSON.
const LONGEST: usize = 1_024;

/// Calls `then` with the labels, and with the names of those that had to be renamed because they are ltel's, or `taken`.
pub(super) fn with<T>(
    labels: &Map<String, Value>,
    taken: impl Fn(&str) -> bool,
    then: impl FnOnce(&[(&str, Label<'_>)], &[&str]) -> T,
) -> T {
    let mut plain = Vec::with_capacity(labels.len());
    for (name, value) in labels {
        match value {
            _ if is_ltels(name) || taken(name) => return renamed(labels, taken, then),
            Value::Null => {}
            Value::String(text) => plain.push((&**name, Label::Str(text))),
            Value::Bool(flag) => plain.push((&**name, Label::Bool(*flag))),
            Value::Number(number) if let Some(int) = number.as_i64() => plain.push((&**name, Label::Int(int))),
            _ => return renamed(labels, taken, then),
        }
    }
    // Keyword arguments come in the order of the call.
    plain.sort_unstable_by_key(|(name, _)| *name);
    then(&plain, &[])
}

/// Likewise, where some of them are not as they came.
#[cold]
fn renamed<T>(
    labels: &Map<String, Value>,
    taken: impl Fn(&str) -> bool,
    then: impl FnOnce(&[(&str, Label<'_>)], &[&str]) -> T,
) -> T {
    let mut renamed = Vec::new();
    let mut owned: Vec<(String, Value)> = Vec::with_capacity(labels.len());
    for (name, value) in labels {
        let mut shown = name.clone();
        while is_ltels(&shown) || taken(&shown) || (shown != *name && labels.contains_key(&shown)) {
            // Prometheus renames colliding labels in the same way.
            shown.insert_str(0, "exported_");
        }
        if shown != *name {
            renamed.push(&**name);
        }
        let value = match value {
            Value::Null => continue,
            Value::String(_) | Value::Bool(_) => value.clone(),
            Value::Number(number) if number.as_i64().is_some() => value.clone(),
            other => {
                let mut text = other.to_string();
                text.truncate(text.floor_char_boundary(LONGEST));
                text.into()
            }
        };
        owned.push((shown, value));
    }
    let mut labels: Vec<_> = owned.iter().map(|(name, value)| (&**name, value.as_label())).collect();
    labels.sort_unstable_by_key(|(name, _)| *name);
    then(&labels, &renamed)
}

/// Whether points have something else under this name. An empty name is none.
fn is_ltels(name: &str) -> bool {
    name.is_empty() || RESERVED_LABELS.contains(&name) || name.starts_with("otel.")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_have_an_order_and_a_type() {
        for (labels, expected, renamed) in [
            (json!({}), vec![], vec![]),
            (json!({"b": "x", "a": 3, "c": true, "d": null}), vec!["a=Int(3)", "b=Str(\"x\")", "c=Bool(true)"], vec![]),
            (json!({"b": 0.5, "a": u64::MAX}), vec!["a=Str(\"18446744073709551615\")", "b=Str(\"0.5\")"], vec![]),
            (json!({"a": [1, "x"]}), vec!["a=Str(\"[1,\\\"x\\\"]\")"], vec![]),
            (json!({"source": "a", "z": null}), vec!["exported_source=Str(\"a\")"], vec!["source"]),
            (
                json!({"exported_time": 1, "time": 2, "": 3}),
                vec!["exported_=Int(3)", "exported_exported_time=Int(2)", "exported_time=Int(1)"],
                vec!["time", ""],
            ),
            (
                json!({"otel.metric.overflow": true}),
                vec!["exported_otel.metric.overflow=Bool(true)"],
                vec!["otel.metric.overflow"],
            ),
            // The label of the configuration has this name.
            (
                json!({"region": "x", "a": 1, "exported_region": 2}),
                vec!["a=Int(1)", "exported_exported_region=Str(\"x\")", "exported_region=Int(2)"],
                vec!["region"],
            ),
        ] {
            with(
                labels.as_object().unwrap(),
                |name| name == "region",
                |labels, said| {
                    let shown: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
                    assert_eq!((shown.iter().map(|s| &**s).collect::<Vec<_>>(), said.to_vec()), (expected, renamed));
                },
            );
        }
    }
}
