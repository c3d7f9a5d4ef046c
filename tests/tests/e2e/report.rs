//! Reports: files about a run, in each format.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use ltel_tests::{Counted, Endpoint, Exit, Figures, SLOW, Scene, Target, Turn};
use serde_json::Value;

/// A test without failures that needs no server.
const FINE: &str = "from locust import User, constant, task\n\n\nclass Fine(User):\n    wait_time = constant(0.05)\n\n    @task\n    \
     def ok(self):\n        self.environment.events.request.fire(\n            request_type=\"GET\", name=\"/ok\", \
     response_time=5, response_length=1, exception=None, context={}\n        )\n";

/// Scenario: real Locust with requests of every kind under `run` with a report in each format; then again with one of them.
/// Guarantees: the figures of the document are Locust's own, those of the page, of the summary and of the table are the document's; files are as
/// open to others as files are, nothing else stays in the folder, and a second test replaces the first one's.
#[apply(e2e)]
fn all_formats_say_the_same() {
    let _turn = Turn::shared();
    let (scene, target) = (Scene::new(), Target::start());
    let url = target.url();
    let locust = ["-f", "everything.py", "-H", &url, "-u5", "-r10", "-t3s", "--json-file", "figures"];
    let files = ["report.html", "report.json", "report.md", "report.xml"];
    let mut run = run(&scene, &files, &locust);
    run.env("REFUSING", "http://127.0.0.1:1");
    let mut run = scene.start("run", run);
    assert_eq!(run.wait(SLOW), Exit::Code(1), "Locust's own exit code for a test with failures");

    let mut document = document(&scene, "report.json");
    assert_eq!((&document["schema"], &document["complete"]), (&"ltel.report/1".into(), &true.into()));
    check(&document, &scene.figures());
    check_summary(&document, &scene);
    check_table(&document, &run.stderr());
    let junit = fs::read_to_string(scene.path("report.xml")).unwrap();
    assert!(junit.contains("tests=\"1\"") && junit.contains("every request is in the figures"), "{junit}");

    // The page cannot read histograms.
    let html = fs::read_to_string(scene.path("report.html")).unwrap();
    let (_, data) = html.split_once("<script type=\"application/json\" id=\"document\">").unwrap();
    let shown: Value = serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap();
    document["total"]["histogram"] = Value::Null;
    document["endpoints"].as_array_mut().unwrap().iter_mut().for_each(|of| of["histogram"] = Value::Null);
    assert_eq!(shown, document);

    let usual = fs::metadata(scene.write("usual", "")).unwrap().mode();
    for file in files {
        assert_eq!(fs::metadata(scene.path(file)).unwrap().mode(), usual, "{file}");
    }
    fs::set_permissions(scene.path("report.json"), fs::Permissions::from_mode(0o600)).unwrap();
    scene.write("fine.py", FINE);
    let again = self::run(&scene, &["report.json"], &["-f", "fine.py", "-u1", "-t1s"]);
    assert_eq!(scene.start("again", again).wait(SLOW), Exit::Code(0));
    let second = self::document(&scene, "report.json");
    assert_ne!(second["run"]["run_id"], document["run"]["run_id"]);
    assert_eq!(second["endpoints"].as_array().unwrap().len(), 1);
    assert_eq!(fs::metadata(scene.path("report.json")).unwrap().mode() & 0o777, 0o600);
    let left = fs::read_dir(scene.path("")).unwrap().flatten().map(|entry| entry.file_name());
    assert!(left.into_iter().all(|name| !name.to_string_lossy().starts_with(".ltel-")), "a temporary file stays");
}

