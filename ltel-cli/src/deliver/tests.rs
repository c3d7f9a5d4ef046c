//! Queue, worker and account, with a test sink and paused time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ltel_core::Timestamp;
use ltel_core::backend::{
    Backend, BackendEnd, BackendSpec, Check, CollectedPoints, Delivered, DeliveryAccount, Environment, Feed, Pipe,
    RunRecord, Signal, Sink, SpanBatch, Start, StartError, Takes,
};
use ltel_core::meter::{MeterSettings, meter};
use ltel_core::record::{Record, RecordKind};
use ltel_core::recorder::NoOptions;
use ltel_core::runs::RunInfo;
use ltel_core::trace::{self, SpanData, TraceContext};
use opentelemetry::InstrumentationScope;
use opentelemetry::trace::SpanKind;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::Temporality;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::{BackendHandle, RunningBackend, size, start};
use crate::config::{BackendConfig, QueueLimits};

/// A backend that the test controls, and that shows what it was given.
#[derive(Clone, Debug)]
struct Told {
    seen: Arc<Mutex<Vec<String>>>,
    /// Whether it takes anything.
    open: watch::Receiver<bool>,
    panics_at: Option<&'static str>,
    /// Whether spans have a pipe of their own.
    two_pipes: bool,
}

struct ToldSink {
    told: Told,
    account: Arc<DeliveryAccount>,
}

impl Backend for Told {
    type Options = NoOptions;

    const SPEC: &'static BackendSpec = &BackendSpec::new("told", "Does as it is told.");

    fn check(_: NoOptions, _: &mut Check<'_>) -> Option<Self> {
        panic!("out of ink")
    }

    fn takes(&self, _: Signal) -> Takes {
        Takes::Yes
    }

    fn destination(&self) -> String {
        "the test".to_owned()
    }

    fn start(&self, cx: &Start) -> Result<Vec<Pipe>, StartError> {
        let sink = || ToldSink { told: self.clone(), account: Arc::clone(&cx.account) };
        Ok(if self.two_pipes {
            vec![Pipe::new(&[Signal::Metrics, Signal::Logs], sink()), Pipe::new(&[Signal::Traces], sink())]
        } else {
            vec![Pipe::new(&Signal::ALL, sink())]
        })
    }
}

impl ToldSink {
    async fn take(&mut self, what: String, signal: Signal, count: u64) {
        let _ = self.told.open.wait_for(|open| *open).await;
        assert_ne!(self.told.panics_at, Some(what.as_str()), "out of paper");
        self.told.seen.lock().unwrap().push(what);
        self.account.delivered(signal, count);
    }
}

impl Sink for ToldSink {
    async fn points(&mut self, batch: Vec<CollectedPoints>) {
        for points in batch {
            let (count, _) = size::points(&points.points);
            let last = if points.last { ", last" } else { "" };
            self.take(format!("{count} points{last}"), Signal::Metrics, count).await;
        }
    }

    async fn records(&mut self, batch: Vec<RunRecord>) {
        for record in batch {
            self.take(record.record.name.clone().into_owned(), Signal::Logs, 1).await;
        }
    }

    async fn spans(&mut self, batch: Vec<SpanBatch>) {
        for spans in batch {
            self.take(format!("{} spans", spans.data.len()), Signal::Traces, spans.data.len() as u64).await;
        }
    }

    async fn reopen(&mut self) {
        self.told.seen.lock().unwrap().push("reopened".to_owned());
    }
}

/// A running backend.
struct Scene {
    told: Told,
    open: watch::Sender<bool>,
    handle: BackendHandle,
    running: RunningBackend,
}

impl Scene {
    fn new(limits: QueueLimits, change: impl FnOnce(&mut Told)) -> Self {
        let (open, is_open) = watch::channel(true);
        let mut told = Told { seen: Arc::default(), open: is_open, panics_at: None, two_pipes: false };
        change(&mut told);
        let config = BackendConfig { queue: limits, ..BackendConfig::new("told", told.clone()) };
        let (handle, running) = start(&config).expect("it starts");
        Self { told, open, handle, running }
    }

