//! The runs that a page shows: the active ones, and the last ones that are over.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use ltel_core::figures::{RunFigures, Stage};
use ltel_core::runs::RunInfo;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::events::event;
use super::state::{Printer, State};
use crate::report::TraceUrl;
use crate::report::document::Time;

/// Runs that are over.
const ENDED: usize = 16;

/// Bytes of their compressed documents.
const ENDED_BYTES: usize = 32 << 20;

/// Runs of any kind: the runs of a configuration may be many.
const RUNS: usize = 256;

// ltel may be about to end: it does not wait for documents to be compressed.
const PACK_AFTER: Duration = Duration::from_secs(2);

/// A run, and its latest state.
#[derive(Debug)]
pub(super) struct PageRun {
    pub(super) info: Arc<RunInfo>,
    pub(super) state: watch::Sender<Arc<State>>,
    ended: Mutex<Option<Ended>>,
}

#[derive(Clone, Copy, Debug)]
struct Ended {
    at: Instant,
    // Of its compressed documents; absent until they are.
    size: Option<usize>,
}

impl PageRun {
    fn ended(&self) -> MutexGuard<'_, Option<Ended>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All runs of a page.
#[derive(Debug)]
pub(super) struct PageRuns {
    // In the order in which they began.
    runs: Mutex<Vec<Arc<PageRun>>>,
    /// The event with the list of runs.
    pub(super) list: watch::Sender<Bytes>,
    /// Whether no more figures will come.
    pub(super) ending: watch::Sender<bool>,
    pub(super) printer: Printer,
    /// The event with the page's options; empty without any.
    pub(super) options: Bytes,
    /// Each connection of a browser has a copy.
    pub(super) places: Arc<()>,
}

impl PageRuns {
    pub(super) fn new(trace_url: Option<&TraceUrl>) -> Self {
        let options =
            trace_url.map(|url| event("options", json!({ "trace_url": url.as_str() }).to_string().as_bytes()));
        Self {
            runs: Mutex::default(),
            list: watch::Sender::new(list(&[])),
            ending: watch::Sender::new(false),
            printer: Printer::default(),
            options: options.unwrap_or_default().into(),
            places: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<PageRun>>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The run that began last, of those with this id if one is given.
    pub(super) fn find(&self, run_id: Option<&str>) -> Option<Arc<PageRun>> {
        self.lock().iter().rev().find(|run| run_id.is_none_or(|id| run.info.run_id == id)).cloned()
    }

    /// Takes the latest figures of a run.
    pub(super) fn show(&self, info: &Arc<RunInfo>, figures: Arc<RunFigures>) {
        let state = Arc::new(State::new(info, figures));
        let is_final = state.is_final();
        let mut runs = self.lock();
        let known = runs.iter().find(|run| Arc::ptr_eq(&run.info, info)).cloned();
        match known {
            Some(run) => {
                run.state.send_replace(state);
                if !is_final {
                    return;
                }
                run.ended().get_or_insert(Ended { at: Instant::now(), size: None });
            }
            None => {
                let ended = is_final.then(|| Ended { at: Instant::now(), size: None });
                let state = watch::Sender::new(state);
                runs.push(Arc::new(PageRun { info: Arc::clone(info), state, ended: Mutex::new(ended) }));
            }
        }
        make_room(&mut runs);
        self.list.send_replace(list(&runs));
    }

    /// A run is over. Its final figures may be missing: their recorder may have panicked.
    pub(super) fn end(&self, info: &Arc<RunInfo>) {
        let Some(run) = self.lock().iter().find(|run| Arc::ptr_eq(&run.info, info)).cloned() else { return };
        let state = Arc::clone(&run.state.borrow());
        if let Some(mut figures) = state.figures().filter(|_| !state.is_final()) {
            Arc::make_mut(&mut figures).stage = Stage::Final { complete: false };
            self.show(info, figures);
        }
    }

    /// Compresses the documents of runs that have been over for a while.
    pub(super) async fn pack(&self) {
        let now = Instant::now();
        let due =
            |run: &&Arc<PageRun>| run.ended().is_some_and(|ended| ended.size.is_none() && now >= ended.at + PACK_AFTER);
        let due: Vec<_> = self.lock().iter().filter(due).cloned().collect();
        for run in due {
            let state = Arc::clone(&run.state.borrow());
            if let Some((packed, size)) = state.pack().await {
                *run.ended() = Some(Ended { at: now, size: Some(size) });
                // Not news for those who have the state already.
                run.state.send_if_modified(|state| {
                    *state = Arc::new(packed);
                    false
                });
            }
            let mut runs = self.lock();
            if make_room(&mut runs) {
                self.list.send_replace(list(&runs));
            }
        }
    }
}

/// Forgets the oldest runs that are over, if there are too many. Whether it did.
fn make_room(runs: &mut Vec<Arc<PageRun>>) -> bool {
    let before = runs.len();
    loop {
        let ended = || runs.iter().enumerate().filter_map(|(index, run)| Some((index, (*run.ended())?)));
        let bytes: usize = ended().filter_map(|(_, ended)| ended.size).sum();
        let oldest = ended().next().map(|(index, _)| index);
        let is_too_much = ended().count() > ENDED || (bytes > ENDED_BYTES && ended().count() > 1);
        match oldest {
            Some(oldest) if is_too_much => drop(runs.remove(oldest)),
            _ if runs.len() > RUNS => drop(runs.remove(oldest.unwrap_or(0))),
            _ => return runs.len() < before,
        }
    }
}

/// The event with the list of runs. Each part is as in a run's document.
fn list(runs: &[Arc<PageRun>]) -> Bytes {
    let list: Vec<_> = runs
        .iter()
        .map(|run| {
            let state = Arc::clone(&run.state.borrow());
            let complete = match state.stage {
                Stage::Running => None,
                Stage::Final { complete } => Some(complete),
            };
            json!({
                "run_id": run.info.run_id, "testplan": run.info.testplan, "begun": Time::from(run.info.begun.wall),
                "final": state.is_final(), "complete": complete, "passed": state.passed,
            })
        })
        .collect();
    event("runs", Value::Array(list).to_string().as_bytes()).into()
}
