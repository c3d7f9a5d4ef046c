//! Files of many runs, with paused time.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ltel_core::Timestamp;
use ltel_core::backend::{CollectedPoints, DeliveryAccount, Ending, RunRecord, Sink, Start};
use ltel_core::meter::{Collected, MeterSettings, meter};
use ltel_core::record::{Record, RecordKind};
use ltel_core::runs::RunInfo;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::Temporality;
use tokio::time::sleep;

use super::Json;
use super::config::{Destination, FileOutput};
use super::sink::JsonSink;

/// A sink that writes a file for each run.
struct Scene {
    folder: tempfile::TempDir,
    sink: JsonSink,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = FileOutput { path: folder.path().join("{run_id}.jsonl"), max_bytes: None, keep: 0 };
        let cx = Start {
            name: "runs".to_owned(),
            temporality: Temporality::Cumulative,
            queue_bytes: 1 << 20,
            drain: Duration::from_secs(1),
            account: Arc::new(DeliveryAccount::default()),
            ending: Ending::default(),
        };
        let sink = JsonSink::open(&Json { output: Destination::PerRun(file), spans: false }, &cx).unwrap();
        Self { folder, sink }
    }

    fn path(&self, run: &str) -> PathBuf {
        self.folder.path().join(format!("{run}.jsonl"))
    }

    /// The files, each with how many lines it has.
    fn files(&self) -> Vec<(String, usize)> {
        let files = fs::read_dir(self.folder.path()).unwrap().map(|file| file.unwrap().path());
        let name = |path: &PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
        let lines = |path: &PathBuf| fs::read_to_string(path).unwrap().lines().count();
        let mut files: Vec<_> = files.map(|path| (name(&path), lines(&path))).collect();
        files.sort();
        files
    }

    /// Waits as long as the worker does between two flushes, this many times.
    async fn flushes(&mut self, count: usize) {
        for _ in 0..count {
            sleep(Duration::from_secs(1)).await;
            self.sink.flush().await;
        }
    }

    /// A run has a record.
    async fn record(&mut self, run: &Arc<RunInfo>) {
        let record = Arc::new(Record::new(RecordKind::Event, "event", Timestamp::default()));
        self.sink.records(vec![RunRecord { run: Arc::clone(run), scope: "test", record }]).await;
    }

    /// Points are collected: a counter with this figure, or none if there is no figure.
    async fn collect(&mut self, run: &Arc<RunInfo>, figure: u64, last: bool) {
        let points = CollectedPoints {
            run: Some(Arc::clone(run)),
            feed: 1,
            points: points(figure),
            begun: Timestamp::default(),
            since: Timestamp::default(),
            at: Timestamp::from_secs(1.0),
            last,
        };
        self.sink.points(vec![points]).await;
    }

    async fn end(&mut self, run: &Arc<RunInfo>) {
        self.sink.run_ended(run);
        self.sink.flush().await;
    }
}

fn points(figure: u64) -> Collected {
    let settings = MeterSettings::new(Resource::builder_empty().build(), Temporality::Cumulative);
    let (meter, collector) = meter(&settings, "test", 10);
    if figure > 0 {
        meter.u64_counter("n").build().add(figure, &[]);
    }
    collector.collect().unwrap()
}

fn run(run_id: &str) -> Arc<RunInfo> {
    Arc::new(RunInfo { run_id: run_id.to_owned(), ..RunInfo::default() })
}

/// Scenario: a run without a figure yet; then one; then the same figure over and over; then it ends. Guarantees: a file from the first
/// line on, and with what has changed.
#[tokio::test(start_paused = true)]
async fn a_file_begins_with_a_line() {
    let mut scene = Scene::new();
    let one = run("one");
    scene.collect(&one, 0, false).await;
    scene.flushes(3).await;
    scene.sink.reopen().await;
    assert_eq!(scene.files(), []);
    scene.collect(&one, 5, false).await;
    scene.flushes(1).await;
    assert_eq!(scene.files(), [("one".to_owned(), 1)]);
    for _ in 0..3 {
        scene.collect(&one, 5, false).await;
        scene.flushes(70).await;
    }
    assert_eq!(scene.files(), [("one".to_owned(), 1)]);
    scene.collect(&one, 5, true).await;
    scene.end(&one).await;
    // Nothing of a run without a line, also when it is over.
    let none = run("none");
    scene.collect(&none, 0, true).await;
    scene.end(&none).await;
    assert_eq!(scene.files(), [("one".to_owned(), 1)]);
}

/// Scenario: the file of a run is closed, since a minute brought no line or the run is over; it is moved away; the same figures are
/// collected, and later a line comes. Guarantees: no file until the line, then one with it.
#[tokio::test(start_paused = true)]
async fn a_closed_file_is_opened_again_by_a_line() {
    let mut scene = Scene::new();
    for (name, is_over) in [("idle", false), ("over", true)] {
        let run = run(name);
        scene.collect(&run, 5, false).await;
        scene.record(&run).await;
        if is_over {
            scene.end(&run).await;
        } else {
            scene.flushes(61).await;
        }
        fs::rename(scene.path(name), scene.path(&format!("moved-{name}"))).unwrap();
        scene.collect(&run, 5, false).await;
        scene.flushes(2).await;
        assert!(!scene.path(name).exists(), "{name}");
        scene.record(&run).await;
        scene.flushes(1).await;
        let lines = |name: &str| fs::read_to_string(scene.path(name)).unwrap().lines().count();
        assert_eq!((lines(name), lines(&format!("moved-{name}"))), (1, 2), "{name}");
        scene.sink.feed_lost(1);
    }
}

/// Scenario: a long run, and 200 short ones, whose ends are flushed too, within a second. Guarantees: the file of the long run stays
/// open, since time has to pass, not flushes; each run has all its lines.
#[tokio::test(start_paused = true)]
async fn many_runs() {
    let mut scene = Scene::new();
    let long = run("long");
    scene.record(&long).await;
    scene.sink.flush().await;
    fs::rename(scene.path("long"), scene.path("moved")).unwrap();
    for number in 0..200 {
        let short = run(&format!("short-{number}"));
        scene.record(&short).await;
        scene.record(&short).await;
        scene.end(&short).await;
    }
    // A file that was moved away is still written until a signal says that it was.
    scene.record(&long).await;
    scene.end(&long).await;
    let files = scene.files();
    assert_eq!(files.len(), 201);
    assert!(files.iter().all(|(_, lines)| *lines == 2), "{files:?}");
    assert!(!scene.path("long").exists() && scene.path("moved").exists());
}
