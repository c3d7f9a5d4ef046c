//! The points of one endpoint, or of all.

use ltel_core::figures::{Histogram, PackedCounts, Point, PointTimes, Sketch};

// Bounded: a wrong duration must not make counters of any number. A day.
const LONGEST_US: u64 = 86_400_000_000;

// No point has this number.
const NONE: u32 = u32::MAX;

// What a closed point takes beside its sketch, by estimate.
const BYTES_BESIDE: usize = size_of::<Closed>() + 16;

// What two copies of a point take that are shown. Those between the points with something in them are in the copies, too.
const SHOWN_BYTES: usize = 2 * size_of::<Point>();

/// Points with something in them.
#[derive(Debug, Default)]
pub(super) struct Track {
    /// The two that were recorded to last, the last one first: processes report a moment apart.
    open: [Open; 2],
    /// By point. An open one may be among them: then both are it.
    closed: Vec<Closed>,
    /// What the closed points and the counters of the open ones take.
    bytes: usize,
}

/// A response time as it is counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timed {
    bucket: u16,
    ms: f32,
}

/// A point with counters.
#[derive(Debug)]
struct Open {
    point: u32,
    requests: u32,
    failures: u32,
    max_ms: f32,
    /// The bucket of the first counter.
    first: u16,
    counts: Vec<u32>,
}

/// A point that is computed and packed.
#[derive(Debug)]
struct Closed {
    point: u32,
    figures: Point,
    sketch: PackedCounts,
}

impl Timed {
    #[inline]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // `as` saturates, which is what is wanted here
    pub(super) fn of_ms(ms: f64) -> Self {
        Self { bucket: Sketch::bucket_of(((ms * 1e3 + 0.5) as u64).min(LONGEST_US)), ms: ms as f32 }
    }
}

impl Track {
    /// Counts a request. How many bytes more it takes.
    #[inline]
    pub(super) fn record(&mut self, point: u32, failed: bool, timed: Option<Timed>) -> usize {
        let more = if self.open[0].point == point { 0 } else { self.turn_to(point) };
        let counters = self.open[0].record(failed, timed);
        if counters == 0 {
            return more;
        }
        self.bytes += counters;
        more + counters
    }

    #[cold]
    fn turn_to(&mut self, point: u32) -> usize {
        self.open.swap(0, 1);
        if self.open[0].point == point {
            return 0;
        }
        let more = self.close(0);
        self.open[0].point = point;
        more
    }

    /// Closes what is open. How many bytes more it takes.
    pub(super) fn settle(&mut self) -> usize {
        // The earlier one first, so that it has its place at the end.
        let first = usize::from(self.open[1].point < self.open[0].point);
        self.close(first) + self.close(1 - first)
    }

    fn close(&mut self, index: usize) -> usize {
        let open = &mut self.open[index];
        if open.point == NONE {
            return 0;
        }
        let mut closed = open.take();
        let before = match self.closed.last() {
            Some(last) if last.point >= closed.point => {
                self.closed.binary_search_by_key(&closed.point, |closed| closed.point)
            }
            _ => Err(self.closed.len()),
        };
        let bytes = self.bytes();
        match before {
            Ok(at) => {
                let before = &mut self.closed[at];
                closed.add(before);
                self.bytes -= before.bytes();
                self.bytes += closed.bytes();
                *before = closed;
            }
            Err(at) => {
                self.bytes += closed.bytes();
                if self.closed.len() == self.closed.capacity() {
                    // Not twice as much, as a vector would: there may be thousands of endpoints.
                    self.closed.reserve_exact(self.closed.len() / 4 + 4);
                }
                self.closed.insert(at, closed);
            }
        }
        self.bytes().saturating_sub(bytes)
    }

    /// All its points, if they are closed. Those after the last with something in it are left out.
    pub(super) fn points(&self) -> Vec<Point> {
        let mut points = vec![Point::default(); self.len()];
        for closed in &self.closed {
            points[closed.point as usize] = closed.figures;
        }
        points
    }

    /// The response times in its points, if they are closed.
    pub(super) fn sketches(&self) -> impl Iterator<Item = (u32, Sketch)> {
        #[allow(clippy::cast_possible_truncation)] // they were `u16`
        let unpacked = |sketch: &PackedCounts| {
            let counts = sketch.iter().map(|(bucket, count)| (bucket as u16, u32::try_from(count).unwrap_or(u32::MAX)));
            Sketch { counts: counts.collect() }
        };
        self.closed.iter().map(move |closed| (closed.point, unpacked(&closed.sketch)))
    }

