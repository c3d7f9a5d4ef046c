//! Checks units against [UCUM](https://ucum.org/ucum), case-sensitive, for the units that telemetry uses. The derive has the
//! same rule, so that it can report a unit at its token; a test of `ltel-macros` compares the two.

use crate::text::did_you_mean;

/// Atoms that take a prefix such as `m` or `Ki`.
const METRIC: &[&str] = &[
    "s", "m", "g", "By", "bit", "Hz", "A", "V", "W", "J", "K", "Cel", "N", "Pa", "C", "F", "Ohm", "S", "T", "Wb", "H",
    "lm", "lx", "mol", "cd", "l", "L", "eV", "rad", "Bd", "t", "bar",
];
/// Atoms that take no prefix.
const PLAIN: &[&str] = &[
    "min", "h", "d", "wk", "mo", "a", "%", "deg", "'", "''", "[ppth]", "[ppm]", "[ppb]", "[degF]", "[pi]", "10*", "10^",
];
const PREFIXES: &[&str] = &[
    "Ki", "Mi", "Gi", "Ti", "da", "Y", "Z", "E", "P", "T", "G", "M", "k", "h", "d", "c", "m", "u", "n", "p", "f", "a",
    "z", "y",
];
/// Common mistakes, and the right unit.
const SYNONYMS: &[(&str, &str)] = &[
    ("msec", "ms"),
    ("millis", "ms"),
    ("milliseconds", "ms"),
    ("millisecond", "ms"),
    ("sec", "s"),
    ("secs", "s"),
    ("second", "s"),
    ("seconds", "s"),
    ("us", "us"),
    ("µs", "us"),
    ("microseconds", "us"),
    ("nanoseconds", "ns"),
    ("minute", "min"),
    ("minutes", "min"),
    ("hour", "h"),
    ("hours", "h"),
    ("days", "d"),
    ("byte", "By"),
    ("bytes", "By"),
    ("B", "By"),
    ("b", "By"),
    ("KB", "kBy"),
    ("kB", "kBy"),
    ("MB", "MBy"),
    ("GB", "GBy"),
    ("KiB", "KiBy"),
    ("MiB", "MiBy"),
    ("GiB", "GiBy"),
    ("bits", "bit"),
    ("percent", "%"),
    ("percentage", "%"),
    ("ratio", "1"),
    ("count", "1"),
    ("none", "1"),
    ("hertz", "Hz"),
    ("rps", "{request}/s"),
    ("request", "{request}"),
    ("requests", "{request}"),
    ("user", "{user}"),
    ("users", "{user}"),
    ("celsius", "Cel"),
];

/// Why this is not a UCUM unit, and what would be right; `None` if it is one.
#[must_use]
pub fn error(unit: &str) -> Option<(String, String)> {
    let not_a_unit = |unit: &str, help: Option<String>| {
        let counts = || "to count things, use braces: `{thing}`".to_owned();
        Some((format!("`{unit}` is not a UCUM unit"), help.unwrap_or_else(counts)))
    };
    if unit.is_empty() {
        return Some(("a unit cannot be empty".to_owned(), "use `1` for a plain number".to_owned()));
    }
    if unit.chars().count() > 63 {
        return Some(("a unit can have at most 63 characters".to_owned(), "shorten it".to_owned()));
    }
    if !unit.is_ascii() || unit.contains(char::is_whitespace) {
        return not_a_unit(unit, Some(suggestion(unit).unwrap_or_else(|| "units are ASCII without spaces".to_owned())));
    }
    let bad = first_bad_term(unit)?;
    not_a_unit(&bad, suggestion(&bad))
}

fn suggestion(unit: &str) -> Option<String> {
    const FREQUENT: &[&str] = &["ms", "us", "ns", "min", "By", "kBy", "MBy", "KiBy", "MiBy", "bit", "Hz", "Cel"];
    let known = SYNONYMS.iter().find(|(synonym, _)| synonym.eq_ignore_ascii_case(unit)).map(|(_, unit)| *unit);
    let near = known.or_else(|| did_you_mean(unit, FREQUENT.iter().copied()))?;
    Some(format!("did you mean `{near}`?"))
}

/// Terms are joined by `.` and `/`; a `/` may come first.
fn first_bad_term(unit: &str) -> Option<String> {
    let mut terms = vec![String::new()];
    let mut in_annotation = false;
    for (i, c) in unit.chars().enumerate() {
        match c {
            '{' if in_annotation => return Some(unit.to_owned()),
            '}' if !in_annotation => return Some(unit.to_owned()),
            '{' => in_annotation = true,
            '}' => in_annotation = false,
            '/' if i == 0 => continue,
            '.' | '/' if !in_annotation => {
                terms.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(term) = terms.last_mut() {
            term.push(c);
        }
    }
    if in_annotation {
        return Some(unit.to_owned());
    }
    terms.into_iter().find(|term| !is_term(term)).map(|term| if term.is_empty() { unit.to_owned() } else { term })
}

/// An atom with its prefix and exponent, a number, an annotation, or an atom with one.
fn is_term(term: &str) -> bool {
    let (atom, annotation) = match term.split_once('{') {
        Some((atom, rest)) => match rest.strip_suffix('}') {
            Some(text) => (atom, Some(text)),
            None => return false,
        },
        None => (term, None),
    };
    if let Some(text) = annotation
        && (text.is_empty() || text.contains(['{', '}']))
    {
        return false;
    }
    if atom.is_empty() {
        return annotation.is_some();
    }
    if atom.bytes().all(|b| b.is_ascii_digit()) {
        return true;
    }
    let is_atom = |atom: &str| {
        PLAIN.contains(&atom)
            || METRIC.contains(&atom)
            || PREFIXES.iter().any(|prefix| atom.strip_prefix(prefix).is_some_and(|rest| METRIC.contains(&rest)))
    };
    let base = atom.trim_end_matches(|c: char| c.is_ascii_digit());
    let base = if base.len() < atom.len() { base.trim_end_matches(['+', '-']) } else { base };
    is_atom(atom) || is_atom(base)
}

#[cfg(test)]
mod tests {
    #[test]
    fn mistakes_say_what_would_be_right() {
        for (unit, help) in [
            ("msec", "did you mean `ms`?"),
            ("bytes/s", "did you mean `By`?"),
            ("\u{b5}s", "did you mean `us`?"),
            ("orders", "to count things, use braces: `{thing}`"),
            ("", "use `1` for a plain number"),
        ] {
            assert_eq!(super::error(unit).map(|(_, help)| help).as_deref(), Some(help), "{unit}");
        }
        assert_eq!(super::error("{order}/s"), None);
    }
}
