//! The bounds of histograms, as a configuration gives them.

use serde::Deserialize;
use serde::de::{Deserializer, Error};

/// Reads bounds that ascend. `example` is a list that would do, with its unit: the error shows it.
pub(crate) fn ascending<'de, D: Deserializer<'de>>(deserializer: D, example: &str) -> Result<Vec<f64>, D::Error> {
    let buckets = Vec::<f64>::deserialize(deserializer)?;
    if buckets.iter().any(|b| !b.is_finite()) || buckets.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(D::Error::custom(format!("buckets must ascend, such as {example}")));
    }
    Ok(buckets)
}
