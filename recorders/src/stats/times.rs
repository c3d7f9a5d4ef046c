//! Response times of an endpoint. The buckets are those of an HDR histogram with three significant digits; unlike the crates for
//! those, this takes memory only where there is something to count: an array of counters over all of its range takes more than
//! 128 KiB per endpoint as soon as one request takes a minute.

use std::collections::BTreeMap;

use ltel_core::figures::Histogram;
use ltel_core::recorder::RunMemory;

// Bounded: a wrong duration must not make a histogram of any size. A day.
const LONGEST_US: u64 = 86_400_000_000;

// What a page takes, by estimate: most have two digits before long, and some room is not used.
const PAGE_BYTES: usize = 256;

// Counters that are allocated together.
const PAGE: usize = 64;

/// How many requests took how long.
#[derive(Debug, Default)]
pub(super) struct Times {
    count: u64,
    /// Bytes that its pages take, by estimate.
    pub(super) taken: usize,
    // The digits of each counter. Most requests change the lowest one only, and these are so small that those of many endpoints
    // stay in the processor's caches.
    low: Digits<u8>,
    high: Digits<u16>,
    // By bucket; none before a bucket has counted to 2^24.
    highest: BTreeMap<usize, u64>,
}

/// A digit of each counter, in pages that are there once one of their digits is not zero.
#[derive(Debug, Default)]
struct Digits<T> {
    /// Where the digits of each page are, plus one; zero without any.
    pages: Vec<u16>,
    digits: Vec<[T; PAGE]>,
}

impl Times {
    /// Counts a request that took this many milliseconds.
    #[inline]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // `as` saturates, which is what is wanted here
    pub(super) fn record(&mut self, ms: f64, memory: &RunMemory) {
        // To the nearest microsecond. `round` would be a call of a function, for each request.
        let mut bucket = Histogram::bucket_of(((ms * 1e3 + 0.5) as u64).min(LONGEST_US)) as usize;
        self.count += 1;
        if self.low.page(bucket / PAGE).is_none() {
            bucket = self.bucket_with_room(bucket, memory);
        }
        self.increase(bucket, 1);
    }

    /// Adds what another has counted.
    pub(super) fn add(&mut self, other: &Self) {
        self.count += other.count;
        for (page, counts) in other.counted() {
            for (slot, &count) in counts.iter().enumerate() {
                if count > 0 {
                    self.increase(page * PAGE + slot, count);
                }
            }
        }
    }

    /// A copy of what it counts.
    #[allow(clippy::cast_possible_truncation)] // buckets of a day are less than 2^17
    pub(super) fn histogram(&self) -> Histogram {
        let counts = self.counted().flat_map(|(page, counts)| {
            counts.into_iter().enumerate().map(move |(slot, count)| ((page * PAGE + slot) as u32, count))
        });
        Histogram::from_counts(counts)
    }

    /// This bucket, if there is memory to begin its page; else the nearest one in a page that there is.
    #[cold]
    fn bucket_with_room(&mut self, bucket: usize, memory: &RunMemory) -> usize {
        if memory.take(PAGE_BYTES) {
            self.taken += PAGE_BYTES;
            return bucket;
        }
        let wanted = bucket / PAGE;
        match self.low.present().min_by_key(|page| page.abs_diff(wanted)) {
            Some(below) if below < wanted => below * PAGE + PAGE - 1,
            Some(above) => above * PAGE,
            // The first one is a part of what the endpoint takes.
            None => bucket,
        }
    }

    #[inline]
    fn increase(&mut self, bucket: usize, by: u64) {
        let carried = self.low.add(bucket, by);
        if carried > 0 {
            self.carry(bucket, carried);
        }
    }

    #[cold]
    fn carry(&mut self, bucket: usize, by: u64) {
        let carried = self.high.add(bucket, by);
        if carried > 0 {
            *self.highest.entry(bucket).or_default() += carried;
        }
    }

    /// The pages that are there and their counts, in order.
    fn counted(&self) -> impl Iterator<Item = (usize, [u64; PAGE])> {
        self.low.present().map(|page| (page, self.counts(page)))
    }

    fn counts(&self, page: usize) -> [u64; PAGE] {
        const OF_HIGH: u64 = Digits::<u8>::BASE;
        const OF_HIGHEST: u64 = OF_HIGH * Digits::<u16>::BASE;
        let mut counts = self.low.of(page).map_or([0; PAGE], |digits| digits.map(u64::from));
        if let Some(digits) = self.high.of(page) {
            for (count, digit) in counts.iter_mut().zip(digits) {
                *count += OF_HIGH * u64::from(*digit);
            }
            for (bucket, highest) in self.highest.range(page * PAGE..(page + 1) * PAGE) {
                counts[bucket % PAGE] += OF_HIGHEST * highest;
            }
        }
        counts
    }
}

impl<T: Copy + Default + Into<u64> + TryFrom<u64>> Digits<T> {
    const BASE: u64 = 1 << (8 * size_of::<T>());

    /// Where the digits of a page are, if it is there.
    #[inline]
    fn page(&self, page: usize) -> Option<usize> {
        usize::from(*self.pages.get(page)?).checked_sub(1)
    }

    /// The pages that are there, in order.
    fn present(&self) -> impl Iterator<Item = usize> {
        self.pages.iter().enumerate().filter(|(_, at)| **at > 0).map(|(page, _)| page)
    }

    /// The digits of a page, if it is there.
    fn of(&self, page: usize) -> Option<&[T; PAGE]> {
        self.page(page).map(|at| &self.digits[at])
    }