    /// What its points take, with the copies of them that are shown.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.len() * SHOWN_BYTES
    }

    /// How many points are shown: up to the last with something in it.
    fn len(&self) -> usize {
        self.closed.last().map_or(0, |closed| closed.point as usize + 1)
    }

    /// So many points have come before the first.
    pub(super) fn shift(&mut self, points: u32) {
        let closed = self.closed.iter_mut().map(|closed| &mut closed.point);
        let open = self.open.iter_mut().map(|open| &mut open.point).filter(|point| **point != NONE);
        closed.chain(open).for_each(|point| *point += points);
    }

    /// Merges points pairwise.
    pub(super) fn halve(&mut self) {
        self.settle();
        self.open = Default::default();
        let mut halved: Vec<Closed> = Vec::with_capacity(self.closed.len() / 2 + 1);
        for mut closed in std::mem::take(&mut self.closed) {
            closed.point /= 2;
            match halved.last_mut() {
                Some(last) if last.point == closed.point => last.add(&closed),
                _ => halved.push(closed),
            }
        }
        self.bytes = halved.iter().map(Closed::bytes).sum();
        self.closed = halved;
    }
}

impl Default for Open {
    fn default() -> Self {
        Self { point: NONE, requests: 0, failures: 0, max_ms: f32::NEG_INFINITY, first: 0, counts: Vec::new() }
    }
}

impl Open {
    /// Counts a request. How many bytes more the counters take.
    #[inline]
    fn record(&mut self, failed: bool, timed: Option<Timed>) -> usize {
        self.requests = self.requests.saturating_add(1);
        self.failures = self.failures.saturating_add(u32::from(failed));
        let Some(Timed { bucket, ms }) = timed else { return 0 };
        self.max_ms = self.max_ms.max(ms);
        match self.counts.get_mut(usize::from(bucket.wrapping_sub(self.first))) {
            Some(count) => {
                *count = count.saturating_add(1);
                0
            }
            None => self.record_beyond(bucket),
        }
    }

    #[cold]
    fn record_beyond(&mut self, bucket: u16) -> usize {
        let capacity = self.counts.capacity();
        if self.counts.is_empty() {
            self.first = bucket;
        } else if bucket < self.first {
            let before = self.first - bucket;
            self.counts.splice(0..0, std::iter::repeat_n(0, usize::from(before)));
            self.first = bucket;
        }
        let at = usize::from(bucket - self.first);
        if self.counts.len() <= at {
            self.counts.resize(at + 1, 0);
        }
        self.counts[at] += 1;
        (self.counts.capacity() - capacity) * size_of::<u32>()
    }

    /// Takes out what it has counted.
    fn take(&mut self) -> Closed {
        let counts = (u32::from(self.first)..).zip(self.counts.iter().map(|count| u64::from(*count)));
        let sketch: PackedCounts = counts.collect();
        let figures = Point {
            requests: u64::from(self.requests),
            failures: u64::from(self.failures),
            times: point_times(&sketch, self.max_ms),
        };
        let closed = Closed { point: self.point, figures, sketch };
        (self.point, self.requests, self.failures, self.max_ms) = (NONE, 0, 0, f32::NEG_INFINITY);
        self.counts.fill(0);
        closed
    }
}

impl Closed {
    /// Adds another of the same point.
    fn add(&mut self, other: &Self) {
        self.sketch = self.sketch.merged(&other.sketch);
        let (ours, theirs) = (&mut self.figures, &other.figures);
        ours.requests += theirs.requests;
        ours.failures += theirs.failures;
        let max_ms = [ours.times, theirs.times].into_iter().flatten().map(|times| times.max_ms);
        ours.times = point_times(&self.sketch, max_ms.fold(f32::NEG_INFINITY, f32::max));
    }

    const fn bytes(&self) -> usize {
        BYTES_BESIDE + self.sketch.bytes()
    }
}

/// Percentiles of response times, of which the longest is known: each is the middle of its bucket.
#[allow(clippy::cast_possible_truncation)] // three digits of a duration
fn point_times(sketch: &PackedCounts, max_ms: f32) -> Option<PointTimes> {
    let count: u64 = sketch.iter().map(|(_, count)| count).fold(0, u64::saturating_add);
    if count == 0 {
        return None;
    }
    let mut buckets = sketch.iter();
    let (mut bucket, mut below) = (0, 0_u64);
    let mut at = |percent: f64| {
        let rank = Histogram::rank(percent, count);
        if rank == count {
            return max_ms;
        }
        while below < rank {
            let Some((next, count)) = buckets.next() else { break };
            (bucket, below) = (next, below.saturating_add(count));
        }
        let (first, last) = Sketch::bounds_us(bucket as u16);
        ((first + last) as f64 / 2e3).min(f64::from(max_ms)) as f32
    };
    Some(PointTimes { p50_ms: at(50.0), p95_ms: at(95.0), p99_ms: at(99.0), max_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: two points at a time, with response times of every magnitude. Guarantees: what they take is accounted for before they
    /// are closed.
    #[test]
    fn what_open_points_take() {
        let mut track = Track::default();
        let mut accounted = 0;
        let taken = allocation_counter::measure(|| {
            for bits in 0..36 {
                for point in [0, 1] {
                    accounted += track.record(point, false, Some(Timed::of_ms(f64::from(bits).exp2() / 1e3)));
                }
            }
        });
        let taken = usize::try_from(taken.bytes_current).unwrap();
        assert!(taken > 4_000 && accounted >= taken, "{accounted} of {taken}");
        assert_eq!(track.bytes(), accounted);
    }
}
