//! The task of the runs, with test clients and with clocks that tests set.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use ltel_core::Timestamp;
use ltel_core::event::{ResponseTime, TestStart};
use ltel_core::prelude::*;
use ltel_core::runs::{Outcome, SourceStatus};
use ltel_core::source::{Source, SourceKind};
use ltel_core::wire::{Done, Encoding, Features, Frame, Hello, Message, PROTOCOL, Rows};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::{Equipment, RunsTask, Status, Verdict};
use crate::clock::Clocks;
use crate::config::{self, Environment};
use crate::deliver;
use crate::ingest::{Answers, Delivery, Faults, Welcome};

const HOUR: i64 = 3_600;

/// The running task of the runs.
struct Task {
    deliver: mpsc::Sender<Delivery>,
    stop: watch::Sender<bool>,
    status: watch::Receiver<Status>,
    equip: mpsc::Sender<Arc<Equipment>>,
    work: JoinHandle<(Outcome, Verdict)>,
}

/// A client's connection to it.
struct Connection<'a> {
    task: &'a Task,
    number: u64,
    answers: watch::Receiver<Answers>,
    seq: u64,
    features: Features,
}

/// A configuration with these lines at its top, and its backend.
fn equipment(top: &str) -> Arc<Equipment> {
    let registry = deliver::built_in().with::<ltel_recorders::Stats>().with::<ltel_recorders::Custom>().with::<Ticks>();
    let text = format!("{top}\n[recorders.ticks]\n[backends.json]\noutput = \"/dev/null\"\ninterval = \"1s\"\n");
    let config = config::load("test", &text, &registry, &Environment::default()).expect("a configuration");
    let handles =
        config.backends.iter().map(|backend| Arc::new(deliver::start(backend).expect("a backend").0)).collect();
    Arc::new(Equipment::new(config, handles))
}

impl Task {
    fn start(top: &str, clocks: Clocks) -> Self {
        let (deliver, deliveries) = mpsc::channel(8);
        let (stop, stopped) = watch::channel(false);
        let (sender, status) = watch::channel(Status::default());
        let (equip, equipments) = mpsc::channel(1);
        let mut runs = RunsTask::new(equipment(top), Arc::<Faults>::default(), sender);
        runs.clocks = clocks;
        Self { deliver, stop, status, equip, work: tokio::spawn(runs.work(deliveries, stopped, equipments)) }
    }

    async fn connect(&self, number: u64, kind: SourceKind, id: &str) -> Connection<'_> {
        self.connect_to(number, kind, id, None).await
    }

    /// Names its run at once, if it knows it.
    async fn connect_to(&self, number: u64, kind: SourceKind, id: &str, run_id: Option<&str>) -> Connection<'_> {
        let (answers, answered) = watch::channel(Answers::default());
        let (welcome, welcomed) = oneshot::channel();
        let source = Source { kind, id: id.to_owned(), ..Source::default() };
        let (client_id, run_id) = (id.to_owned(), run_id.map(str::to_owned));
        let hello = Hello { protocol: PROTOCOL, client_id, source, run_id, ..Hello::default() };
        let (connection, encoding) = (number, Encoding::MessagePack);
        let hello = Delivery::Hello { connection, encoding, hello: hello.into(), pid: None, answers, welcome };
        self.deliver.send(hello).await.expect("the task");
        let Welcome { last_seq, features } = welcomed.await.expect("a welcome");
        Connection { task: self, number, answers: answered, seq: last_seq, features }
    }

    async fn active(&self, count: usize) {
        self.status.clone().wait_for(|status| status.active == count).await.expect("the task");
    }

    async fn end(self) -> Outcome {
        self.stop.send_replace(true);
        self.work.await.expect("no panic").0
    }
}

