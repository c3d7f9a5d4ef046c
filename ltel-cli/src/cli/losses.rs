//! What of a test's telemetry did not arrive.

use ltel_core::runs::DropReason;

use crate::cli::table;
use crate::pipeline::Ended;
use crate::runs::FinishedRun;

/// Everything that is lost, in words; nothing if all that Locust reported was recorded and delivered.
pub(crate) fn of(ended: &Ended) -> Vec<String> {
    let mut losses = ended.failures.clone();
    if ended.outcome.incomplete > 0 {
        losses.push(format!("{} earlier runs: not complete", ended.outcome.incomplete));
    }
    losses.extend(ended.outcome.runs.iter().filter_map(of_run));
    if ended.outcome.no_run > 0 {
        losses.push(format!("{} requests of sources that belong to no run", ended.outcome.no_run));
    }
    let lossy = ended.backends.iter().filter(|(_, delivered)| delivered.is_lossy());
    losses.extend(
        lossy.map(|(backend, delivered)| format!("backend `{}`: {}", backend.name, table::delivery(delivered))),
    );
    losses
}

/// The same of a command that was to run a test.
pub(crate) fn of_test(ended: &Ended) -> Vec<String> {
    let none = ended.outcome.runs.is_empty().then(|| "no test was recorded".to_owned());
    none.into_iter().chain(of(ended)).collect()
}

fn of_run(run: &FinishedRun) -> Option<String> {
    let mut dropped = run.account.dropped();
    if run.late > 0 {
        *dropped.entry(DropReason::Late).or_default() += run.late;
    }
    if run.complete && dropped.is_empty() {
        return None;
    }
    let dropped = dropped.iter().map(|(why, count)| format!("{count} requests dropped ({})", why.as_str()));
    let incomplete = (!run.complete).then(|| "not complete".to_owned());
    let all: Vec<_> = incomplete.into_iter().chain(dropped).collect();
    Some(format!("run {}: {}", run.info.run_id, all.join(", ")))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ltel_core::backend::BackendEnd;
    use ltel_core::runs::{RunAccount, RunInfo, SourceAccount, SourceStatus};

    use super::*;
    use crate::config::{BackendConfig, Signal};
    use crate::deliver::Delivered;
    use crate::deliver::summary::SummaryBackend;
    use crate::runs::Outcome;

    fn run(complete: bool, dropped: &[(DropReason, u64)], late: u64) -> FinishedRun {
        let source = SourceAccount {
            source: None,
            label: "local".to_owned(),
            status: SourceStatus::Done,
            sent: 10,
            recorded: 10,
            dropped: dropped.iter().copied().collect(),
        };
        let info = RunInfo { run_id: "one".to_owned(), ..RunInfo::default() };
        let (info, account) = (Arc::new(info), RunAccount { sources: vec![source] });
        FinishedRun { info, account, complete, late, number: 0, asked_id: String::new() }
    }

    fn check(runs: Vec<FinishedRun>, no_run: u64, delivered: Delivered, expected: &[&str]) {
        check_outcome(Outcome { runs, incomplete: 0, no_run }, delivered, expected);
    }

    fn check_outcome(outcome: Outcome, delivered: Delivered, expected: &[&str]) {
        let backend = BackendConfig::new("file", SummaryBackend(Arc::default()));
        let ended = Ended {
            outcome,
            met: true,
            summary: Arc::default(),
            backends: vec![(backend, delivered)],
            faults: Arc::default(),
            failures: Vec::new(),
        };
        assert_eq!(of_test(&ended), expected);
    }

    #[test]
    fn each_loss_is_named() {
        use DropReason::{BufferFull, Invalid, NotReceived};
        let whole = || vec![run(true, &[], 0)];
        let delivered = Delivered::default;
        check(whole(), 0, delivered(), &[]);
        check(vec![], 0, delivered(), &["no test was recorded"]);
        check(vec![run(false, &[], 0)], 0, delivered(), &["run one: not complete"]);
        check(
            vec![run(false, &[(BufferFull, 3), (NotReceived, 4)], 0), run(true, &[], 0)],
            0,
            delivered(),
            &["run one: not complete, 3 requests dropped (buffer_full), 4 requests dropped (not_received)"],
        );
        check(
            vec![run(false, &[(Invalid, 1)], 2)],
            0,
            delivered(),
            &["run one: not complete, 1 requests dropped (invalid), 2 requests dropped (late)"],
        );
        check(vec![run(true, &[], 2)], 0, delivered(), &["run one: 2 requests dropped (late)"]);
        let after_others = Outcome { runs: whole(), incomplete: 3, no_run: 0 };
        check_outcome(after_others, delivered(), &["3 earlier runs: not complete"]);
        check(whole(), 5, delivered(), &["5 requests of sources that belong to no run"]);
        let with = |change: &dyn Fn(&mut Delivered)| {
            let mut delivered = delivered();
            change(&mut delivered);
            delivered
        };
        let dropped = with(&|delivered| delivered.of_mut(Signal::Traces).dropped = 6);
        check(whole(), 0, dropped, &["backend `file`: 6 spans dropped, the queue was full"]);
        let refused = with(&|delivered| delivered.of_mut(Signal::Logs).rejected = 7);
        check(whole(), 0, refused, &["backend `file`: 7 records rejected by the receiver"]);
        let final_points = with(&|delivered| delivered.lost_final_points = 8);
        check(whole(), 0, final_points, &["backend `file`: final figures NOT delivered (8 points)"]);
        let given_up = with(&|delivered| delivered.ended = BackendEnd::GivenUp);
        check(whole(), 0, given_up, &["backend `file`: did not finish: what it held is NOT delivered"]);
    }
}
