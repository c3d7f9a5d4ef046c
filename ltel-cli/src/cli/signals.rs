//! The signals that ask ltel to exit, or to reopen its files.

use std::io;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::Cause;
use tokio::sync::{mpsc, watch};

/// A request to exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EndRequest {
    /// The signal's number.
    pub(crate) signal: i32,
    /// Whether the terminal sent it (Ctrl-C, or a closed terminal): then every process of the group got it.
    pub(crate) from_terminal: bool,
}

impl EndRequest {
    /// The signal's name.
    pub(crate) const fn name(self) -> &'static str {
        match self.signal {
            SIGINT => "SIGINT",
            SIGHUP => "SIGHUP",
            _ => "SIGTERM",
        }
    }
}

/// The signals that this process handles.
///
/// SIGINT and SIGTERM ask it to exit. The meaning of SIGHUP depends on its sender: a process (`kill -HUP`, logrotate) wants
/// files to be reopened; a terminal that closes wants its processes to exit.
#[derive(Debug)]
pub(crate) struct Signals {
    ends: mpsc::UnboundedReceiver<EndRequest>,
    reopens: watch::Receiver<u64>,
}

impl Signals {
    /// Installs the handlers: from now on these signals do not kill the process. If SIGHUP is ignored, as under `nohup`, the
    /// end of the terminal stays without effect; files can be reopened all the same.
    pub(crate) fn catch() -> io::Result<Self> {
        let outlives_terminal = ignores(SIGHUP);
        let mut signals = SignalsInfo::<WithOrigin>::new([SIGINT, SIGTERM, SIGHUP])?;
        let (send, ends) = mpsc::unbounded_channel();
        let (reopen, reopens) = watch::channel(0);
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for origin in &mut signals {
                let from_terminal = matches!(origin.cause, Cause::Kernel);
                if origin.signal == SIGHUP && !from_terminal {
                    reopen.send_modify(|times| *times += 1);
                } else if origin.signal == SIGHUP && outlives_terminal {
                    tracing::debug!("the terminal was closed");
                } else if send.send(EndRequest { signal: origin.signal, from_terminal }).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { ends, reopens })
    }

    /// Waits for a signal that ends the current wait.
    pub(crate) async fn interruption(&mut self) {
        let request = self.next().await;
        tracing::warn!("{}: not waiting any longer", request.name());
    }

    /// Waits for the next request to exit.
    pub(crate) async fn next(&mut self) -> EndRequest {
        match self.ends.recv().await {
            Some(request) => request,
            None => std::future::pending().await,
        }
    }

    /// Changes with each request to reopen files.
    pub(crate) fn reopens(&self) -> watch::Receiver<u64> {
        self.reopens.clone()
    }
}

// The standard library has no safe way to ask; /proc has.
fn ignores(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
