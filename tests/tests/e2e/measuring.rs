//! What a locustfile measures, records and logs itself, and what its tasks and workers do: in JSON lines, OTLP and Prometheus.

use std::collections::BTreeMap;
use std::fs;

use ltel_tests::{Exit, Lines, Prometheus, SLOW, Scene, TestAgent, Turn, config, free_port, prometheus_backend};
use serde_json::Value;

const RECORDERS: &str =
    "[recorders.custom]\n[recorders.tasks]\n[recorders.workers]\n[recorders.events]\n[recorders.logs]\n";

/// What the locustfiles of all processes counted.
#[derive(Debug, Default)]
struct Counted {
    items: BTreeMap<String, f64>,
    values: Vec<f64>,
    counts: BTreeMap<&'static str, u64>,
    depths: Vec<f64>,
}

impl Counted {
    fn read(scene: &Scene) -> Self {
        let mut all = Self::default();
        let folder = scene.path("");
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if !entry.file_name().to_string_lossy().starts_with("measured-") {
                continue;
            }
            let counted: Value = serde_json::from_slice(&fs::read(entry.path()).unwrap()).unwrap();
            for (tenant, items) in counted["items"].as_object().unwrap() {
                *all.items.entry(tenant.clone()).or_default() += items.as_f64().unwrap();
            }
            all.values.extend(counted["value"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()));
            for what in ["open", "buy", "fail", "sold", "logged"] {
                *all.counts.entry(what).or_default() += counted[what].as_u64().unwrap();
            }
            all.depths.extend(counted["depth"].as_f64().filter(|depth| *depth > 0.0));
        }
        all.depths.sort_by(f64::total_cmp);
        all
    }

    fn sum(&self) -> f64 {
        self.values.iter().sum()
    }
}

/// Scenario: a master and two workers whose locustfile uses each kind of metric, records events, logs, and has tasks that fail.
/// Guarantees: JSON lines, an OTLP receiver and Prometheus have exactly what the locustfiles of all processes counted; counters and
/// histograms are one series for all processes, a gauge is one for each.
#[apply(e2e)]
fn master_and_two_workers() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    let agent = TestAgent::start(&scene);
    let scraped = free_port();
    let prometheus = Prometheus::start(&scene, scraped, "1s");
    let backends = agent.grpc_backend() + &prometheus_backend(scraped, "");
    let mut ltel = scene.serve(&config(&scene, "", &(RECORDERS.to_owned() + &backends)), &["--once"]);
    let (address, port) = (scene.address(), free_port().to_string());
    let bind = format!("--master-bind-port={port}");
    let fixed = ["--headless", "-f", "measuring.py", "--only-summary", "--master", "--master-bind-host=127.0.0.1"];
    let master = fixed.into_iter().chain([&*bind, "--expect-workers=2", "-u6", "-r10", "-t5s"]);
    let mut master = scene.start("master", scene.locust_to(&address, master));
    let worker = ["--worker", "-f", "measuring.py", "--master-host=127.0.0.1", "--master-port", &port];
    let mut workers = ["one", "two"].map(|name| scene.start(name, scene.locust_to(&address, worker)));
    // A test with exceptions of users.
    assert_eq!(master.wait(SLOW), Exit::Code(1));
    for worker in &mut workers {
        assert_eq!(worker.wait(SLOW), Exit::Code(0));
    }
    assert_eq!(ltel.wait(SLOW), Exit::Code(0));

    let counted = Counted::read(&scene);
    assert!(counted.values.len() > 100 && counted.counts["sold"] > 2, "a run worth comparing: {counted:?}");
    let lines = scene.lines();
    check_lines(&lines, &counted);
    check_tasks_and_workers(&lines, &counted);
    check_otlp(&agent, &counted);
    assert_eq!(prometheus.by("tenant", "last_over_time(cart_items_total[10m])"), counted.items);
    let [sum] = &prometheus.sees("last_over_time(cart_value_EUR_sum[10m])")[..] else {
        panic!("one series for all processes")
    };
    assert!((sum.value() - counted.sum()).abs() < 1e-6, "{} and {}", sum.value(), counted.sum());
}

