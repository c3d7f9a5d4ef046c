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

/// Whether it is `1` or only says what is counted, such as `{request}`.
pub(crate) fn counts(unit: &str) -> bool {
    let braces = (unit.find('{'), unit.strip_suffix('}'));
    unit == "1" || matches!(braces, (Some(0), Some(inner)) if !inner.contains('}'))
}

/// What to do with a number in the unit `from` to have it in the unit `to`: `/ 1000.0`. `None` if it is another quantity.
pub(crate) fn conversion(from: &str, to: &str) -> Option<String> {
    const SIZES: &[&[(&str, f64)]] = &[
        &[("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("min", 60.0), ("h", 3_600.0), ("d", 86_400.0)],
        &[
            ("By", 1.0),
            ("kBy", 1e3),
            ("KiBy", 1_024.0),
            ("MBy", 1e6),
            ("MiBy", 1_048_576.0),
            ("GBy", 1e9),
            ("GiBy", 1_073_741_824.0),
        ],
        &[("%", 1.0), ("1", 100.0)],
    ];
    let size = |of: &[(&str, f64)], unit: &str| of.iter().find(|(have, _)| *have == unit).map(|(_, size)| *size);
    let (from, to) = SIZES.iter().find_map(|sizes| Some((size(sizes, from)?, size(sizes, to)?)))?;
    let times = if to >= from { to / from } else { from / to };
    Some(format!("{} {:?}", if to >= from { "/" } else { "*" }, times.round()))
}

fn suggestion(unit: &str) -> Option<String> {
    const FREQUENT: &[&str] = &["ms", "us", "ns", "min", "By", "kBy", "MBy", "KiBy", "MiBy", "bit", "Hz", "Cel"];
    let known = SYNONYMS.iter().find(|(synonym, _)| synonym.eq_ignore_ascii_case(unit)).map(|(_, unit)| *unit);
    // A long word is nearer to one that is spelled out than to a sign.
    let spelled_out = || {
        let words = SYNONYMS.iter().map(|(word, _)| *word).filter(|word| word.len() > 4);
        let near = did_you_mean(unit, words)?;
        SYNONYMS.iter().find(|(word, _)| *word == near).map(|(_, unit)| *unit)
    };
    let near = known.or_else(|| did_you_mean(unit, FREQUENT.iter().copied())).or_else(spelled_out)?;
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
    fn mistakes_say_what_would_be_right() {
        for (unit, help) in [
            ("msec", "did you mean `ms`?"),
            ("bytes/s", "did you mean `By`?"),
            ("miliseconds", "did you mean `ms`?"),
            ("RPS", "did you mean `{request}/s`?"),
            ("\u{b5}s", "did you mean `us`?"),
            ("orders", "to count things, use braces: `{thing}`"),
            ("", "use `1` for a plain number"),
        ] {
            assert_eq!(super::error(unit).map(|(_, help)| help).as_deref(), Some(help), "{unit}");
        }
        for unit in ["{order}/s", "EUR", "USD/{order}"] {
            assert_eq!(super::error(unit), None, "{unit}");
        }
    }
}
