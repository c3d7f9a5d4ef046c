//! Exemplars, as a receiver of OTLP took them.

use serde_json::Value as Json;

use crate::points::{list, real, whole};
use crate::spans::hex;

/// One exemplar of one point.
#[derive(Clone, Debug)]
pub struct Exemplar {
    /// Its value, in the metric's unit.
    pub value: f64,
    /// When it was measured, in nanoseconds since the epoch.
    pub time: u64,
    /// In lower-case hex.
    pub trace_id: String,
    /// In lower-case hex.
    pub span_id: String,
    /// Its bucket in its point: greater than the first, at most the second.
    pub bucket: (f64, f64),
    /// How many values that bucket has.
    pub counted: u64,
}

impl Exemplar {
    /// Those of a point, as protobuf's JSON mapping with the original field names.
    pub(crate) fn of_point(point: &Json) -> Vec<Self> {
        let exemplars = list(&point["exemplars"]).iter();
        exemplars
            .map(|exemplar| {
                assert!(list(&exemplar["filtered_attributes"]).is_empty(), "{exemplar}");
                let value = real(&exemplar["as_double"]);
                let buckets = buckets(point);
                let bucket = buckets.iter().find(|((above, most), _)| *above < value && value <= *most);
                let (bucket, counted) = *bucket.unwrap_or_else(|| panic!("{value} is in no bucket: {buckets:?}"));
                let (trace_id, span_id) = (hex(&exemplar["trace_id"]), hex(&exemplar["span_id"]));
                Self { value, time: whole(&exemplar["time_unix_nano"]), trace_id, span_id, bucket, counted }
            })
            .collect()
    }
}

/// Bounds and counts of the buckets above zero.
fn buckets(point: &Json) -> Vec<((f64, f64), u64)> {
    let positive = &point["positive"];
    let (bounds, counts): (Vec<f64>, _) = if positive.is_object() {
        let integer = |value: &Json| value.as_f64().unwrap_or(0.0);
        let (offset, base) = (integer(&positive["offset"]), (-integer(&point["scale"])).exp2());
        let counts = list(&positive["bucket_counts"]);
        ((0..=counts.len()).map(|place| ((offset + place as f64) * base).exp2()).collect(), counts)
    } else {
        let bounds = list(&point["explicit_bounds"]).iter().map(real);
        let all = [f64::NEG_INFINITY].into_iter().chain(bounds).chain([f64::INFINITY]);
        (all.collect(), list(&point["bucket_counts"]))
    };
    bounds.windows(2).map(|pair| (pair[0], pair[1])).zip(counts.iter().map(whole)).collect()
}