impl Connection<'_> {
    async fn say(&mut self, message: Message<'_>) {
        self.seq += 1;
        let frame = Encoding::MessagePack.encode(&Frame { seq: Some(self.seq), message }).expect("a frame");
        let payload = Bytes::from(frame).slice(4..);
        #[allow(clippy::default_trait_access)] // the type is of the connections' own
        let frame = Delivery::Frame { connection: self.number, payload, share: Default::default() };
        self.task.deliver.send(frame).await.expect("the task");
        let seq = self.seq;
        self.answers.wait_for(|answers| answers.acknowledged == seq).await.expect("an acknowledgement");
    }

    async fn start(&mut self, run_id: Option<&str>) {
        self.say(TestStart { time: 1.0, run_id: run_id.map(str::to_owned), ..TestStart::default() }.into()).await;
    }

    async fn requests(&mut self, count: usize) {
        let row = Request { method: "GET".into(), name: "/".into(), ..Request::default() };
        self.say(Message::Requests(Rows { rows: vec![row; count], ..Rows::default() })).await;
    }

    async fn done(&mut self, sent: u64) {
        self.say(Message::Done(Done { sent: Some(sent), ..Done::default() })).await;
    }

    async fn close(self) {
        self.task.deliver.send(Delivery::Closed { connection: self.number }).await.expect("the task");
    }
}

static TICKS: AtomicU64 = AtomicU64::new(0);

/// Counts its ticks in the run of this name.
#[derive(Debug)]
struct Ticks;

impl Recorder for Ticks {
    type Options = NoOptions;

    const SPEC: &'static Spec = &Spec {
        name: "ticks",
        description: "Counts its ticks.",
        scope: "ticks",
        events: &[EventKind::Request],
        per: Per::Run,
        labels: &[],
        instruments: &[],
        records: &[],
        spans: &[],
        needs: Needs::NONE,
    };

    fn build(_: &NoOptions, _: &mut Instruments<'_>) -> Self {
        Self
    }

    fn record(&mut self, _: &Event<'_>, _: &mut Context<'_, NoOptions>) {}

    fn tick(&mut self, cx: &mut Context<'_, NoOptions>) {
        if cx.run().run_id != "ticking" {
            return;
        }
        let ticks = TICKS.fetch_add(1, Ordering::Relaxed) + 1;
        assert_eq!(cx.elapsed().as_secs(), ticks, "the run's time is steady");
    }
}

static SHIFT: AtomicI64 = AtomicI64::new(0);

fn shifted() -> Timestamp {
    Timestamp::from_secs(1_700_000_000.0 + SHIFT.load(Ordering::Relaxed) as f64)
}

fn clocks() -> Clocks {
    Clocks::with_wall(|| Timestamp::from_secs(1_700_000_000.0))
}

/// Scenario: the wall clock is set back by an hour, then forward, during a run and during a grace period.
/// Guarantees: recorders tick once a second, and the grace period keeps its length.
#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_jumps() {
    let task = Task::start("grace = \"3s\"", Clocks::with_wall(shifted));
    let mut client = task.connect(1, SourceKind::Local, "client").await;
    client.start(Some("ticking")).await;
    sleep(Duration::from_millis(2_500)).await;
    SHIFT.store(-HOUR, Ordering::Relaxed);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(TICKS.load(Ordering::Relaxed), 4);
    SHIFT.store(HOUR, Ordering::Relaxed);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(TICKS.load(Ordering::Relaxed), 6);
    let left = Instant::now();
    client.close().await;
    SHIFT.store(-HOUR, Ordering::Relaxed);
    task.active(0).await;
    assert_eq!(left.elapsed().as_secs(), 3);
    let outcome = task.end().await;
    assert_eq!(outcome.runs[0].account.sources[0].status, SourceStatus::Missing);
}

