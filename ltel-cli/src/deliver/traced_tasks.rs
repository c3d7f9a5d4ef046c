//! For tests: a run whose tasks have traces, for one backend.

use std::sync::Arc;

use ltel_core::event::Task;
use ltel_core::meter::{Collector, MeterSettings, meter};
use ltel_core::prelude::*;
use ltel_core::recorder::{Emitted, Factory, Origin, RecorderFactory, SeriesLimits};
use ltel_core::runs::RunInfo;
use ltel_core::{Now, Timestamp};

/// Records the duration of each task, by its user.
struct Tasks(Histogram, Counter);

impl Recorder for Tasks {
    type Options = NoOptions;
    const SPEC: &'static Spec = &Spec {
        name: "tasks",
        description: "Tasks.",
        scope: "scope",
        events: &[EventKind::Task],
        per: Per::Run,
        labels: &["user"],
        instruments: &[
            InstrumentSpec::new("took", InstrumentKind::Histogram, "ms", "").buckets(&[5.0, 10.0]),
            InstrumentSpec::new("all", InstrumentKind::Counter, "1", ""),
        ],
        records: &[],
        spans: &[],
        needs: Needs::NONE,
    };

    fn build(_: &NoOptions, instruments: &mut Instruments<'_>) -> Self {
        let all = instruments.counter(&Self::SPEC.instruments[1]);
        Self(instruments.histogram(&Self::SPEC.instruments[0]), all)
    }

    fn record(&mut self, event: &Event<'_>, cx: &mut Context<'_, NoOptions>) {
        if let Event::Task(task) = event {
            self.1.add(cx.series([Label::Str(&task.user_class)]), 1);
            self.0.record(cx.series([Label::Str(&task.user_class)]), task.duration);
        }
    }
}

/// A task: its user, milliseconds, and whether it is sampled.
pub(super) type TracedTask = (&'static str, f64, bool);

/// Records tasks. The first has the ids 1 and ended a second after 1,700,000,000, and so on.
pub(super) fn traced_tasks(settings: &MeterSettings, run: &Arc<RunInfo>, tasks: &[TracedTask]) -> Collector {
    let (meter, collector) = meter(settings, "scope", 100);
    let limits = SeriesLimits::of_count(100);
    let mut recorder = Factory::<Tasks>::new(NoOptions {}).build("tasks", Arc::clone(run), &[meter], limits);
    for (number, (user, ms, sampled)) in (1_u32..).zip(tasks) {
        let task = Task {
            start_time: 1_700_000_000.0 + f64::from(number) - ms / 1e3,
            duration: *ms,
            user_class: (*user).into(),
            trace: Some(TraceContext {
                trace_id: u128::from(number).into(),
                span_id: u64::from(number).into(),
                parent_span_id: None,
                sampled: *sampled,
            }),
            ..Task::default()
        };
        let now = Now { wall: Timestamp::from_secs(1_700_000_100.0), ..Now::default() };
        recorder.record(&Event::Task(&task), Origin { source: None, now }, &mut Emitted::default());
    }
    collector
}
