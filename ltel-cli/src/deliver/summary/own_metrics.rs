//! What recorders of one's own have counted in a run: the sum of each metric over all of its series.

use ltel_core::backend::CollectedPoints;
use ltel_core::points::{self, MetricKind, PointValue};

/// A metric at the end of a run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OwnMetric {
    pub(crate) name: String,
    /// In UCUM; may be empty.
    pub(crate) unit: String,
    /// Its series.
    pub(crate) series: u64,
    pub(crate) value: OwnValue,
}

/// What its series add up to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum OwnValue {
    /// Of a counter.
    Sum(f64),
    /// Of a histogram.
    Values { count: u64, sum: f64, max: Option<f64> },
    /// Of a gauge: the last values do not add up.
    Last { least: f64, greatest: f64 },
}

/// The metrics of these points.
pub(super) fn of(collected: &CollectedPoints) -> Vec<OwnMetric> {
    points::metrics(&collected.points)
        .filter_map(|metric| {
            let points: Vec<_> = metric.points().collect();
            let values = points.iter().map(|point| of_point(&point.value, metric.kind));
            Some(OwnMetric {
                name: metric.name.to_owned(),
                unit: metric.unit.to_owned(),
                series: points.len() as u64,
                value: values.reduce(OwnValue::and)?,
            })
        })
        .collect()
}

fn of_point(value: &PointValue, kind: MetricKind) -> OwnValue {
    match *value {
        PointValue::Number { value } if kind == MetricKind::Gauge => {
            OwnValue::Last { least: value.as_f64(), greatest: value.as_f64() }
        }
        PointValue::Number { value } => OwnValue::Sum(value.as_f64()),
        PointValue::Histogram { count, sum, max, .. } | PointValue::ExponentialHistogram { count, sum, max, .. } => {
            OwnValue::Values { count, sum, max }
        }
    }
}

impl OwnValue {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Sum(a), Self::Sum(b)) => Self::Sum(a + b),
            (Self::Values { count, sum, max }, Self::Values { count: more, sum: also, max: other }) => Self::Values {
                count: count.saturating_add(more),
                sum: sum + also,
                max: max.into_iter().chain(other).reduce(f64::max),
            },
            (Self::Last { least, greatest }, Self::Last { least: low, greatest: high }) => {
                Self::Last { least: least.min(low), greatest: greatest.max(high) }
            }
            // The points of a metric are of one kind.
            (one, _) => one,
        }
    }
}