/// Scenario: a worker begins a test, and its master does not connect; ltel is stopped while others hold requests.
/// Guarantees: held requests are in a run after the grace period; requests of no run are in the outcome.
#[tokio::test(start_paused = true)]
async fn what_is_held_at_the_end() {
    let task = Task::start("grace = \"10s\"", clocks());
    let mut worker = task.connect(1, SourceKind::Worker, "worker").await;
    worker.start(None).await;
    worker.requests(5).await;
    let begun = Instant::now();
    task.status.clone().wait_for(|status| status.recorded == 5).await.expect("the task");
    assert_eq!(begun.elapsed().as_secs(), 10);
    let mut other = task.connect(2, SourceKind::Local, "other").await;
    worker.done(5).await;
    task.active(0).await;
    other.requests(7).await;
    let outcome = task.end().await;
    assert_eq!(outcome.runs.len(), 1);
    assert!(outcome.runs[0].complete && outcome.runs[0].account.recorded() == 5, "{outcome:?}");
    assert_eq!(outcome.no_run.total_requests(), 7);
}

/// Scenario: more runs begin than `max_runs`.
/// Guarantees: runs beyond the limit are refused, and their requests counted; when one ends, another can begin.
#[tokio::test(start_paused = true)]
async fn runs_beyond_the_limit() {
    let task = Task::start("[limits]\nmax_runs = 2", clocks());
    let mut clients = Vec::new();
    for number in 1..=3 {
        let mut client = task.connect(number, SourceKind::Local, &format!("client-{number}")).await;
        client.start(Some(&format!("run-{number}"))).await;
        client.requests(10).await;
        clients.push(client);
    }
    assert_eq!(task.status.borrow().active, 2);
    clients[0].done(10).await;
    task.active(1).await;
    clients[2].start(Some("run-4")).await;
    clients[2].requests(1).await;
    clients[2].done(1).await;
    clients[1].done(10).await;
    task.active(0).await;
    drop(clients);
    let outcome = task.end().await;
    assert_eq!(outcome.no_run.total_requests(), 10);
    assert_eq!(outcome.runs.len(), 3);
    assert!(outcome.runs.iter().all(|run| run.complete), "{outcome:?}");
}

/// Scenario: a client reconnects before its first connection is closed, and resends what was not acknowledged.
/// Guarantees: frames that still arrive on the first connection do not count, and resent frames count once.
#[tokio::test(start_paused = true)]
async fn a_client_on_another_connection() {
    let task = Task::start("", clocks());
    let mut first = task.connect(1, SourceKind::Local, "client").await;
    first.start(Some("run")).await;
    first.requests(5).await;
    let mut second = task.connect(2, SourceKind::Local, "client").await;
    assert_eq!(second.seq, 2);
    first.close().await;
    second.seq = 1;
    second.requests(5).await;
    second.requests(2).await;
    second.done(7).await;
    task.active(0).await;
    let outcome = task.end().await;
    assert!(outcome.runs[0].complete, "{outcome:?}");
    assert_eq!(outcome.runs[0].account.recorded(), 7);
}

/// Scenario: a worker waits for its master; later a worker of another id begins, and a client sends requests without a test.
/// Guarantees: when the first one's time is over it has a run, which gets the requests of the client that has none; the
/// other goes on waiting for its own master, and is in that one's run.
#[tokio::test(start_paused = true)]
async fn only_those_whose_time_is_over_begin_without_their_master() {
    let task = Task::start("grace = \"10s\"", clocks());
    let mut first = task.connect(1, SourceKind::Worker, "first").await;
    first.start(Some("a")).await;
    sleep(Duration::from_secs(8)).await;
    let mut second = task.connect(2, SourceKind::Worker, "second").await;
    second.start(Some("b")).await;
    second.requests(3).await;
    let mut client = task.connect(3, SourceKind::Worker, "client").await;
    client.requests(5).await;
    task.status.clone().wait_for(|status| status.recorded == 5).await.expect("the task");
    let mut master = task.connect(4, SourceKind::Master, "master").await;
    master.start(Some("b")).await;
    for (source, sent) in [(&mut first, 0), (&mut second, 3), (&mut client, 5), (&mut master, 0)] {
        source.done(sent).await;
    }
    drop((first, second, client, master));
    let outcome = task.end().await;
    let runs = outcome.runs.iter().map(|run| (&*run.info.run_id, run.account.recorded()));
    assert_eq!(runs.collect::<Vec<_>>(), [("b", 3), ("a", 5)], "{outcome:?}");
    assert_eq!(outcome.no_run.total_requests(), 0);
}

