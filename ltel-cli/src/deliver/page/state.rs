//! A state of a run, as browsers get it: serialized once, when the first one asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use ltel_core::figures::{RunFigures, Stage};
use ltel_core::runs::RunInfo;
use tokio::sync::{Mutex, OnceCell};
use tokio::time::Instant;

use super::events::event;
use super::files::{packed, unpacked};
use crate::report::Document;

/// Bytes of texts that browsers have not read yet, beyond which slow ones are disconnected sooner.
const UNREAD: usize = 48 << 20;

/// The figures of a run at one moment.
#[derive(Debug)]
pub(super) struct State {
    pub(super) stage: Stage,
    /// Whether its thresholds hold, if there are any.
    pub(super) passed: Option<bool>,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Figures { run: Arc<RunInfo>, figures: Arc<RunFigures>, message: OnceCell<Message> },
    Packed(Packed),
}

/// The documents of a run that is over, compressed.
#[derive(Clone, Debug)]
pub(super) struct Packed {
    /// Without histograms, as an event.
    message: Bytes,
    /// With all histograms.
    document: Bytes,
}

impl Packed {
    /// Its size in bytes.
    pub(super) fn size(&self) -> usize {
        self.message.len() + self.document.len()
    }
}

/// The event with a document.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) text: Bytes,
    /// How long it took to make.
    pub(super) cost: Duration,
}

/// Makes the texts of states, one at a time, on a thread that nothing else needs.
#[derive(Debug, Default)]
pub(super) struct Printer {
    turn: Arc<Mutex<()>>,
    unread: Arc<AtomicUsize>,
}

impl Printer {
    /// Runs `work`, to its end even if nobody waits for it any more: its turn ends with it. `None` if it panicked.
    async fn print(&self, work: impl FnOnce() -> Vec<u8> + Send + 'static) -> Option<Message> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let begun = Instant::now();
        let text = tokio::task::spawn_blocking(move || (work(), turn)).await.ok()?.0;
        self.unread.fetch_add(text.len(), Ordering::Relaxed);
        let text = Bytes::from_owner(Unread { text, all: Arc::clone(&self.unread) });
        Some(Message { text, cost: begun.elapsed() })
    }

    /// Whether texts take too much memory.
    pub(super) fn has_too_much_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed) > UNREAD
    }
}

/// A text that counts as unread until it is dropped.
struct Unread {
    text: Vec<u8>,
    all: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Unread {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        self.all.fetch_sub(self.text.len(), Ordering::Relaxed);
    }
}

impl State {
    pub(super) fn new(run: &Arc<RunInfo>, figures: Arc<RunFigures>) -> Self {
        let (stage, thresholds) = (figures.stage, &figures.thresholds);
        let passed = (!thresholds.is_empty()).then(|| thresholds.iter().all(|threshold| threshold.passed));
        Self { stage, passed, content: Content::Figures { run: Arc::clone(run), figures, message: OnceCell::new() } }
    }

    /// Whether the run is over.
    pub(super) const fn is_final(&self) -> bool {
        matches!(self.stage, Stage::Final { .. })
    }

    /// The figures themselves, unless they are packed.
    pub(super) fn figures(&self) -> Option<Arc<RunFigures>> {
        match &self.content {
            Content::Figures { figures, .. } => Some(Arc::clone(figures)),
            Content::Packed(_) => None,
        }
    }

    /// The event for browsers. `None` if it cannot be made.
    pub(super) async fn message(&self, printer: &Printer) -> Option<Message> {
        match &self.content {
            Content::Figures { run, figures, message } => {
                let print = || async {
                    let (run, figures) = (Arc::clone(run), Arc::clone(figures));
                    printer.print(move || event("document", short(&run, &figures).as_bytes())).await.ok_or(())
                };
                message.get_or_try_init(print).await.ok().cloned()
            }
            Content::Packed(packed) => {
                let message = packed.message.clone();
                printer.print(move || unpacked(&message)).await
            }
        }
    }

    /// The whole document, with its histograms. `None` if it cannot be made.
    pub(super) async fn document(&self, printer: &Printer) -> Option<Bytes> {
        let message = match &self.content {
            Content::Figures { run, figures, .. } => {
                let (run, figures) = (Arc::clone(run), Arc::clone(figures));
                printer.print(move || Document::of(&run, &figures).to_json().into_bytes()).await
            }
            Content::Packed(packed) => {
                let document = packed.document.clone();
                printer.print(move || unpacked(&document)).await
            }
        };
        message.map(|message| message.text)
    }

    /// The same state in little memory. `None` if it is packed already, or cannot be.
    pub(super) async fn pack(&self) -> Option<(Self, usize)> {
        let Content::Figures { run, figures, .. } = &self.content else { return None };
        let (run, figures) = (Arc::clone(run), Arc::clone(figures));
        let work = move || Packed {
            message: packed(&event("document", short(&run, &figures).as_bytes())),
            document: packed(Document::of(&run, &figures).to_json().as_bytes()),
        };
        let packed = tokio::task::spawn_blocking(work).await.ok()?;
        let size = packed.size();
        Some((Self { stage: self.stage, passed: self.passed, content: Content::Packed(packed) }, size))
    }
}

/// The document that a page shows.
fn short(run: &RunInfo, figures: &RunFigures) -> String {
    Document::without_histograms(run, figures).to_json()
}
