//! Waits for Locust to connect and begin a run, and says why if it does not.

use std::convert::Infallible;
use std::time::Duration;

use humantime::format_duration;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::runs::Status;

/// Warns once if no client has connected after this time. Never returns.
pub(super) async fn warn_if_late(status: watch::Receiver<Status>, after: Duration, warning: &str) -> Infallible {
    tokio::time::sleep(after).await;
    if !status.borrow().met {
        tracing::warn!("no Locust process has connected within {}; {warning}", format_duration(after));
    }
    std::future::pending().await
}

/// Waits until no run can be expected any more, and returns why: none has begun within `start_timeout`, or all clients have
/// been gone for `grace`. Never returns if a run begins.
pub(super) async fn never_begins(status: watch::Receiver<Status>, start_timeout: Duration, grace: Duration) -> String {
    let (mut begun, mut left) = (status.clone(), status.clone());
    let why = tokio::select! {
        biased;
        _ = begun.wait_for(has_begun) => None,
        () = all_left(&mut left, grace) => {
            let grace = format_duration(grace);
            Some(format!(
                "Locust connected, disconnected before a test was started, and did not come back within {grace} (`grace`)"
            ))
        }
        () = tokio::time::sleep(start_timeout) => {
            let start_timeout = format_duration(start_timeout);
            Some(if status.borrow().met {
                format!(
                    "Locust connected, but no test was started within {start_timeout} (`start_timeout`): does the master \
                     wait for workers, or the web UI for someone to start it?"
                )
            } else {
                format!(
                    "no Locust process connected within {start_timeout} (`start_timeout`): does Locust run, load the plugin \
                     and know the address (LTEL_ADDRESS)?"
                )
            })
        }
    };
    match why {
        Some(why) => why,
        None => std::future::pending().await,
    }
}

fn has_begun(status: &Status) -> bool {
    status.active > 0 || status.finished > 0
}

/// Waits until all clients have disconnected, and none has been connected for `grace`.
async fn all_left(status: &mut watch::Receiver<Status>, grace: Duration) {
    loop {
        let _ = status.wait_for(|status| status.met && status.connected == 0).await;
        if timeout(grace, status.wait_for(|status| status.connected > 0)).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(10);
    const START: Duration = Duration::from_mins(5);

    /// What a client does, after so many seconds.
    enum Step {
        Comes(u64),
        Leaves(u64),
        Begins(u64),
    }
    use Step::{Begins, Comes, Leaves};

    /// When ltel gives up, in seconds, and its message; `None` if it never does.
    async fn check(steps: &[Step], expected: Option<(u64, &str)>) {
        let (tell, status) = watch::channel(Status::default());
        let client = async {
            for step in steps {
                let &(Comes(after) | Leaves(after) | Begins(after)) = step;
                tokio::time::sleep(Duration::from_secs(after)).await;
                tell.send_modify(|status| match step {
                    Comes(_) => (status.met, status.connected) = (true, 1),
                    Leaves(_) => status.connected = 0,
                    Begins(_) => status.active = 1,
                });
            }
            std::future::pending::<Infallible>().await
        };
        let begun = tokio::time::Instant::now();
        let given_up = tokio::select! {
            never = client => match never {},
            given_up = timeout(START * 10, never_begins(status, START, GRACE)) => given_up.ok(),
        };
        match (given_up, expected) {
            (None, None) => {}
            (Some(why), Some((seconds, part))) => {
                assert_eq!(begun.elapsed().as_secs(), seconds, "{why}");
                assert!(why.contains(part), "{why}");
            }
            (given_up, expected) => panic!("{given_up:?} where {expected:?} was expected"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_never_begins() {
        check(&[], Some((300, "no Locust process connected within 5m"))).await;
        check(&[Comes(5)], Some((300, "no test was started within 5m"))).await;
        check(&[Comes(5), Leaves(5)], Some((20, "before a test was started, and did not come back within 10s"))).await;
        check(&[Comes(5), Leaves(5), Comes(9)], Some((300, "no test was started within 5m"))).await;
        check(&[Comes(5), Leaves(5), Comes(9), Leaves(1)], Some((30, "disconnected before"))).await;
        check(&[Comes(295), Leaves(1)], Some((300, "no test was started"))).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_begins() {
        check(&[Comes(299), Begins(0)], None).await;
        check(&[Comes(5), Begins(1), Leaves(1)], None).await;
        check(&[Comes(5), Leaves(5), Comes(9), Begins(200)], None).await;
    }
}
