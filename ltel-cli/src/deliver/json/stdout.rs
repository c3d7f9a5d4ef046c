//! Detects that the reader of stdout has gone: then a program in a pipe ends.

use std::sync::LazyLock;

use tokio::sync::watch;

static CLOSED: LazyLock<watch::Sender<bool>> = LazyLock::new(|| watch::channel(false).0);

/// The reader of stdout has gone.
pub(super) fn closed() {
    CLOSED.send_replace(true);
}

/// Waits until the reader of stdout has gone.
pub(crate) async fn wait_until_closed() {
    let mut closed = CLOSED.subscribe();
    let _ = closed.wait_for(|closed| *closed).await;
}
