//! How figures and changes are written for people.

use super::difference::{Difference, Quantity, Verdict};
use super::interval::Interval;

/// A figure with its unit, in three digits: `41.2 ms`, `1.25 s`, `0.51 %`, `120/s`. `-` if there is none.
pub(crate) fn value(quantity: Quantity, value: Option<f64>) -> String {
    match (value, quantity) {
        (None, _) => "-".to_owned(),
        (Some(ratio), Quantity::FailureRatio) => format!("{} %", digits(ratio * 100.0)),
        (Some(rate), Quantity::Rps) => format!("{}/s", digits(rate)),
        (Some(ms), _) if ms < 10_000.0 => format!("{} ms", digits(ms)),
        (Some(ms), _) => format!("{} s", digits(ms / 1e3)),
    }
}

fn digits(number: f64) -> String {
    match number {
        _ if number < 9.995 => format!("{number:.2}"),
        _ if number < 99.95 => format!("{number:.1}"),
        _ if number < 1e7 => format!("{number:.0}"),
        _ => format!("{number:.1e}"),
    }
}

/// A change with its sign and unit: `+41 %`, `-0.30 points`. Empty if there is none.
pub(crate) fn change(quantity: Quantity, difference: &Difference) -> String {
    difference.change.map_or_else(String::new, |change| format!("{} {}", signed(quantity, change), unit(quantity)))
}

/// The unit of changes.
pub(crate) const fn unit(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::FailureRatio => "pt",
        _ => "%",
    }
}

/// The bounds of a change, in its unit: `+30 to +52`. Empty if neither is known.
pub(crate) fn interval(quantity: Quantity, Interval { low, high }: Interval) -> String {
    let known = |bound: f64| quantity.is_known(bound);
    let shown = |bound: f64| if known(bound) { signed(quantity, bound) } else { "?".to_owned() };
    if known(low) || known(high) { format!("{} to {}", shown(low), shown(high)) } else { String::new() }
}

fn signed(quantity: Quantity, change: f64) -> String {
    let percent = change * 100.0;
    let text = match quantity {
        Quantity::FailureRatio if percent.abs() < 9.995 => format!("{percent:+.2}"),
        Quantity::FailureRatio => format!("{percent:+.1}"),
        _ if percent.abs() < 9.95 => format!("{percent:+.1}"),
        _ if percent.abs() < 1e6 => format!("{percent:+.0}"),
        _ => format!("{percent:+.0e}"),
    };
    // Nothing is less than nothing.
    if text.trim_start_matches('-').bytes().all(|digit| matches!(digit, b'0' | b'.')) {
        text.replacen('-', "+", 1)
    } else {
        text
    }
}

/// One word for the verdict, where there is little place.
pub(crate) fn mark(quantity: Quantity, verdict: Verdict) -> String {
    match verdict {
        Verdict::Same => "=".to_owned(),
        Verdict::Unclear(_) => "?".to_owned(),
        _ => {
            let words = verdict.words(quantity);
            match words.split_once(' ') {
                Some(("maybe", word)) => format!("{word}?"),
                Some((_, word)) => word.to_owned(),
                None => words.to_owned(),
            }
        }
    }
}
