//! Datadog's test agent: an OTLP receiver, over gRPC and HTTP, that can be read back.

use serde_json::Value;

use crate::figures::Figures;
use crate::http::get;
use crate::log_records::LogRecord;
use crate::points::{Histogram, Point, check_figures, histogram};
use crate::process::Process;
use crate::receiver::free_port;
use crate::scene::Scene;
use crate::setup::test_agent_venv;
use crate::spans::Span;
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

    /// All spans received under a token.
    pub fn spans(&self, token: &str) -> Vec<Span> {
        let path = format!("/test/session/traces?test_session_token={token}");
        self.fetch(&path).iter().flat_map(Span::of_export).collect()
    }

    /// All spans received without a token.
    pub fn spans_of_all(&self) -> Vec<Span> {
        self.fetch("/test/session/traces").iter().flat_map(Span::of_export).collect()
    }

    /// All log records received under a token.
    pub fn log_records(&self, token: &str) -> Vec<LogRecord> {
        let path = format!("/test/session/logs?test_session_token={token}");
        self.fetch(&path).iter().flat_map(LogRecord::of_export).collect()
    }

    /// All log records received without a token.
    pub fn log_records_of_all(&self) -> Vec<LogRecord> {
        self.fetch("/test/session/logs").iter().flat_map(LogRecord::of_export).collect()
    }

    /// All export requests of metrics received under a token, as JSON.
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

    /// All values of a metric received under a token: see [`histogram`].
    pub fn histogram(&self, token: &str, metric: &str, delta: bool) -> Histogram {
        histogram(&self.points(token), metric, delta)
    }

    /// Fails unless the histograms received under a token say what Locust says; the witness knows what failed.
    pub fn check_figures(&self, token: &str, witness: &Figures) {
        check_figures(token, &self.points(token), witness);
    }
}

/// The configuration of an OTLP backend with this name, which is also its token.
pub fn otlp_backend(name: &str, protocol: &str, port: u16) -> String {
    format!(
        "[backends.{name}]\ntype = \"otlp\"\nprotocol = \"{protocol}\"\nendpoint = \"http://127.0.0.1:{port}\"\n\
         interval = \"1s\"\nheaders = {{ x-datadog-test-session-token = \"{name}\" }}\n"
    )
}