/// Scenario: a configuration that has thresholds and a report, no recorder and no other backend; the run's id is a path.
/// Guarantees: it is valid, and its broken threshold is in the reports; the id is a part of the file's name and leads nowhere.
#[apply(e2e)]
fn a_configuration_needs_no_recorder() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    scene.write("fine.py", FINE);
    let config = "[thresholds]\nall = [\"requests < 1\", \"p95 < 1s\"]\n\
                  [backends.report]\nfiles = [\"of-{run_id}.json\", \"junit.xml\"]\n";
    let mut run = scene.run(config, ["--headless", "-f", "fine.py", "-u1", "-t1s"]);
    run.env("LTEL_RUN_ID", "../../of/a<b>");
    assert_eq!(scene.start("run", run).wait(SLOW), Exit::Code(99));
    let mut of_run =
        fs::read_dir(scene.path("")).unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap());
    let name = of_run.find(|name| name.starts_with("of-")).expect("a file with the run's id in its name");
    let document = document(&scene, &name);
    assert_eq!(document["run"]["run_id"], "../../of/a<b>");
    assert_eq!(document["passed"], false);
    let passed: Vec<_> = document["thresholds"].as_array().unwrap().iter().map(|of| of["passed"].as_bool()).collect();
    assert_eq!(passed, [Some(false), Some(true)]);
    assert_eq!(document["total"]["failure_ratio"], 0.0);
    let junit = fs::read_to_string(scene.path("junit.xml")).unwrap();
    assert!(junit.contains("tests=\"3\" skipped=\"0\" failures=\"1\""), "{junit}");
    let output = scene.ltel(["check", "--config", "telemetry.toml"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.contains("of-{run_id}.json, junit.xml"), "{said}");
}

/// Scenario: a command that runs no test, with a report that is there from before.
/// Guarantees: the report stays, and what it is is said.
#[apply(e2e)]
fn no_test_and_an_old_report() {
    let scene = Scene::new();
    scene.write("old.xml", "old");
    let output = scene.ltel(["run", "--report", "old.xml", "--report", "new.md", "--", "true"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.ends_with("\nltel: no report was written: old.xml is of an earlier run\n"), "{said}");
    assert_eq!(fs::read_to_string(scene.path("old.xml")).unwrap(), "old");
    assert!(!scene.path("new.md").exists());
}

/// Scenario: reports that cannot be written: an ending that says nothing, no such folder, one file twice; and a folder that is
/// gone when the test ends.
/// Guarantees: what can be known is an error before Locust starts; what cannot is said, and the exit code is 1 without `--strict`.
#[apply(e2e)]
fn a_report_that_cannot_be_written() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    for (files, message) in [
        (&["report.pdf"][..], "the ending of `report.pdf` does not say what to write"),
        (&["none/report.md"], "`none/report.md` is in a folder that does not exist"),
        (&["report.md", "./report.md"], "`./report.md` is given twice"),
        (&["{run}.md"], "`{run}` in `{run}.md` stands for nothing"),
    ] {
        let mut run = scene.ltel(["run"]);
        for file in files {
            run.args(["--report", file]);
        }
        let output = run.args(["--", "sh", "-c", "touch started"]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(message) && !scene.path("started").exists(), "{said}");
    }
    fs::create_dir(scene.path("reports")).unwrap();
    scene.write("fine.py", FINE);
    let locust = scene.locust([""; 0]).get_program().to_string_lossy().into_owned();
    let script = format!("rm -r reports; exec {locust} --headless -f fine.py -u1 -t1s");
    let run = scene.ltel(["run", "--report", "reports/report.md", "--", "sh", "-c", &script]);
    let mut run = scene.start("run", run);
    assert_eq!(run.wait(SLOW), Exit::Code(1));
    let said = run.stderr();
    assert!(said.contains("cannot write to `reports/report.md`"), "{said}");
    assert!(said.contains("--report: not written: cannot write to"), "{said}");
}