fn check_lines(lines: &Lines, counted: &Counted) {
    let items = lines.latest("cart.items");
    let by_tenant = items.iter().map(|(labels, line)| (labels["tenant"].clone(), line.number("value")));
    assert_eq!(by_tenant.collect::<BTreeMap<_, _>>(), counted.items);
    assert!(
        items.iter().all(|(labels, line)| line.telemetry["vip"] == true && !labels.contains_key("source_id")),
        "{items:?}"
    );
    let values: Vec<_> = lines.latest("cart.value").into_values().collect();
    let [value] = &values[..] else { panic!("one series for all processes: {values:?}") };
    assert_eq!(value.count("count"), counted.values.len() as u64);
    assert!((value.number("sum") - counted.sum()).abs() < 1e-6);
    assert!(value.is("unit", "EUR"));
    let sessions: f64 = lines.latest("sessions").values().map(|line| line.number("value")).sum();
    assert!((sessions - counted.counts["open"] as f64).abs() < 1e-9);
    // A gauge ends with its process, so what was seen last may be a moment old.
    let depths = lines.latest("queue.depth");
    assert_eq!(depths.len(), counted.depths.len(), "{depths:?}");
    assert!(depths.values().all(|line| line.number("value") <= counted.depths[counted.depths.len() - 1]));

    let sold: Vec<_> = lines.named("locust.tl.event.custom").collect();
    assert_eq!(sold.len() as u64, counted.counts["sold"]);
    assert!(sold.iter().all(|line| line.is("name", "sold") && line.telemetry["attributes"]["article"] == "book"));
    let logged: Vec<_> = lines.named("locust.tl.event.log").filter(|line| line.is("logger", "shop")).collect();
    assert_eq!(logged.len() as u64, counted.counts["logged"]);
    assert!(logged.iter().all(|line| line.is("message", "no book in stock")));
}

fn check_tasks_and_workers(lines: &Lines, counted: &Counted) {
    let durations = lines.latest("locust.task.duration");
    // A task that the end of the test interrupts has run too.
    for task in ["buy", "fail"] {
        let of_task = durations.iter().filter(|(labels, _)| labels["task"] == task);
        let count: u64 = of_task.map(|(_, line)| line.count("count")).sum();
        assert_eq!(count, counted.counts[task], "{task}");
    }
    let failures = lines.latest("locust.task.failures");
    assert!(
        failures.keys().all(|labels| labels["task"] == "fail" && labels["user_class"] == "Shopper"),
        "{failures:?}"
    );
    let failed: f64 = failures.values().map(|line| line.number("value")).sum();
    assert!((failed - counted.counts["fail"] as f64).abs() < 1e-9);
    let changes: Vec<_> = lines.named("locust.tl.event.workers").collect();
    assert!(changes.iter().any(|line| line.count("connected") == 2 && line.count("expected") == 2), "{changes:?}");
    let states = lines.latest("locust.workers");
    assert_eq!(states.keys().map(|labels| &*labels["state"]).collect::<Vec<_>>(), ["connected", "expected", "missing"]);
}

fn check_otlp(agent: &TestAgent, counted: &Counted) {
    let value = agent.histogram("grpc", "cart.value", false);
    assert_eq!(value.count, counted.values.len() as u64);
    assert!((value.sum - counted.sum()).abs() < 1e-6);
    let records = agent.log_records("grpc");
    let named = |name: &str| records.iter().filter(|record| record.attribute("telemetry_name") == name).count() as u64;
    assert_eq!(named("locust.tl.event.custom"), counted.counts["sold"]);
    let shop = records.iter().filter(|record| record.attributes.get("logger").is_some_and(|logger| logger == "shop"));
    assert_eq!(shop.count() as u64, counted.counts["logged"]);
}
