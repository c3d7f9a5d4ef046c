//! The server-sent events for one browser. It has no queue: when it has read one event, it gets the next of what is the latest
//! then.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{Stream, unfold};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::progress::{Progress, next_piece};
use super::runs::{PageRun, PageRuns};
use super::state::{Message, State};

/// How often something is sent, at least: so that proxies keep the connection open, and closed ones are noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// No document more often than this for each of its MiB: browsers have to draw it.
const PER_MIB: Duration = Duration::from_secs(1);

/// Nor more often than this part of all time goes into making it.
const PART: u32 = 50;

/// The longest time between two documents of a run that changes.
const SLOWEST: Duration = Duration::from_secs(10);

/// An event, as it is sent. `data` is JSON, which has no line breaks.
pub(super) fn event(name: &str, data: &[u8]) -> Vec<u8> {
    debug_assert!(!data.contains(&b'\n') && !data.contains(&b'\r'), "one line of data");
    [b"event: ", name.as_bytes(), b"\ndata: ", data, b"\n\n"].concat()
}

/// The events about a run: the one with this id, or the one that began last. Ends when ltel does.
pub(super) fn events(
    runs: Arc<PageRuns>,
    run_id: Option<String>,
    progress: Arc<Progress>,
) -> impl Stream<Item = Bytes> + Send {
    let (list, ending) = (runs.list.subscribe(), runs.ending.subscribe());
    let now = Instant::now();
    let unread = runs.options.clone();
    let events = Events {
        runs,
        run_id,
        progress,
        list,
        list_is_due: true,
        shown: None,
        state_is_due: false,
        not_before: now,
        ending,
        is_over: false,
        unread,
        keep_alive_at: now + KEEP_ALIVE,
    };
    unfold(events, |mut events| async move { Some((events.next().await?, events)) })
}

/// What one browser has got.
struct Events {
    runs: Arc<PageRuns>,
    run_id: Option<String>,
    progress: Arc<Progress>,
    list: watch::Receiver<Bytes>,
    list_is_due: bool,
    shown: Option<(Arc<PageRun>, watch::Receiver<Arc<State>>)>,
    state_is_due: bool,
    // When the next document may be sent, unless it is final.
    not_before: Instant,
    ending: watch::Receiver<bool>,
    is_over: bool,
    // The rest of an event.
    unread: Bytes,
    keep_alive_at: Instant,
}

impl Events {
    /// The next bytes to send. Asked for when those before are on their way.
    async fn next(&mut self) -> Option<Bytes> {
        if self.unread.is_empty() {
            self.progress.read();
            self.unread = self.next_event().await?;
            self.progress.given();
            self.keep_alive_at = Instant::now() + KEEP_ALIVE;
        }
        Some(next_piece(&mut self.unread, &self.progress))
    }

    async fn next_event(&mut self) -> Option<Bytes> {
        loop {
            self.list_is_due |= self.list.has_changed().unwrap_or(false);
            if let Some((_, state)) = &self.shown {
                self.state_is_due |= state.has_changed().unwrap_or(false);
            }
            if std::mem::take(&mut self.list_is_due) {
                let list = self.list.borrow_and_update().clone();
                self.choose();
                return Some(list);
            }
            let is_ending = *self.ending.borrow();
            if self.state_is_due
                && let Some((_, latest)) = &mut self.shown
                && (is_ending || latest.borrow().is_final() || Instant::now() >= self.not_before)
            {
                self.state_is_due = false;
                let state = Arc::clone(&latest.borrow_and_update());
                if let Some(Message { text, cost }) = state.message(&self.runs.printer).await {
                    let by_size = PER_MIB.mul_f64(text.len() as f64 / f64::from(1 << 20));
                    self.not_before = Instant::now() + by_size.max(cost * PART).min(SLOWEST);
                    return Some(text);
                }
                continue;
            }
            if is_ending {
                let end = (!self.is_over).then(|| event("end", b"{}").into());
                self.is_over = true;
                return end;
            }
            tokio::select! {
                biased;
                _ = self.list.changed() => self.list_is_due = true,
                () = changed(&mut self.shown) => self.state_is_due = true,
                () = sleep_until(self.not_before), if self.state_is_due => {}
                _ = self.ending.wait_for(|ending| *ending) => {}
                () = sleep_until(self.keep_alive_at) => return Some(Bytes::from_static(b": \n\n")),
            }
        }
    }

    /// Chooses the run to show.
    fn choose(&mut self) {
        let wanted = self.runs.find(self.run_id.as_deref());
        let shown = self.shown.as_ref().map(|(run, _)| run);
        if wanted.as_ref().map(Arc::as_ptr) != shown.map(Arc::as_ptr) {
            self.state_is_due = wanted.is_some();
            self.not_before = Instant::now();
            self.shown = wanted.map(|run| {
                let state = run.state.subscribe();
                (run, state)
            });
        }
    }
}

/// Waits for a new state of the run.
async fn changed(shown: &mut Option<(Arc<PageRun>, watch::Receiver<Arc<State>>)>) {
    match shown {
        Some((_, state)) => {
            let _ = state.changed().await;
        }
        None => std::future::pending().await,
    }
}