    /// Adds to the digit of a bucket. Returns what is to be added to the next one.
    #[inline]
    fn add(&mut self, bucket: usize, by: u64) -> u64 {
        let at = match self.page(bucket / PAGE) {
            Some(at) => at,
            None => self.begin(bucket / PAGE),
        };
        let digit = &mut self.digits[at][bucket % PAGE];
        let sum = (*digit).into() + by;
        *digit = T::try_from(sum % Self::BASE).unwrap_or_default();
        sum / Self::BASE
    }

    #[cold]
    fn begin(&mut self, page: usize) -> usize {
        if self.pages.len() <= page {
            self.pages.resize(page + 1, 0);
        }
        // Not twice as much, as a vector would: there may be thousands of endpoints.
        if self.digits.len() == self.digits.capacity() {
            self.digits.reserve_exact(self.digits.len() / 8 + 1);
        }
        self.digits.push([T::default(); PAGE]);
        let Ok(at) = u16::try_from(self.digits.len()) else { unreachable!("there are fewer pages than that") };
        self.pages[page] = at;
        self.digits.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ltel_core::recorder::{RecorderMemory, SeriesLimits};

    use super::*;

    fn memory() -> Arc<RunMemory> {
        SeriesLimits::of_count(0).memory
    }

    /// Numbers that look random and are the same each time.
    struct Numbers(u64);

    impl Numbers {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            self.0 >> 33
        }

        /// Milliseconds of about every magnitude from a microsecond to two days.
        fn ms(&mut self) -> f64 {
            let exponent = self.next() % 38;
            ((1_u64 << exponent) + self.next() % (1 << exponent)) as f64 / 1e3
        }
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn bucket(ms: f64) -> usize {
        Histogram::bucket_of(((ms * 1e3).round() as u64).min(LONGEST_US)) as usize
    }

    fn at_quantile(times: &Times, quantile: f64) -> f64 {
        times.histogram().percentile(quantile * 100.0).unwrap_or(0.0)
    }

    fn check(times: &Times, oracle: &hdrhistogram::Histogram<u64>) {
        for quantile in [0.001, 0.1, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 0.9999, 1.0] {
            let expected = oracle.value_at_quantile(quantile) as f64 / 1e3;
            assert_eq!(at_quantile(times, quantile).to_bits(), expected.to_bits(), "{quantile} of {}", times.count);
        }
    }

    /// Scenario: there is memory for two pages only. Guarantees: each time is counted, and the quantiles are those of the times
    /// that are nearest.
    #[test]
    fn without_memory_times_are_counted_with_those_that_are_near() {
        let memory = Arc::new(RecorderMemory::new(2 * PAGE_BYTES, 0)).begin_run();
        let mut times = Times::default();
        for ms in [1.0, 1_000.0, 2.0, 900.0, 0.001, 80_000_000.0] {
            times.record(ms, &memory);
        }
        assert_eq!((times.count, times.taken, times.counted().count()), (6, 2 * PAGE_BYTES, 2));
        assert!(at_quantile(&times, 0.5) < 1.1 && at_quantile(&times, 0.6) > 900.0, "{times:?}");
    }

    #[test]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn quantiles_are_those_of_an_hdr_histogram() {
        let mut numbers = Numbers(1);
        let (mut times, mut oracle) = (Times::default(), hdrhistogram::Histogram::new(3).unwrap());
        for n in 0..20_000_u32 {
            let ms = numbers.ms();
            // Some of them very often: counters of every width.
            let often = [1, 200, 300, 70_000][n as usize / 100 % 4];
            if n % 100 == 0 {
                let mut more = Times { count: often, ..Times::default() };
                more.increase(bucket(ms), often);
                times.add(&more);
                oracle.record_n(((ms * 1e3).round() as u64).min(LONGEST_US), often).unwrap();
            } else {
                times.record(ms, &memory());
                oracle.record(((ms * 1e3).round() as u64).min(LONGEST_US)).unwrap();
            }
            if n.is_power_of_two() {
                check(&times, &oracle);
            }
        }
        check(&times, &oracle);
        assert!(times.high.digits.len() < times.low.digits.len() && !times.high.digits.is_empty());
    }

    #[test]
    fn counters_grow_beyond_every_digit() {
        let mut times = Times::default();
        times.record(1.0, &memory());
        for count in [200, 60_000, 4_000_000_000, 5_000_000_000] {
            let more = Times { count, ..Times::default() };
            times.add(&more);
            times.increase(bucket(1.0), count);
            // What lies beside them keeps its own.
            times.record(0.001, &memory());
        }
        assert_eq!((times.low.digits.len(), times.high.digits.len(), times.highest.len()), (2, 1, 1));
        let in_ms: Vec<u64> = times.counted().map(|(_, counts)| counts.iter().sum()).collect();
        assert_eq!(in_ms, [4, 9_000_060_201]);
        assert_eq!(times.count, in_ms.iter().sum::<u64>());
    }

    #[test]
    fn what_is_no_usual_time() {
        let mut times = Times::default();
        assert!(at_quantile(&times, 0.5) == 0.0);
        for ms in [-1.0, 0.0, 0.0004, f64::MAX, 1e12] {
            times.record(ms, &memory());
        }
        assert!(at_quantile(&times, 0.5) == 0.0);
        let longest = at_quantile(&times, 1.0) * 1e3;
        assert!((86.4e9..86.4e9 * 1.001).contains(&longest), "{longest}");
    }
}
