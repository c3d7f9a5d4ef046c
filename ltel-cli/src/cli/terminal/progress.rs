//! How a test goes on: a line that changes in place at a terminal, a line of the log now and then elsewhere.

use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use humantime::format_duration;
use ltel_core::figures::RunFigures;
use ltel_core::runs::RunInfo;
use ltel_core::thresholds::Judgement;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::line_terminal::width;
use super::recent::Recent;
use super::{can_draw, screen};
use crate::cli::numbers::{clock, ms, number, percent};
use crate::deliver::summary::{Current, Summary};
use crate::plural::counted;
use crate::runs::Status;

/// How often the line at a terminal changes.
const EVERY: Duration = Duration::from_secs(1);

/// How often the log says how the test goes on.
const CALM: Duration = Duration::from_secs(30);

/// The least columns that a bar is worth.
const LEAST_BAR: usize = 12;

/// How to show progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressMode {
    /// A line below Locust's output at a terminal, plain elsewhere.
    Auto,
    /// A line of the log every 30 s.
    Plain,
    /// None. Locust writes to the terminal itself.
    Off,
}

impl ProgressMode {
    /// Whether a line at a terminal shows it.
    pub(crate) fn is_live(self) -> bool {
        self == Self::Auto && can_draw()
    }
}

/// Shows the progress of tests until it ends.
#[derive(Debug)]
pub(crate) struct Progress {
    task: AbortHandle,
    is_live: bool,
    waits: watch::Sender<Option<Duration>>,
}

impl Progress {
    /// Begins to show it. `run_time` is how long the test will run, if Locust does not say.
    pub(crate) fn begin(
        mode: ProgressMode,
        summary: Arc<Summary>,
        status: watch::Receiver<Status>,
        run_time: Option<Duration>,
    ) -> Self {
        let is_live = mode.is_live();
        let (waits, waiting) = watch::channel(None);
        let view = View { run: None, recent: Recent::default(), run_time };
        let task = if is_live {
            screen::begin();
            tokio::spawn(view.live(summary, status, waiting))
        } else if mode == ProgressMode::Off {
            tokio::spawn(async {})
        } else {
            tokio::spawn(view.plain(summary, waiting))
        };
        Self { task: task.abort_handle(), is_live, waits }
    }

    /// Locust has ended: what it has sent is waited for, for so long at most.
    pub(crate) fn wait_for_data(&self, most: Duration) {
        self.waits.send_replace(Some(most));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.task.abort();
        if self.is_live {
            screen::end();
        }
    }
}

/// When the log says how a run goes on. That it begins and ends is said anyway.
#[derive(Default)]
struct Calm {
    said: Option<Instant>,
    broken: u64,
}

impl Calm {
    /// Whether it is time, or thresholds have changed, of which so many are broken. Where there are no figures yet, it can wait.
    fn is_due(&mut self, broken: u64, has_figures: bool, now: Instant) -> bool {
        if !has_figures {
            return false;
        }
        let has_changed = std::mem::replace(&mut self.broken, broken) != broken;
        let due = has_changed || now.duration_since(*self.said.get_or_insert(now)) >= CALM;
        if due {
            self.said = Some(now);
        }
        due
    }
}

/// What is seen of a run.
struct View {
    // The run, when it was first seen, and how old it was then.
    run: Option<(Arc<RunInfo>, Instant, Duration)>,
    recent: Recent,
    run_time: Option<Duration>,
}

impl View {
    async fn live(
        mut self,
        summary: Arc<Summary>,
        status: watch::Receiver<Status>,
        mut waiting: watch::Receiver<Option<Duration>>,
    ) {
        let mut every = ticks(EVERY);
        loop {
            tokio::select! {
                _ = every.tick() => {}
                Ok(()) = waiting.changed() => {}
            }
            let current = summary.current().filter(|current| !current.figures.is_final());
            let (status, waits) = (status.borrow().clone(), *waiting.borrow());
            let (text, part) = self.text(current.as_ref(), &status, waits, usize::from(width()));
            screen::show(&text, part);
        }
    }

