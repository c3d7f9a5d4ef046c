//! The outputs of a backend: one for all runs, or a file for each.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ltel_core::backend::{DeliveryAccount, Start, StartError};
use ltel_core::runs::RunInfo;
use opentelemetry_sdk::metrics::Temporality;
use tokio::time::Instant;

use super::config::{Destination, FileOutput};
use super::output::Output;
use super::writer::LineWriter;
use crate::deliver::report::can_be_written;
use crate::deliver::run_file::{path_of, path_of_no_run};

/// In place of a run's id: for the metrics of ltel itself, which belong to no run. No run has this id.
const OF_NO_RUN: &str = "\0";

// Runs that are over: a line that comes late is written to their file, which is closed again.
const REMEMBERED: usize = 64;

// Then a file without new lines is closed. A run that had to be dropped never ends.
const IDLE: Duration = Duration::from_mins(1);

/// Where lines go.
pub(super) struct Outputs {
    backend: String,
    account: Arc<DeliveryAccount>,
    cumulative: bool,
    to: To,
    /// Failed writes to outputs that are closed.
    failures: u64,
}

enum To {
    One(Output),
    PerRun { file: FileOutput, open: BTreeMap<String, OfRun>, ended: VecDeque<String> },
}

struct OfRun {
    output: Output,
    is_over: bool,
    /// When it was last asked for.
    used: Instant,
}

impl Outputs {
    /// Opens the output, or finds out whether files can be written.
    pub(super) fn open(destination: &Destination, cx: &Start) -> Result<Self, StartError> {
        let (backend, account) = (cx.name.clone(), Arc::clone(&cx.account));
        let cumulative = cx.temporality == Temporality::Cumulative;
        let to = match destination {
            Destination::PerRun(file) => {
                can_be_written(&file.path)
                    .map_err(|error| StartError::Open { path: file.path.display().to_string(), error })?;
                To::PerRun { file: file.clone(), open: BTreeMap::new(), ended: VecDeque::new() }
            }
            one => To::One(Output::new(&backend, LineWriter::open(one, cx)?, &account, cumulative)),
        };
        Ok(Self { backend, account, cumulative, to, failures: 0 })
    }

    pub(super) fn account(&self) -> &DeliveryAccount {
        &self.account
    }

    /// The output of a run, or of what belongs to none.
    pub(super) fn of(&mut self, run: Option<&Arc<RunInfo>>) -> &mut Output {
        match &mut self.to {
            To::One(output) => output,
            To::PerRun { file, open, ended } => {
                let run_id = run.map_or(OF_NO_RUN, |run| run.run_id.as_str());
                if !open.contains_key(run_id) {
                    let path = run.map_or_else(|| path_of_no_run(&file.path), |_| path_of(&file.path, run_id));
                    let file = FileOutput { path, ..file.clone() };
                    let writer = LineWriter::when_written(&file, &self.backend);
                    let output = Output::new(&self.backend, writer, &self.account, self.cumulative);
                    let is_over = ended.iter().any(|ended| ended == run_id);
                    open.insert(run_id.to_owned(), OfRun { output, is_over, used: Instant::now() });
                }
                match open.get_mut(run_id) {
                    Some(of) => {
                        of.used = Instant::now();
                        &mut of.output
                    }
                    None => unreachable!("it has just been opened"),
                }
            }
        }
    }

    /// A run is over: its file is closed at the next flush.
    pub(super) fn run_ended(&mut self, run: &Arc<RunInfo>) {
        if let To::PerRun { open, ended, .. } = &mut self.to {
            if let Some(of) = open.get_mut(&run.run_id) {
                of.is_over = true;
            }
            if ended.len() == REMEMBERED {
                ended.pop_front();
            }
            ended.push_back(run.run_id.clone());
        }
    }

    /// Writes what is buffered. `told`: files were moved away, as by logrotate.
    pub(super) async fn flush(&mut self, told: bool) {
        match &mut self.to {
            To::One(output) => output.flush(told).await,
            To::PerRun { open, .. } => {
                for of in open.values_mut() {
                    of.output.flush(told).await;
                }
                let failures = &mut self.failures;
                open.retain(|_, of| {
                    let stays = !of.is_over && of.used.elapsed() < IDLE;
                    if !stays {
                        *failures += of.output.failures;
                    }
                    stays
                });
            }
        }
    }

    /// Failed writes.
    pub(super) fn failures(&self) -> u64 {
        self.failures
            + match &self.to {
                To::One(output) => output.failures,
                To::PerRun { open, .. } => open.values().map(|of| of.output.failures).sum(),
            }
    }
}
