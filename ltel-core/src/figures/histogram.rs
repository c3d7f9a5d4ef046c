//! Response times, counted in buckets.

use super::PackedCounts;

// Buckets of the same width, before the width doubles: 2,048 from zero on, then 1,024 for each doubling of the value.
const HALF: u32 = 1_024;

/// How many requests took how long: a copy of an HDR histogram with three significant digits, in whole microseconds. A bucket is at
/// most a thousandth as wide as its values.
///
/// Its buckets are numbered as in the reference implementation (`HdrHistogram` with a lowest value of 1 and three digits):
/// [`Histogram::bucket_of`] and [`Histogram::bounds_us`] convert.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    // Packed: a run has one per endpoint, of some thousand buckets each.
    counts: PackedCounts,
    count: u64,
}

impl Histogram {
    /// From the counts of buckets, which must ascend.
    #[must_use]
    pub fn from_counts(counts: impl IntoIterator<Item = (u32, u64)>) -> Self {
        let mut count = 0_u64;
        let counted = counts.into_iter().inspect(|(_, more)| count = count.saturating_add(*more)).collect();
        Self { counts: counted, count }
    }

    /// The bucket of a time in microseconds.
    #[inline]
    #[must_use]
    #[allow(clippy::cast_possible_truncation)] // less than 2^17 for a day, less than 2^16 + 2^10 for any time
    pub const fn bucket_of(us: u64) -> u32 {
        // How often the width has doubled.
        let doubled = ((2 * HALF as u64 - 1) | us).ilog2() - HALF.ilog2();
        doubled * HALF + (us >> doubled) as u32
    }

    /// The least and the greatest number of microseconds of a bucket.
    #[must_use]
    pub const fn bounds_us(bucket: u32) -> (u64, u64) {
        let doubled = (bucket / HALF).saturating_sub(1);
        let within = (bucket - doubled * HALF) as u64;
        (within << doubled, ((within + 1) << doubled) - 1)
    }

    /// The requests that it counts. Those without a response time are not among them.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Whether it counts none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Each bucket that is not empty and its count, by bucket.
    pub fn counts(&self) -> impl Iterator<Item = (u32, u64)> + Clone + '_ {
        self.counts.iter()
    }

    /// The response time in milliseconds that this percentage of the requests did not exceed: the greatest time of its bucket.
    /// Absent if no request had a response time.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Option<f64> {
        if percent <= 0.0 {
            return (!self.is_empty()).then_some(0.0);
        }
        self.at_rank(Self::rank(percent, self.count))
    }

    /// The rank, from 1 on, of the request that this percentage of so many requests does not exceed.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a count
    pub fn rank(percent: f64, count: u64) -> u64 {
        let part = percent / 100.0 * count as f64;
        // Few percentages are exact as numbers: 99.9 % of 1,000 would be a little more than 999.
        let whole = part.round();
        let rank = if (part - whole).abs() <= whole * 1e-12 { whole } else { part.ceil() };
        (rank as u64).clamp(1, count.max(1))
    }

    /// The response time in milliseconds of the request with this rank, from 1 for the fastest: the greatest time of its
    /// bucket.
    #[must_use]
    pub fn at_rank(&self, rank: u64) -> Option<f64> {
        let mut left = rank;
        for (bucket, count) in self.counts() {
            if count >= left {
                return Some(Self::bounds_us(bucket).1 as f64 / 1e3);
            }
            left -= count;
        }
        None
    }

    /// What it counts beyond an earlier state of itself; everything, if the other is not one.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut before = earlier.counts().peekable();
        let mut counts = Vec::new();
        for (bucket, count) in self.counts() {
            if before.peek().is_some_and(|(of, _)| *of < bucket) {
                return self.clone();
            }
            let known = before.next_if(|(of, _)| *of == bucket).map_or(0, |(_, count)| count);
            match count.checked_sub(known) {
                Some(more) => counts.push((bucket, more)),
                None => return self.clone(),
            }
        }
        if before.peek().is_some() { self.clone() } else { Self::from_counts(counts) }
    }

    /// Adds what another counts.
    pub fn add(&mut self, other: &Self) {
        self.counts = self.counts.merged(&other.counts);
        self.count = self.count.saturating_add(other.count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_one_another() {
        let mut before = 0;
        for us in (0..10_000).chain((14..37).flat_map(|bits| (1_u64 << bits) - 3..(1 << bits) + 3)) {
            let bucket = Histogram::bucket_of(us);
            let (first, last) = Histogram::bounds_us(bucket);
            assert!(bucket >= before && (first..=last).contains(&us), "{us}: {bucket}");
            assert_eq!(Histogram::bucket_of(last), bucket);
            assert_eq!(Histogram::bucket_of(last + 1), bucket + 1);
            before = bucket;
        }
    }

    #[test]
    fn ranks_of_round_counts() {
        for percent in 1..1_000_u64 {
            for count in [10, 100, 1_000, 5_000, 1_000_000, 3_000_000_000] {
                let exact = (percent * count).div_ceil(1_000);
                assert_eq!(Histogram::rank(percent as f64 / 10.0, count), exact, "p{percent}/10 of {count}");
            }
        }
        assert_eq!((Histogram::rank(0.0, 10), Histogram::rank(100.0, 10), Histogram::rank(50.0, 0)), (1, 10, 1));
    }

    #[test]
    fn sums_and_differences() {
        let earlier = Histogram::from_counts([(1, 2), (5, 1)]);
        let mut now = earlier.clone();
        let more = Histogram::from_counts([(0, 7), (5, 3), (9, 1)]);
        now.add(&more);
        assert_eq!(now, Histogram::from_counts([(0, 7), (1, 2), (5, 4), (9, 1)]));
        assert_eq!(now.since(&earlier), more);
        assert_eq!(earlier.since(&now), earlier, "statistics were reset meanwhile");
        assert_eq!(now.since(&Histogram::default()), now);
        assert_eq!((now.count(), now.at_rank(14), now.at_rank(15)), (14, Some(0.009), None));
        assert_eq!((now.percentile(50.0), now.percentile(100.0)), (Some(0.0), Some(0.009)));
        assert_eq!(Histogram::default().percentile(50.0), None);
    }
}