/// Scenario: a broken threshold stops a test, whose client reconnects and goes on sending.
/// Guarantees: its new connection gets the order within a second, and not with each frame: that would look at all sources each
/// time.
#[tokio::test(start_paused = true)]
async fn orders_to_stop_are_given_again_once_a_second() {
    let abort = "[thresholds]\n\"*\" = { check = \"max < 1ms\", abort = true, after = \"1s\" }\n[recorders.stats]";
    let task = Task::start(abort, clocks());
    let mut client = task.connect(1, SourceKind::Local, "client").await;
    client.start(Some("shop")).await;
    let row = Request {
        method: "GET".into(),
        name: "/".into(),
        response_time: ResponseTime::from_ms(5.0),
        ..Request::default()
    };
    client.say(Message::Requests(Rows { rows: vec![row], ..Rows::default() })).await;
    client.answers.wait_for(|answers| answers.stop.is_some()).await.expect("an order");
    let mut again = task.connect(2, SourceKind::Local, "client").await;
    let connected = Instant::now();
    for _ in 0..3 {
        again.requests(1).await;
    }
    assert_eq!(again.answers.borrow().stop, None);
    again.answers.wait_for(|answers| answers.stop.is_some()).await.expect("an order");
    assert!(connected.elapsed() <= Duration::from_secs(1), "{:?}", connected.elapsed());
    drop((client, again));
    task.end().await;
}

/// Scenario: a run begins with a configuration that wants the locustfile's own metrics, or one that does not; it is read again and is the
/// other one; then workers join late, whether or not they name the run, and it ends. Guarantees: they are asked for what it needs, and for
/// what the next one needs; after the end, those who are asked for too much come again.
#[tokio::test(start_paused = true)]
async fn who_joins_late_is_asked_for_what_the_run_needs() {
    for (before, after) in [("[recorders.custom]", ""), ("", "[recorders.custom]")] {
        let task = Task::start(before, clocks());
        let mut first = task.connect(1, SourceKind::Master, "first").await;
        first.start(Some("one")).await;
        assert_eq!(first.features.measurements, !before.is_empty());
        task.equip.send(equipment(after)).await.expect("the task");
        let late = task.connect_to(2, SourceKind::Worker, "late", Some("one")).await;
        let another = task.connect_to(3, SourceKind::Local, "another", Some("two")).await;
        let mut idle = task.connect(4, SourceKind::Worker, "idle").await;
        for connection in [&late, &another, &idle] {
            assert!(connection.features.measurements, "{before}");
            assert!(!connection.answers.borrow().leave, "{before}");
        }
        first.done(0).await;
        task.active(0).await;
        let next = task.connect(5, SourceKind::Local, "next").await;
        assert_eq!(next.features.measurements, !after.is_empty(), "{before}");
        if after.is_empty() {
            idle.answers.wait_for(|answers| answers.leave).await.expect("the task");
        }
        assert_eq!(late.answers.borrow().leave, late.features != next.features, "{before}");
        drop((first, late, another, idle, next));
        task.end().await;
    }
}

/// Scenario: the configuration is read again, with or without thresholds, and no test comes. Guarantees: whether one was to be judged is as
/// it was read last, also if that was just before the end.
#[tokio::test(start_paused = true)]
async fn what_is_to_be_judged_is_as_it_was_read_last() {
    const THRESHOLDS: &str = "[thresholds]\nall = \"max < 1s\"\n[recorders.stats]";
    for (before, after) in [("", THRESHOLDS), (THRESHOLDS, ""), (THRESHOLDS, THRESHOLDS), ("", "")] {
        let Task { stop, equip, work, deliver: _deliver, .. } = Task::start(before, clocks());
        equip.send(equipment(after)).await.expect("the task");
        stop.send_replace(true);
        assert_eq!(work.await.expect("no panic").1.is_expected(), !after.is_empty(), "{before} {after}");
    }
}