/// The row of all endpoints in the table at the end has the document's figures.
fn check_table(document: &Value, said: &str) {
    let total = &document["total"];
    let row = said.lines().filter_map(|line| line.strip_prefix(" All ")).next_back().expect("a row of all endpoints");
    let cells: Vec<_> = row.split_whitespace().collect();
    let number = |cell: &str| cell.parse::<f64>().unwrap_or_else(|_| panic!("`{cell}` in {row}"));
    let [requests, failed, "%", p50, p95, p99] = cells[..] else { panic!("{row}") };
    assert_eq!(requests, total["requests"].to_string());
    for (cell, exact) in [
        (failed, total["failure_ratio"].as_f64().unwrap() * 100.0),
        (p50, total["p50_ms"].as_f64().unwrap()),
        (p95, total["p95_ms"].as_f64().unwrap()),
        (p99, total["p99_ms"].as_f64().unwrap()),
    ] {
        // Three digits, or hundredths.
        assert!((number(cell) - exact).abs() <= (exact * 0.006).max(0.0051), "{cell} for {exact}: {row}");
    }
}

/// `ltel-cli run --report FILE ... -- locust --headless ...`, not yet started.
fn run(scene: &Scene, files: &[&str], locust: &[&str]) -> Command {
    let mut run = scene.ltel(["run"]);
    for file in files {
        run.args(["--report", file]);
    }
    run.arg("--").arg(scene.locust([""; 0]).get_program()).arg("--headless").args(locust);
    run
}

fn document(scene: &Scene, name: &str) -> Value {
    let path: &Path = &scene.path(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The document's figures are these.
fn check(document: &Value, locust: &Figures) {
    let figures = document["endpoints"].as_array().unwrap().iter().map(|of| {
        let count = |key: &str| of[key].as_u64().unwrap();
        let timed = count("timed_requests");
        let counted = Counted {
            requests: count("requests"),
            failures: count("failures"),
            untimed: count("requests") - timed,
            ..Counted::default()
        };
        let endpoint = Endpoint::new(of["method"].as_str().unwrap(), of["name"].as_str().unwrap());
        let expected = locust.0.get(&endpoint).unwrap_or_else(|| panic!("Locust has no {endpoint:?}"));
        assert_eq!(counted.untimed, expected.untimed, "{endpoint:?}");
        let response_times = ["mean_ms", "min_ms", "max_ms", "p50_ms", "p95_ms"].map(|key| of[key].as_f64());
        if timed > 0 {
            let [mean, min, max] = [response_times[0], response_times[1], response_times[2]].map(Option::unwrap);
            expected.check_times(&format!("{endpoint:?}"), mean, min, max);
        } else {
            assert_eq!(response_times, [None; 5], "{endpoint:?}");
        }
        (endpoint, counted)
    });
    let figures = Figures(figures.collect());
    assert_eq!(figures.counts(), locust.counts());
    let total = locust.total();
    assert_eq!(document["total"]["requests"], total.requests);
    assert_eq!(document["account"]["recorded"], total.requests);
    let failures: u64 =
        document["errors"].as_array().unwrap().iter().map(|of| of["occurrences"].as_u64().unwrap()).sum();
    assert_eq!(failures, total.failures);
}

/// The summary has the document's figures.
fn check_summary(document: &Value, scene: &Scene) {
    let summary = fs::read_to_string(scene.path("report.md")).unwrap();
    let mut found = 0;
    for of in document["endpoints"].as_array().unwrap() {
        let name = of["name"].as_str().unwrap();
        let Some(row) = summary.lines().find(|line| line.contains(&format!("| `{name}` |"))) else { continue };
        let cells: Vec<_> = row.split(" | ").map(|cell| cell.trim_matches(['|', ' '])).collect();
        assert_eq!(cells[2..4], [of["requests"].to_string(), of["failures"].to_string()], "{row}");
        let p95 = of["p95_ms"]
            .as_f64()
            .map_or("-".to_owned(), |ms| if ms < 10.0 { format!("{ms:.2}") } else { format!("{ms:.1}") });
        assert_eq!(cells[6], p95, "{row}");
        found += 1;
    }
    assert!(found > 15, "{summary}");
}
