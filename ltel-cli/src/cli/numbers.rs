//! Numbers for people. A number that does not exist is `-`.

use std::time::Duration;

/// With about three significant digits: a response time in milliseconds, a rate per second.
pub(crate) fn number(number: Option<f64>) -> String {
    match number {
        None => "-".to_owned(),
        Some(0.0) => "0".to_owned(),
        Some(number) if number.abs() < 9.995 => format!("{number:.2}"),
        Some(number) if number.abs() < 99.95 => format!("{number:.1}"),
        Some(number) => format!("{number:.0}"),
    }
}

/// A response time, with its unit.
pub(crate) fn ms(ms: Option<f64>) -> String {
    format!("{} ms", number(ms))
}

/// A part of a whole, from 0 to 1, as percent. Something is never shown as nothing or everything.
pub(crate) fn percent(ratio: Option<f64>) -> String {
    match ratio {
        None => "-".to_owned(),
        Some(ratio) if ratio > 0.0 && ratio < 0.000_1 => "<0.01 %".to_owned(),
        Some(ratio) if ratio < 1.0 && ratio > 0.999 => ">99.9 %".to_owned(),
        Some(ratio) => format!("{} %", number(Some(ratio * 100.0))),
    }
}

/// A time as on a clock: `0:07`, `12:00`, `1:00:00`.
pub(crate) fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_three_digits() {
        let numbers = [0.0, 0.123, 9.994, 9.996, 48.06, 99.94, 99.96, 1234.5].map(|of| number(Some(of)));
        assert_eq!(numbers, ["0", "0.12", "9.99", "10.0", "48.1", "99.9", "100", "1234"]);
        assert_eq!((ms(None).as_str(), percent(None).as_str()), ("- ms", "-"));
        let ratios = [0.0, 0.000_01, 0.007_38, 0.5, 0.999_9, 1.0].map(|of| percent(Some(of)));
        assert_eq!(ratios, ["0 %", "<0.01 %", "0.74 %", "50.0 %", ">99.9 %", "100 %"]);
        let times = [7, 720, 3_600].map(|seconds| clock(Duration::from_secs(seconds)));
        assert_eq!(times, ["0:07", "12:00", "1:00:00"]);
    }
}
