//! Which of a test's telemetry was lost.

use ltel_core::text::shortened;

use crate::cli::{print, table};
use crate::pipeline::Ended;
use crate::plural::counted;
use crate::runs::EndedRun;

// One line has to hold them.
const RUNS: usize = 5;

/// All losses, in words; empty if everything that Locust sent was recorded and delivered.
pub(crate) fn of(ended: &Ended) -> Vec<String> {
    let mut losses = ended.failures.clone();
    if ended.outcome.incomplete > 0 {
        losses.push(format!("{} incomplete", counted(ended.outcome.incomplete, "earlier runs")));
    }
    let mut runs = ended.outcome.runs.iter().filter_map(of_run);
    losses.extend(runs.by_ref().take(RUNS));
    match runs.count() {
        0 => {}
        more => losses.push(format!("{more} more runs incomplete")),
    }
    losses.extend(table::no_run(&ended.outcome.no_run));
    let lossy = ended.backends.iter().filter(|(_, delivered)| delivered.is_lossy());
    losses.extend(
        lossy.map(|(backend, delivered)| format!("backend `{}`: {}", backend.name, table::delivery(delivered))),
    );
    losses
}

/// The same for a command that should have run a test.
pub(crate) fn of_test(ended: &Ended) -> Vec<String> {
    let none = ended.outcome.runs.is_empty().then(|| "no test was recorded".to_owned());
    none.into_iter().chain(of(ended)).collect()
}

/// Says what was lost where no table does: in a log of JSON as a line of it. Parts of ltel that failed are the command's own error.
pub(crate) fn say(ended: &Ended) {
    let losses: Vec<_> = of(ended).into_iter().filter(|loss| !ended.failures.contains(loss)).collect();
    if !losses.is_empty() {
        print::error(&format!("telemetry was lost: {}", losses.join("; ")));
    }
}

fn of_run(run: &EndedRun) -> Option<String> {
    if run.complete {
        return None;
    }
    let mut all = vec!["incomplete".to_owned()];
    let dropped = run.account.dropped();
    all.extend(
        dropped.iter().map(|(why, count)| format!("{} dropped ({})", counted(*count, "requests"), why.as_str())),
    );
    for (count, what) in [
        (run.account.late_events, "came after its end"),
        (run.account.invalid_events, "not understood"),
        (run.account.dropped_events, "dropped (buffer_full)"),
    ] {
        if count > 0 {
            all.push(format!("{} {what}", counted(count, "events")));
        }
    }
    Some(format!("run {}: {}", shortened(&run.info.run_id, 100), all.join(", ")))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ltel_core::backend::BackendEnd;
    use ltel_core::runs::{DropReason, NoRunAccount, RunAccount, RunInfo, SourceAccount, SourceStatus};

    use super::*;
    use crate::config::{BackendConfig, Signal};
    use crate::deliver::Delivered;
    use crate::deliver::summary::SummaryBackend;
    use crate::runs::Outcome;

    fn run(complete: bool, dropped: &[(DropReason, u64)], late_events: u64) -> EndedRun {
        let source = SourceAccount {
            source: None,
            label: "local".to_owned(),
            status: SourceStatus::Done,
            sent: 10,
            recorded: 10,
            filtered: 0,
            dropped: dropped.iter().copied().collect(),
        };
        let info = RunInfo { run_id: "one".to_owned(), ..RunInfo::default() };
        let (info, account) =
            (Arc::new(info), RunAccount { sources: vec![source], late_events, ..RunAccount::default() });
        EndedRun { info, account, complete }
    }

    fn of_no_run(requests: u64) -> NoRunAccount {
        let requests = (requests > 0).then(|| ("local".to_owned(), requests));
        NoRunAccount { requests: requests.into_iter().collect(), events: 0 }
    }

    fn check(runs: Vec<EndedRun>, no_run: u64, delivered: Delivered, expected: &[&str]) {
        check_outcome(Outcome { runs, no_run: of_no_run(no_run), ..Outcome::default() }, delivered, expected);
    }

    fn check_outcome(outcome: Outcome, delivered: Delivered, expected: &[&str]) {
        let backend = BackendConfig::new("file", SummaryBackend(Arc::default()));
        let ended = Ended {
            outcome,
            verdict: crate::runs::Verdict::default(),
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
        check(vec![run(false, &[], 0)], 0, delivered(), &["run one: incomplete"]);
        check(
            vec![run(false, &[(BufferFull, 3), (NotReceived, 4)], 0), run(true, &[], 0)],
            0,
            delivered(),
            &["run one: incomplete, 3 requests dropped (buffer_full), 4 requests dropped (not_received)"],
        );
        let many = || (0..7).map(|_| run(false, &[], 0)).collect();
        let one = "run one: incomplete";
        check(many(), 0, delivered(), &[one, one, one, one, one, "2 more runs incomplete"]);
        check(
            vec![run(false, &[(Invalid, 1)], 2)],
            0,
            delivered(),
            &["run one: incomplete, 1 request dropped (invalid), 2 events came after its end"],
        );
        let after_others = Outcome { runs: whole(), incomplete: 3, ..Outcome::default() };
        check_outcome(after_others, delivered(), &["3 earlier runs incomplete"]);
        check(whole(), 5, delivered(), &["5 requests dropped of sources that belong to no run (local: 5)"]);
        let with = |change: &dyn Fn(&mut Delivered)| {
            let mut delivered = delivered();
            change(&mut delivered);
            delivered
        };
        let dropped = with(&|delivered| delivered.of_mut(Signal::Traces).dropped = 6);
        check(whole(), 0, dropped, &["backend `file`: 6 spans dropped (queue full)"]);
        let refused = with(&|delivered| delivered.of_mut(Signal::Logs).rejected = 7);
        check(whole(), 0, refused, &["backend `file`: 7 records rejected by the receiver"]);
        let late = with(&|delivered| delivered.of_mut(Signal::Logs).failed = 9);
        check(whole(), 0, late, &["backend `file`: 9 records NOT delivered: they came after its end"]);
        let final_points = with(&|delivered| delivered.lost_final_points = 8);
        check(whole(), 0, final_points, &["backend `file`: final figures NOT delivered (8 points)"]);
        let given_up = with(&|delivered| delivered.ended = BackendEnd::GivenUp);
        check(whole(), 0, given_up, &["backend `file`: did not finish: what it held is NOT delivered"]);
    }
}
