//! SIGHUP reads the configuration again.

use std::fs;
use std::path::Path;

use ltel_core::wire::Encoding;
use ltel_tests::{
    Client, Exit, Fault, FaultReceiver, Lines, LogRecord, SLOW, SOON, Scene, Turn, check_account, config, free_port,
    get, post, row, until,
};
use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::Signal;

use super::runs::{counts, endpoint_counts};

/// A file of JSON lines beside the scene's own.
fn second(scene: &Scene, keys: &str) -> String {
    format!("[backends.second]\ntype = 'json'\noutput = '{}'\n{keys}\n", scene.path("second.ndjson").display())
}

fn so_far(path: &Path) -> Lines {
    if path.exists() { Lines::so_far(path) } else { Lines::parse("") }
}

/// Scenario: Locust with its web UI under `ltel-cli run`. In mid-run the file gets a backend and a recorder more, loses a recorder, and
/// its backend another interval; SIGHUP. In
/// the second run the file is broken; SIGHUP. Then a third run.
/// Guarantees: the first run goes on with what it began with and is exact; the second and the third have the new recorders and backends, all
/// requests, and what the new recorder wants of the same Locust process; the mistakes are said, and change nothing.
#[apply(e2e)]
fn the_next_run_has_what_the_file_says_by_then() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    let (port, file) = (free_port(), "telemetry.toml");
    let locust = ["-f", "counting.py", "--web-host=127.0.0.1", &format!("--web-port={port}")];
    let mut run = scene.start("run", scene.run(&config(&scene, "", ""), locust));
    until("the web UI", SLOW, || get(port, "/stats/requests/csv").ok().filter(|answer| answer.status == 200));
    let mut locust = Vec::new();
    for n in 1..=3 {
        assert_eq!(post(port, "/swarm", "user_count=4&spawn_rate=4").unwrap().status, 200);
        let requests = |least: u64| {
            until("requests", SLOW, || (counts(port, n).iter().sum::<u64>() >= least).then_some(()));
        };
        requests(50);
        // Locust tells ltel of a run up to 0.2 s after it began.
        until("the run", SOON, || (run.stderr().matches("of testplan `counting` begins").count() == n).then_some(()));
        if n == 1 {
            let more = second(&scene, "spans = true") + "[recorders.spans]\nbackends = ['second']\n";
            let text = config(&scene, "", &more).replace("[recorders.requests]\n", "");
            scene.write(file, &text.replace("interval = \"1s\"", "interval = \"2s\""));
            run.signal(Signal::HUP);
            run.says(
                "SIGHUP: the next run begins with the configuration as it is now; backends started: file, second",
                SOON,
            );
        } else if n == 2 {
            scene.write(file, "[recorders.stats]\nintervall = 3\n[backends.json]\noutptu = 3\n");
            run.signal(Signal::HUP);
            run.says("SIGHUP: the configuration stays as it was", SOON);
            let said = run.stderr();
            assert!(said.contains("unknown key `intervall`") && said.contains("unknown key `outptu`"), "{said}");
        }
        requests(150);
        assert_eq!(post(port, "/stop", "").unwrap().status, 200);
        let run_id = scene.reported(n).reports()[n - 1].text("run_id").to_owned();
        let ours = endpoint_counts(&scene.lines_so_far().of_run(&run_id));
        until("Locust's figures to be ltel's", SOON, || (counts(port, n) == ours).then_some(()));
        locust.push((run_id, counts(port, n).iter().sum::<u64>()));
    }
    run.signal(Signal::TERM);
    assert_eq!(run.wait(SLOW), Exit::Code(0));

    let (first, second) = (scene.lines(), Lines::read(&scene.path("second.ndjson")));
    assert_eq!(first.reports().len(), 3);
    for (n, (run_id, requests)) in (1..=3).zip(&locust) {
        let (here, there) = (first.of_run(run_id), second.of_run(run_id));
        check_account(here.report());
        assert_eq!(here.report().telemetry["complete"], true, "{:?}", here.report());
        assert_eq!(here.report().count("recorded"), *requests, "run {n}");
        let points = here.named("locust.tl.request.metric.requests").count();
        assert_eq!(points > 0, n == 1, "{points} points of `requests` in run {n}");
        let spans = there.0.iter().filter(|line| line.is("telemetry_type", "span"));
        let traced = spans.clone().filter(|line| !line.text("trace_id").is_empty()).count() as u64;
        let expected = if n == 1 { 0 } else { *requests };
        assert_eq!((spans.count() as u64, traced), (expected, expected), "spans of run {n}");
        assert_eq!(there.reports().len(), usize::from(n != 1), "reports of run {n} in the new backend");
    }
}