    /// Makes it take nothing from now on.
    async fn hang(&self) {
        self.open.send_replace(false);
        // It takes one record, so that its worker hangs in the sink.
        self.handle.record(record("hangs", 0));
        sleep(Duration::from_millis(1)).await;
    }

    fn seen(&self) -> Vec<String> {
        self.told.seen.lock().unwrap().clone()
    }

    fn delivered(&self) -> Delivered {
        self.running.account.snapshot()
    }

    /// Ends it, and checks that its account closes.
    async fn end(self) -> (Vec<String>, Delivered) {
        let Self { told, open: _open, handle, mut running } = self;
        drop(handle);
        timeout(Duration::from_mins(1), &mut running.task).await.expect("it ends").expect("the supervisor ends well");
        let delivered = running.account.snapshot();
        closes(&delivered);
        let seen = told.seen.lock().unwrap().clone();
        (seen, delivered)
    }
}

fn closes(delivered: &Delivered) {
    for signal in Signal::ALL {
        let of = delivered.of(signal);
        assert_eq!(of.admitted, of.delivered + of.rejected + of.failed + of.dropped, "{signal:?} {of:?}");
    }
}

fn run(run_id: &str) -> Arc<RunInfo> {
    Arc::new(RunInfo { run_id: run_id.to_owned(), ..RunInfo::default() })
}

fn record(name: &str, bytes: usize) -> RunRecord {
    let record = Record::new(RecordKind::Event, name.to_owned(), Timestamp::default()).field("text", "x".repeat(bytes));
    RunRecord { run: run("run"), scope: "test", record: Arc::new(record) }
}

fn a_span(bytes: usize) -> SpanData {
    let ids = TraceContext::from_hex(&"1".repeat(32), &"2".repeat(16), None, true).expect("ids");
    let times = (Timestamp::from_secs(1.0), Timestamp::from_secs(2.0));
    trace::span(&ids, SpanKind::Client, "x".repeat(bytes).into(), times, &InstrumentationScope::default())
}

fn spans(count: usize, bytes: usize) -> SpanBatch {
    let span = a_span(bytes);
    let data = std::iter::repeat_n(&span, count).collect();
    SpanBatch { run: run("run"), source: None, scope: "test", data: Arc::new(data) }
}

/// The points of a recorder: a counter with this many series.
fn feed(run: &Arc<RunInfo>, series: u64) -> Feed {
    let resource = Resource::builder_empty().build();
    let settings = MeterSettings::new(resource, Temporality::Cumulative);
    let (meter, collector) = meter(&settings, "test", 10_000);
    let counter = meter.u64_counter("n").build();
    for number in 0..series {
        counter.add(1, &[opentelemetry::KeyValue::new("number", number.to_string())]);
    }
    Feed { run: Some(Arc::clone(run)), collector, interval: Some(Duration::from_secs(5)) }
}

fn report(run: &Arc<RunInfo>) -> RunRecord {
    RunRecord { run: Arc::clone(run), ..record("report", 0) }
}

/// Scenario: a run. Guarantees: its points are collected at the recorder's interval and a last time at its end, when its report
/// is the last record; everything is delivered.
#[tokio::test(start_paused = true)]
async fn a_run() {
    let scene = Scene::new(QueueLimits::default(), |_| {});
    let run = run("one");
    scene.handle.begin(feed(&run, 2));
    scene.handle.record(record("first", 0));
    let begun = Instant::now();
    sleep(Duration::from_secs(12)).await;
    assert_eq!(scene.seen(), ["first", "2 points", "2 points"], "after {:?}", begun.elapsed());
    scene.handle.spans(spans(3, 0));
    (scene.running.reopen())();
    scene.handle.end(&run, vec![report(&run)]);
    sleep(Duration::from_secs(12)).await;
    let (seen, delivered) = scene.end().await;
    assert_eq!(seen[3..], ["3 spans", "reopened", "2 points, last", "report"]);
    assert!(delivered.is_whole() && !delivered.is_lossy());
    assert_eq!(Signal::ALL.map(|signal| delivered.of(signal).delivered), [6, 3, 2]);
}

