//! Writes the reports of a run.

use std::sync::Arc;

use ltel_core::backend::{DeliveryAccount, Sink, Start};
use ltel_core::figures::RunFigures;
use ltel_core::runs::RunInfo;
use ltel_core::text::{panic_message, printable, shortened};
use tokio::task::spawn_blocking;

use super::config::Report;
use super::file;
use crate::deliver::run_file::path_of;
use crate::report::Document;

// Bounded: a run that had to be dropped while it waited never ends here.
const WAITING: usize = 1_024;

/// Writes files about each run.
pub(super) struct ReportSink {
    backend: String,
    report: Arc<Report>,
    account: Arc<DeliveryAccount>,
    // Runs that have their reports, and have not ended yet.
    reported: Vec<Arc<RunInfo>>,
    // The run before.
    last: Option<Arc<RunInfo>>,
}

impl ReportSink {
    pub(super) fn new(report: &Report, cx: &Start) -> Self {
        Self {
            backend: cx.name.clone(),
            report: Arc::new(report.clone()),
            account: Arc::clone(&cx.account),
            reported: Vec::new(),
            last: None,
        }
    }

    fn lost(&self, why: &str) {
        tracing::error!("backend `{}`: {}", self.backend, printable(why));
        self.account.report_lost(why);
    }
}

impl Sink for ReportSink {
    async fn figures(&mut self, run: Arc<RunInfo>, figures: Arc<RunFigures>) {
        if !figures.is_final() {
            return;
        }
        if self.reported.len() >= WAITING {
            self.reported.remove(0);
        }
        self.reported.push(Arc::clone(&run));
        let before = self.last.replace(Arc::clone(&run));
        let (report, of) = (Arc::clone(&self.report), Arc::clone(&run));
        // Minutes of a test become a document within a second, but no other task should wait for it.
        let written = spawn_blocking(move || write(&report, &of, &figures)).await;
        let (written, failed) = match written {
            Ok(results) => results,
            Err(error) => {
                let message = error.try_into_panic().map(|panic| panic_message(&*panic).to_owned()).unwrap_or_default();
                (Vec::new(), vec![format!("writing the report panicked, which is a bug of ltel: {message}")])
            }
        };
        for why in failed {
            self.lost(&why);
        }
        if !written.is_empty() {
            let names: Vec<_> = written.iter().map(|(name, _)| printable(name).to_string()).collect();
            tracing::info!("report of run {}: {}", shortened(&run.run_id, 64), names.join(", "));
        }
        if let Some(before) = before
            && let Some((name, _)) = written.iter().find(|(_, is_of_any_run)| *is_of_any_run)
        {
            tracing::warn!(
                "backend `{}`: `{}` was of run {} until now; with `{{run_id}}` in its name, each run has its own",
                self.backend,
                printable(name),
                shortened(&before.run_id, 64)
            );
        }
    }

    fn run_ended(&mut self, run: &Arc<RunInfo>) {
        match self.reported.iter().position(|have| Arc::ptr_eq(have, run)) {
            Some(index) => {
                self.reported.remove(index);
            }
            None => self.lost(&format!("no report of run {}: it has no figures", shortened(&run.run_id, 64))),
        }
    }
}

/// Writes all files. Returns those that are written, each with whether other runs have the same; and why others are not.
fn write(report: &Report, run: &RunInfo, figures: &RunFigures) -> (Vec<(String, bool)>, Vec<String>) {
    let document = Document::of(run, figures);
    let (mut written, mut failed) = (Vec::new(), Vec::new());
    for stated in &report.files {
        let path = path_of(&stated.path, &run.run_id);
        let text = stated.format.write(&document, report.trace_url.as_ref());
        match file::replace(&path, &text) {
            Ok(()) => written.push((path.display().to_string(), path == stated.path)),
            Err(error) => failed.push(format!("cannot write to `{}`: {error}", path.display())),
        }
    }
    (written, failed)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use ltel_core::backend::Ending;
    use opentelemetry_sdk::metrics::Temporality;

    use super::*;
    use crate::deliver::report::config::ReportFile;
    use crate::report::sample;

    fn sink(files: &[String]) -> (ReportSink, Arc<DeliveryAccount>) {
        let files = files.iter().map(|file| ReportFile::parse(file).expect("a file")).collect();
        let account = Arc::<DeliveryAccount>::default();
        let cx = Start {
            name: "report".to_owned(),
            temporality: Temporality::Cumulative,
            queue_bytes: 0,
            drain: Duration::ZERO,
            account: Arc::clone(&account),
            ending: Ending::default(),
        };
        (ReportSink::new(&Report::of(files), &cx), account)
    }

    /// Scenario: two runs, whose figures come while they are active and at their end; then a run without figures, and one whose
    /// folder is gone. Guarantees: a report is written at the end only, for each run or for the last; what cannot be written is
    /// counted, and so is a run without a report.
    #[tokio::test]
    async fn each_run_has_its_report_or_a_loss() {
        let folder = tempfile::tempdir().expect("a folder");
        let reports = folder.path().join("reports");
        fs::create_dir(&reports).expect("a folder");
        let at = |name: &str| reports.join(name).display().to_string();
        let (mut sink, account) = sink(&[at("{run_id}.json"), at("last.md")]);
        let [one, two] = ["one", "two"].map(|id| Arc::new(RunInfo { run_id: id.to_owned(), ..sample::run() }));
        sink.figures(Arc::clone(&one), Arc::new(RunFigures::default())).await;
        assert_eq!(fs::read_dir(&reports).expect("a folder").count(), 0, "it is still running");
        for run in [&one, &two] {
            sink.figures(Arc::clone(run), Arc::new(sample::small())).await;
            sink.run_ended(run);
        }
        for name in ["one.json", "two.json", "last.md"] {
            assert!(reports.join(name).is_file(), "{name}");
        }
        assert!(fs::read_to_string(at("last.md")).expect("a report").contains("Run `two`"));
        assert!(account.snapshot().is_whole() && !account.snapshot().is_lossy());

        sink.run_ended(&two);
        assert_eq!(account.snapshot().lost_reports, 1);
        fs::remove_dir_all(&reports).expect("a folder");
        sink.figures(Arc::clone(&one), Arc::new(sample::small())).await;
        let delivered = account.snapshot();
        assert_eq!((delivered.lost_reports, delivered.is_whole(), delivered.is_lossy()), (3, false, true));
        assert!(delivered.last_error.is_some_and(|error| error.starts_with("cannot write to `")));
    }
}
