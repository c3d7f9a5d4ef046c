//! The ways to load the plugin into Locust.

use std::env;

use ltel_tests::{Exit, SLOW, Scene, Turn, config, free_port, plugin_path};

const LOCUST: [&str; 6] = ["--headless", "-u2", "-t2s", "--only-summary", "--json-file", "figures"];

/// Scenario: a locustfile that imports the plugin, with and without the plugin on Locust's path already; over TCP.
/// Guarantees: attached once either way; every request is there once.
#[apply(e2e)]
fn imported_by_the_locustfile() {
    let _turn = Turn::shared();
    for autoload in [false, true] {
        let scene = Scene::new();
        scene.write("imports.py", "import ltel_locust\nfrom counting import *\nimport ltel_locust\n");
        let port = free_port();
        let config = config(&scene, "", "").replace("[listen]", &format!("[listen]\ntcp = \"127.0.0.1:{port}\""));
        let mut ltel = scene.serve(&config, &["--once"]);
        let mut command = scene.locust_to(&format!("tcp://127.0.0.1:{port}"), LOCUST);
        command.args(["-f", "imports.py"]);
        if !autoload {
            command.env("PYTHONPATH", plugin_path());
        }
        let mut locust = scene.start("locust", command);
        assert_eq!(locust.wait(SLOW), Exit::Code(0));
        assert_eq!(ltel.wait(SLOW), Exit::Code(0));
        let lines = scene.lines();
        lines.check_figures(&scene.figures());
        assert_eq!(lines.report().text("testplan"), "imports");
    }
}

/// Scenario: the address as an option of Locust's command line.
/// Guarantees: it is used where the environment names none.
#[apply(e2e)]
fn address_on_the_command_line() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    let mut ltel = scene.serve(&config(&scene, "", ""), &["--once"]);
    let mut command = scene.locust_to("", LOCUST);
    command.env_remove("LTEL_ADDRESS").args(["-f", "counting.py", "--ltel-address", &scene.address()]);
    let mut locust = scene.start("locust", command);
    assert_eq!(locust.wait(SLOW), Exit::Code(0));
    assert_eq!(ltel.wait(SLOW), Exit::Code(0));
    scene.lines().check_figures(&scene.figures());
}

/// Scenario: another `sitecustomize` is on the path already, as other tools put one there.
/// Guarantees: it still runs; the plugin works beside it.
#[apply(e2e)]
fn beside_another_sitecustomize() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    std::fs::create_dir(scene.path("other")).unwrap();
    scene.write("other/sitecustomize.py", "open('other-was-here', 'w').close()\n");
    let mut command = scene.run(&config(&scene, "", ""), LOCUST);
    command.args(["-f", "counting.py"]).env("PYTHONPATH", env::join_paths([scene.path("other")]).unwrap());
    let mut run = scene.start("run", command);
    assert_eq!(run.wait(SLOW), Exit::Code(0));
    assert!(scene.path("other-was-here").exists());
    scene.lines().check_figures(&scene.figures());
}
