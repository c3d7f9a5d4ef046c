//! What the figures of a run hold beside Locust's own table: what happened over time. It is kept only if figures are asked for.
//!
//! It is of the whole test: when statistics are reset, the counts of the table begin at zero again, and the timeline goes on.

mod calendar;
mod track;
mod user_counts;
mod generators;
mod annotations;
mod exceptions;
mod exemplars;

use std::sync::Arc;
use std::time::Duration;

use ltel_core::Timestamp;
use ltel_core::figures::{AnnotationKind, RunFigures, Sketch, Timeline};
use ltel_core::prelude::*;
use ltel_core::recorder::RunMemory;

use annotations::Annotations;
use calendar::{Calendar, Found, POINTS};
use exceptions::Exceptions;
use exemplars::Exemplars;
use generators::Generators;
use track::{Timed, Track};
use user_counts::UserCounts;

// Bounded: what all timelines of a run take, and the copies of them that are shown. Far more than a hundred endpoints need.
const BYTES: usize = 16 << 20;

// Without memory there are fewer points, but not fewer than this.
const FEWEST_POINTS: u32 = 16;

// What a timeline takes before its first point, by estimate.
const TRACK_BYTES: usize = size_of::<Track>() + 64;

/// What happened to a run over time.
#[derive(Debug)]
pub(crate) struct Chronicle {
    memory: Arc<RunMemory>,
    /// What it has taken of the memory, and what its timelines take.
    taken: usize,
    bytes: usize,
    calendar: Calendar,
    total: Track,
    /// By the number of their series.
    endpoints: Vec<Option<Endpoint>>,
    users: UserCounts,
    generators: Generators,
    annotations: Annotations,
    exceptions: Exceptions,
}

/// What happened to one endpoint.
#[derive(Debug)]
struct Endpoint {
    /// Absent if there was no memory for one: better none than one that lacks its beginning.
    track: Option<Box<Track>>,
    exemplars: Option<Box<Exemplars>>,
}

impl Chronicle {
    pub(crate) fn new(memory: &Arc<RunMemory>) -> Self {
        Self {
            memory: Arc::clone(memory),
            taken: 0,
            bytes: 0,
            calendar: Calendar::default(),
            total: Track::default(),
            endpoints: Vec::new(),
            users: UserCounts::default(),
            generators: Generators::default(),
            annotations: Annotations::default(),
            exceptions: Exceptions::new(memory),
        }
    }

    /// Sees a request of the endpoint with this number, which was reported at this time, in seconds since the epoch.
    #[inline]
    pub(crate) fn request<O>(&mut self, number: usize, request: &Request<'_>, at: f64, cx: &Context<'_, O>) {
        if self.endpoints.get(number).is_none_or(Option::is_none) {
            // Before its point is found: points may be merged to make room for it.
            self.add_endpoint(number);
        }
        let (point, at) =
            if self.calendar.is_current(at) { (self.calendar.current(), at) } else { self.find_point(at, cx) };
        let timed = request.response_time.ms().map(Timed::of_ms);
        let failed = request.error.is_some();
        let mut more = self.total.record(point, failed, timed);
        let Some(endpoint) = &mut self.endpoints[number] else { unreachable!("it was added") };
        if let Some(track) = &mut endpoint.track {
            more += track.record(point, failed, timed);
        }
        if request.extra.as_ref().is_some_and(|extra| extra.trace.is_some_and(|trace| trace.sampled)) {
            more += if endpoint.exemplars.is_none() { exemplars::BYTES } else { 0 };
            endpoint.exemplars.get_or_insert_default().add(request, at);
        }
        if more > 0 {
            self.grew(more);
        }
    }

