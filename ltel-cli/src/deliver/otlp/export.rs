//! One export: a request that is sent until it is taken, refused for good, or out of time. This is the only place that tries again.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use backon::BackoffBuilder as _;
use bytes::Bytes;
use humantime::format_duration;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::client::{Accepted, Client, Refusal, Remedy};

/// How long and how often to try.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// The time for all attempts together, for people.
    pub(super) limit: Duration,
    /// When it is over.
    pub(super) deadline: Instant,
    /// How many times to try again, if that is limited.
    pub(super) retries: Option<usize>,
}

/// Until when a receiver is to be left alone, as it has asked.
#[derive(Debug, Default)]
pub(super) struct Pause(Mutex<Option<Instant>>);

impl Pause {
    fn until(&self) -> Option<Instant> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).filter(|until| *until > Instant::now())
    }

    fn set(&self, until: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }
}

/// Longer pauses are mistakes, and clocks cannot add them.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// Sends a request. Without a time that the receiver asks for, attempts are 0.1 s apart at first, and up to 1.6 s later, and as much again
/// by chance, so that many senders do not come at the same moment.
pub(super) async fn export(
    client: &Client,
    body: Bytes,
    pause: &Pause,
    patience: Patience,
) -> Result<Accepted, Refusal> {
    let Patience { limit, deadline, retries } = patience;
    let delays = backon::ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_millis(1_600))
        .with_jitter();
    let mut delays = match retries {
        Some(retries) => delays.with_max_times(retries),
        None => delays.without_max_times(),
    }
    .build();
    let mut last: Option<Refusal> = None;
    loop {
        // What another export was told is meant for this one too.
        if let Some(until) = pause.until() {
            sleep_until(until.min(deadline)).await;
            if until > deadline {
                let why = format!("no attempt within {}, since the receiver asked for a pause", format_duration(limit));
                return Err(Refusal::ours(why));
            }
        }
        let refusal = match timeout_at(deadline, client.send(body.clone())).await {
            Ok(Ok(accepted)) => return Ok(accepted),
            Ok(Err(refusal)) => refusal,
            Err(_) => {
                client.reconnect();
                return Err(hung(limit, last));
            }
        };
        let Remedy::Later(asked) = refusal.remedy else { return Err(refusal) };
        if let Some(asked) = asked {
            let until = Instant::now() + asked.min(LONGEST_PAUSE);
            pause.set(until);
            if until > deadline {
                let (asked, limit) = (format_duration(asked), format_duration(limit));
                let why = format!("{}, with a retry after {asked}, later than the timeout of {limit}", refusal.why);
                return Err(Refusal { why, ..refusal });
            }
        }
        let Some(delay) = delays.next() else { return Err(refusal) };
        // By chance, so that not all that were told the same come together.
        let next = Instant::now() + asked.unwrap_or_default() + delay;
        if next > deadline {
            return Err(hung(limit, Some(refusal)));
        }
        sleep_until(next).await;
        last = Some(refusal);
    }
}

fn hung(limit: Duration, last: Option<Refusal>) -> Refusal {
    let why = format!("no success within {}", format_duration(limit));
    match last {
        Some(last) => Refusal { why: format!("{why}; the last attempt: {}", last.why), ..last },
        None => Refusal::ours(why),
    }
}
