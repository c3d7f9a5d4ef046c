//! What asks ltel to stop: signals, or a reader of stdout that has gone.

use std::io;
use std::sync::LazyLock;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

static STDOUT_CLOSED: LazyLock<watch::Sender<bool>> = LazyLock::new(|| watch::channel(false).0);

/// Nobody reads stdout any more.
pub(crate) fn stdout_closed() {
    STDOUT_CLOSED.send_replace(true);
}

/// The signals that ask a process to end.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Takes them over. From now on they do not end the process by themselves.
    pub(crate) fn catch() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for the next.
    pub(crate) async fn next(&mut self) -> SignalKind {
        tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.terminate.recv() => SignalKind::terminate(),
        }
    }
}

/// Waits until nobody reads stdout any more.
pub(crate) async fn wait_for_closed_stdout() {
    let mut closed = STDOUT_CLOSED.subscribe();
    let _ = closed.wait_for(|closed| *closed).await;
}
