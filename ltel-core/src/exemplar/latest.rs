//! The latest exemplar of each bucket of one series.

use crate::recorder::RunMemory;

use super::bucket::{Bucket, FINEST};
use super::{Exemplar, KeepExemplars};

/// How a histogram has its buckets.
#[derive(Debug)]
pub(super) enum Shape {
    /// Upper bounds, ascending.
    Explicit(Vec<f64>),
    /// As fine as their number allows.
    Exponential,
}

/// As many as the SDK's exponential histograms have, above and below zero each.
pub(super) const MOST: i32 = 160;

/// The latest of each bucket.
#[derive(Debug)]
pub(super) struct Latest {
    // Of exponential buckets. The SDK's become coarser in the same way, so that these are never coarser than its.
    scale: i8,
    // By bucket.
    all: Vec<(Bucket, Exemplar)>,
    // For how many of them memory was taken.
    paid: usize,
}

impl Default for Latest {
    fn default() -> Self {
        Self { scale: FINEST, all: Vec::new(), paid: 0 }
    }
}

impl Latest {
    pub(super) const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Keeps an exemplar in place of an earlier one of its bucket.
    pub(super) fn put(&mut self, exemplar: Exemplar, shape: &Shape, memory: &RunMemory) {
        let bucket = match shape {
            Shape::Explicit(bounds) => Bucket::explicit(bounds, exemplar.value),
            Shape::Exponential => Bucket::exponential(self.scale, exemplar.value),
        };
        match self.all.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
            Ok(place) => replace(&mut self.all[place].1, exemplar),
            Err(place) => {
                if self.all.len() >= self.paid {
                    // Twice as much as it needs: vectors double when they are full.
                    if !memory.take_spare(2 * size_of::<(Bucket, Exemplar)>()) {
                        return;
                    }
                    self.paid += 1;
                }
                self.all.insert(place, (bucket, exemplar));
                if matches!(shape, Shape::Exponential) {
                    self.make_coarser();
                }
            }
        }
    }

    fn make_coarser(&mut self) {
        while self.range(-1).max(self.range(1)) > i64::from(MOST) {
            self.scale -= 1;
            for (bucket, _) in &mut self.all {
                *bucket = bucket.coarser();
            }
            self.all.dedup_by(|next, first| {
                let same = next.0 == first.0;
                if same {
                    replace(&mut first.1, next.1);
                }
                same
            });
        }
    }

    /// From how many buckets to how many the values on this side of zero reach.
    fn range(&self, sign: i8) -> i64 {
        let mut side = self.all.iter().map(|(bucket, _)| bucket).filter(|bucket| bucket.sign == sign);
        let (first, last) = (side.next(), side.next_back());
        match (first, last) {
            (Some(first), Some(last)) => i64::from(last.index) - i64::from(first.index) + 1,
            _ => 0,
        }
    }

    /// Those whose bucket has a count in a point, the latest of each; in the order of the buckets. Others belong to values that the
    /// next point has: they were measured while this one was collected.
    pub(super) fn collect(
        &mut self,
        keep: KeepExemplars,
        shape: &Shape,
        mut counted: impl FnMut(f64) -> Option<Bucket>,
    ) -> Vec<Exemplar> {
        let mut found: Vec<(Bucket, Exemplar)> = Vec::new();
        self.all.retain(|(_, exemplar)| {
            let Some(bucket) = counted(exemplar.value) else { return true };
            match found.last_mut() {
                Some((last, earlier)) if *last == bucket => replace(earlier, *exemplar),
                _ => found.push((bucket, *exemplar)),
            }
            keep == KeepExemplars::UntilReplaced
        });
        // The SDK's histograms of deltas begin again as fine as they can be.
        if keep == KeepExemplars::UntilCollected && self.scale < FINEST && matches!(shape, Shape::Exponential) {
            self.scale = FINEST;
            for (bucket, exemplar) in &mut self.all {
                *bucket = Bucket::exponential(FINEST, exemplar.value);
            }
            self.make_coarser();
        }
        found.into_iter().map(|(_, exemplar)| exemplar).collect()
    }
}

fn replace(earlier: &mut Exemplar, later: Exemplar) {
    if later.time >= earlier.time {
        *earlier = later;
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanId, TraceId};

    use super::*;
    use crate::clock::Timestamp;
    use crate::recorder::SeriesLimits;

    /// Scenario: values far apart, then a collection that has all but one of them; then values close together. Guarantees: after a
    /// collection buckets are fine again, as those of deltas are.
    #[test]
    fn buckets_become_fine_again() {
        let (memory, shape) = (SeriesLimits::of_count(1).memory, Shape::Exponential);
        let exemplar = |value| Exemplar {
            value,
            time: Timestamp::default(),
            trace_id: TraceId::INVALID,
            span_id: SpanId::INVALID,
        };
        let mut latest = Latest::default();
        let put = |latest: &mut Latest, values: &[f64]| {
            for value in values {
                latest.put(exemplar(*value), &shape, &memory);
            }
        };
        put(&mut latest, &[1e-6, 20.0, 1e9]);
        assert!(latest.scale < 5, "{}", latest.scale);
        let counted = |value: f64| (!(1.0..1e3).contains(&value)).then(|| Bucket::exponential(0, value));
        assert_eq!(latest.collect(KeepExemplars::UntilCollected, &shape, counted).len(), 2);
        put(&mut latest, &[20.1, 20.2]);
        let values: Vec<f64> = latest.all.iter().map(|(_, exemplar)| exemplar.value).collect();
        assert_eq!(values, [20.0, 20.1, 20.2]);
    }
}
