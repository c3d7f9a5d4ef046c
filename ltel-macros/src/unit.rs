//! Checks units against [UCUM](https://ucum.org/ucum), case-sensitive, for the units that telemetry uses.

use crate::errors::did_you_mean;

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
    ("msecs", "ms"),
    ("millis", "ms"),
    ("millisec", "ms"),
    ("milliseconds", "ms"),
    ("millisecond", "ms"),
    ("sec", "s"),
    ("secs", "s"),
    ("second", "s"),
    ("seconds", "s"),
    ("us", "us"),
    ("µs", "us"),
    ("usec", "us"),
    ("micros", "us"),
    ("microsecond", "us"),
    ("microseconds", "us"),
    ("nsec", "ns"),
    ("nanos", "ns"),
    ("nanosecond", "ns"),
    ("nanoseconds", "ns"),
    ("minute", "min"),
    ("minutes", "min"),
    ("hour", "h"),
    ("hours", "h"),
    ("day", "d"),
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
    ("kilobyte", "kBy"),
    ("kilobytes", "kBy"),
    ("megabyte", "MBy"),
    ("megabytes", "MBy"),
    ("gigabyte", "GBy"),
    ("gigabytes", "GBy"),
    ("kibibytes", "KiBy"),
    ("mebibytes", "MiBy"),
    ("gibibytes", "GiBy"),
    ("bits", "bit"),
    ("percent", "%"),
    ("pct", "%"),
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

/// Why this is not a UCUM unit, if it is not.
pub(crate) fn error(unit: &str) -> Option<String> {
    if unit.is_empty() {
        return Some("a unit cannot be empty: use `1` for a plain number".to_owned());
    }
    if unit.chars().count() > 63 {
        return Some("a unit can have at most 63 characters".to_owned());
    }
    if !unit.is_ascii() || unit.contains(char::is_whitespace) {
        return Some(format!("`{unit}` is not a UCUM unit: units are ASCII without spaces{}", suggestion(unit)));
    }
    let bad = first_bad_term(unit)?;
    let suggestion = suggestion(&bad);
    let advice = if suggestion.is_empty() { "; to count things, use braces: `{thing}`" } else { suggestion.as_str() };
    Some(format!("`{bad}` is not a UCUM unit{advice}"))
}

fn suggestion(unit: &str) -> String {
    let known = SYNONYMS.iter().find(|(synonym, _)| synonym.eq_ignore_ascii_case(unit));
    known.map_or_else(
        || did_you_mean(unit, ["ms", "us", "ns", "min", "By", "kBy", "MBy", "KiBy", "MiBy", "bit", "Hz", "Cel"]),
        |(_, unit)| format!("; did you mean `{unit}`?"),
    )
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
    // A currency by its code of ISO 4217, such as `EUR`: UCUM has none.
    if atom.len() == 3 && atom.bytes().all(|b| b.is_ascii_uppercase()) {
        return SYNONYMS.iter().all(|(synonym, _)| !synonym.eq_ignore_ascii_case(atom));
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
    fn units() {
        for good in [
            "1",
            "ms",
            "s",
            "us",
            "By",
            "MiBy",
            "kBy",
            "%",
            "{request}",
            "{request}/s",
            "By/s",
            "/s",
            "m/s2",
            "s-1",
            "10*3",
            "By{sent}",
            "kBy.h",
            "h",
            "Cel",
            "bit/s",
            "min",
            "100",
        ] {
            assert_eq!(super::error(good), None, "{good}");
        }
        for bad in [
            "", "msec", "bytes", "Ms.ec", "seconds", "B", "µs", "m s", "{request", "request}", "ms/", "//s", "{}",
            "a{b}c", "{a}{b}", "2x", "{{a}}",
        ] {
            assert!(super::error(bad).is_some(), "{bad}");
        }
        assert!(super::error("msec").unwrap().contains("did you mean `ms`?"));
        assert!(super::error("bytes/s").unwrap().contains("did you mean `By`?"));
    }
}
