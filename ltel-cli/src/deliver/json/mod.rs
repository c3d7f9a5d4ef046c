//! JSON lines: one object per line, in the envelope that existing pipelines parse.

mod config;
mod sink;
mod outputs;
mod output;
mod line;
mod span_line;
mod escape;
mod writer;
mod written;
mod file;
pub(crate) mod stdout;
#[cfg(test)]
mod tests;

use ltel_core::backend::{Backend, BackendSpec, Check, Defaults, Pipe, Signal, Start, StartError, Takes};

use config::Destination;
pub(crate) use config::{Json, Options};
use sink::JsonSink;

impl Backend for Json {
    type Options = Options;

    const SPEC: &'static BackendSpec = &BackendSpec::new("json", "JSON lines on stdout or in a file.").signals(&[
        (Signal::Metrics, None),
        (Signal::Logs, None),
        (Signal::Traces, Some("spans = true")),
    ]);

    fn check(options: Options, cx: &mut Check<'_>) -> Option<Self> {
        Some(config::check(options, cx))
    }

    fn takes(&self, signal: Signal) -> Takes {
        if self.spans || signal != Signal::Traces { Takes::Yes } else { Takes::No }
    }

    fn destination(&self) -> String {
        match &self.output {
            Destination::Stdout => "stdout".to_owned(),
            Destination::File(file) | Destination::PerRun(file) => file.path.display().to_string(),
        }
    }

    fn writes_to_stdout(&self) -> bool {
        self.output == Destination::Stdout
    }

    fn defaults(&self) -> Defaults {
        // Log services bill by the line, and people read them.
        Defaults { own_metrics: false, ..Defaults::default() }
    }

    fn start(&self, cx: &Start) -> Result<Vec<Pipe>, StartError> {
        let signals: &[_] = if self.spans { &Signal::ALL } else { &[Signal::Metrics, Signal::Logs] };
        Ok(vec![Pipe::new(signals, JsonSink::open(self, cx)?)])
    }
}
