//! A recorder that panics.

use ltel_core::wire::Encoding;
use ltel_tests::{Client, Exit, Lines, SOON, Scene, config, row};

/// Scenario: one of a program's own recorders panics in the first of two runs.
/// Guarantees: the other recorders have every request of that run; the run is incomplete, and its report has the recorder
/// and its message; that recorder's counter keeps its value. In the next run it works again.
#[apply(e2e)]
fn a_recorder_that_panics() {
    let scene = Scene::new();
    let file = scene.write("telemetry.toml", &config(&scene, "", "[recorders.fragile]\n"));
    let mut program = scene.program(env!("CARGO_BIN_EXE_ltel-fragile").as_ref());
    program.args(["--config".as_ref(), file.as_os_str()]);
    let mut ltel = scene.start("ltel", program);
    ltel.says("listening on", SOON);

    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "one");
    client.start("one");
    for name in ["/stands", "/falls", "/stands"] {
        client.requests(vec![row(name, 10.0, false), row("/last", 20.0, false)]);
    }
    client.finish();
    scene.reported(1);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "two");
    client.start("two");
    client.requests(vec![row("/stands", 10.0, false)]);
    client.finish();
    let lines = scene.reported(2);
    ltel.signal(rustix::process::Signal::TERM);
    assert_eq!(ltel.wait(SOON), Exit::Code(1), "{}", ltel.stderr());

    let stderr = ltel.stderr();
    for told in [
        "recorder `fragile` panicked, and records nothing more of run one: assertion `left != right` failed: no such request",
        "run one incomplete: 6 requests recorded, 0 dropped (recorder `fragile` panicked)",
        "run two complete: 1 request recorded, 0 dropped\n",
    ] {
        assert!(stderr.contains(told), "{told} in\n{stderr}");
    }

    let (one, two) = (lines.of_run("one"), lines.of_run("two"));
    let report = one.report();
    assert_eq!(report.telemetry["complete"], false);
    assert_eq!(report.count("recorded"), 6);
    let why = report.telemetry["recorders_panicked"]["fragile"].as_str().unwrap_or_default();
    assert!(why.contains("no such request was expected"), "{report:?}");
    assert_eq!(one.final_record().count("num_requests"), 6);
    let counted = |run: &Lines, endpoint: &str| {
        let points = run.latest("fragile.requests");
        points.values().find(|point| point.is("endpoint", endpoint)).map(|point| point.count("value"))
    };
    assert_eq!(counted(&one, "/stands"), Some(1));
    assert_eq!(counted(&one, "/last"), Some(1));

    assert_eq!(two.report().telemetry["complete"], true);
    assert_eq!(two.report().telemetry.get("recorders_panicked"), None);
    assert_eq!(counted(&two, "/stands"), Some(1));
}

/// Scenario: a recorder panics when its run is over: in `finish`, or in its `Drop`.
/// Guarantees: the run is reported as incomplete everywhere, with the recorder and its message; all other recorders deliver
/// their last figures; ltel keeps running, and reports the next run.
#[apply(e2e)]
fn a_recorder_that_panics_at_its_end() {
    for (recorder, why) in [("fragile_at_the_end", "it does not finish"), ("fragile_in_drop", "it cannot be dropped")] {
        let scene = Scene::new();
        let file = scene.write("telemetry.toml", &config(&scene, "", &format!("[recorders.{recorder}]\n")));
        let mut program = scene.program(env!("CARGO_BIN_EXE_ltel-fragile").as_ref());
        program.args(["--config".as_ref(), file.as_os_str()]);
        let mut ltel = scene.start("ltel", program);
        ltel.says("listening on", SOON);
        for (n, run) in [(1, "one"), (2, "two")] {
            let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, run);
            client.start(run);
            client.requests(vec![row("/", 10.0, false); 3]);
            client.finish();
            scene.reported(n);
        }
        ltel.signal(rustix::process::Signal::TERM);
        assert_eq!(ltel.wait(SOON), Exit::Code(1), "{}", ltel.stderr());
        let lines = scene.lines();
        for run in ["one", "two"] {
            let of_run = lines.of_run(run);
            let report = of_run.report();
            assert_eq!(report.telemetry["complete"], false, "{report:?}");
            assert_eq!(report.telemetry["recorders_panicked"][recorder], why, "{report:?}");
            assert_eq!(of_run.final_record().count("num_requests"), 3);
            assert_eq!(of_run.final_record().telemetry["complete"], false);
            let said = format!("run {run} incomplete: 3 requests recorded, 0 dropped (recorder `{recorder}` panicked)");
            assert!(ltel.stderr().contains(&said), "{}", ltel.stderr());
        }
    }
}
