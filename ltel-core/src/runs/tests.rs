//! One run: who is waited for, until when, and what its account says.

use std::sync::Arc;
use std::time::Duration;

use super::completion::Progress;
use super::index::{ClientIndex, SourceIndex};
use super::run::Run;
use super::{DropReason, MASTER, RunInfo, SourceInfo, SourceStatus};
use crate::source::{Source, SourceKind};
use crate::wire::Done;

const GRACE: Duration = Duration::from_secs(10);
const BEATS: Option<Duration> = Some(Duration::from_secs(2));

fn at(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn source(kind: SourceKind, id: &str) -> Source {
    Source { kind, id: id.to_owned(), ..Source::default() }
}

fn run() -> Run {
    Run::new(Arc::new(RunInfo::default()), String::new(), 100)
}

fn join(run: &mut Run, source: &Source, beats: Option<Duration>, now: Duration) -> SourceIndex {
    run.join(ClientIndex(0), source, beats, now)
}

fn done(sent: u64, dropped: u64, sources: &[&str]) -> Done {
    let sources = (!sources.is_empty()).then(|| sources.iter().map(|&s| s.to_owned()).collect());
    Done { sent: Some(sent), dropped, sources, ..Done::default() }
}

#[test]
fn the_masters_end_is_not_the_runs_end() {
    let mut run = run();
    let master = join(&mut run, &source(SourceKind::Master, "master"), None, at(0));
    let worker = join(&mut run, &source(SourceKind::Worker, "w1"), None, at(0));
    run.done(master, &done(0, 0, &["w1"]), at(5));
    assert_eq!(run.progress(at(100), GRACE), Progress::Running);
    run.done(worker, &done(0, 0, &[]), at(101));
    assert_eq!(run.progress(at(101), GRACE), Progress::Complete);
}

#[test]
fn a_worker_that_says_nothing_is_gone_once_its_master_is_done() {
    for beats in [BEATS, None] {
        let mut run = run();
        let master = join(&mut run, &source(SourceKind::Master, "master"), BEATS, at(0));
        let worker = join(&mut run, &source(SourceKind::Worker, "w1"), beats, at(0));
        // While the test runs it may say nothing for as long as it likes.
        assert_eq!(run.progress(at(50), GRACE), Progress::Running);
        run.done(master, &done(0, 0, &["w1"]), at(60));
        if beats.is_none() {
            assert_eq!(run.progress(at(1_000), GRACE), Progress::Running, "an older plugin has no heartbeats");
            continue;
        }
        assert_eq!(run.progress(at(60), GRACE), Progress::WaitUntil(at(70)));
        run.heard(worker, at(69));
        assert_eq!(run.progress(at(70), GRACE), Progress::WaitUntil(at(79)));
        assert_eq!(run.progress(at(79), GRACE), Progress::Complete);
        assert_eq!(run.account().sources[1].status, SourceStatus::Missing);
    }
}

#[test]
fn a_source_is_not_silent_between_two_heartbeats() {
    let mut run = run();
    let master = join(&mut run, &source(SourceKind::Master, "master"), BEATS, at(0));
    let worker = join(&mut run, &source(SourceKind::Worker, "w1"), BEATS, at(0));
    let grace = Duration::from_secs(1);
    run.done(master, &done(0, 0, &["w1"]), at(60));
    assert_eq!(run.progress(at(61), grace), Progress::WaitUntil(at(66)));
    assert_eq!(run.progress(at(66), grace), Progress::Complete);
    // It goes on (SIGCONT) while something else keeps the run.
    run.heard(worker, at(67));
    assert_eq!(run.account().sources[1].status, SourceStatus::Open);
    // An absurd heartbeat interval must not overflow.
    join(&mut run, &source(SourceKind::Worker, "w2"), Some(Duration::MAX), at(67));
    assert!(matches!(run.progress(at(68), grace), Progress::WaitUntil(until) if until > at(1_000_000)));
}

/// Which source is silent, while which others are done or gone (with and without a master).
#[test]
fn silence_counts_once_the_test_is_over() {
    use SourceKind::{Master, Worker};
    // What the first source does at 60, what kind it and the silent one are; when the run is complete.
    for (first, says_done, silent, complete) in [
        (Some(Master), true, Worker, Some(70)),
        // Killed: it may be back for a grace period, and the worker silent for another.
        (Some(Master), false, Worker, Some(80)),
        // The master is stopped, its workers end without it.
        (Some(Worker), true, Master, Some(70)),
        (Some(Worker), false, Master, Some(80)),
        // Without a master, some worker ends.
        (Some(Worker), true, Worker, Some(70)),
        // It was killed, and the test goes on.
        (Some(Worker), false, Worker, None),
        // Nothing shows that the test is over.
        (None, false, Master, None),
        (None, false, Worker, None),
    ] {
        let mut run = run();
        join(&mut run, &source(silent, "silent"), BEATS, at(0));
        if let Some(kind) = first {
            let first = join(&mut run, &source(kind, "first"), BEATS, at(0));
            assert_eq!(run.progress(at(50), GRACE), Progress::Running);
            if says_done {
                run.done(first, &done(0, 0, &[]), at(60));
            }
            run.disconnected(first, at(60));
        }
        let mut now = at(60);
        while let Progress::WaitUntil(until) = run.progress(now, GRACE) {
            now = until;
        }
        let case = format!("{first:?} {says_done} {silent:?}");
        match complete {
            Some(secs) => assert_eq!((run.progress(now, GRACE), now), (Progress::Complete, at(secs)), "{case}"),
            None => assert_eq!(run.progress(at(10_000), GRACE), Progress::Running, "{case}"),
        }
    }
}

/// Scenario: a client joins without heartbeats, reconnects with them, and hangs. Guarantees: what it says last counts.
#[test]
fn a_source_may_reconnect_with_heartbeats() {
    let mut run = run();
    let master = join(&mut run, &source(SourceKind::Master, "master"), BEATS, at(0));
    let worker = join(&mut run, &source(SourceKind::Worker, "w1"), None, at(0));
    run.disconnected(worker, at(1));
    run.reconnected(worker, BEATS, at(2));
    run.done(master, &done(0, 0, &["w1"]), at(60));
    assert_eq!(run.progress(at(60), GRACE), Progress::WaitUntil(at(70)));
}

#[test]
fn a_master_that_its_workers_name_is_waited_for_and_missed() {
    let mut run = run();
    let worker = join(&mut run, &source(SourceKind::Worker, "w1"), BEATS, at(0));
    run.named([MASTER], at(0));
    run.done(worker, &done(3, 0, &[]), at(1));
    assert_eq!(run.overdue(at(10), GRACE), [MASTER]);
    assert_eq!(run.account().sources[0].label, MASTER);
    assert!(!run.account().is_whole());
    join(&mut run, &source(SourceKind::Master, "any id"), BEATS, at(11));
    run.named([MASTER], at(12));
    assert!(run.account().sources.iter().all(|source| source.source.is_some()));
}

#[test]
fn only_a_master_names_workers_at_its_end() {
    let mut run = run();
    let worker = join(&mut run, &source(SourceKind::Worker, "w1"), BEATS, at(0));
    run.done(worker, &done(0, 0, &["w2"]), at(1));
    assert!(run.account().is_whole());
}

#[test]
fn a_worker_that_is_named_and_does_not_come_is_told_once() {
    let mut run = run();
    join(&mut run, &source(SourceKind::Master, "master"), BEATS, at(0));
    join(&mut run, &source(SourceKind::Worker, "w1"), BEATS, at(0));
    run.named(["w1", "w2"], at(1));
    run.named(["w2"], at(5));
    assert_eq!(run.next_overdue(GRACE), Some(at(11)));
    assert!(run.overdue(at(10), GRACE).is_empty());
    assert_eq!(run.overdue(at(11), GRACE), ["w2"]);
    assert!(run.overdue(at(12), GRACE).is_empty() && run.next_overdue(GRACE).is_none());
}

#[test]
fn a_worker_that_the_master_names_is_waited_for() {
    let mut run = run();
    let master = join(&mut run, &source(SourceKind::Master, "master"), None, at(0));
    run.done(master, &done(0, 0, &["w1"]), at(5));
    assert_eq!(run.progress(at(5), GRACE), Progress::WaitUntil(at(15)));
    let worker = join(&mut run, &source(SourceKind::Worker, "w1"), None, at(6));
    assert_eq!(run.progress(at(6), GRACE), Progress::Running);
    run.done(worker, &done(0, 0, &[]), at(7));
    assert_eq!(run.progress(at(7), GRACE), Progress::Complete);
}

#[test]
fn one_that_never_comes_is_named() {
    let mut run = run();
    let master = join(&mut run, &source(SourceKind::Master, "master"), BEATS, at(0));
    run.done(master, &done(0, 0, &["w1"]), at(5));
    assert_eq!(run.progress(at(15), GRACE), Progress::Complete);
    let account = run.account();
    assert!(!account.is_whole());
    assert_eq!((account.sources[1].label.as_str(), account.sources[1].status), ("w1", SourceStatus::Missing));
}

#[test]
fn a_killed_worker_costs_the_grace_period_and_no_more() {
    let mut run = run();
    let master = join(&mut run, &source(SourceKind::Master, "master"), BEATS, at(0));
    let worker = join(&mut run, &source(SourceKind::Worker, "w1"), BEATS, at(0));
    run.recorded(worker, 7);
    assert!(run.disconnected(worker, at(3)));
    run.done(master, &done(0, 0, &["w1"]), at(5));
    assert_eq!(run.progress(at(5), GRACE), Progress::WaitUntil(at(13)));
    assert_eq!(run.progress(at(13), GRACE), Progress::Complete);
    let account = run.account();
    assert_eq!((account.sent(), account.recorded()), (7, 7));
    assert!(!account.is_whole());
}

#[test]
fn workers_without_a_master_end_a_grace_period_after_the_last() {
    let mut run = run();
    let worker = join(&mut run, &source(SourceKind::Worker, "w1"), BEATS, at(0));
    run.done(worker, &done(0, 0, &[]), at(5));
    assert_eq!(run.progress(at(5), GRACE), Progress::WaitUntil(at(15)));
    assert_eq!(run.progress(at(15), GRACE), Progress::Complete);
}

#[test]
fn who_speaks_for_a_run() {
    use SourceKind::{Local, Master, Worker};
    for (coordinated, kind, speaks) in [
        (true, Some(Master), true),
        (true, Some(Local), true),
        (true, Some(Worker), false),
        (true, None, true),
        (false, Some(Worker), true),
        (false, None, true),
    ] {
        let info = RunInfo { coordinated, ..RunInfo::default() };
        let source = kind.map(|kind| SourceInfo::new(0, source(kind, "id")));
        assert_eq!(info.is_told_by(source.as_ref()), speaks, "{coordinated} {kind:?}");
    }
    assert!(RunInfo::default().coordinated);
}

#[test]
fn a_source_that_is_back_is_at_work_again() {
    let mut run = run();
    let local = join(&mut run, &source(SourceKind::Local, "local"), BEATS, at(0));
    run.disconnected(local, at(1));
    assert_eq!(run.progress(at(2), GRACE), Progress::WaitUntil(at(11)));
    run.reconnected(local, BEATS, at(3));
    assert_eq!(run.progress(at(60), GRACE), Progress::Running);
}

#[test]
fn the_account_always_adds_up() {
    // (recorded, invalid, sent, dropped by the plugin) -> (buffer full, not received)
    for (recorded, invalid, sent, plugin, buffer_full, not_received) in [
        (10, 0, 10, 0, 0, 0),
        (8, 0, 10, 2, 2, 0),
        (8, 1, 10, 0, 0, 1),
        (5, 0, 10, 2, 2, 3),
        // Dropped by the source after it had arrived: still recorded.
        (10, 0, 10, 4, 0, 0),
        // More than the source says it sent.
        (12, 0, 10, 0, 0, 0),
    ] {
        let mut run = run();
        let local = join(&mut run, &source(SourceKind::Local, "local"), BEATS, at(0));
        run.recorded(local, recorded);
        run.dropped(local, DropReason::Invalid, invalid);
        run.done(local, &done(sent, plugin, &[]), at(1));
        let account = run.account();
        let dropped = account.dropped();
        assert_eq!(account.sent(), account.recorded() + dropped.values().sum::<u64>());
        assert_eq!(dropped.get(&DropReason::BufferFull).copied().unwrap_or(0), buffer_full);
        assert_eq!(dropped.get(&DropReason::NotReceived).copied().unwrap_or(0), not_received);
    }
}

/// Scenario: a source says that it is done, and not how many requests it sent, as people who type JSON may. Guarantees: what has
/// come is all there was; the run is complete.
#[test]
fn a_source_that_does_not_say_how_many_it_sent() {
    let mut run = run();
    let local = join(&mut run, &source(SourceKind::Local, "local"), BEATS, at(0));
    run.recorded(local, 7);
    run.done(local, &Done::default(), at(1));
    let account = run.account();
    assert_eq!((account.sent(), account.recorded(), account.is_whole()), (7, 7, true));
}

#[test]
fn lost_events_are_in_the_account() {
    let mut run = run();
    let master = join(&mut run, &source(SourceKind::Master, "master"), None, at(0));
    let worker = join(&mut run, &source(SourceKind::Worker, "w1"), None, at(0));
    run.done(master, &done(0, 0, &["w1"]), at(5));
    run.done(worker, &done(0, 0, &[]), at(5));
    run.invalid_events(2);
    assert!(run.account().is_whole());
    assert!(run.done(worker, &Done { dropped_events: 7, ..done(0, 0, &[]) }, at(6)), "a correction");
    assert!(!run.done(worker, &Done { dropped_events: 7, ..done(0, 0, &[]) }, at(6)));
    run.done(master, &Done { dropped_events: 1, ..done(0, 0, &["w1"]) }, at(6));
    let account = run.account();
    assert_eq!((account.dropped_events, account.invalid_events, account.lost_events()), (8, 2, 8));
    assert!(!account.is_whole());
}
