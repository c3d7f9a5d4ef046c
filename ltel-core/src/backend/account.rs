//! What happened to the items that a backend was given. For each signal `admitted = delivered + rejected + failed + dropped` once the
//! backend has ended, however it ended.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Signal;

/// One backend's account, shared by the code that updates it and the code that shows it.
#[derive(Debug, Default)]
pub struct DeliveryAccount(Mutex<Delivered>);

/// A backend's account since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    signals: [SignalAccount; Signal::ALL.len()],
    /// Points of final collections that were not delivered: they are not sent again.
    pub lost_final_points: u64,
    /// Files about runs that could not be written.
    pub lost_reports: u64,
    /// How it ended.
    pub ended: BackendEnd,
    /// The last failure.
    pub last_error: Option<String>,
}

/// How a backend ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BackendEnd {
    /// It is running, or has delivered what it could.
    #[default]
    Well,
    /// It was still busy when ltel had to end.
    GivenUp,
    /// It panicked, with this message.
    Panicked(String),
}

/// What happened to the items of one signal: points of instruments, records, or spans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignalAccount {
    /// Given to the backend.
    pub admitted: u64,
    /// Delivered.
    pub delivered: u64,
    /// Dropped because the queue was full.
    pub dropped: u64,
    /// Not delivered: an export failed, or the backend ended before it.
    pub failed: u64,
    /// Failed points that the next collection sends again: points that add up from the run's beginning, unless they are
    /// the last.
    pub repeated: u64,
    /// Rejected by a receiver that accepted the rest (OTLP's partial success).
    pub rejected: u64,
    /// Exports that failed.
    pub failed_exports: u64,
    // The part of the backend that took this signal has ended: the account does not change any more.
    closed: bool,
}

impl SignalAccount {
    /// Items that were not delivered when they should have been.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.dropped + self.failed + self.rejected
    }

    /// Items that are still queued or being delivered.
    #[must_use]
    pub const fn open(&self) -> u64 {
        self.admitted.saturating_sub(self.delivered + self.lost())
    }
}

impl Delivered {
    /// The account of one signal.
    #[must_use]
    pub const fn of(&self, signal: Signal) -> &SignalAccount {
        &self.signals[signal as usize]
    }

    /// The account of one signal, to change it.
    pub const fn of_mut(&mut self, signal: Signal) -> &mut SignalAccount {
        &mut self.signals[signal as usize]
    }

    /// Adds the account of a backend that has ended.
    pub fn add(&mut self, ended: Self) {
        for (have, of) in self.signals.iter_mut().zip(ended.signals) {
            have.admitted += of.admitted;
            have.delivered += of.delivered;
            have.dropped += of.dropped;
            have.failed += of.failed;
            have.repeated += of.repeated;
            have.rejected += of.rejected;
            have.failed_exports += of.failed_exports;
        }
        self.lost_final_points += ended.lost_final_points;
        self.lost_reports += ended.lost_reports;
        if self.ended == BackendEnd::Well {
            self.ended = ended.ended;
        }
        self.last_error = self.last_error.take().or(ended.last_error);
    }

    /// Whether every delivery succeeded.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.ended == BackendEnd::Well
            && self.lost_final_points == 0
            && self.lost_reports == 0
            && self.signals.iter().all(|signal| signal.lost() == 0)
    }

    /// Whether something is lost for good. Points that failed and were sent again by a later collection are not lost, unless
    /// the receiver never accepted any.
    #[must_use]
    pub fn is_lossy(&self) -> bool {
        let lossy = |of: &SignalAccount| of.lost() > of.repeated || (of.admitted > 0 && of.delivered == 0);
        self.ended != BackendEnd::Well
            || self.lost_final_points > 0
            || self.lost_reports > 0
            || self.signals.iter().any(lossy)
    }
}

impl DeliveryAccount {
    /// The account at this moment.
    #[must_use]
    pub fn snapshot(&self) -> Delivered {
        self.lock().clone()
    }

    /// Counts items given to the backend. The queue calls this for records and spans, the collector for points.
    pub fn admitted(&self, signal: Signal, count: u64) {
        self.book(signal, |of| of.admitted += count);
    }

    /// Counts delivered items.
    pub fn delivered(&self, signal: Signal, count: u64) {
        self.book(signal, |of| of.delivered += count);
    }

    /// Counts items that are given and delivered at once, such as those of a page that somebody reads: in between, an account would show
    /// them as lost. They are delivered also if the backend has ended meanwhile.
    pub fn given_and_delivered(&self, signal: Signal, count: u64) {
        let mut account = self.lock();
        let of = account.of_mut(signal);
        of.admitted += count;
        of.delivered += count;
    }

    /// Takes back points that have not changed since they were delivered: they count as never given.
    pub fn unchanged(&self, count: u64) {
        self.book(Signal::Metrics, |of| of.admitted = of.admitted.saturating_sub(count));
    }

    /// Counts items rejected by a receiver that accepted the rest.
    pub fn rejected(&self, signal: Signal, count: u64, why: impl Into<String>) {
        let mut account = self.lock();
        account.book(signal, |of| of.rejected += count);
        account.last_error = Some(why.into());
    }

    /// Counts the items of a failed export. True if it is the first failure of its signal.
    pub fn failed(&self, signal: Signal, count: u64, why: impl Into<String>) -> bool {
        self.not_delivered(signal, count, 0, 0, why)
    }

