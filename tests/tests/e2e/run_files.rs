//! JSON lines in a file for each run: `output = "{run_id}.jsonl"`.

use std::fs;

use ltel_core::wire::Encoding;
use ltel_tests::{Client, Exit, Lines, SLOW, SOON, Scene, config, row, until};
use rustix::process::Signal;

/// A configuration with a file for each run, and these keys.
fn per_run(scene: &Scene, keys: &str) -> String {
    let output = scene.path("of-{run_id}.jsonl");
    config(scene, "", &format!("[backends.runs]\ntype = 'json'\noutput = '{}'\n{keys}\n", output.display()))
}

/// The files that a process has open, of runs.
fn open(pid: u32) -> usize {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let paths = files.filter_map(|file| fs::read_link(file.unwrap().path()).ok());
    paths.filter(|path| path.extension().is_some_and(|end| end == "jsonl")).count()
}

/// Scenario: two runs at the same time, one whose id is no name of a file, and the metrics of ltel itself. Guarantees: each run has all its
/// lines in a file of its own, which ends with its report; what is of no run has another; a file is closed when its run is over; the file
/// that is moved away while its run is active is written anew after SIGHUP.
#[apply(e2e)]
fn each_run_has_its_own() {
    let scene = Scene::new();
    let mut ltel = scene.serve(&per_run(&scene, "internal_metrics = true"), &[]);
    let client = |id: &str, run: &str| {
        let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, id);
        client.start(run);
        client
    };
    let (mut one, mut two) = (client("a", "one"), client("b", "../two"));
    for _ in 0..3 {
        one.requests(vec![row("/one", 1.0, false)]);
        two.requests(vec![row("/two", 1.0, true)]);
    }
    one.acknowledged();
    let path = |name: &str| scene.path(&format!("of-{name}.jsonl"));
    until("a line", SOON, || fs::read_to_string(path("one")).is_ok_and(|text| !text.is_empty()).then_some(()));
    fs::rename(path("one"), scene.path("moved.jsonl")).unwrap();
    ltel.signal(Signal::HUP);
    until("a new file", SOON, || path("one").exists().then_some(()));
    one.finish();
    scene.reported(1);
    until("a closed file", SOON, || (open(ltel.pid()) <= 2).then_some(()));
    two.finish();
    scene.reported(2);
    ltel.signal(Signal::TERM);
    assert_eq!(ltel.wait(SLOW), Exit::Code(0));

    let names = fs::read_dir(scene.path("")).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.starts_with("of-")).collect();
    names.sort();
    let [two_name, ltel_name, one_name] = &names[..] else { panic!("{names:?}") };
    assert!(
        two_name.starts_with("of-___two-") && ltel_name == "of-ltel.jsonl" && one_name == "of-one.jsonl",
        "{names:?}"
    );
    let of = |name: &str| Lines::read(&scene.path(name));
    for (name, run) in [(one_name, "one"), (two_name, "../two")] {
        let lines = of(name);
        assert!(lines.0.iter().all(|line| line.is("run_id", run)), "{name}: {lines:?}");
        assert_eq!(lines.report().count("recorded"), 3, "{name}");
        assert_eq!(lines.0.last().unwrap().name(), "ltel.run.report", "{name}");
    }
    assert!(of(ltel_name).0.iter().all(|line| line.name().starts_with("ltel.") && !line.has("run_id")));
    // The line from before it was moved is in the moved file, and in no other.
    let starts = |name: &str| of(name).named("locust.tl.event.test.start").count();
    assert_eq!((starts("moved.jsonl"), starts(one_name), starts(two_name)), (1, 0, 1));
}

/// Scenario: a small limit. Guarantees: the file of the run is rotated, and its older files have its name.
#[apply(e2e)]
fn the_file_of_a_run_is_rotated() {
    let scene = Scene::new();
    let mut ltel = scene.serve(&per_run(&scene, "max_bytes = '4KiB'\nkeep = 2"), &["--once"]);
    let names: Vec<_> = (0..100).map(|n| format!("/endpoint/{n}")).collect();
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    client.start("run");
    client.requests(names.iter().map(|name| row(name, 5.0, false)).collect());
    client.finish();
    assert_eq!(ltel.wait(SLOW), Exit::Code(0));
    for name in ["of-run.jsonl", "of-run.jsonl.1", "of-run.jsonl.2"] {
        assert!(fs::metadata(scene.path(name)).unwrap().len() <= 4_096, "{name}");
    }
    assert!(!scene.path("of-run.jsonl.3").exists());
}

/// Scenario: the folder of the files cannot be written. Guarantees: ltel does not start, and says which file.
#[apply(e2e)]
fn a_folder_that_takes_no_file() {
    let scene = Scene::new();
    let text =
        per_run(&scene, "").replace(&scene.path("of-{run_id}.jsonl").display().to_string(), "/proc/{run_id}.jsonl");
    let output = scene.ltel(["--config"]).arg(scene.write("telemetry.toml", &text)).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("backend `runs`: cannot write to `/proc/{run_id}.jsonl`"), "{said}");
}
