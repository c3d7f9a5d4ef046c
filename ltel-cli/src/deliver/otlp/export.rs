//! One export: a request that is sent until it is taken, refused for good, or out of time. This is the only place that tries again.

use std::time::Duration;

use backon::BackoffBuilder as _;
use bytes::Bytes;
use tokio::time::{Instant, sleep, timeout_at};

use super::client::{Accepted, Client, Refusal, Remedy};

/// How long and how often to try.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// The time for all attempts together.
    pub(super) limit: Duration,
    /// How many times to try again, if that is limited.
    pub(super) retries: Option<usize>,
}

/// Sends a request. Without a time that the receiver asks for, attempts are 0.1 s apart at first, and up to 1.6 s later, and as much again
/// by chance, so that many senders do not come at the same moment.
pub(super) async fn export(client: &Client, body: Bytes, patience: Patience) -> Result<Accepted, Refusal> {
    let Patience { limit, retries } = patience;
    let deadline = Instant::now() + limit;
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
        let refusal = match timeout_at(deadline, client.send(body.clone())).await {
            Ok(Ok(accepted)) => return Ok(accepted),
            Ok(Err(refusal)) => refusal,
            Err(_) => {
                client.reconnect();
                return Err(hung(limit, last));
            }
        };
        let Remedy::Later(asked) = refusal.remedy else { return Err(refusal) };
        let Some(delay) = delays.next() else { return Err(refusal) };
        if let Some(asked) = asked
            && Instant::now() + asked > deadline
        {
            let (asked, limit) = (humantime::format_duration(asked), humantime::format_duration(limit));
            let why = format!("{}, with a retry after {asked}, later than the timeout of {limit}", refusal.why);
            return Err(Refusal { why, ..refusal });
        }
        let next = Instant::now() + asked.unwrap_or(delay);
        if next > deadline {
            return Err(hung(limit, Some(refusal)));
        }
        sleep(next - Instant::now()).await;
        last = Some(refusal);
    }
}

fn hung(limit: Duration, last: Option<Refusal>) -> Refusal {
    let why = format!("no success within {}", humantime::format_duration(limit));
    match last {
        Some(last) => Refusal { why: format!("{why}; the last attempt: {}", last.why), ..last },
        None => Refusal { remedy: Remedy::None, why, words: String::new(), hint: "" },
    }
}
