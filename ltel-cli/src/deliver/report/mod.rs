//! Reports: files about each run, written when it is over. Each name's ending says what kind of file it is.

mod config;
mod file;
mod sink;

use ltel_core::backend::{Backend, BackendSpec, Check, Defaults, Pipe, Signal, Start, StartError, Takes};

use crate::config::values::MAX_DURATION;
pub(crate) use config::{Options, Report, ReportFile};
pub(crate) use file::replace;
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
        // Only the final figures: the recorder's own interval stays as it is.
        Defaults { interval: MAX_DURATION, own_metrics: false, ..Defaults::default() }
    }

    fn start(&self, cx: &Start) -> Result<Vec<Pipe>, StartError> {
        for file in &self.files {
            let opened = file::folder_takes_files(&file.path);
            opened.map_err(|error| StartError::Open { path: file.text.clone(), error })?;
        }
        Ok(vec![Pipe::new(&[], ReportSink::new(self, cx)).with_figures()])
    }
}
