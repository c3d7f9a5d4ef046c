//! Reports: files about each run, written when it is over. Each name's ending says what kind of file it is.

mod config;
mod file;
mod sink;

use std::any::Any;

use ltel_core::backend::{Backend, BackendSpec, Check, Defaults, Pipe, Signal, Start, StartError, Takes};
use ltel_core::text::printable;

use crate::config::BackendConfig;
use crate::deliver::defaults_for_figures;
pub(crate) use config::{Options, Report, ReportFile};
pub(crate) use file::{can_be_written, replace};
use sink::ReportSink;

impl Backend for Report {
    type Options = Options;

    const SPEC: &'static BackendSpec =
        &BackendSpec::new("report", "Files about each run: HTML, JSON, Markdown, JUnit XML.").pace("the end of a run");

    fn check(options: Options, cx: &mut Check<'_>) -> Option<Self> {
        config::check(options, cx)
    }

    fn takes(&self, _: Signal) -> Takes {
        Takes::No
    }

    fn takes_figures(&self) -> bool {
        true
    }

    fn destination(&self) -> String {
        self.files.iter().map(|file| file.text.as_str()).collect::<Vec<_>>().join(", ")
    }

    fn defaults(&self) -> Defaults {
        defaults_for_figures()
    }

    fn start(&self, cx: &Start) -> Result<Vec<Pipe>, StartError> {
        for file in &self.files {
            let opened = file::can_be_written(&file.path);
            opened.map_err(|error| StartError::Open { path: file.text.clone(), error })?;
        }
        Ok(vec![Pipe::new(&[], ReportSink::new(self, cx)).with_figures()])
    }
}

/// What to say where a report was to be written and there was no run; `None` if none was to be written.
pub(crate) fn without_run<'a>(backends: impl IntoIterator<Item = &'a BackendConfig>) -> Option<String> {
    let report = |backend: &'a BackendConfig| (&*backend.backend as &dyn Any).downcast_ref::<Report>();
    let reports: Vec<_> = backends.into_iter().filter_map(report).collect();
    let present: Vec<_> = reports.iter().flat_map(|report| report.present()).map(printable).collect();
    let present: Vec<_> = present.iter().map(ToString::to_string).collect();
    let old = match &*present {
        [] => String::new(),
        [file] => format!(": {file} is of an earlier run"),
        files => format!(": {} are of earlier runs", files.join(", ")),
    };
    (!reports.is_empty()).then(|| format!("no report was written{old}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: no run, and no report, one that is new, one and two that are there from before.
    /// Guarantees: what is said tells which files are old.
    #[test]
    fn a_report_without_a_run() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name).display().to_string();
        let said = |names: &[&str]| {
            let files = names.iter().map(|name| ReportFile::parse(&at(name)).expect("a file")).collect();
            let other =
                BackendConfig::new("summary", crate::deliver::summary::SummaryBackend(std::sync::Arc::default()));
            without_run([&other, &BackendConfig::new("--report", Report::of(files))])
        };
        assert_eq!(without_run([]), None);
        assert_eq!(said(&["new.md"]).as_deref(), Some("no report was written"));
        for old in ["a.md", "b.md"] {
            std::fs::write(at(old), "").expect("a file");
        }
        let one = format!("no report was written: {} is of an earlier run", at("a.md"));
        assert_eq!(said(&["new.md", "a.md", "{run_id}.md"]), Some(one));
        let two = format!("no report was written: {}, {} are of earlier runs", at("a.md"), at("b.md"));
        assert_eq!(said(&["a.md", "b.md"]), Some(two));
    }
}
