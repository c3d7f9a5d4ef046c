//! Exemplars on the page, from requests to lines.

use std::sync::Arc;

use ltel_core::event::Task;
use ltel_core::exemplar::KeepExemplars;
use ltel_core::meter::{self, MeterSettings};
use ltel_core::prelude::*;
use ltel_core::recorder::{Emitted, Factory, Origin, RecorderFactory, SeriesLimits};
use ltel_core::runs::RunInfo;
use ltel_core::{Now, Timestamp};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::Temporality;

use super::{OpenMetrics, Page, Prometheus, Runs};

/// Records the duration of each task.
struct Tasks(Histogram);

impl Recorder for Tasks {
    type Options = NoOptions;
    const SPEC: &'static Spec = &Spec {
        name: "tasks",
        description: "Tasks.",
        scope: "scope",
        events: &[EventKind::Task],
        per: Per::Run,
        labels: &[],
        instruments: &[InstrumentSpec::new("took", InstrumentKind::Histogram, "ms", "").buckets(&[5.0, 10.0])],
        records: &[],
        spans: &[],
        needs: Needs::NONE,
    };

    fn build(_: &NoOptions, instruments: &mut Instruments<'_>) -> Self {
        Self(instruments.histogram(&Self::SPEC.instruments[0]))
    }

    fn record(&mut self, event: &Event<'_>, cx: &mut Context<'_, NoOptions>) {
        if let Event::Task(task) = event {
            self.0.record(cx.series([]), task.duration);
        }
    }
}

/// Scenario: tasks with traces, by a backend's own settings. Guarantees: a bucket shows the latest sampled request in it, with its ids
/// and the time of its end; in OpenMetrics only; each scraper the same, also when the run is over; not beside a first zero; and
/// not at all with `exemplars = false`.
#[test]
fn exemplars_of_buckets() {
    let lines = |page: &Page| -> Vec<String> {
        let buckets = page.text.lines().filter_map(|line| line.strip_prefix("tasks_took_milliseconds_bucket"));
        buckets
            .map(|line| {
                line.replace(",run_id=\"a\",testplan=\"plan\"", "").replace("run_id=\"a\",testplan=\"plan\",", "")
            })
            .collect()
    };
    for on in [true, false] {
        let settings = MeterSettings {
            exemplars: if on { KeepExemplars::UntilReplaced } else { KeepExemplars::No },
            ..MeterSettings::new(Resource::builder_empty().build(), Temporality::Cumulative)
        };
        let runs = Runs::new();
        let (meter, collector) = meter::meter(&settings, "scope", 100);
        let run = Arc::new(RunInfo { run_id: "a".into(), testplan: "plan".into(), ..RunInfo::default() });
        runs.shelf.begin(Some(Arc::clone(&run)), collector, runs.now);
        let limits = SeriesLimits::of_count(100);
        let mut recorder = Factory::<Tasks>::new(NoOptions {}).build("tasks", Arc::clone(&run), &[meter], limits);
        for (number, ms) in [(1_u64, 3.0), (2, 5.0), (3, 25.0), (4, 12.5)] {
            let task = Task {
                start_time: 1_700_000_000.0 + number as f64 - ms / 1e3,
                duration: ms,
                trace: Some(TraceContext {
                    trace_id: u128::from(number).into(),
                    span_id: number.into(),
                    parent_span_id: None,
                    sampled: number != 4,
                }),
                ..Task::default()
            };
            let now = Now { wall: Timestamp::from_secs(1_700_000_100.0), ..Now::default() };
            let origin = Origin { source: None, now };
            recorder.record(&Event::Task(&task), origin, &mut Emitted::default());
        }
        let plain = ["{le=\"5\"} 2", "{le=\"10\"} 2", "{le=\"+Inf\"} 4"];
        let exemplar = |number: u8, ms: &str| {
            format!(" # {{trace_id=\"{number:032x}\",span_id=\"{number:016x}\"}} {ms} 170000000{number}")
        };
        let (small, large) = if on { (exemplar(2, "5"), exemplar(3, "25")) } else { Default::default() };
        let open =
            [format!("{{le=\"5.0\"}} 2{small}"), "{le=\"10.0\"} 2".to_owned(), format!("{{le=\"+Inf\"}} 4{large}")];
        let all = |format| lines(&runs.shelf.page(format, None, runs.now));
        assert_eq!(all(Prometheus), plain);
        assert_eq!(all(OpenMetrics), open);
        assert_eq!(all(OpenMetrics), open, "nobody takes them away");

        let first = runs.shelf.page(OpenMetrics, Some(1), runs.now);
        let zeros = ["{le=\"5.0\"} 0", "{le=\"10.0\"} 0", "{le=\"+Inf\"} 0"].map(str::to_owned);
        assert_eq!(lines(&first), zeros);
        runs.shelf.arrived(&first.receipt, runs.now);
        for scraper in [1, 1, 2] {
            let page = runs.shelf.page(OpenMetrics, Some(scraper), runs.now);
            assert_eq!(lines(&page), if scraper == 1 { &open[..] } else { &zeros });
        }
        runs.end(&run);
        for scraper in [1, 2] {
            assert_eq!(lines(&runs.shelf.page(OpenMetrics, Some(scraper), runs.now)), open, "when the run is over");
        }
    }
}
