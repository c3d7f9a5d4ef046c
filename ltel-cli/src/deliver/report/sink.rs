//! Writes the reports of a run.

use std::sync::Arc;

use ltel_core::backend::{DeliveryAccount, Sink, Start};
use ltel_core::figures::RunFigures;
use ltel_core::runs::RunInfo;
use ltel_core::text::{panic_message, printable, shortened};
use tokio::task::spawn_blocking;

use super::config::Report;
use super::file;
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
        let path = file::path_of(&stated.path, &run.run_id);
        let text = stated.format.write(&document, report.trace_url.as_ref());
        match file::replace(&path, &text) {
            Ok(()) => written.push((path.display().to_string(), path == stated.path)),
            Err(error) => failed.push(format!("cannot write to `{}`: {error}", path.display())),
        }
    }
    (written, failed)
}
