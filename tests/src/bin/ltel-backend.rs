//! ltel with a backend of its own, as a user's program might have: the names of records, a line each, in a file.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use ltel_core::backend::{
    Backend, BackendSpec, Check, ConfigError, DeliveryAccount, Pipe, RunRecord, Signal, Sink, Spanned, Start,
    StartError, Takes,
};
use ltel_core::schemars::{self, JsonSchema};
use serde::Deserialize;

/// Writes the names of records.
#[derive(Debug)]
struct Names {
    path: PathBuf,
    panics_at: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
struct Options {
    /// The file.
    #[schemars(with = "PathBuf")]
    path: Spanned<PathBuf>,
    /// Panics when it gets a record of this name.
    panics_at: Option<String>,
}

impl Backend for Names {
    type Options = Options;

    const SPEC: &'static BackendSpec =
        &BackendSpec::new("names", "The names of records, in a file.").signals(&[(Signal::Logs, None)]);

    fn check(options: Options, cx: &mut Check<'_>) -> Option<Self> {
        let (path, span) = (options.path.get_ref().clone(), options.path.span());
        if path.extension().is_none_or(|extension| extension != "txt") {
            cx.error(
                ConfigError::new("names go into a text file", span.clone()).help("write a path that ends with `.txt`"),
            );
        }
        cx.claim_file(&path, span);
        Some(Self { path, panics_at: options.panics_at })
    }

    fn takes(&self, signal: Signal) -> Takes {
        if signal == Signal::Logs { Takes::Yes } else { Takes::No }
    }

    fn destination(&self) -> String {
        self.path.display().to_string()
    }

    fn start(&self, cx: &Start) -> Result<Vec<Pipe>, StartError> {
        let file = File::create(&self.path)
            .map_err(|error| StartError::Open { path: self.path.display().to_string(), error })?;
        let (panics_at, account) = (self.panics_at.clone(), Arc::clone(&cx.account));
        Ok(vec![Pipe::new(&[Signal::Logs], NamesSink { file, panics_at, account })])
    }
}

struct NamesSink {
    file: File,
    panics_at: Option<String>,
    account: Arc<DeliveryAccount>,
}

impl Sink for NamesSink {
    async fn records(&mut self, batch: Vec<RunRecord>) {
        for RunRecord { record, .. } in batch {
            assert_ne!(self.panics_at.as_deref(), Some(&*record.name), "no such name was expected");
            match writeln!(self.file, "{}", record.name) {
                Ok(()) => self.account.delivered(Signal::Logs, 1),
                Err(error) => {
                    self.account.failed(Signal::Logs, 1, error.to_string());
                }
            }
        }
    }
}

fn main() -> std::process::ExitCode {
    ltel_cli::run(ltel_recorders::registry().backend::<Names>())
}