/// Scenario: a run in progress wants traces; by SIGHUP the next one wants tasks. Two clients wait for a run, one of them comes while the first
/// run is in progress. Guarantees: until it ends they hear what both want, as a worker may join either; then they are asked to come again,
/// and hear what the next run wants. The client in the run is left alone.
#[apply(e2e)]
fn clients_in_no_run_hear_what_any_run_wants() {
    let scene = Scene::new();
    let with = |recorder: &str| config(&scene, "", recorder).replace("interval = \"1s\"", "spans = true");
    let mut ltel = scene.serve(&with("[recorders.spans]"), &[]);
    let connect = |id: &str| Client::unix(&scene.socket(), Encoding::MessagePack, id);
    let wants = |client: &Client| (client.features.trace.is_some(), client.features.tasks);
    let (mut runs, early) = (connect("runs"), connect("early"));
    assert_eq!((wants(&runs), wants(&early)), ((true, false), (true, false)));
    runs.start("one");
    runs.acknowledged();
    scene.write("telemetry.toml", &with("[recorders.tasks]"));
    ltel.signal(Signal::HUP);
    ltel.says("SIGHUP: the next run begins with the configuration as it is now", SOON);
    early.asked_to_come_again();
    let (early, late) = (connect("early"), connect("late"));
    assert_eq!((wants(&early), wants(&late)), ((true, true), (true, true)));
    runs.requests(vec![row("/", 1.0, false); 3]);
    runs.finish();
    early.asked_to_come_again();
    late.asked_to_come_again();
    assert_eq!((wants(&connect("early")), wants(&connect("late"))), ((false, true), (false, true)));
    assert_eq!(scene.reported(1).report().count("recorded"), 3);
    ltel.signal(Signal::TERM);
    assert_eq!(ltel.wait(SLOW), Exit::Code(0));
}

/// Scenario: in mid-run the file loses a Prometheus backend and gets another path for its JSON lines; SIGHUP, then SIGHUP again.
/// Guarantees: the run's figures stay scrapable and its lines go where they went, until it is over; then the old backends end: nothing listens
/// there any more. The next run is in the new file alone. ltel ends with 0.
#[apply(e2e)]
fn a_backend_that_goes_serves_its_last_run() {
    let scene = Scene::new();
    let port = free_port();
    let prometheus = format!("[backends.prometheus]\nlisten = '127.0.0.1:{port}'\n");
    let mut ltel = scene.serve(&config(&scene, "", &prometheus), &[]);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "first");
    client.start("one");
    client.requests(vec![row("/", 1.0, false)]);
    client.acknowledged();
    scene.write("telemetry.toml", &config(&scene, "", "").replace("telemetry.ndjson", "next.ndjson"));
    for _ in 0..2 {
        ltel.signal(Signal::HUP);
        ltel.says("backends that end after their last run: ", SOON);
    }
    client.requests(vec![row("/", 1.0, false); 2]);
    client.acknowledged();
    let scraped = || get(port, "/metrics").ok().map(|page| page.body);
    assert!(scraped().is_some_and(|page| page.contains("locust_tl_request_metric_requests")));
    client.finish();
    until("the end of the old backend", SLOW, || scraped().is_none().then_some(()));
    let lines = Lines::read(&scene.path("telemetry.ndjson"));
    assert_eq!(lines.report().count("recorded"), 3);
    assert_eq!(lines.final_record().count("num_requests"), 3);

    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "second");
    client.start("two");
    client.requests(vec![row("/", 1.0, false)]);
    client.finish();
    let next = scene.path("next.ndjson");
    until("the next run's report", SOON, || (!so_far(&next).reports().is_empty()).then_some(()));
    ltel.signal(Signal::TERM);
    assert_eq!(ltel.wait(SLOW), Exit::Code(0));
    assert_eq!(Lines::read(&next).report().text("run_id"), "two");
    assert_eq!(Lines::read(&scene.path("telemetry.ndjson")).reports().len(), 1);
}

