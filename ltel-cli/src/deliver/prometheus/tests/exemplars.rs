//! Exemplars on the page, from tasks to lines.

use std::sync::Arc;

use ltel_core::exemplar::KeepExemplars;
use ltel_core::meter::MeterSettings;
use ltel_core::runs::RunInfo;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::Temporality;

use super::{OpenMetrics, Page, Prometheus, Runs};
use crate::deliver::traced_tasks::traced_tasks;

/// Scenario: tasks with traces, of which one is not sampled. Guarantees: a bucket shows the latest sampled one in it, with its ids and
/// the time of its end; in OpenMetrics only; each scraper the same, also when the run is over; not beside a first zero; and
/// not at all with `exemplars = false`.
#[test]
fn the_latest_of_each_bucket() {
    let lines = |page: &Page| -> Vec<String> {
        let buckets = page.text.lines().filter_map(|line| line.strip_prefix("tasks_took_milliseconds_bucket"));
        buckets.map(|line| line.replace(r#"run_id="a",testplan="plan",user="A","#, "")).collect()
    };
    for on in [true, false] {
        let runs = Runs::new();
        let run = Arc::new(RunInfo { run_id: "a".into(), testplan: "plan".into(), ..RunInfo::default() });
        let settings = MeterSettings {
            exemplars: if on { KeepExemplars::UntilReplaced } else { KeepExemplars::No },
            ..MeterSettings::new(Resource::builder_empty().build(), Temporality::Cumulative)
        };
        let tasks = [("A", 3.0, true), ("A", 5.0, true), ("A", 25.0, true), ("A", 12.5, false)];
        runs.shelf.begin(Some(Arc::clone(&run)), traced_tasks(&settings, &run, &tasks), runs.now);
        let exemplar = |number: u8, ms: &str| {
            let exemplar = format!(r#" # {{trace_id="{number:032x}",span_id="{number:016x}"}} {ms} 170000000{number}"#);
            if on { exemplar } else { String::new() }
        };
        let plain = [r#"{le="5"} 2"#, r#"{le="10"} 2"#, r#"{le="+Inf"} 4"#];
        let zeros = [r#"{le="5.0"} 0"#, r#"{le="10.0"} 0"#, r#"{le="+Inf"} 0"#].map(str::to_owned);
        let open = [
            format!(r#"{{le="5.0"}} 2{}"#, exemplar(2, "5")),
            r#"{le="10.0"} 2"#.to_owned(),
            format!(r#"{{le="+Inf"}} 4{}"#, exemplar(3, "25")),
        ];
        let page = |format, scraper| runs.shelf.page(format, scraper, runs.now);
        assert_eq!(lines(&page(Prometheus, None)), plain);
        assert_eq!(lines(&page(OpenMetrics, None)), open);

        let first = page(OpenMetrics, Some(1));
        assert_eq!(lines(&first), zeros);
        runs.shelf.arrived(&first.receipt, runs.now);
        for (scraper, expected) in [(1, &open), (1, &open), (2, &zeros)] {
            assert_eq!(&lines(&page(OpenMetrics, Some(scraper))), expected);
        }
        runs.end(&run);
        for scraper in [1, 2] {
            assert_eq!(lines(&page(OpenMetrics, Some(scraper))), open, "when the run is over");
        }
    }
}
