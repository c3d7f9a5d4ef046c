//! The bounds of histograms in a configuration.

use serde::Deserialize;
use serde::de::{Deserializer, Error};

/// Reads ascending bounds. `example` is a valid list with its unit, for the error.
pub(crate) fn ascending<'de, D: Deserializer<'de>>(deserializer: D, example: &str) -> Result<Vec<f64>, D::Error> {
    let buckets = Vec::<f64>::deserialize(deserializer)?;
    if buckets.iter().any(|b| !b.is_finite()) || buckets.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(D::Error::custom(format!("buckets must be in ascending order, such as {example}")));
    }
    Ok(buckets)
}
