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
