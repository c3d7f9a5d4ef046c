//! Datadog's test agent: an OTLP receiver, over gRPC and HTTP, that can be read back.

use serde_json::Value;

use crate::figures::Figures;
use crate::http::get;
use crate::points::{Histogram, Point, Value as PointValue, latest};
use crate::process::Process;
use crate::receiver::free_port;
use crate::scene::Scene;
use crate::setup::test_agent_venv;
use crate::wait::{SLOW, until};

/// A running test agent. What is sent with a header `x-datadog-test-session-token` is read back by that token.
#[derive(Debug)]
pub struct TestAgent {
    process: Process,
    /// The port of OTLP over gRPC.
    pub grpc: u16,
    /// The port of OTLP over HTTP.
    pub http: u16,
}

impl TestAgent {
    /// Starts one on free ports and waits until it answers.
    pub fn start(scene: &Scene) -> Self {
        Self::start_at(scene, free_port(), free_port())
    }

    /// Starts one on these ports.
    pub fn start_at(scene: &Scene, grpc: u16, http: u16) -> Self {
        let mut command = scene.program(&test_agent_venv().join("ddapm-test-agent"));
        command.args(["--host", "127.0.0.1", "-p", &free_port().to_string()]);
        command.args(["--otlp-grpc-port", &grpc.to_string(), "--otlp-http-port", &http.to_string()]);
        let mut process = scene.start("test-agent", command);
        until("the test agent", SLOW, || {
            assert_eq!(process.exit(), None, "the test agent ended:\n{}", process.stderr());
            // The gRPC side comes up together with this one.
            get(http, "/test/session/metrics").ok().filter(|answer| answer.status == 200)
        });
        Self { process, grpc, http }
    }

    /// The configuration of a backend that sends here over gRPC, under the token `grpc`.
    pub fn grpc_backend(&self) -> String {
        otlp_backend("grpc", "grpc", self.grpc)
    }

    /// The configuration of a backend that sends here over HTTP, under the token `http`.
    pub fn http_backend(&self) -> String {
        otlp_backend("http", "http/protobuf", self.http)
    }

    /// All points received without a token.
    pub fn points_of_all(&self) -> Vec<Point> {
        self.fetch("/test/session/metrics").iter().flat_map(Point::of_export).collect()
    }

    /// All points received under a token.
    pub fn points(&self, token: &str) -> Vec<Point> {
        self.exports(token).iter().flat_map(Point::of_export).collect()
    }

    /// All export requests received under a token, as JSON.
    pub fn exports(&self, token: &str) -> Vec<Value> {
        self.fetch(&format!("/test/session/metrics?test_session_token={token}"))
    }

    fn fetch(&self, path: &str) -> Vec<Value> {
        let answer = get(self.http, path)
            .unwrap_or_else(|e| panic!("the test agent does not answer: {e}\n{}", self.process.stderr()));
        // The agent knows no token before its first request.
        if answer.status != 200 {
            return Vec::new();
        }
        serde_json::from_str(&answer.body).expect("JSON from the test agent")
    }

    /// All values of a metric received under a token: the sum of the last point of each
    /// series, or of all points where they are deltas.
    pub fn histogram(&self, token: &str, metric: &str, delta: bool) -> Histogram {
        let points = self.points(token);
        let all = points.iter().filter(|point| point.metric == metric).collect();
        let mut sum = Histogram::default();
        for point in if delta { all } else { latest(&points, metric) } {
            match &point.value {
                PointValue::Histogram(histogram) => sum.add(histogram),
                PointValue::Number(_) => panic!("no histogram: {point:?}"),
            }
        }
        sum
    }

    /// Fails unless the histograms received under a token say what Locust says; the witness knows what failed.
    pub fn check_figures(&self, token: &str, witness: &Figures) {
        let points = self.points(token);
        let [success, error] = ["success", "error"].map(|which| format!("locust.tl.request.metric.{which}"));
        let sum = |metric: &str, name: &str| {
            let mut sum = Histogram::default();
            for point in latest(&points, metric).into_iter().filter(|point| point.attribute("endpoint") == name) {
                assert_eq!((point.unit.as_str(), point.attribute("metric")), ("ms", metric));
                match &point.value {
                    PointValue::Histogram(histogram) => sum.add(histogram),
                    PointValue::Number(_) => panic!("no histogram: {point:?}"),
                }
            }
            sum
        };
        for (name, expected) in witness.by_name() {
            let mut all = sum(&success, name);
            let failed = sum(&error, name);
            let failures = expected.timed_failures.unwrap_or(0);
            assert_eq!(
                (all.count, failed.count),
                (expected.timed() - failures, failures),
                "{token}: successes and failures of {name:?}"
            );
            all.add(&failed);
            let average = if all.count == 0 { 0.0 } else { all.sum / all.count as f64 };
            expected.check_times(&format!("{token}: {name:?}"), average, all.min, all.max);
        }
        let known: u64 = latest(&points, &success).into_iter().chain(latest(&points, &error)).map(count).sum();
        assert_eq!(known, witness.total().timed(), "{token}: requests of all endpoints");
    }
}

fn count(point: &Point) -> u64 {
    match &point.value {
        PointValue::Histogram(histogram) => histogram.count,
        PointValue::Number(_) => 0,
    }
}

/// The configuration of an OTLP backend with this name, which is also its token.
pub fn otlp_backend(name: &str, protocol: &str, port: u16) -> String {
    format!(
        "[backends.{name}]\ntype = \"otlp\"\nprotocol = \"{protocol}\"\nendpoint = \"http://127.0.0.1:{port}\"\n\
         interval = \"1s\"\nheaders = {{ x-datadog-test-session-token = \"{name}\" }}\n"
    )
}