    async fn plain(mut self, summary: Arc<Summary>, waiting: watch::Receiver<Option<Duration>>) {
        let (mut every, mut calm) = (ticks(EVERY), Calm::default());
        loop {
            every.tick().await;
            let is_running = |current: &Current| !current.figures.is_final() && waiting.borrow().is_none();
            let Some(current) = summary.current().filter(is_running) else {
                calm = Calm::default();
                continue;
            };
            let now = Instant::now();
            let parts = self.parts(&current, now);
            if calm.is_due(broken_thresholds(&current.figures), self.recent.rate().is_some(), now) {
                tracing::info!("{}", parts.join(", "));
            }
        }
    }

    /// What the line at a terminal says, and how much of the test is over.
    fn text(
        &mut self,
        current: Option<&Current>,
        status: &Status,
        waits: Option<Duration>,
        width: usize,
    ) -> (String, Option<f64>) {
        let text = match (waits, current) {
            (Some(most), _) => format!("Locust has ended; waiting up to {} for its data", format_duration(most)),
            (None, Some(current)) => return self.line(current, Instant::now(), width),
            (None, None) if status.active > 0 => "The test begins".to_owned(),
            (None, None) if status.finished > 0 => "The test is over; Locust is still running".to_owned(),
            (None, None) => "Locust starts".to_owned(),
        };
        (text, None)
    }

    /// The line of a running test, and how much of the test is over.
    fn line(&mut self, current: &Current, now: Instant, width: usize) -> (String, Option<f64>) {
        let mut line = String::new();
        // The first ones matter most.
        for part in self.parts(current, now) {
            let gap = if line.is_empty() { "" } else { "  " };
            // ASCII. A terminal may wrap a line that fills it.
            if line.len() + gap.len() + part.len() >= width {
                break;
            }
            line.push_str(gap);
            line.push_str(&part);
        }
        let fits = line.len() + 2 + LEAST_BAR < width;
        let part = self.times(current, now).1.filter(|_| fits);
        (line, part)
    }

    fn parts(&mut self, current: &Current, now: Instant) -> Vec<String> {
        self.recent_of(current, now);
        let (figures, total) = (&current.figures, &current.figures.total);
        let failures = match total.failures {
            0 => "0 failed".to_owned(),
            failures => format!("{failures} failed ({})", percent(total.failure_ratio())),
        };
        let rate =
            self.recent.rate().map_or_else(|| "- req/s".to_owned(), |rate| format!("{} req/s", number(Some(rate))));
        let mut parts = vec![self.times(current, now).0, counted(figures.users, "users"), rate, failures];
        match broken_thresholds(figures) {
            0 => {}
            broken => parts.push(format!("{} broken", counted(broken, "thresholds"))),
        }
        parts.push(format!("p95 {}", ms(self.recent.percentile(95.0))));
        if current.active > 1 {
            parts.push(format!("the last of {} runs", current.active));
        }
        parts
    }

    fn recent_of(&mut self, current: &Current, now: Instant) {
        if !self.run.as_ref().is_some_and(|(run, ..)| Arc::ptr_eq(run, &current.run)) {
            let age = current.figures.time.since(current.run.begun.wall);
            self.run = Some((Arc::clone(&current.run), now, age));
            self.recent = Recent::default();
        }
        self.recent.take(&current.figures, now);
    }

    /// How long the test has run and will run, and the part that is over.
    fn times(&self, current: &Current, now: Instant) -> (String, Option<f64>) {
        let over = self.run.as_ref().map_or(Duration::ZERO, |(_, seen, age)| *age + now.duration_since(*seen));
        match current.figures.test.run_time.or(self.run_time).filter(|all| !all.is_zero()) {
            Some(all) => {
                let part = over.as_secs_f64() / all.as_secs_f64();
                (format!("{}, {} left", clock(over), clock(all.saturating_sub(over))), Some(part))
            }
            None => (clock(over), None),
        }
    }
}

