//! What the Locust processes use of their hosts.

use std::sync::Arc;

use ltel_core::event::Usage;
use ltel_core::figures::GeneratorFigures;
use ltel_core::runs::SourceInfo;

use super::{at_point, merge_pairs};

// Bounded: nobody reads more lines in a chart. Of the other processes only the greatest and the mean are kept.
const OVER_TIME: usize = 256;

// What a point takes, with the copies of it that are shown.
const BYTES: usize = size_of::<Used>() + 2 * (size_of::<Option<f32>>() + size_of::<Option<u64>>());

/// The Locust processes of a run that have said what they use.
#[derive(Debug, Default)]
pub(super) struct Generators {
    /// By the index of their source.
    all: Vec<Option<Box<Generator>>>,
    over_time: usize,
}

#[derive(Debug)]
struct Generator {
    source: Arc<SourceInfo>,
    /// By point of the timeline, if it is among those that are kept.
    points: Option<Vec<Used>>,
    samples: u64,
    cpu_sum: f64,
    max_cpu: f64,
    max_memory: u64,
    warnings: u64,
}

/// The greatest usage within a point.
#[derive(Clone, Copy, Debug)]
struct Used {
    /// Not a number if it is not known.
    cpu: f32,
    memory: u64,
}

const UNKNOWN: Used = Used { cpu: f32::NAN, memory: 0 };

impl Generators {
    /// A process has used this much. How many bytes more that takes.
    #[allow(clippy::cast_possible_truncation)] // percent
    pub(super) fn used(&mut self, source: &SourceInfo, point: u32, usage: &Usage) -> usize {
        let before = self.bytes_of(source);
        let generator = self.of(source);
        // Clients may report any numbers.
        let cpu = if usage.cpu_percent.is_finite() { usage.cpu_percent.max(0.0) } else { 0.0 };
        generator.samples += 1;
        generator.cpu_sum += cpu;
        generator.max_cpu = generator.max_cpu.max(cpu);
        generator.max_memory = generator.max_memory.max(usage.memory_bytes);
        if let Some(points) = &mut generator.points {
            let at = at_point(points, point, UNKNOWN);
            *at = at.max(Used { cpu: cpu as f32, memory: usage.memory_bytes });
        }
        self.bytes_of(source).saturating_sub(before)
    }

    /// Locust has warned of the CPU usage of a process.
    pub(super) fn warned(&mut self, source: &SourceInfo) {
        self.of(source).warnings += 1;
    }

    fn of(&mut self, source: &SourceInfo) -> &mut Generator {
        let index = source.index as usize;
        if self.all.len() <= index {
            self.all.resize_with(index + 1, || None);
        }
        let over_time = &mut self.over_time;
        self.all[index].get_or_insert_with(|| {
            *over_time += 1;
            Box::new(Generator {
                source: Arc::new(source.clone()),
                points: (*over_time <= OVER_TIME).then(Vec::new),
                samples: 0,
                cpu_sum: 0.0,
                max_cpu: 0.0,
                max_memory: 0,
                warnings: 0,
            })
        })
    }

    fn bytes_of(&self, source: &SourceInfo) -> usize {
        self.all.get(source.index as usize).and_then(Option::as_ref).map_or(0, |generator| generator.bytes())
    }

    /// What they take, with the copies that are shown.
    pub(super) fn bytes(&self) -> usize {
        self.all.iter().flatten().map(|generator| generator.bytes()).sum()
    }

    /// So many points have come before the first.
    pub(super) fn shift(&mut self, by: u32) {
        self.each(|points| {
            points.splice(0..0, std::iter::repeat_n(UNKNOWN, by as usize));
        });
    }

    /// Merges points pairwise.
    pub(super) fn halve(&mut self) {
        self.each(|points| merge_pairs(points, Used::max));
    }

    fn each(&mut self, act: impl Fn(&mut Vec<Used>)) {
        self.all.iter_mut().flatten().filter_map(|generator| generator.points.as_mut()).for_each(act);
    }

    /// All of them, by label.
    pub(super) fn figures(&self) -> Vec<GeneratorFigures> {
        let mut figures: Vec<_> = self.all.iter().flatten().map(|generator| generator.figures()).collect();
        figures.sort_by(|a, b| a.label.cmp(&b.label));
        figures
    }
}

impl Generator {
    fn bytes(&self) -> usize {
        self.points.as_ref().map_or(0, |points| points.len() * BYTES)
    }

    fn figures(&self) -> GeneratorFigures {
        let points = || self.points.iter().flatten();
        let known = self.samples > 0;
        GeneratorFigures {
            source: Some(Arc::clone(&self.source)),
            label: self.source.label.clone(),
            cpu_percent: points().map(|used| used.known().map(|used| used.cpu)).collect(),
            memory_bytes: points().map(|used| used.known().map(|used| used.memory)).collect(),
            max_cpu_percent: known.then_some(self.max_cpu),
            mean_cpu_percent: known.then(|| self.cpu_sum / self.samples as f64),
            max_memory_bytes: known.then_some(self.max_memory),
            cpu_warnings: self.warnings,
        }
    }
}

impl Used {
    fn max(self, other: Self) -> Self {
        // The maximum with what is not a number is the other.
        Self { cpu: self.cpu.max(other.cpu), memory: self.memory.max(other.memory) }
    }

    fn known(self) -> Option<Self> {
        (!self.cpu.is_nan()).then_some(self)
    }
}
