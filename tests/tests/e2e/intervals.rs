//! The figures of intervals: lines of `stats`, and exact quantiles in a real Prometheus.

use std::collections::BTreeMap;

use ltel_tests::{
    Exit, Line, Prometheus, SLOW, Scene, Turn, check_account, config, free_port, prometheus_backend, until,
};
use rustix::process::Signal;

const GAUGE: &str = "locust_tl_request_metric_response_time_milliseconds";
const BUCKETS: &str = "locust_tl_request_metric_success_milliseconds_bucket";

/// Scenario: real Locust with two workers, one fast and one with 12 % of its requests slow; Prometheus scrapes while it runs.
/// Guarantees: the gauges are the quantiles of both workers together, exactly, where those of a histogram's buckets are an estimate;
/// the gauge of an endpoint that has no more requests ends; the lines of the intervals add up to the final ones, and nothing is missing.
#[apply(e2e)]
fn quantiles_of_all_workers_are_exact() {
    let _turn = Turn::shared();
    let (scene, port) = (Scene::new(), free_port());
    let config = config(&scene, "", &prometheus_backend(port, "")).replace(
        "[recorders.stats]",
        "[recorders.stats]\ninterval = \"1s\"\nendpoints = \"interval\"\nquantiles = [0.9, 0.95, 0.99]\n",
    );
    let master_port = free_port().to_string();
    let locust = ["--headless", "-f", "quantiles.py", "--only-summary", "-u2", "-r2"];
    let processes = ["--processes=2", "--master-bind-port", &master_port, "--master-port", &master_port];
    let mut run = scene.start("run", scene.run(&config, locust.into_iter().chain(processes)));
    let prometheus = Prometheus::start(&scene, port, "1s");

    // One worker alone would have 243 ms at 0.9, the other 30 ms at 0.95.
    let at = |endpoint: &str, quantile: &str| format!("{GAUGE}{{endpoint=\"{endpoint}\",quantile=\"{quantile}\"}}");
    for endpoint in ["/steady", "Aggregated"] {
        let within = |quantile: &str, ms: f64| {
            let gauge = at(endpoint, quantile);
            format!("({gauge} >= {ms} and {gauge} <= {})", ms * 1.001)
        };
        let all = [within("0.9", 30.0), within("0.95", 243.0), within("0.99", 243.0)];
        let seen = prometheus.sees(&all.join(" and ignoring(quantile) "));
        assert!(!seen[0].labels.contains_key("run_id") && !seen[0].labels.contains_key("source"), "{seen:?}");
    }
    let estimate = format!("histogram_quantile(0.99, sum by (le) (rate({BUCKETS}{{endpoint=\"/steady\"}}[4s])))");
    let estimate = prometheus.sees(&format!("{estimate} > 0"))[0].value();
    assert!((estimate / 243.0 - 1.0).abs() > 0.01, "worth a gauge: {estimate}");
    // Present values only.
    until("the end of a gauge", SLOW, || {
        let ended = format!("({} > 0) unless on (instance) {}", at("/steady", "0.9"), at("/once", "0.9"));
        (!prometheus.query(&ended).is_empty()).then_some(())
    });

    // Not SIGINT, which is an exception anywhere: one in a cycle would split it. (A master that gets a signal may miss the last report
    // of a worker: its own figures are no witness here.)
    run.signal(Signal::TERM);
    assert_eq!(run.wait(SLOW), Exit::Code(0), "{}", run.stderr());
    let lines = scene.lines();
    check_account(lines.report());
    let sums = |stats_type: &str, key: &str| {
        lines.stats(stats_type).fold(BTreeMap::<String, u64>::new(), |mut sums, line: &Line| {
            *sums.entry(line.text("name").to_owned()).or_default() += line.count(key);
            sums
        })
    };
    assert_eq!(sums("current", "interval_requests"), sums("final", "num_requests"));
    assert_eq!(sums("interval", "interval_requests"), sums("endpoint", "num_requests"));
    assert_eq!(sums("interval", "interval_requests")["/once"], 2);
    for line in lines.stats("interval").filter(|line| line.is("name", "/steady")) {
        let p90 = line.number("interval_percentile_90");
        assert!([25.0, 30.0, 243.0].iter().any(|ms| (*ms..ms * 1.001).contains(&p90)), "{line:?}");
    }
}