    /// Counts the points of a failed export. `last`: the points are final; others, if they add up from the run's beginning
    /// (`cumulative`), are sent again by the next collection. True if it is the first failure.
    pub fn failed_points(&self, count: u64, last: bool, cumulative: bool, why: impl Into<String>) -> bool {
        let repeated = if cumulative && !last { count } else { 0 };
        self.not_delivered(Signal::Metrics, count, repeated, if last { count } else { 0 }, why)
    }

    /// Counts a file about a run that could not be written.
    pub fn report_lost(&self, why: impl Into<String>) {
        let mut account = self.lock();
        account.lost_reports += 1;
        account.last_error = Some(why.into());
    }

    fn not_delivered(
        &self,
        signal: Signal,
        count: u64,
        repeated: u64,
        lost_final_points: u64,
        why: impl Into<String>,
    ) -> bool {
        let mut account = self.lock();
        let is_first = account.of(signal).failed_exports == 0;
        if account.of(signal).closed {
            return false;
        }
        account.book(signal, |of| {
            of.failed_exports += 1;
            of.failed += count;
            of.repeated += repeated;
        });
        account.lost_final_points += lost_final_points;
        account.last_error = Some(why.into());
        is_first
    }

    /// Counts items dropped because the queue was full. True if they are the first of their signal.
    pub fn dropped(&self, signal: Signal, count: u64) -> bool {
        let mut account = self.lock();
        let is_first = account.of(signal).dropped == 0;
        account.book(signal, |of| {
            of.admitted += count;
            of.dropped += count;
        });
        is_first
    }

    /// The part of the backend that took these signals has ended: open items have failed, and so have all items given to it
    /// from now on.
    pub fn close(&self, signals: &[Signal], ended: BackendEnd) {
        let mut account = self.lock();
        for &signal in signals {
            let of = account.of_mut(signal);
            of.failed += of.open();
            of.closed = true;
        }
        if let BackendEnd::Panicked(message) = &ended {
            account.last_error = Some(message.clone());
        }
        if account.ended == BackendEnd::Well {
            account.ended = ended;
        }
    }

    fn book(&self, signal: Signal, book: impl FnOnce(&mut SignalAccount)) {
        self.lock().book(signal, book);
    }

    fn lock(&self) -> MutexGuard<'_, Delivered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Delivered {
    fn book(&mut self, signal: Signal, book: impl FnOnce(&mut SignalAccount)) {
        let of = self.of_mut(signal);
        if of.closed {
            // Open items are already counted as failed. Only new items are counted here, and they have failed.
            let before = of.admitted;
            let mut late = *of;
            book(&mut late);
            let more = late.admitted.saturating_sub(before);
            of.admitted += more;
            of.failed += more;
        } else {
            book(of);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closes(of: &SignalAccount) -> bool {
        of.admitted == of.delivered + of.rejected + of.failed + of.dropped
    }

    /// Scenario: a part of a backend ends while it holds items, and reports on them after that. Guarantees: the items that it
    /// held have failed, once; later items have failed; other parts go on.
    #[test]
    fn what_a_backend_held_when_it_ended_has_failed() {
        let account = DeliveryAccount::default();
        account.admitted(Signal::Traces, 100);
        assert!(account.dropped(Signal::Traces, 7));
        assert!(!account.dropped(Signal::Traces, 0));
        account.delivered(Signal::Traces, 20);
        account.rejected(Signal::Traces, 3, "too old");
        assert!(account.failed(Signal::Traces, 10, "no"));
        account.admitted(Signal::Logs, 1);
        account.close(&[Signal::Traces], BackendEnd::Panicked("out of paper".to_owned()));
        account.delivered(Signal::Traces, 50);
        assert!(!account.failed(Signal::Traces, 5, "late"));
        account.admitted(Signal::Traces, 4);
        account.dropped(Signal::Traces, 2);
        account.close(&[Signal::Traces], BackendEnd::GivenUp);
        let delivered = account.snapshot();
        let spans = delivered.of(Signal::Traces);
        assert!(closes(spans), "{spans:?}");
        assert_eq!((spans.admitted, spans.delivered, spans.failed, spans.dropped), (113, 20, 83, 7));
        assert_eq!(delivered.ended, BackendEnd::Panicked("out of paper".to_owned()));
        assert_eq!((delivered.of(Signal::Logs).open(), delivered.is_whole()), (1, false));
        account.delivered(Signal::Logs, 1);
        assert!(closes(account.snapshot().of(Signal::Logs)));
        account.given_and_delivered(Signal::Traces, 9);
        let delivered = account.snapshot();
        let spans = delivered.of(Signal::Traces);
        assert_eq!((closes(spans), spans.delivered, spans.failed), (true, 29, 83), "read after the end: {spans:?}");
    }

    #[test]
    fn points_that_come_again_are_not_lost() {
        let check = |book: &dyn Fn(&DeliveryAccount), lossy: bool| {
            let account = DeliveryAccount::default();
            account.admitted(Signal::Metrics, 10);
            book(&account);
            assert_eq!(account.snapshot().is_lossy(), lossy, "{:?}", account.snapshot());
        };
        check(&|account| account.delivered(Signal::Metrics, 10), false);
        check(&|account| account.unchanged(10), false);
        let fails = |account: &DeliveryAccount, last, cumulative| {
            account.delivered(Signal::Metrics, 5);
            account.failed_points(5, last, cumulative, "no");
        };
        check(&|account| fails(account, false, true), false);
        check(&|account| fails(account, false, false), true);
        check(&|account| fails(account, true, true), true);
        // It never accepted anything.
        check(&|account| assert!(account.failed_points(10, false, true, "no")), true);
    }
}