/// Scenario: a backend hangs, and gets more than may wait, by number and by size. Guarantees: no more items wait than
/// allowed; of a batch of spans as many as there is room for; the rest is dropped and counted, and the account closes.
#[tokio::test(start_paused = true)]
async fn what_waits_is_bounded() {
    let scene = Scene::new(QueueLimits { items: 10, bytes: 100_000 }, |_| {});
    scene.hang().await;
    for _ in 0..20 {
        scene.handle.record(record("record", 0));
    }
    scene.handle.spans(spans(7, 0));
    scene.handle.spans(spans(7, 0));
    let delivered = scene.delivered();
    // One record is in the sink, and counts as waiting.
    assert_eq!((delivered.of(Signal::Logs).admitted, delivered.of(Signal::Logs).dropped), (21, 11));
    assert_eq!((delivered.of(Signal::Traces).admitted, delivered.of(Signal::Traces).dropped), (14, 4));
    scene.open.send_replace(true);
    sleep(Duration::from_secs(1)).await;
    let (seen, _) = scene.end().await;
    assert_eq!(seen.iter().filter(|seen| seen.ends_with("spans")).collect::<Vec<_>>(), ["7 spans", "3 spans"]);

    let scene = Scene::new(QueueLimits { items: 1_000_000, bytes: 100_000 }, |_| {});
    scene.hang().await;
    let batch = spans(50, 10_000);
    scene.handle.spans(batch.clone());
    assert_eq!(Arc::strong_count(&batch.data), 1, "what found no room is let go");
    scene.handle.record(record("too large", 200_000));
    scene.handle.record(record("fits", 50_000));
    scene.handle.record(record("does not", 50_000));
    let delivered = scene.delivered();
    assert_eq!(delivered.of(Signal::Traces).dropped, 41);
    assert_eq!(delivered.of(Signal::Logs).dropped, 2);
    scene.open.send_replace(true);
    let (seen, _) = scene.end().await;
    assert_eq!(seen, ["hangs", "fits", "9 spans"]);
}

/// Scenario: runs end while a backend hangs, more than there is room for. Guarantees: the largest are given up, and their points
/// are lost final points; those that are small are delivered, with their last records.
#[tokio::test(start_paused = true)]
async fn ended_runs_that_wait_are_bounded() {
    let scene = Scene::new(QueueLimits { items: 1_000, bytes: 100_000 }, |_| {});
    scene.hang().await;
    let small = run("small");
    scene.handle.begin(feed(&small, 1));
    scene.handle.end(&small, vec![record("small", 0), report(&small)]);
    for number in 0..100 {
        let run = run(&number.to_string());
        scene.handle.begin(feed(&run, 50));
        scene.handle.end(&run, vec![report(&run)]);
    }
    let delivered = scene.delivered();
    assert_eq!(delivered.lost_final_points % 50, 0);
    scene.open.send_replace(true);
    let (seen, delivered) = scene.end().await;
    assert_eq!(seen[1..4], ["1 points, last", "small", "report"]);
    let arrived = seen.iter().filter(|seen| *seen == "50 points, last").count() as u64;
    assert_eq!(
        (arrived + delivered.lost_final_points / 50, delivered.of(Signal::Metrics).failed),
        (100, 5_000 - arrived * 50)
    );
    assert_eq!(delivered.of(Signal::Logs).failed, 100 - arrived, "a run's last records go with its points");
    assert!((1..50).contains(&arrived), "{arrived} of 100 runs");
}