    /// Sees an event that is not a request.
    pub(crate) fn event<O>(&mut self, event: &Event<'_>, cx: &Context<'_, O>) {
        let told = cx.speaks_for_run();
        // It concerns a process only if no process speaks for all.
        let teller = cx.source().filter(|_| !cx.run().coordinated);
        match event {
            Event::TestStart(start) if told => {
                let time = self.time(start.time, cx);
                self.annotations.add(time, AnnotationKind::Start, teller, String::new());
            }
            Event::TestStop(stop) if told => {
                let time = self.time(stop.time, cx);
                self.annotations.add(time, AnnotationKind::Stop, teller, String::new());
            }
            Event::SpawningComplete(spawned) if told => {
                let time = self.time(spawned.time, cx);
                let text = format!("{} users", spawned.user_count);
                self.annotations.add(time, AnnotationKind::SpawningComplete, teller, text);
                self.users(spawned.time, spawned.user_count, cx);
            }
            Event::Users(users) if told => self.users(users.time, users.total(), cx),
            Event::CpuWarning(warning) => {
                let time = self.time(warning.time, cx);
                let text = format!("{:.0} % of a core", warning.cpu_usage);
                self.annotations.add(time, AnnotationKind::CpuWarning, cx.source(), text);
                if let Some(source) = cx.source() {
                    self.generators.warned(source);
                }
            }
            Event::Usage(usage) => {
                if let Some(source) = cx.source() {
                    // It may have been measured from outside: by another clock than that of the process.
                    let point = self.point_of(now(cx));
                    let more = self.generators.used(source, point, usage);
                    self.grew(more);
                }
            }
            Event::UserError(error) => {
                let time = self.time(error.time, cx);
                self.exceptions.add(error, time);
            }
            _ => {}
        }
    }

    /// The statistics have gone back to zero.
    pub(crate) fn reset<O>(&mut self, at: f64, cx: &Context<'_, O>) {
        let time = self.time(at, cx);
        let worker = cx.source().filter(|_| !cx.run().coordinated);
        self.annotations.add(time, AnnotationKind::ResetStats, worker, String::new());
    }

    /// Adds what it has to the figures of a run, whose endpoints have these numbers.
    pub(crate) fn describe<O>(&mut self, figures: &mut RunFigures, numbers: &[usize], cx: &Context<'_, O>) {
        if !figures.is_final() && self.calendar.has_begun() {
            // A test in which nothing happens goes on, too.
            self.point_of(now(cx));
        }
        self.settle();
        let len = self.calendar.len();
        let mut times = vec![Sketch::default(); len];
        for (point, sketch) in self.total.sketches() {
            times[point as usize] = sketch;
        }
        figures.timeline = Timeline {
            begun: Timestamp::from_secs(self.calendar.begun()),
            step: Duration::from_secs(u64::from(self.calendar.step())),
            users: self.users.points(len),
            times,
        };
        figures.total.points = self.total.points();
        let mut exemplars = Exemplars::default();
        for (figures, &number) in figures.endpoints.iter_mut().zip(numbers) {
            let Some(endpoint) = self.endpoints.get(number).and_then(Option::as_ref) else { continue };
            figures.points = endpoint.track.as_ref().map(|track| track.points()).unwrap_or_default();
            if let Some(of_endpoint) = &endpoint.exemplars {
                figures.exemplars = of_endpoint.figures();
                exemplars.add_all(of_endpoint);
            }
        }
        figures.total.exemplars = exemplars.figures();
        figures.generators = self.generators.figures();
        figures.exceptions = self.exceptions.figures();
        figures.annotations = self.annotations.sorted();
    }

    #[cold]
    fn add_endpoint(&mut self, number: usize) {
        if self.endpoints.len() <= number {
            self.endpoints.resize_with(number + 1, || None);
        }
        self.endpoints[number] = Some(Endpoint { track: Some(Box::default()), exemplars: None });
        self.grew(TRACK_BYTES);
        if self.taken < self.bytes {
            self.bytes -= TRACK_BYTES;
            self.endpoints[number] = Some(Endpoint { track: None, exemplars: None });
        }
    }

    fn users<O>(&mut self, at: f64, count: u64, cx: &Context<'_, O>) {
        let (point, _) = self.find_point(at, cx);
        self.users.set(source_index(cx), count, point);
    }

    /// When something happened, by a clock that can be believed.
    fn time<O>(&mut self, at: f64, cx: &Context<'_, O>) -> Timestamp {
        Timestamp::from_secs(self.calendar.believed(at, source_index(cx), now(cx), cx.run()))
    }

