//! The manifests that `ltel-cli example kubernetes` writes, with their pods as processes of this machine: the same commands, arguments,
//! environment, files, probes and signals.

use std::fs;

use ltel_tests::{
    Exit, Lines, Process, SLOW, SOON, Scene, Target, Turn, check_account, free_port, get, plugin_path, until,
    yaml_documents,
};
use rustix::process::Signal;
use serde_json::Value;

use super::examples::{host_of, with_programs, written};

/// A manifest of an example, with its pods as processes of this machine.
struct Cluster<'a> {
    scene: &'a Scene,
    documents: Vec<Value>,
    replaced: Vec<(String, String)>,
}

impl<'a> Cluster<'a> {
    /// Writes the files of the manifest's `ConfigMap` to where its containers mount them. `replaced` is what this machine has in the place of
    /// the cluster's addresses.
    fn new(scene: &'a Scene, file: &str, replaced: &[(&str, String)]) -> Self {
        let files = written(scene, "kubernetes");
        let manifest = files.iter().find(|path| path.ends_with(file)).expect("the manifest");
        let folder = scene.path("files");
        fs::create_dir(&folder).unwrap();
        let folder = folder.display().to_string();
        let mounts = ["/etc/ltel", "/mnt/locust"].map(|mount| (mount.to_owned(), folder.clone()));
        let replaced = replaced.iter().map(|(from, to)| ((*from).to_owned(), to.clone())).chain(mounts).collect();
        let cluster = Self { scene, documents: yaml_documents(manifest), replaced };
        let config = cluster.documents.iter().find(|document| document["kind"] == "ConfigMap").expect("a ConfigMap");
        for (name, content) in config["data"].as_object().unwrap() {
            fs::write(scene.path("files").join(name), cluster.here(content.as_str().unwrap())).unwrap();
        }
        cluster
    }

    /// What a text of the manifest is here.
    fn here(&self, text: &str) -> String {
        self.replaced.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }

    /// The pod of a Job.
    fn pod(&self, job: &str) -> &Value {
        let is_job = |document: &&Value| document["kind"] == "Job" && document["metadata"]["name"] == job;
        &self.documents.iter().find(is_job).unwrap_or_else(|| panic!("no Job {job}"))["spec"]["template"]["spec"]
    }

    /// Starts a container, with its command, arguments and environment and no others.
    fn start(&self, name: &str, container: &Value) -> Process {
        let listed = |key: &str| {
            let list = container[key].as_array().into_iter().flatten();
            list.map(|arg| self.here(arg.as_str().unwrap())).collect::<Vec<_>>()
        };
        let mut words = listed("command");
        // The entry points of the images.
        let entry = if container["name"] == "ltel" { "ltel-cli" } else { "locust" };
        if words.is_empty() {
            words.push(entry.to_owned());
        }
        words.extend(listed("args"));
        let (plugin, no_args) = (plugin_path(), [] as [&str; 0]);
        let mut command = if words[0] == "ltel-cli" { self.scene.ltel(no_args) } else { self.scene.locust(no_args) };
        command.args(&words[1..]).env("PATH", with_programs(self.scene));
        if words[0] == "locust" {
            // As in the image, with the plugin in Python's packages.
            let path = std::env::join_paths([plugin.join("ltel_locust/autoload"), plugin.to_owned()]).unwrap();
            command.env("PYTHONPATH", path);
        }
        for variable in container["env"].as_array().into_iter().flatten() {
            let (name, value) = (variable["name"].as_str().unwrap(), variable["value"].as_str());
            if name != "HOME" {
                command.env(name, value.map_or("a-token".to_owned(), |value| self.here(value)));
            }
        }
        self.scene.start(name, command)
    }

    /// Starts the sidecar of a pod, and waits as the kubelet does.
    fn start_sidecar(&self, pod: &Value, probes: u16) -> Process {
        let sidecar = &pod["initContainers"][0];
        assert_eq!(sidecar["restartPolicy"], "Always");
        let ltel = self.start("ltel", sidecar);
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            let path = sidecar[probe]["httpGet"]["path"].as_str().unwrap();
            until(probe, SOON, || get(probes, path).ok().filter(|answer| answer.status == 200));
        }
        ltel
    }
}

const HOST: &str = "http://shop.default.svc.cluster.local";

/// The JSON lines that ltel wrote to a container's log.
fn log_lines(process: &Process) -> Lines {
    Lines::parse(&process.stdout())
}

