//! What `ltel-cli example` prints and writes: judged by the tools that the files are for, and run as far as this machine can.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use ltel_core::wire::Encoding;
use ltel_tests::{
    Client, Exit, FaultReceiver, Prometheus, Recording, SLOW, SOON, Scene, Target, Turn, container_lint, free_port,
    get, kubernetes_lint, locust_venv, program, row, schema_lint, until, yaml_documents,
};
use rustix::process::Signal;
use serde_json::Value;

/// The names in the list.
fn names(scene: &Scene) -> Vec<String> {
    let output = scene.ltel(["example"]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let list = String::from_utf8(output.stdout).unwrap();
    let (table, _) = list.split_once("\n\n").expect("a table and a hint");
    table.lines().skip(1).filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect()
}

/// Writes an example into a folder of its name, and gives the paths as they were printed.
pub(crate) fn written(scene: &Scene, name: &str) -> Vec<PathBuf> {
    let output = scene.ltel(["example", name, "--out", name]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(|path| scene.path(path)).collect()
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn passes(what: &str, command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(output.status.success(), "{what}: {output:?}");
}

/// Scenario: the list; each example printed, and written; written again; names that are none.
/// Guarantees: what is printed is what is written; nothing is replaced; a wrong name is told, with one that is right.
#[apply(e2e)]
fn each_is_printed_and_written() {
    let scene = Scene::new();
    let names = names(&scene);
    assert!(names.len() > 14 && names.iter().any(|name| name == "kubernetes"), "{names:?}");
    for name in &names {
        let output = scene.ltel(["example", name]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let printed = String::from_utf8(output.stdout).unwrap();
        let files = written(&scene, name);
        for file in &files {
            assert!(printed.contains(&text(file)), "{name}: {}", file.display());
            let header = format!("==> {} <==", file.strip_prefix(scene.path(name)).unwrap().display());
            assert_eq!(printed.contains(&header), files.len() > 1, "{header}");
        }
        let before = text(&files[0]) + "# mine\n";
        fs::write(&files[0], &before).unwrap();
        let again = scene.ltel(["example", name, "--out", name]).output().unwrap();
        let said = String::from_utf8(again.stderr).unwrap();
        assert_eq!(again.status.code(), Some(2), "{said}");
        assert!(said.contains("already there") && said.contains("nothing was written"), "{said}");
        assert_eq!(text(&files[0]), before);
    }
    for (args, told) in [(&["example", "kubernets"][..], "kubernetes"), (&["example", "--out", "x"], "NAME")] {
        let output = scene.ltel(args).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.contains(told), "{said}");
    }
}

/// Scenario: a recipe is printed into `check`, as a person might. Guarantees: it is valid, with the variable that it names.
#[apply(e2e)]
fn a_recipe_is_a_configuration() {
    let scene = Scene::new();
    let recipe = String::from_utf8(scene.ltel(["example", "newrelic"]).output().unwrap().stdout).unwrap();
    let file = scene.write("telemetry.toml", &recipe);
    let mut check = scene.ltel([OsStr::new("check"), file.as_ref()]);
    let without = check.output().unwrap();
    assert_eq!(without.status.code(), Some(2), "{without:?}");
    assert!(String::from_utf8_lossy(&without.stderr).contains("NEW_RELIC_LICENSE_KEY"), "{without:?}");
    passes("check", check.env("NEW_RELIC_LICENSE_KEY", "a-key"));
}

/// Scenario: every file, given to the tool that it is for, or to what judges by that tool's published schema.
/// Guarantees: no complaint: YAML, Kubernetes of the oldest version that is named and of the newest, Compose, GitHub's and GitLab's CI,
/// Containerfiles.
#[apply(e2e)]
fn the_tools_accept_their_files() {
    let scene = Scene::new();
    let mut judged = 0;
    let mut accepted = |output: std::process::Output, file: &Path| {
        assert!(output.status.success(), "{}: {output:?}", file.display());
        judged += 1;
    };
    for example in names(&scene) {
        for file in written(&scene, &example) {
            let name = file.file_name().unwrap().to_str().unwrap();
            let is_yaml = file.extension().is_some_and(|end| end == "yaml" || end == "yml");
            let documents = if is_yaml { yaml_documents(&file) } else { Vec::new() };
            assert!(!is_yaml || documents.iter().all(Value::is_object), "{}", file.display());
            if documents.iter().any(|document| !document["kind"].is_null()) {
                for version in ["1.29", "1.37"] {
                    accepted(kubernetes_lint(&file, version), &file);
                }
            }
            match (&*example, name) {
                ("compose", "compose.yaml") => accepted(schema_lint(&file, "compose-spec"), &file),
                ("github-actions", "load-test.yml") => accepted(schema_lint(&file, "github-workflows"), &file),
                ("gitlab-ci", ".gitlab-ci.yml") => accepted(schema_lint(&file, "gitlab-ci"), &file),
                (_, name) if name.starts_with("Containerfile") => accepted(container_lint(&file), &file),
                _ => {}
            }
        }
    }
    assert!(judged > 15, "{judged}");
}

/// Scenario: the files for Prometheus. Guarantees: its own tool accepts them, with the rules that they name. (The example for Prometheus' OTLP
/// receiver has a key of Prometheus 3, which Debian's Prometheus 2 does not know.)
#[apply(e2e)]
fn prometheus_accepts_its_files() {
    let scene = Scene::new();
    for example in ["prometheus", "compose"] {
        written(&scene, example);
        let mut promtool = Command::new(program("promtool"));
        passes(example, promtool.args(["check", "config"]).arg(scene.path(example).join("prometheus.yml")));
    }
}

/// Scenario: the unit. Guarantees: systemd's own tool has nothing to say of it.
#[apply(e2e)]
fn systemd_accepts_the_unit() {
    let scene = Scene::new();
    written(&scene, "systemd");
    let unit = scene.path("systemd").join("ltel.service");
    // It looks for the unit's programs.
    fs::write(&unit, text(&unit).replace("/usr/local/bin/ltel-cli", "/bin/true")).unwrap();
    let mut analyze = Command::new(program("systemd-analyze"));
    let output = analyze.arg("verify").arg(&unit).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

/// Scenario: each recipe for a receiver of OTLP over HTTP, with a receiver of the test's own at the same paths. A run comes and goes.
/// Guarantees: what is sent goes to the paths that the receiver's documentation names, with the header that it wants, and nothing else.
#[apply(e2e)]
fn recipes_send_to_the_right_paths() {
    for (example, file, base, variable, header, paths) in [
        ("prometheus-otlp", "telemetry.toml", "http://127.0.0.1:9090", None, "", &["/api/v1/otlp/v1/metrics"][..]),
        (
            "grafana-cloud",
            "telemetry.toml",
            "https://otlp-gateway-prod-eu-west-0.grafana.net",
            Some("GRAFANA_CLOUD_AUTHORIZATION"),
            "authorization",
            &["/otlp/v1/logs", "/otlp/v1/metrics"],
        ),
        (
            "newrelic",
            "telemetry.toml",
            "https://otlp.nr-data.net",
            Some("NEW_RELIC_LICENSE_KEY"),
            "api-key",
            &["/v1/logs", "/v1/metrics"],
        ),
        ("datadog", "agentless.toml", "https://otlp.datadoghq.com", Some("DD_API_KEY"), "dd-api-key", &["/v1/metrics"]),
        ("loki", "telemetry.toml", "http://127.0.0.1:3100", None, "", &["/otlp/v1/logs"]),
    ] {
        let (scene, receiver) = (Scene::new(), Recording::start());
        written(&scene, example);
        let recipe = text(&scene.path(example).join(file));
        assert!(recipe.contains(&format!("\"{base}")), "{example}: {recipe}");
        let here = recipe.replace(&format!("\"{base}"), &format!("\"http://127.0.0.1:{}", receiver.port));
        let socket = format!("\n[listen]\nunix = '{}'\n", scene.socket().display());
        let mut command = scene.server(&(here + &socket), &["--once"]);
        if let Some(variable) = variable {
            command.env(variable, "Basic c2VjcmV0");
        }
        let mut ltel = scene.start("ltel", command);
        ltel.says("listening on", SOON);
        let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "one");
        client.start("one");
        client.requests(vec![row("/", 10.0, false)]);
        client.finish();
        assert_eq!(ltel.wait(SLOW), Exit::Code(0), "{example}: {}", ltel.stderr());
        let heads = receiver.heads();
        let mut sent: Vec<_> = heads.iter().filter_map(|head| head.split(' ').nth(1)).collect();
        sent.sort_unstable();
        sent.dedup();
        assert_eq!(sent, paths, "{example}");
        let wanted = format!("{header}: Basic c2VjcmV0\r\n");
        assert!(variable.is_none() || heads.iter().all(|head| head.contains(&wanted)), "{example}: {heads:?}");
        assert!(heads.iter().all(|head| head.contains("content-type: application/x-protobuf")), "{example}: {heads:?}");
    }
}

/// Scenario: the recipes for a receiver of OTLP over gRPC on this machine, a collector and Datadog's Agent, with a receiver of the test's own.
/// Guarantees: metrics and records arrive; histograms as deltas for Datadog, and as sums from the run's beginning for the collector.
#[apply(e2e)]
fn recipes_for_grpc_have_their_temporality() {
    for (example, delta) in [("collector", false), ("datadog", true)] {
        let scene = Scene::new();
        let receiver = FaultReceiver::start(&scene);
        written(&scene, example);
        let recipe = text(&scene.path(example).join("telemetry.toml"));
        // Port 4317 means gRPC; another has to be told.
        let here = recipe.replace(":4317\"", &format!(":{}\"\nprotocol = \"grpc\"", receiver.port("grpc")));
        assert_ne!(here, recipe, "{example}");
        let socket = format!("\n[listen]\nunix = '{}'\n", scene.socket().display());
        let mut ltel = scene.serve(&(here + &socket), &["--once"]);
        let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "one");
        client.start("one");
        client.requests(vec![row("/", 10.0, false)]);
        client.finish();
        assert_eq!(ltel.wait(SLOW), Exit::Code(0), "{example}: {}", ltel.stderr());
        let points = receiver.points("grpc");
        let times: Vec<_> = points.iter().filter(|point| point.metric == "locust.tl.request.metric.success").collect();
        assert!(!times.is_empty() && times.iter().all(|point| point.delta == delta), "{example}: {times:?}");
        assert!(!receiver.log_records("grpc").is_empty(), "{example}");
    }
}

/// A PATH with `ltel-cli` and Locust.
pub(crate) fn with_programs(scene: &Scene) -> String {
    let programs = scene.path("programs");
    if !programs.exists() {
        fs::create_dir(&programs).unwrap();
        symlink(scene.ltel([] as [&str; 0]).get_program(), programs.join("ltel-cli")).unwrap();
    }
    format!("{}:{}:{}", programs.display(), locust_venv().display(), std::env::var("PATH").unwrap_or_default())
}

/// The URL of a target under which every path is there.
pub(crate) fn host_of(target: &Target) -> String {
    format!("{}/ok?at=", target.url())
}

/// Scenario: of the Compose file's services, ltel and a real Prometheus with their files, and Locust with its own.
/// Guarantees: Prometheus has ltel's metrics and the alert rules; the file of JSON lines, from which a collector reads, has the run, and
/// lines begin as its expression says; the locustfile runs.
#[apply(e2e)]
fn compose_with_a_real_prometheus() {
    let _turn = Turn::shared();
    let (scene, target) = (Scene::new(), Target::start());
    let (port, probes, metrics) = (free_port(), free_port(), free_port());
    written(&scene, "compose");
    let folder = scene.path("compose");
    let edit = |name: &str, replaced: &[(&str, &str)]| {
        let edited = replaced.iter().fold(text(&folder.join(name)), |text, (from, to)| {
            assert!(text.contains(from), "{name} has no {from}");
            text.replace(from, to)
        });
        fs::write(folder.join(name), edited).unwrap();
    };
    let lines = folder.display().to_string();
    edit(
        "telemetry.toml",
        &[
            ("0.0.0.0:4327", &format!("127.0.0.1:{port}")),
            ("127.0.0.1:4328", &format!("127.0.0.1:{probes}")),
            ("0.0.0.0:9464", &format!("127.0.0.1:{metrics}")),
            ("/var/log/ltel", &lines),
        ],
    );
    edit("prometheus.yml", &[("ltel:9464", &format!("127.0.0.1:{metrics}")), ("interval: 5s", "interval: 1s")]);
    let config = folder.join("telemetry.toml");
    let mut ltel = scene.start("ltel", scene.ltel([OsStr::new("--config"), config.as_ref()]));
    ltel.says("listening on", SOON);
    assert_eq!(get(probes, "/readyz").unwrap().status, 200);
    let prometheus = Prometheus::start_by(&scene, &folder.join("prometheus.yml"), &[]);
    let locustfile = folder.join("locustfile.py");
    let (host, address) = (host_of(&target), format!("tcp://127.0.0.1:{port}"));
    let args = ["--headless", "-H", &host, "-u", "5", "-r", "5", "-f", locustfile.to_str().unwrap()];
    let mut locust = scene.start("locust", scene.locust_to(&address, args));
    prometheus.sees("sum(rate(locust_tl_request_metric_requests_total[5s])) > 0");
    prometheus.sees("sum(http_client_request_duration_seconds_count) > 0");
    let rules = until("the rules", SLOW, || prometheus.rules());
    assert!(rules >= 5, "{rules} rules");
    locust.signal(Signal::TERM);
    locust.wait(SLOW);
    ltel.signal(Signal::TERM);
    assert_eq!(ltel.wait(SLOW), Exit::Code(0), "{}", ltel.stderr());
    let written = text(&folder.join("telemetry.jsonl"));
    assert_eq!(ltel_tests::Lines::parse(&written).report().telemetry["complete"], true);
    let collector = &yaml_documents(&folder.join("otelcol.yaml"))[0];
    let regex = collector["receivers"]["filelog"]["operators"][0]["regex"].as_str().unwrap();
    let mut grep = Command::new(program("python3"));
    let script =
        "import re, sys; r = re.compile(sys.argv[1]); sys.exit(any(not r.match(l) for l in open(sys.argv[2])))";
    passes("the collector's expression", grep.args(["-c", script, regex]).arg(folder.join("telemetry.jsonl")));
}

/// Scenario: the command of the systemd unit, its reload and its stop.
/// Guarantees: the socket is where LTEL_ADDRESS of the unit's comment says; a reload reads the file again; SIGTERM ends it with 0.
#[apply(e2e)]
fn the_command_of_the_unit() {
    let scene = Scene::new();
    written(&scene, "systemd");
    let folder = scene.path("systemd");
    let here = |text: String| {
        let replaced = [("/run/ltel", &folder), ("/var/lib/ltel", &folder), ("/etc/ltel", &folder)];
        replaced.iter().fold(text, |text, (from, to)| text.replace(from, &to.display().to_string()))
    };
    let config = here(text(&folder.join("telemetry.toml"))).replace("4328", &free_port().to_string());
    fs::write(folder.join("telemetry.toml"), config).unwrap();
    let unit = text(&folder.join("ltel.service"));
    let value = |key: &str| unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).expect("a key");
    let command = here(value("ExecStart").to_owned());
    let (program, args) = command.split_once(' ').expect("arguments");
    assert!(program.ends_with("/ltel-cli"), "{program}");
    let mut ltel = scene.start("ltel", scene.ltel(args.split(' ')));
    ltel.says("listening on unix:", SOON);
    let mut client = Client::unix(&folder.join("ltel.sock"), Encoding::MessagePack, "one");
    client.start("one");
    client.requests(vec![row("/", 10.0, false)]);
    client.finish();
    let reload = value("ExecReload").replace("$MAINPID", &ltel.pid().to_string());
    passes("the reload", Command::new("sh").args(["-c", &reload]));
    ltel.says("SIGHUP: the next run begins with the configuration as it is now", SOON);
    ltel.signal(Signal::TERM);
    assert_eq!(ltel.wait(SOON), Exit::Code(0), "{}", ltel.stderr());
    assert_eq!(ltel_tests::Lines::read(&folder.join("telemetry.jsonl")).report().count("recorded"), 1);
}

/// Scenario: the commands of the two CI files, shorter, against a target that is well and one that answers 404.
/// Guarantees: 0 and 99, with what the files collect: the report, JUnit's file, the lines, and GitHub's summary.
#[apply(e2e)]
fn the_commands_of_ci() {
    let _turn = Turn::shared();
    let target = Target::start();
    for (example, file, host, code) in
        [("github-actions", "load-test.yml", host_of(&target), 0), ("gitlab-ci", ".gitlab-ci.yml", target.url(), 99)]
    {
        let scene = Scene::new();
        written(&scene, example);
        let folder = scene.path(example);
        let document = &yaml_documents(&folder.join(file))[0];
        let command = match example {
            "github-actions" => {
                let steps = document["jobs"]["load-test"]["steps"].as_array().unwrap();
                steps.iter().find(|step| step["name"] == "Load test").expect("the step")["run"].clone()
            }
            _ => document["load-test"]["script"][1].clone(),
        };
        let command = command.as_str().unwrap().replace("--run-time 2m", "--run-time 3s").replace("50", "5");
        let locustfile = "from locust import HttpUser, task\n\n\nclass Visitor(HttpUser):\n    @task\n    def home(self):\n        self.client.get('/')\n";
        fs::write(folder.join("locustfile.py"), locustfile).unwrap();
        let mut shell = scene.program("bash".as_ref());
        shell.args(["-e", "-c", &command]).current_dir(&folder);
        shell
            .env("PATH", with_programs(&scene))
            .env("HOST", host)
            .env("GITHUB_STEP_SUMMARY", folder.join("summary.md"));
        let mut shell = scene.start("shell", shell);
        assert_eq!(shell.wait(SLOW), Exit::Code(code), "{}", shell.stderr());
        for name in ["report.html", "report.json", "junit.xml", "telemetry.jsonl"] {
            assert!(!text(&folder.join(name)).is_empty(), "{example}: {name}");
        }
        assert!(text(&folder.join("junit.xml")).contains("p95 &lt; 500ms"));
        if example == "github-actions" {
            assert!(text(&folder.join("summary.md")).contains('|'), "{}", text(&folder.join("summary.md")));
        }
    }
}
