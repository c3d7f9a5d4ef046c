//! The good client: a steady rate, each batch acknowledged, and figures that must be exact to the last request.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use ltel_core::clock::Clock;
use ltel_core::wire::Encoding;

use crate::client::{Client, row};
use crate::lines::{Line, Lines, check_account};

pub(super) const RUN: &str = "the-good-run";

const ENDPOINTS: [&str; 10] = ["/0", "/1", "/2", "/3", "/4", "/5", "/6", "/7", "/8", "/9"];
const PAUSE: Duration = Duration::from_millis(50);
const BATCH: usize = 20;

/// What the good client has sent, and how it fared.
#[derive(Clone, Debug, Default)]
pub(super) struct Good {
    endpoints: BTreeMap<&'static str, Sent>,
    /// How long each acknowledgement took.
    waits: Vec<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    requests: u64,
    failures: u64,
    sum_ms: f64,
    min_ms: f64,
    max_ms: f64,
}

impl Good {
    /// Sends requests until it is told to stop, and ends its run.
    pub(super) fn work(socket: &Path, stop: &AtomicBool) -> Self {
        let mut good = Self::default();
        let mut client = Client::unix(socket, Encoding::MessagePack, "the-good-client");
        client.start(RUN);
        let mut n = 0_u32;
        while !stop.load(Ordering::Relaxed) {
            let mut rows = Vec::new();
            for _ in 0..BATCH {
                n += 1;
                // Every endpoint has its own times, and every seventh request fails.
                let endpoint = ENDPOINTS[n as usize % ENDPOINTS.len()];
                let (ms, failed) = (f64::from(n * 37 % 1_009), n.is_multiple_of(7));
                good.endpoints.entry(endpoint).or_insert(Sent::NOTHING).count(ms, failed);
                rows.push(row(endpoint, ms, failed));
            }
            client.requests(rows);
            let sent = Clock::System.now();
            client.acknowledged();
            good.waits.push(Clock::System.now().since(sent));
            thread::sleep(PAUSE);
        }
        client.finish();
        good
    }

    pub(super) fn requests(&self) -> u64 {
        self.endpoints.values().map(|sent| sent.requests).sum()
    }

    /// Fails unless the lines of its run say what it has sent.
    pub(super) fn check(&self, lines: &Lines) {
        let report = lines.report();
        check_account(report);
        assert_eq!((report.count("sent"), report.count("recorded")), (self.requests(), self.requests()), "{report:?}");
        assert_eq!(report.telemetry["complete"], true, "{report:?}");
        let mut total = Sent::NOTHING;
        for (endpoint, sent) in &self.endpoints {
            let line = lines.stats("endpoint").find(|line| line.is("name", endpoint) && line.is("status", "success"));
            sent.check(line.unwrap_or_else(|| panic!("no figures of {endpoint}")));
            total.add(sent);
        }
        total.check(lines.final_record());
    }
}

impl Sent {
    const NOTHING: Self = Self { requests: 0, failures: 0, sum_ms: 0.0, min_ms: f64::INFINITY, max_ms: 0.0 };

    fn count(&mut self, ms: f64, failed: bool) {
        self.add(&Self { requests: 1, failures: u64::from(failed), sum_ms: ms, min_ms: ms, max_ms: ms });
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.failures += other.failures;
        self.sum_ms += other.sum_ms;
        self.min_ms = self.min_ms.min(other.min_ms);
        self.max_ms = self.max_ms.max(other.max_ms);
    }

    fn check(&self, line: &Line) {
        let counts = (line.count("num_requests"), line.count("num_failures"));
        assert_eq!(counts, (self.requests, self.failures), "{line:?}");
        let mean = self.sum_ms / self.requests as f64;
        for (field, expected) in
            [("min_response_time", self.min_ms), ("max_response_time", self.max_ms), ("avg_response_time", mean)]
        {
            assert!((line.number(field) - expected).abs() < 1e-6, "{field} is not {expected}: {line:?}");
        }
    }
}

impl fmt::Display for Good {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut waits = self.waits.clone();
        waits.sort();
        let at = |part: usize| {
            waits.get((waits.len() * part / 100).min(waits.len().saturating_sub(1))).copied().unwrap_or_default()
        };
        write!(
            f,
            "the good client: {} requests of {} endpoints, all exact; acknowledged after {:?} (median), {:?} (p99), {:?} (longest)",
            self.requests(),
            self.endpoints.len(),
            at(50),
            at(99),
            at(100)
        )
    }
}