/// Scenario: the Job with a sidecar, its two containers as processes: ltel, then Locust when the startup probe has passed, then SIGTERM to
/// ltel when Locust has ended.
/// Guarantees: both exit with 0, ltel well within the pod's grace period; the run is complete, with every request.
#[apply(e2e)]
fn a_job_with_a_sidecar() {
    let _turn = Turn::shared();
    let (scene, target) = (Scene::new(), Target::start());
    let (port, probes) = (free_port(), free_port());
    let replaced = [
        (":4327", format!(":{port}")),
        ("0.0.0.0:4328", format!("127.0.0.1:{probes}")),
        (HOST, host_of(&target)),
        ("run-time=5m", "run-time=3s".to_owned()),
        ("users=100", "users=10".to_owned()),
    ];
    let cluster = Cluster::new(&scene, "sidecar.yaml", &replaced);
    let pod = cluster.pod("load-test");
    let mut ltel = cluster.start_sidecar(pod, probes);
    let mut locust = cluster.start("locust", &pod["containers"][0]);
    assert_eq!(locust.wait(SLOW), Exit::Code(0), "{}", locust.stderr());
    ltel.signal(Signal::TERM);
    assert_eq!(ltel.wait(SOON), Exit::Code(0), "{}", ltel.stderr());
    let lines = log_lines(&ltel);
    assert_eq!(lines.report().telemetry["complete"], true, "{:?}", lines.report());
    check_account(lines.report());
    assert!(lines.report().count("recorded") > 10);
}

/// Scenario: the Job whose thresholds count, as a process, against a target that is well and one that answers 404.
/// Guarantees: 0, and 99, on which the Job's policy for failures is.
#[apply(e2e)]
fn a_job_that_fails_by_a_threshold() {
    let _turn = Turn::shared();
    let target = Target::start();
    for (host, code) in [(host_of(&target), 0), (target.url(), 99)] {
        let scene = Scene::new();
        let replaced = [(HOST, host), ("run-time=5m", "run-time=3s".to_owned()), ("users=100", "users=5".to_owned())];
        let cluster = Cluster::new(&scene, "thresholds.yaml", &replaced);
        let mut run = cluster.start("run", &cluster.pod("load-test-thresholds")["containers"][0]);
        assert_eq!(run.wait(SLOW), Exit::Code(code), "{}", run.stderr());
        assert_eq!(log_lines(&run).report().telemetry["complete"], true);
        let job = cluster.documents.iter().find(|document| document["kind"] == "Job").unwrap();
        assert_eq!(job["spec"]["podFailurePolicy"]["rules"][1]["onExitCodes"]["values"][0], 99);
    }
}

/// Scenario: the Jobs of a master and of workers, two of these, as processes.
/// Guarantees: all exit with 0; the one ltel has the requests of both workers.
#[apply(e2e)]
fn jobs_of_a_master_and_workers() {
    let _turn = Turn::shared();
    let (scene, target) = (Scene::new(), Target::start());
    let (port, probes, bind) = (free_port(), free_port(), free_port());
    let replaced = [
        ("=load-test-master", "=127.0.0.1".to_owned()),
        ("//load-test-master:", "//127.0.0.1:".to_owned()),
        ("0.0.0.0:4328", format!("127.0.0.1:{probes}")),
        (":4327", format!(":{port}")),
        (HOST, host_of(&target)),
        ("run-time=5m", "run-time=3s".to_owned()),
        ("users=400", "users=10".to_owned()),
        ("expect-workers=4", "expect-workers=2".to_owned()),
    ];
    let cluster = Cluster::new(&scene, "distributed.yaml", &replaced);
    // Locust's own port is one of a pod's own in the cluster, and here one of all tests.
    let with_port = |container: &Value, option: &str| {
        let mut container = container.clone();
        container["args"].as_array_mut().unwrap().push(format!("--{option}={bind}").into());
        container
    };
    let pod = cluster.pod("load-test-master");
    let mut ltel = cluster.start_sidecar(pod, probes);
    let mut master = cluster.start("master", &with_port(&pod["containers"][0], "master-bind-port"));
    let worker = with_port(&cluster.pod("load-test-workers")["containers"][0], "master-port");
    let mut workers = ["one", "two"].map(|name| cluster.start(name, &worker));
    for process in std::iter::once(&mut master).chain(&mut workers) {
        assert_eq!(process.wait(SLOW), Exit::Code(0), "{}", process.stderr());
    }
    ltel.signal(Signal::TERM);
    assert_eq!(ltel.wait(SOON), Exit::Code(0), "{}", ltel.stderr());
    let lines = log_lines(&ltel);
    assert_eq!(lines.report().telemetry["complete"], true, "{:?}", lines.report());
    let sources = lines.report().telemetry["sources"].as_array().unwrap();
    let sending = sources.iter().filter(|source| source["recorded"].as_u64() > Some(0)).count();
    assert_eq!((sources.len(), sending), (3, 2), "{sources:?}");
}
