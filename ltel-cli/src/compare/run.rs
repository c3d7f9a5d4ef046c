//! A run to compare, from its document.

use std::time::Duration;

use ltel_core::figures::{
    Annotation, AnnotationKind, EndpointFigures, GeneratorFigures, Histogram, Point, PointTimes, RunFigures, Sketch,
    Stage, TestInfo, Timeline,
};
use thiserror::Error;

use crate::report::Document;
use crate::report::document::{Endpoint, ReadError};

/// A run to compare.
#[derive(Debug)]
pub(crate) struct Run {
    /// What it is called: the name of its file.
    pub(crate) name: String,
    /// Its figures, as far as a comparison needs them.
    pub(crate) figures: RunFigures,
}

/// Why a text is no run to compare.
#[derive(Debug, Error)]
pub(crate) enum RunError {
    /// It is not a document.
    #[error("{0}")]
    Read(#[from] ReadError),
    /// It is a document for a page.
    #[error("an endpoint has no `histogram`, so nothing can be said about its response times")]
    NoHistogram,
}

impl Run {
    /// Reads a document.
    pub(crate) fn read(name: String, text: &str) -> Result<Self, RunError> {
        let document = Document::read(text)?;
        let stage = match document.complete {
            Some(complete) if document.is_final => Stage::Final { complete },
            _ => Stage::Running,
        };
        let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
        let aborted = document.annotations.iter().filter(|of| of.kind == AnnotationKind::Abort.as_str());
        let figures = RunFigures {
            time: document.time.0,
            stage,
            test: TestInfo {
                host: document.test.host,
                users: document.test.users,
                spawn_rate: document.test.spawn_rate,
                run_time: document.test.run_time_seconds.map(seconds),
                locustfile: document.test.locustfile,
                user_classes: document.test.user_classes,
                locust_version: document.test.locust_version,
            },
            begun: document.begun.0,
            duration: seconds(document.duration_seconds),
            users: document.users,
            total: endpoint(document.total)?,
            endpoints: document.endpoints.into_iter().map(endpoint).collect::<Result<_, _>>()?,
            timeline: Timeline {
                begun: document.timeline.begun.0,
                step: seconds(document.timeline.step_seconds),
                users: Vec::new(),
                // As many as there are points; what is in them is not used here.
                times: vec![Sketch::default(); document.timeline.points.min(MOST_POINTS)],
            },
            generators: document
                .generators
                .iter()
                .map(|generator| GeneratorFigures {
                    label: generator.label.clone(),
                    max_cpu_percent: generator.max_cpu_percent,
                    cpu_warnings: generator.cpu_warnings,
                    ..GeneratorFigures::default()
                })
                .collect(),
            annotations: aborted
                .map(|of| Annotation {
                    time: of.time.0,
                    kind: AnnotationKind::Abort,
                    source: None,
                    text: of.text.clone(),
                })
                .collect(),
            ..RunFigures::default()
        };
        Ok(Self { name, figures })
    }
}

// Far more than ltel writes: a damaged number must not take all memory.
const MOST_POINTS: usize = 1 << 20;

fn endpoint(of: Endpoint) -> Result<EndpointFigures, RunError> {
    let histogram = match of.histogram {
        Some(histogram) => histogram,
        None if of.timed_requests == 0 => Histogram::default(),
        None => return Err(RunError::NoHistogram),
    };
    let points = of.points.requests.iter().enumerate().map(|(index, &requests)| {
        let at = |times: &[Option<f32>]| times.get(index).copied().flatten().filter(|ms| ms.is_finite());
        Point {
            requests,
            failures: of.points.failures.get(index).copied().unwrap_or(0).min(requests),
            times: at(&of.points.p50_ms).map(|p50_ms| PointTimes {
                p50_ms,
                p95_ms: at(&of.points.p95_ms).unwrap_or(p50_ms),
                p99_ms: at(&of.points.p99_ms).unwrap_or(p50_ms),
                max_ms: at(&of.points.max_ms).unwrap_or(p50_ms),
            }),
        }
    });
    Ok(EndpointFigures {
        points: points.collect(),
        method: of.method,
        name: of.name,
        requests: of.requests,
        failures: of.failures.min(of.requests),
        min_ms: of.min_ms,
        max_ms: of.max_ms,
        mean_ms: of.mean_ms,
        rate: of.rps,
        failure_rate: of.failure_rps,
        histogram,
        ..EndpointFigures::default()
    })
}
