//! The bounds of histograms in a configuration.

use serde::Deserialize;
use serde::de::{Deserializer, Error};

/// Reads ascending bounds. `example` is a valid list with its unit, for the error.
pub(crate) fn ascending<'de, D: Deserializer<'de>>(deserializer: D, example: &str) -> Result<Vec<f64>, D::Error> {
    checked(Vec::deserialize(deserializer)?, example)
}

/// These bounds, if they ascend.
pub(crate) fn checked<E: Error>(buckets: Vec<f64>, example: &str) -> Result<Vec<f64>, E> {
    if buckets.iter().any(|b| !b.is_finite()) || buckets.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(E::custom(format!("buckets must be in ascending order, such as {example}")));
    }
    Ok(buckets)
}

/// Upper bounds in ms that fit load tests: 1 ms to 60 s.
pub(crate) const MS: &[f64] = &[
    1.0, 2.0, 5.0, 10.0, 20.0, 35.0, 50.0, 75.0, 100.0, 150.0, 200.0, 350.0, 500.0, 750.0, 1_000.0, 1_500.0, 2_000.0,
    3_500.0, 5_000.0, 7_500.0, 10_000.0, 20_000.0, 30_000.0, 60_000.0,
];

/// The bounds in s that the semantic conventions advise for the duration of HTTP requests.
pub(crate) const SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// Bounds in bytes, for which the conventions advise none: from a short answer to a download, 128 B to 128 MiB, each four times
/// the one before.
pub(crate) const BYTES: &[f64] = &[
    128.0,
    512.0,
    2_048.0,
    8_192.0,
    32_768.0,
    131_072.0,
    524_288.0,
    2_097_152.0,
    8_388_608.0,
    33_554_432.0,
    134_217_728.0,
];

/// The default bounds of OpenTelemetry.
const DEFAULT: &[f64] =
    &[0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1_000.0, 2_500.0, 5_000.0, 7_500.0, 10_000.0];

/// Bounds that fit a unit.
pub(crate) fn of_unit(unit: &str) -> &'static [f64] {
    match unit {
        "ms" => MS,
        "s" => SECONDS,
        "By" => BYTES,
        _ => DEFAULT,
    }
}
