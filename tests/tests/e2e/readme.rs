//! README shows what works: every snippet is tried.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::compare::measured;

use ltel_tests::{Exit, Rotel, SLOW, Scene, Target, Turn, free_port, locust_venv};

/// A fenced block.
struct Snippet {
    language: String,
    text: String,
    line: usize,
}

fn snippets() -> Vec<Snippet> {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let mut all: Vec<Snippet> = Vec::new();
    let mut open = false;
    for (n, line) in readme.lines().enumerate() {
        match line.strip_prefix("```") {
            Some("") => open = false,
            Some(language) => {
                all.push(Snippet { language: language.to_owned(), text: String::new(), line: n + 1 });
                open = true;
            }
            None if open => {
                let snippet = all.last_mut().unwrap();
                snippet.text.push_str(line);
                snippet.text.push('\n');
            }
            None => {}
        }
    }
    all
}

fn of(languages: &[&str]) -> Vec<Snippet> {
    let found: Vec<_> =
        snippets().into_iter().filter(|snippet| languages.contains(&snippet.language.as_str())).collect();
    assert!(!found.is_empty(), "no snippet in {languages:?}");
    found
}

/// Scenario: the languages of all snippets. Guarantees: each is tried by a test of this file, or is what a program has printed.
#[apply(e2e)]
fn every_snippet_is_tried() {
    let tried = ["toml", "sh", "bash", "json", "python", "rust", "text"];
    for Snippet { language, line, .. } in snippets() {
        assert!(tried.contains(&language.as_str()), "README.md:{line}: a snippet in `{language}`");
    }
}

/// Scenario: each configuration, with the variables that it names. Guarantees: `check` accepts it without a warning; where it has
/// no recorder or no backend, beside one.
#[apply(e2e)]
fn configurations_are_valid() {
    let scene = Scene::new();
    let _turn = Turn::shared();
    // What `baseline` of the thresholds compares with.
    measured(&scene, &Target::start(), "main.json", "100");
    for Snippet { text, line, .. } in of(&["toml"]) {
        let mut configuration = text.clone();
        if !text.contains("[backends.") {
            configuration.push_str("\n[backends.readme]\ntype = 'json'\n");
        }
        if !text.contains("[recorders.") {
            configuration.push_str("\n[recorders.stats]\n");
        }
        let file = scene.write("telemetry.toml", &configuration);
        let mut check = scene.ltel(["check".as_ref(), file.as_os_str()]);
        for named in text.split("env = \"").skip(1) {
            check.env(named.split('"').next().unwrap(), "value");
        }
        let output = check.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !said.contains("WARN"), "README.md:{line}: {said}\n{configuration}");
    }
}

/// Scenario: each block of shell, in bash that ends at the first command that fails, in a folder with a locustfile, a configuration
/// and two reports. `pip` and `cargo` do nothing; ports are free ones, and tests are short.
/// Guarantees: all of it works.
#[apply(e2e)]
fn commands_work() {
    let _turn = Turn::shared();
    let (target, measurements) = (Target::start(), Scene::new());
    measured(&measurements, &target, "main.json", "100");
    for Snippet { text, line, .. } in of(&["sh", "bash"]) {
        let scene = Scene::new();
        let collector = Rotel::start(&scene, free_port());
        fs::copy(scene.path("paced.py"), scene.path("locustfile.py")).unwrap();
        for name in ["main", "branch", "a", "b"] {
            fs::copy(measurements.path("main.json"), scene.path(&format!("{name}.json"))).unwrap();
        }
        let (ltel, scrape) = (free_port(), free_port());
        let configuration = format!(
            "[listen]\ntcp = '127.0.0.1:{ltel}'\n[recorders.stats]\n[backends.file]\ntype = 'json'\noutput = 'out.jsonl'\n"
        );
        if !text.contains("ltel-cli init") {
            scene.write("telemetry.toml", &configuration);
        }
        let bin = scene.path("bin");
        fs::create_dir(&bin).unwrap();
        symlink(scene.ltel::<&str>([]).get_program(), bin.join("ltel-cli")).unwrap();
        symlink(locust_venv().join("locust"), bin.join("locust")).unwrap();
        for unused in ["pip", "cargo"] {
            symlink("/bin/true", bin.join(unused)).unwrap();
        }
        let script = text
            .replace("-u 100 -r 20 -t 5m", "-u 2 -t 2s")
            .replace("127.0.0.1:4327", &format!("127.0.0.1:{ltel}"))
            .replace("127.0.0.1:4318", &format!("127.0.0.1:{}", collector.http()))
            .replace("127.0.0.1:9464", &format!("127.0.0.1:{scrape}"));
        // What runs in the background has what it needs of the test, and ends with the block.
        let script = format!("set -eux\ntrap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT\n{script}");
        let mut bash = scene.program(Path::new("bash"));
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        bash.args(["-c", &script]).env("PATH", path);
        // A test that the block does not limit is limited so.
        bash.env("MS", "5")
            .env("LOCUST_HEADLESS", "true")
            .env("LOCUST_RUN_TIME", "2s")
            .env("LOCUST_HOST", target.url());
        let mut bash = scene.start("bash", bash);
        assert_eq!(bash.wait(SLOW), Exit::Code(0), "README.md:{line}: {}\n{}", bash.stdout(), bash.stderr());
    }
}

/// Scenario: lines of JSON and programs in Python. Guarantees: they parse.
#[apply(e2e)]
fn other_snippets_parse() {
    for Snippet { text, line, .. } in of(&["json"]) {
        let parsed = serde_json::from_str::<serde_json::Value>(&text);
        assert!(parsed.is_ok(), "README.md:{line}: {parsed:?}");
    }
    let scene = Scene::new();
    for Snippet { text, line, .. } in of(&["python"]) {
        let mut python = scene.program(Path::new("python3"));
        let file = scene.write("snippet.py", &text);
        let output = python.args(["-m", "py_compile"]).arg(file).output().unwrap();
        assert!(output.status.success(), "README.md:{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Scenario: the pages and sections that README names, as `ltel-cli help NAME` and `ltel-cli example NAME`.
/// Guarantees: they are there.
#[apply(e2e)]
fn named_pages_are_there() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let scene = Scene::new();
    for command in ["help", "example"] {
        let names: BTreeSet<_> = readme
            .split(&format!("{command} "))
            .skip(1)
            .filter_map(|rest| rest.split(['`', ' ', '\n']).next())
            .filter(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !name.is_empty())
            .collect();
        for name in names.iter().filter(|name| readme.contains(&format!("`ltel-cli {command} {name}"))) {
            let output = scene.ltel([command, name]).output().unwrap();
            assert!(output.status.success(), "ltel-cli {command} {name}: {output:?}");
        }
    }
}
