//! A backend of a program's own.

use std::path::Path;

use ltel_core::wire::Encoding;
use ltel_tests::{Client, Exit, Process, SOON, Scene, config, row};

fn program(scene: &Scene, options: &str, args: &[&str]) -> Process {
    let text = config(scene, "", &format!("[backends.names]\n{options}"));
    let file = scene.write("telemetry.toml", &text);
    let mut program = scene.program(env!("CARGO_BIN_EXE_ltel-backend").as_ref());
    program.args(args).args([Path::new("--config"), &file]);
    scene.start("ltel", program)
}

fn a_run(scene: &Scene) {
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "one");
    client.start("one");
    client.requests(vec![row("/a", 10.0, false)]);
    client.finish();
}

/// Scenario: a program with a backend of its own, beside a built-in one.
/// Guarantees: it is selected and described as a built-in one is, and is given every record of the run.
#[apply(e2e)]
fn it_is_given_what_it_takes() {
    let scene = Scene::new();
    let path = scene.path("names.txt");
    let options = format!("path = '{}'\n", path.display());
    let mut check = program(&scene, &options, &["check"]);
    assert_eq!(check.wait(SOON), Exit::Code(0), "{}", check.stderr());
    let described = check.stdout();
    assert!(described.contains("names") && described.contains(&path.display().to_string()), "{described}");

    let mut ltel = program(&scene, &options, &["--once"]);
    ltel.says("listening on", SOON);
    a_run(&scene);
    assert_eq!(ltel.wait(SOON), Exit::Code(0), "{}", ltel.stderr());
    let names = std::fs::read_to_string(&path).unwrap();
    let lines = scene.lines();
    let records = lines.0.iter().filter(|line| !line.has("unit")).map(|line| line.name().to_owned());
    assert_eq!(names.lines().collect::<Vec<_>>(), records.collect::<Vec<_>>());
    assert!(names.lines().any(|name| name == "ltel.run.report"), "{names}");
}

/// Scenario: its table holds mistakes. Guarantees: they are shown where they are, as those of a built-in one.
#[apply(e2e)]
fn mistakes_are_shown_where_they_are() {
    let scene = Scene::new();
    let mut ltel = program(&scene, "path = \"names.log\"\npanic_at = \"x\"\n", &["check"]);
    assert_eq!(ltel.wait(SOON), Exit::Code(2));
    let said = ltel.stderr();
    for told in [
        "unknown key `panic_at` in [backends.names]",
        "did you mean `panics_at`?",
        "write a path that ends with `.txt`",
    ] {
        assert!(said.contains(told), "{told} in\n{said}");
    }
}

/// Scenario: it panics in the middle of a run.
/// Guarantees: that is said at once, with its name; the other backend has everything; ltel ends with exit code 1 and names the
/// loss.
#[apply(e2e)]
fn it_panics() {
    let scene = Scene::new();
    let options =
        format!("path = '{}'\npanics_at = \"locust.tl.event.test.stop\"\n", scene.path("names.txt").display());
    let mut ltel = program(&scene, &options, &[]);
    ltel.says("listening on", SOON);
    a_run(&scene);
    scene.reported(1);
    ltel.says("backend `names` panicked, and everything it is given from now on is lost: assertion", SOON);
    ltel.signal(rustix::process::Signal::TERM);
    assert_eq!(ltel.wait(SOON), Exit::Code(1), "{}", ltel.stderr());
    let said = ltel.stderr();
    assert!(
        said.contains("backend `names`: panicked: items that it held or was given later are NOT delivered"),
        "{said}"
    );
    assert_eq!(scene.lines().final_record().count("num_requests"), 1);
}
