//! Response times of an endpoint. The buckets are those of an HDR histogram with three significant digits; unlike the crates for
//! those, this takes memory only where there is something to count: an array of counters over all of its range takes more than
//! 128 KiB per endpoint as soon as one request takes a minute.

use ltel_core::figures::Histogram;
use ltel_core::recorder::RunMemory;

// Bounded: a wrong duration must not make a histogram of any size. A day.
const LONGEST_US: u64 = 86_400_000_000;

// What a page takes, by estimate: most have wider counters before long, and some room is not used.
const PAGE_BYTES: usize = 256;

// Counters that are allocated together.
const PAGE: usize = 64;

/// How many requests took how long.
#[derive(Debug, Default)]
pub(super) struct Times {
    count: u64,
    /// Bytes that its pages take, by estimate.
    pub(super) taken: usize,
    /// Where the counters of each page of buckets are.
    pages: Vec<Page>,
    // Counters are as wide as the greatest of their page needs.
    bytes: Counters<u8>,
    shorts: Counters<u16>,
    words: Counters<u32>,
    longs: Counters<u64>,
}

type Counters<T> = Vec<[T; PAGE]>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Page {
    /// An empty histogram.
    Empty,
    Bytes(u16),
    Shorts(u16),
    Words(u16),
    Longs(u16),
}

impl Times {
    /// Counts a request that took this many milliseconds.
    #[inline]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // `as` saturates, which is what is wanted here
    pub(super) fn record(&mut self, ms: f64, memory: &RunMemory) {
        // To the nearest microsecond. `round` would be a call of a function, for each request.
        let mut bucket = Histogram::bucket_of(((ms * 1e3 + 0.5) as u64).min(LONGEST_US)) as usize;
        self.count += 1;
        if self.pages.get(bucket / PAGE).is_none_or(|page| *page == Page::Empty) {
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
        let there = self.pages.iter().enumerate().filter(|(_, page)| **page != Page::Empty).map(|(page, _)| page);
        match there.min_by_key(|page| page.abs_diff(wanted)) {
            Some(below) if below < wanted => below * PAGE + PAGE - 1,
            Some(above) => above * PAGE,
            // The first one is a part of what the endpoint takes.
            None => bucket,
        }
    }

    #[inline]
    fn increase(&mut self, bucket: usize, by: u64) {
        let (page, slot) = (bucket / PAGE, bucket % PAGE);
        if self.pages.len() <= page {
            self.pages.resize(page + 1, Page::Empty);
        }
        while !match self.pages[page] {
            Page::Empty => false,
            Page::Bytes(at) => increase(&mut self.bytes[usize::from(at)][slot], by),
            Page::Shorts(at) => increase(&mut self.shorts[usize::from(at)][slot], by),
            Page::Words(at) => increase(&mut self.words[usize::from(at)][slot], by),
            Page::Longs(at) => increase(&mut self.longs[usize::from(at)][slot], by),
        } {
            self.widen(page);
        }
    }

    /// Gives a page wider counters.
    #[cold]
    fn widen(&mut self, page: usize) {
        let have = self.pages[page];
        let counts = self.counts(have);
        let moved = match have {
            Page::Empty => None,
            Page::Bytes(at) => take_out(&mut self.bytes, at).map(Page::Bytes),
            Page::Shorts(at) => take_out(&mut self.shorts, at).map(Page::Shorts),
            Page::Words(at) => take_out(&mut self.words, at).map(Page::Words),
            Page::Longs(_) => unreachable!("no machine counts to 2^64"),
        };
        // The last counters have taken the place of those that were taken out.
        if let Some(moved) = moved
            && let Some(of) = self.pages.iter_mut().find(|page| **page == moved)
        {
            *of = have;
        }
        self.pages[page] = match have {
            Page::Empty => Page::Bytes(put(&mut self.bytes, &counts)),
            Page::Bytes(_) => Page::Shorts(put(&mut self.shorts, &counts)),
            Page::Shorts(_) => Page::Words(put(&mut self.words, &counts)),
            Page::Words(_) | Page::Longs(_) => Page::Longs(put(&mut self.longs, &counts)),
        };
    }

    /// The pages with something in them, in the order of their buckets.
    fn counted(&self) -> impl Iterator<Item = (usize, [u64; PAGE])> {
        let counted = self.pages.iter().enumerate().filter(|(_, page)| **page != Page::Empty);
        counted.map(|(index, page)| (index, self.counts(*page)))
    }

    fn counts(&self, page: Page) -> [u64; PAGE] {
        match page {
            Page::Empty => [0; PAGE],
            Page::Bytes(at) => self.bytes[usize::from(at)].map(u64::from),
            Page::Shorts(at) => self.shorts[usize::from(at)].map(u64::from),
            Page::Words(at) => self.words[usize::from(at)].map(u64::from),
            Page::Longs(at) => self.longs[usize::from(at)],
        }
    }
}

/// Increases a counter, if that is wide enough.
#[inline]
fn increase<T: Copy + Into<u64> + TryFrom<u64>>(counter: &mut T, by: u64) -> bool {
    let sum = (*counter).into().checked_add(by).and_then(|sum| T::try_from(sum).ok());
    if let Some(sum) = sum {
        *counter = sum;
    }
    sum.is_some()
}

/// Adds a page's counters. Where they are.
fn put<T: Copy + Default + TryFrom<u64>>(counters: &mut Counters<T>, counts: &[u64; PAGE]) -> u16 {
    // Not twice as much, as a vector would: there may be thousands of endpoints.
    if counters.len() == counters.capacity() {
        counters.reserve_exact(counters.len() / 8 + 1);
    }
    let Ok(at) = u16::try_from(counters.len()) else { unreachable!("there are fewer pages than that") };
    // They were in narrower counters before.
    counters.push(counts.map(|count| T::try_from(count).unwrap_or_default()));
    at
}

/// Takes a page's counters out. Where those were that are in their place now, if that is not the place itself.
fn take_out<T>(counters: &mut Counters<T>, at: u16) -> Option<u16> {
    counters.swap_remove(usize::from(at));
    u16::try_from(counters.len()).ok().filter(|last| *last != at)
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
        assert!([times.bytes.len(), times.shorts.len(), times.words.len()].iter().all(|pages| *pages > 0));
    }

    #[test]
    fn counters_grow_beyond_every_width() {
        let mut times = Times::default();
        times.record(1.0, &memory());
        for count in [200, 60_000, 4_000_000_000, 5_000_000_000] {
            let more = Times { count, ..Times::default() };
            times.add(&more);
            times.increase(bucket(1.0), count);
            // What lies beside them keeps its own.
            times.record(0.001, &memory());
        }
        assert_eq!(times.longs.len() + times.bytes.len(), 2, "no page is left behind: {:?}", times.pages);
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