fn ticks(every: Duration) -> tokio::time::Interval {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Those that a figure breaks as things stand: before the first requests, there is none.
fn broken_thresholds(figures: &RunFigures) -> u64 {
    let is_broken = |threshold: &&Judgement| !threshold.passed && threshold.actual.is_some();
    figures.thresholds.iter().filter(is_broken).count() as u64
}

#[cfg(test)]
mod tests {
    use ltel_core::figures::{Histogram, TestInfo};

    use super::*;

    fn current(run: &Arc<RunInfo>, requests: u64, run_time: Option<u64>) -> Current {
        let mut figures = RunFigures { users: 20, ..RunFigures::default() };
        figures.total.requests = requests;
        figures.total.failures = requests / 100;
        figures.total.histogram = Histogram::from_counts([(1_000, requests)]);
        figures.test = TestInfo { run_time: run_time.map(Duration::from_secs), ..TestInfo::default() };
        if requests > 1_000 {
            let (check, actual) = ("p95 < 1ms".to_owned(), Some("1 ms".to_owned()));
            let broken = Judgement { check, actual, ..Judgement::default() };
            figures.thresholds.push(broken);
        }
        Current { run: Arc::clone(run), figures: Arc::new(figures), active: 1 }
    }

    #[tokio::test(start_paused = true)]
    async fn the_log_stays_calm() {
        let (mut calm, begun) = (Calm::default(), Instant::now());
        let due: Vec<_> = (0..=100_u64)
            .filter(|second| {
                let broken = u64::from((40..50).contains(second));
                // None in the first second, and after a reset in the middle of it.
                calm.is_due(broken, !matches!(second, 0 | 40), begun + Duration::from_secs(*second))
            })
            .collect();
        assert_eq!(due, [31, 41, 50, 80]);
    }

    /// Scenario: a test of a minute, in terminals of several widths.
    /// Guarantees: what does not fit is left out from the end; nothing is shown as 0 that is not known; the bar is there only if it
    /// has room and the run time is known.
    #[tokio::test(start_paused = true)]
    async fn the_line_fits() {
        let run = Arc::new(RunInfo::default());
        let mut view = View { run: None, recent: Recent::default(), run_time: None };
        let begun = Instant::now();
        let mut line = |second: u64, requests, run_time, width| {
            view.line(&current(&run, requests, run_time), begun + Duration::from_secs(second), width)
        };
        assert_eq!(
            line(0, 0, Some(60), 80),
            ("0:00, 1:00 left  20 users  - req/s  0 failed  p95 - ms".to_owned(), Some(0.0))
        );
        let (text, part) = line(2, 500, Some(60), 80);
        assert_eq!(text, "0:02, 0:58 left  20 users  250 req/s  5 failed (1.00 %)  p95 1.00 ms");
        assert_eq!(part, None);
        let (text, part) = line(4, 2_000, Some(60), 140);
        assert_eq!(text, "0:04, 0:56 left  20 users  500 req/s  20 failed (1.00 %)  1 threshold broken  p95 1.00 ms");
        assert_eq!(part, Some(4.0 / 60.0));
        assert_eq!(line(5, 2_000, None, 140).1, None);
        assert_eq!(line(6, 2_000, Some(60), 40).0, "0:06, 0:54 left  20 users  333 req/s");
        assert!(line(70, 2_000, Some(60), 80).0.starts_with("1:10, 0:00 left  20 users  0 req/s  "));
    }

    /// Scenario: before, in and after a test; then Locust ends before its data is there.
    /// Guarantees: the line does not go on as if the test did.
    #[tokio::test(start_paused = true)]
    async fn the_line_says_what_is_waited_for() {
        let current = current(&Arc::default(), 500, Some(60));
        let mut view = View { run: None, recent: Recent::default(), run_time: None };
        let mut text = |current, (active, finished), waits| {
            let status = Status { active, finished, ..Status::default() };
            view.text(current, &status, waits, 80).0
        };
        assert_eq!(text(None, (0, 0), None), "Locust starts");
        assert_eq!(text(None, (1, 0), None), "The test begins");
        assert!(text(Some(&current), (1, 0), None).starts_with("0:00, 1:00 left  20 users"));
        assert_eq!(text(None, (0, 1), None), "The test is over; Locust is still running");
        let waiting = "Locust has ended; waiting up to 10s for its data";
        assert_eq!(text(Some(&current), (1, 0), Some(Duration::from_secs(10))), waiting);
    }
}
