//! `ltel-cli new`: a crate outside this workspace, with a recorder of its own, used as its author would use it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ltel_core::wire::Encoding;
use ltel_tests::{Client, Exit, SLOW, SOON, Scene, TestAgent, config, latest, row, target_dir, until};

const NAME: &str = "shop-telemetry";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Cargo in the new crate. It builds into our own target directory, with our versions and our profile, so that what is
/// built already is not built again.
fn cargo(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO"))
        .args(args)
        .args(["--offline", "--target-dir"])
        .arg(target_dir())
        .current_dir(folder)
        .env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only")
        .env("INSTA_UPDATE", "no")
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|said| String::from_utf8_lossy(said).into_owned()).concat()
}

/// A configuration with two instances of the crate's recorder.
fn two_instances(scene: &Scene, more: &str) -> String {
    let recorders =
        "[recorders.checkout]\nslow_ms = 500\n[recorders.checkout_strict]\ntype = \"checkout\"\nslow_ms = 50\n";
    config(scene, "", &format!("{recorders}{more}"))
}

/// Scenario: `new` writes a crate; its author runs its test, lists its recorders, makes mistakes in the configuration, and
/// sends its telemetry to JSON and OTLP, with two instances of the recorder. Guarantees: all of that works as it stands.
#[apply(e2e)]
fn a_crate_with_a_recorder_of_its_own() {
    let scene = Scene::new();
    let mut new = scene.start("new", scene.ltel(["new", NAME]));
    assert_eq!(new.wait(SOON), Exit::Code(0), "{}", new.stderr());
    let folder = scene.path(NAME);
    std::fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();

    let tested = cargo(&folder, &["test"]);
    assert!(tested.status.success() && text(&tested).contains("1 passed"), "{}", text(&tested));
    let built = cargo(&folder, &["build"]);
    assert!(built.status.success(), "{}", text(&built));
    // Its own, for another build of the same name may take its place.
    let binary = scene.path("binary");
    std::fs::copy(target_dir().join("debug").join(NAME), &binary).unwrap();
    let run = |args: &[&str]| {
        let mut command = scene.program(&binary);
        command.args(args);
        command
    };

    let said = run(&["--version"]).output().unwrap();
    assert_eq!(text(&said), format!("{NAME} 0.1.0 (ltel {})\n", env!("CARGO_PKG_VERSION")));
    for args in
        [&["--help"][..], &["run", "--help"], &["help", "check"], &["run", "-f", "x.py"], &["completions", "bash"]]
    {
        let said = text(&run(args).output().unwrap());
        assert!(said.contains(NAME) && !said.contains("ltel-cli"), "{args:?}: {said}");
    }

    let listed = run(&["recorders"]).output().unwrap();
    for name in ["checkout.duration", "checkout.failures", "checkout.slow", "locust.tl.request.metric.success"] {
        assert!(text(&listed).contains(name), "`recorders` lists {name}: {}", text(&listed));
    }

    let checked = |recorders: &str| {
        let file = scene.write("wrong.toml", &format!("{recorders}\n[backends.console]\ntype = \"json\"\n"));
        let output = run(&["check", "--config", file.to_str().unwrap()]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        text(&output)
    };
    for (recorders, told) in [
        ("[recorders.checkout]\nslow_ms = \"x\"", "wrong.toml:2:11"),
        ("[recorders.checkout]\nslow_ms = 5\nslow_mss = 5", "did you mean `slow_ms`?"),
        ("[recorders.checkout]", "has no `slow_ms`"),
        ("[recorders.chekout]\nslow_ms = 5", "did you mean `checkout`?"),
        ("[recorders.mine]", "recorders: `checkout`, `custom`, `declared`, `events`"),
    ] {
        let errors = checked(recorders);
        assert!(errors.contains(told), "{recorders}: expected {told} in\n{errors}");
    }

    let agent = TestAgent::start(&scene);
    let file = scene.write("telemetry.toml", &two_instances(&scene, &agent.grpc_backend()));
    let mut ltel = scene.start("ltel", run(&["--once", "--config", file.to_str().unwrap()]));
    ltel.says("listening on", SOON);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    client.start("run");
    client.requests(vec![
        row("/checkout/pay", 612.0, true),
        row("/checkout/pay", 80.0, false),
        row("/checkout/pay", 7.0, false),
        row("/", 900.0, false),
    ]);
    client.finish();
    assert_eq!(ltel.wait(SOON), Exit::Code(0), "{}", ltel.stderr());

    let lines = scene.lines();
    let value = |metric: &str| {
        let points = lines.latest(metric);
        let [point] = points.values().collect::<Vec<_>>()[..] else { panic!("one series of {metric}: {points:?}") };
        assert_eq!((point.text("method"), point.text("endpoint")), ("GET", "/checkout/pay"));
        point.telemetry.clone()
    };
    for (metric, expected) in
        [("checkout.failures", 1), ("checkout.slow", 1), ("checkout_strict.failures", 1), ("checkout_strict.slow", 2)]
    {
        assert_eq!(value(metric)["value"], expected, "{metric}");
    }
    let duration = value("checkout.duration");
    assert_eq!(duration["unit"], "ms");
    assert_eq!((&duration["count"], &duration["min"], &duration["max"]), (&3.into(), &7.0.into(), &612.0.into()));
    assert_eq!(duration["bounds"], serde_json::json!([100.0, 250.0, 1000.0]));
    assert_eq!(duration["bucket_counts"], serde_json::json!([2, 0, 1, 0]));

    until("the points at the agent", SLOW, || {
        let points = agent.points("grpc");
        let there = |metric| !latest(&points, metric).is_empty();
        (there("checkout.duration") && there("checkout_strict.slow")).then_some(())
    });
    assert_eq!(agent.histogram("grpc", "checkout.duration", false).count, 3);
}