    /// The point of a time, which becomes the current one, and the time that can be believed.
    #[cold]
    fn find_point<O>(&mut self, at: f64, cx: &Context<'_, O>) -> (u32, f64) {
        let at = self.calendar.believed(at, source_index(cx), now(cx), cx.run());
        (self.point_of(at), at)
    }

    /// The point of a time that can be believed.
    fn point_of(&mut self, at: f64) -> u32 {
        loop {
            match self.calendar.find(at) {
                Found::Point(point) => return point,
                Found::Before(points) => {
                    self.each(
                        |track| track.shift(points),
                        |users, generators| {
                            users.shift(points);
                            generators.shift(points);
                        },
                    );
                    self.count_bytes();
                }
                Found::TooMany => self.halve(),
            }
        }
    }

    /// Timelines take so many bytes more.
    #[cold]
    fn grew(&mut self, more: usize) {
        self.bytes += more;
        while self.bytes > self.taken {
            let need = self.bytes - self.taken;
            let at_once = need.max(16 << 10);
            let within = self.bytes <= BYTES;
            if within && self.memory.take_spare(at_once) {
                self.taken += at_once;
            } else if self.calendar.len() > FEWEST_POINTS as usize {
                self.halve();
            } else {
                // So few points are a small part of what the endpoints take.
                if self.memory.take_spare(need) {
                    self.taken += need;
                }
                return;
            }
        }
    }

    /// Merges points pairwise.
    fn halve(&mut self) {
        self.settle();
        self.calendar.halve();
        self.each(Track::halve, |users, generators| {
            users.halve();
            generators.halve();
        });
        self.count_bytes();
        let spare = self.taken.saturating_sub(self.bytes);
        self.taken -= spare;
        self.memory.give_back(spare);
    }

    /// Adds up what timelines take.
    fn count_bytes(&mut self) {
        self.bytes = self.total.bytes() + self.generators.bytes();
        for endpoint in self.endpoints.iter().flatten() {
            self.bytes += endpoint.track.as_ref().map_or(0, |track| TRACK_BYTES + track.bytes());
            self.bytes += endpoint.exemplars.as_ref().map_or(0, |_| exemplars::BYTES);
        }
    }

    /// Closes the points of all timelines.
    fn settle(&mut self) {
        let mut more = self.total.settle();
        for endpoint in self.endpoints.iter_mut().flatten() {
            more += endpoint.track.as_mut().map_or(0, |track| track.settle());
        }
        self.bytes += more;
    }

    fn each(&mut self, mut of_track: impl FnMut(&mut Track), others: impl FnOnce(&mut UserCounts, &mut Generators)) {
        of_track(&mut self.total);
        for endpoint in self.endpoints.iter_mut().flatten() {
            endpoint.track.as_deref_mut().into_iter().for_each(&mut of_track);
        }
        others(&mut self.users, &mut self.generators);
    }
}

impl Drop for Chronicle {
    fn drop(&mut self) {
        self.memory.give_back(self.taken);
    }
}

/// The time now, in seconds since the epoch, by a clock that does not jump.
fn now<O>(cx: &Context<'_, O>) -> f64 {
    cx.run().begun.wall.as_secs() + cx.elapsed().as_secs_f64()
}

fn source_index<O>(cx: &Context<'_, O>) -> u32 {
    cx.source().map_or(u32::MAX, |source| source.index)
}

/// Merges neighbours, the first with the second and so on.
fn merge_pairs<T: Copy>(points: &mut Vec<T>, merge: impl Fn(T, T) -> T) {
    let merged = points.chunks(2).map(|pair| match *pair {
        [first, second] => merge(first, second),
        _ => pair[0],
    });
    *points = merged.collect();
}

/// A place for this point; those before it that nobody has set yet are empty.
fn at_point<T: Clone>(points: &mut Vec<T>, point: u32, empty: T) -> &mut T {
    let point = point as usize;
    if points.len() <= point {
        points.reserve_exact((POINTS as usize - points.len()).min(point - points.len() + 32));
        points.resize(point + 1, empty);
    }
    &mut points[point]
}