/// Scenario: in mid-run `[labels]`, `[[names]]` and `[thresholds]` change, while the receiver of OTLP, whose table stays, refuses everything
/// of the run before; then the file is gone; then it is a pipe that nobody writes to.
/// Guarantees: the run in progress is renamed, labelled and judged by the old file, the next by the new one, and so are those after the file
/// that cannot be read, which is said; the receiver gets each record once, as its queue goes on.
#[apply(e2e)]
fn labels_names_and_thresholds_of_the_next_run() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    let receiver = FaultReceiver::start(&scene);
    let with = |region: &str, name: &str, most: u32| {
        let rules = format!("[labels]\nregion = '{region}'\n[[names]]\nmatch = '^/a$'\nreplace = '{name}'");
        let thresholds = format!("[thresholds]\nall = ['requests <= {most}']\n");
        config(&scene, "", &(receiver.backend("grpc") + &thresholds + &rules))
    };
    let mut ltel = scene.serve(&with("eu", "/first", 3), &[]);
    let run = |id: &str, meanwhile: &mut dyn FnMut()| {
        let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, id);
        client.start(id);
        client.requests(vec![row("/a", 1.0, false)]);
        client.acknowledged();
        meanwhile();
        client.requests(vec![row("/a", 1.0, false); 2]);
        client.finish();
    };
    receiver.fault(Fault::Unavailable, "logs", 2);
    run("zero", &mut || {});
    let path = scene.path("telemetry.toml");
    run("one", &mut || {
        scene.write("telemetry.toml", &with("us", "/second", 2));
        ltel.signal(Signal::HUP);
        ltel.says("backends that go on as they were: file, grpc", SOON);
    });
    run("two", &mut || {
        fs::remove_file(&path).unwrap();
        ltel.signal(Signal::HUP);
        ltel.says("cannot read the configuration `", SOON);
        ltel.says("SIGHUP: the configuration stays as it was", SOON);
    });
    run("three", &mut || {
        mkfifoat(CWD, &path, Mode::RWXU).unwrap();
        ltel.signal(Signal::HUP);
        ltel.says("is not a regular file, so it cannot be read again", SOON);
    });
    scene.reported(4);
    ltel.signal(Signal::TERM);
    assert_eq!(ltel.wait(SLOW), Exit::Code(0));

    let (lines, records) = (scene.lines(), receiver.log_records("grpc"));
    for (run, region, name, holds) in [
        ("zero", "eu", "/first", true),
        ("one", "eu", "/first", true),
        ("two", "us", "/second", false),
        ("three", "us", "/second", false),
    ] {
        let lines = lines.of_run(run);
        assert!(lines.0.iter().all(|line| line.is("region", region)), "{run}: {lines:?}");
        let points: Vec<_> = lines.named("locust.tl.request.metric.requests").collect();
        assert!(!points.is_empty() && points.iter().all(|point| point.is("endpoint", name)), "{run}: {points:?}");
        assert_eq!(lines.named("ltel.threshold").next().unwrap().telemetry["passed"], holds, "{run}");
        assert_eq!(lines.report().count("recorded"), 3, "{run}");
        let of_run = |name: &str| {
            let of_run = |record: &&LogRecord| record.event_name == name && record.attribute("run_id") == run;
            records.iter().filter(of_run).map(|record| record.attribute("region").to_owned()).collect::<Vec<_>>()
        };
        assert_eq!((of_run("ltel.run.report"), of_run("ltel.threshold")), (vec![region.into()], vec![region.into()]));
    }
}

/// Scenario: forty times in mid-run the file gets another new backend, each time with SIGHUP; then SIGTERM, while the run is at work.
/// Guarantees: what earlier files left behind is bounded, which is said; the run is whole and in its own backend; ltel ends with 0.
#[apply(e2e)]
fn many_in_a_row_and_an_end() {
    let scene = Scene::new();
    let mut ltel = scene.serve(&config(&scene, "", ""), &[]);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    client.start("run");
    let before = ltel.open_files();
    let answers = |ltel: &ltel_tests::Process| {
        let said = ltel.stderr();
        said.matches("SIGHUP: the next run begins").count() + said.matches("configuration stays as it was").count()
    };
    for n in 0..40 {
        let output = scene.path(&format!("file{n}.ndjson"));
        let more = format!("[backends.file{n}]\ntype = 'json'\noutput = '{}'\nmax_bytes = 1000000\n", output.display());
        scene.write("telemetry.toml", &config(&scene, "", &more));
        ltel.signal(Signal::HUP);
        until("an answer", SOON, || (answers(&ltel) > n).then_some(()));
        client.requests(vec![row("/", 1.0, false); 5]);
    }
    client.acknowledged();
    assert!(ltel.open_files() <= before + 40, "{} files are open, of {before}", ltel.open_files());
    ltel.signal(Signal::TERM);
    ltel.says("SIGTERM: waiting", SOON);
    client.requests(vec![row("/", 1.0, false)]);
    client.finish();
    assert_eq!(ltel.wait(SLOW), Exit::Code(0));
    assert_eq!(scene.lines().report().count("recorded"), 201);
    assert_eq!(scene.lines().report().telemetry["complete"], true);
}

/// Scenario: the file changes what cannot change while ltel runs: where it listens, its limits, and a backend's option whose address the
/// running one has. Guarantees: each is said, the rest of the file holds, and the running backend goes on.
#[apply(e2e)]
fn what_cannot_change_is_said() {
    let scene = Scene::new();
    let port = free_port();
    let with = |keys: &str| format!("[backends.prometheus]\nlisten = '127.0.0.1:{port}'\n{keys}\n");
    let mut ltel = scene.serve(&config(&scene, "", &with("")), &[]);
    let text = config(&scene, "grace = '3s'", &with("keep = '1s'\n[limits]\nmax_runs = 3"));
    scene.write("telemetry.toml", &text.replace("[listen]\n", "[listen]\nmax_connections = 3\n"));
    ltel.signal(Signal::HUP);
    for said in [
        "[listen] has changed, which takes effect when ltel-cli is started again",
        "[limits] has changed",
        "`grace` has changed",
        "[backends.prometheus] has changed, but 127.0.0.1:",
        "backends that go on as they were: file, prometheus",
    ] {
        ltel.says(said, SOON);
    }
    assert_eq!(get(port, "/metrics").unwrap().status, 200);
    ltel.signal(Signal::TERM);
    assert_eq!(ltel.wait(SLOW), Exit::Code(0));
}