/// Scenario: the queue of records is full when a run ends, as after the end of many others. Guarantees: its last records are
/// delivered all the same, in order, after what waited before them and after its final points; what found no room before is
/// counted.
#[tokio::test(start_paused = true)]
async fn last_records_need_no_room_in_the_queue() {
    let scene = Scene::new(QueueLimits { items: 10, bytes: 1 << 20 }, |_| {});
    scene.hang().await;
    for _ in 0..20 {
        scene.handle.record(record("in mid-run", 0));
    }
    let run = run("one");
    scene.handle.begin(feed(&run, 2));
    let last = |name: String| RunRecord { run: Arc::clone(&run), ..record(&name, 0) };
    let last_records = (0..2_500).map(|number| last(format!("last {number}"))).chain([report(&run)]);
    scene.handle.end(&run, last_records.collect());
    scene.open.send_replace(true);
    let (seen, delivered) = scene.end().await;
    assert_eq!(seen[..11], [&["hangs"][..], &["in mid-run"; 9], &["2 points, last"]].concat());
    let expected = (0..2_500).map(|number| format!("last {number}")).chain(["report".to_owned()]);
    assert_eq!(seen[11..], expected.collect::<Vec<_>>());
    let logs = delivered.of(Signal::Logs);
    assert_eq!((logs.admitted, logs.delivered, logs.dropped), (2_522, 2_511, 11));
}

/// Scenario: the task of one of a backend's pipes panics while it holds something; then it is given more. Guarantees: what it held
/// and what comes then has failed, and the account says why it ended; the other pipe goes on.
#[tokio::test(start_paused = true)]
async fn a_backend_that_panics() {
    let scene = Scene::new(QueueLimits::default(), |told| {
        (told.panics_at, told.two_pipes) = (Some("4 spans"), true);
    });
    scene.handle.spans(spans(3, 0));
    sleep(Duration::from_secs(1)).await;
    scene.handle.spans(spans(4, 0));
    scene.handle.spans(spans(5, 0));
    sleep(Duration::from_secs(1)).await;
    scene.handle.spans(spans(6, 0));
    let ended = scene.delivered().ended;
    assert!(matches!(&ended, BackendEnd::Panicked(message) if message.contains("out of paper")), "{ended:?}");
    scene.handle.record(record("goes on", 0));
    let (seen, delivered) = scene.end().await;
    assert_eq!(seen, ["3 spans", "goes on"]);
    let spans = delivered.of(Signal::Traces);
    assert_eq!((spans.admitted, spans.delivered, spans.failed), (18, 3, 15));
    assert!(delivered.is_lossy() && !delivered.is_whole());
}

/// Scenario: a backend hangs when ltel ends. Guarantees: items that it held have failed.
#[tokio::test(start_paused = true)]
async fn a_backend_that_is_given_up() {
    let mut scene = Scene::new(QueueLimits::default(), |_| {});
    scene.hang().await;
    scene.handle.spans(spans(3, 0));
    scene.running.give_up().await;
    let delivered = scene.delivered();
    closes(&delivered);
    assert_eq!((delivered.of(Signal::Traces).failed, delivered.of(Signal::Logs).failed), (3, 1));
    assert_eq!(delivered.ended, BackendEnd::GivenUp);
}

/// Scenario: the longest interval. Guarantees: nothing panics, and the points come at the end.
#[tokio::test(start_paused = true)]
async fn the_longest_interval() {
    let scene = Scene::new(QueueLimits::default(), |_| {});
    let run = run("one");
    let interval = Some(crate::config::values::MAX_DURATION);
    scene.handle.begin(Feed { interval, ..feed(&run, 1) });
    sleep(Duration::from_mins(1)).await;
    scene.handle.end(&run, vec![report(&run)]);
    let (seen, _) = scene.end().await;
    assert_eq!(seen, ["1 points, last", "report"]);
}

/// Scenario: a type of backend panics while its table is checked. Guarantees: that is an error of the configuration, at the table.
#[test]
fn a_check_that_panics_is_an_error() {
    let registry = ltel_recorders::registry().backend::<Told>();
    let text = "[recorders.stats]\n[backends.told]\n";
    let errors = crate::config::load("test", text, &registry, &Environment::default()).unwrap_err();
    assert!(errors.render(false).contains("checking [backends.told] panicked: out of ink"), "{}", errors.render(false));
}
