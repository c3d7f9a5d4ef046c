//! The signals that ask ltel to end.

use std::io;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::Cause;
use tokio::sync::mpsc;

/// A request to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// The signal's number.
    pub(crate) signal: i32,
    /// Whether a terminal's key sent it: then it went to every process of the group.
    pub(crate) from_terminal: bool,
}

impl Request {
    /// The signal's name.
    pub(crate) const fn name(self) -> &'static str {
        if self.signal == SIGINT { "SIGINT" } else { "SIGTERM" }
    }
}

/// The signals that ask a process to end.
#[derive(Debug)]
pub(crate) struct Signals(mpsc::UnboundedReceiver<Request>);

impl Signals {
    /// Takes them over. From now on they do not end the process by themselves.
    pub(crate) fn catch() -> io::Result<Self> {
        let mut signals = SignalsInfo::<WithOrigin>::new([SIGINT, SIGTERM])?;
        let (send, receive) = mpsc::unbounded_channel();
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for origin in &mut signals {
                let from_terminal = matches!(origin.cause, Cause::Kernel);
                if send.send(Request { signal: origin.signal, from_terminal }).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self(receive))
    }

    /// Waits until somebody is in a hurry.
    pub(crate) async fn interruption(&mut self) {
        self.next().await;
    }

    /// Waits for the next.
    pub(crate) async fn next(&mut self) -> Request {
        match self.0.recv().await {
            Some(request) => request,
            None => std::future::pending().await,
        }
    }
}
