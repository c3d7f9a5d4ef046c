//! An OTLP receiver that fails on command, and shows every request that it received.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::agent::otlp_backend;
use crate::certificates::Authority;
use crate::figures::Figures;
use crate::http::{get, post};
use crate::log_records::LogRecord;
use crate::points::{Histogram, Point, check_figures, histogram};
use crate::process::Process;
use crate::scene::Scene;
use crate::setup::fault_receiver_venv;
use crate::spans::Span;
use crate::wait::{SLOW, until};

const PROGRAM: [(&str, &str); 2] = [
    ("fault_receiver.py", include_str!("../receivers/fault_receiver.py")),
    ("demands.py", include_str!("../receivers/demands.py")),
];

/// A running receiver of all three signals, over gRPC and over HTTP.
#[derive(Debug)]
pub struct FaultReceiver {
    process: Process,
    ports: Ports,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Ports {
    grpc: u16,
    http: u16,
    control: u16,
}

/// A request as it came, and what was done to it.
#[derive(Clone, Debug, Deserialize)]
pub struct Taken {
    /// `metrics`, `traces` or `logs`.
    pub signal: String,
    /// `grpc` or `http`.
    pub protocol: String,
    /// When it came, in seconds since the epoch.
    pub time: f64,
    /// Headers or metadata, their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// `gzip` or `identity`.
    pub encoding: String,
    /// Its size in bytes, not compressed.
    pub size: u64,
    /// The same for a request that is sent again.
    pub digest: String,
    /// Points, spans or log records.
    pub items: u64,
    /// The message, as protobuf's JSON mapping with the original field names.
    pub message: Value,
    /// What was done to it: `accept`, or the fault's name.
    pub answer: String,
    /// What the specification demands otherwise.
    pub violations: Vec<String>,
}

impl Taken {
    /// Whether the receiver has kept it.
    pub fn is_accepted(&self) -> bool {
        ["accept", "partial", "slow"].contains(&self.answer.as_str())
    }

    /// The points in it.
    pub fn points(&self) -> Vec<Point> {
        Point::of_export(&self.message)
    }
}

/// What is done to a request instead of accepting it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault<'a> {
    /// 429 or `RESOURCE_EXHAUSTED`, to be retried after this many seconds.
    Throttle(u32),
    /// 503 or `UNAVAILABLE`, without a time for the retry.
    Unavailable,
    /// 400 or `INVALID_ARGUMENT`, and why: must not be retried.
    Reject(&'a str),
    /// The connection is closed without an answer.
    Close,
    /// Accepted but for so many points, spans or log records, and why.
    Partial(u32, &'a str),
    /// Accepted, and answered after so many seconds.
    Slow(f64),
}

impl FaultReceiver {
    /// Starts one on free ports; it accepts everything.
    pub fn start(scene: &Scene) -> Self {
        Self::start_with(scene, Vec::new())
    }

    /// One that takes no larger requests: it refuses them by 413, or over gRPC as grpc-core does.
    pub fn start_with_limit(scene: &Scene, bytes: usize) -> Self {
        Self::start_with(scene, vec!["--limit".into(), bytes.to_string().into()])
    }

    /// The same over TLS, as `localhost`, for clients that have a certificate of this authority too.
    pub fn start_mutual(scene: &Scene, authority: &Authority) -> Self {
        let own = authority.sign("localhost").write(scene, "fault-receiver");
        let clients = scene.write("clients.pem", &authority.pem());
        let files = [("--certificate", own.certificate), ("--key", own.key), ("--clients", clients)];
        Self::start_with(scene, files.into_iter().flat_map(|(option, file)| [option.into(), file.into()]).collect())
    }

    fn start_with(scene: &Scene, args: Vec<std::ffi::OsString>) -> Self {
        for (name, text) in PROGRAM {
            scene.write(name, text);
        }
        let mut command = scene.program(&fault_receiver_venv().join("python"));
        command.arg(PROGRAM[0].0).args(args);
        let mut process = scene.start("fault-receiver", command);
        let ports = until("the receiver's ports", SLOW, || {
            assert_eq!(process.exit(), None, "the receiver ended:\n{}", process.stderr());
            serde_json::from_str(process.stdout().strip_suffix('\n')?).ok()
        });
        Self { process, ports }
    }

    /// The port of a protocol, `grpc` or `http`.
    pub fn port(&self, protocol: &str) -> u16 {
        if protocol == "grpc" { self.ports.grpc } else { self.ports.http }
    }

    /// The configuration of a backend that sends here by this protocol, of which it has the name.
    pub fn backend(&self, protocol: &str) -> String {
        let full = if protocol == "grpc" { "grpc" } else { "http/protobuf" };
        otlp_backend(protocol, full, self.port(protocol))
    }

    /// The same with JSON over HTTP.
    pub fn json_backend(&self) -> String {
        otlp_backend("json", "http/json", self.port("http"))
    }

    /// The next `times` requests of a signal meet this fault, by either protocol.
    pub fn fault(&self, fault: Fault<'_>, signal: &str, times: u32) {
        let what = match fault {
            Fault::Throttle(seconds) => format!("kind=throttle&seconds={seconds}"),
            Fault::Unavailable => "kind=unavailable".to_owned(),
            Fault::Reject(message) => format!("kind=reject&message={message}"),
            Fault::Close => "kind=close".to_owned(),
            Fault::Partial(items, message) => format!("kind=partial&items={items}&message={message}"),
            Fault::Slow(seconds) => format!("kind=slow&seconds={seconds}"),
        };
        let answer = post(self.ports.control, "/fault", &format!("{what}&signal={signal}&times={times}"));
        let answer = answer.unwrap_or_else(|e| panic!("the receiver does not answer: {e}\n{}", self.process.stderr()));
        assert_eq!(answer.status, 200, "{fault:?}:\n{}", self.process.stderr());
    }

    /// All requests so far, in the order in which they came.
    pub fn requests(&self) -> Vec<Taken> {
        let answer = get(self.ports.control, "/requests")
            .unwrap_or_else(|e| panic!("the receiver does not answer: {e}\n{}", self.process.stderr()));
        serde_json::from_str(&answer.body).expect("requests")
    }

    /// Those of a signal by a protocol.
    pub fn requests_of(&self, signal: &str, protocol: &str) -> Vec<Taken> {
        self.requests().into_iter().filter(|taken| taken.signal == signal && taken.protocol == protocol).collect()
    }

    /// The messages of a signal by a protocol that it has kept. Fails unless each is as the specification demands.
    pub fn accepted(&self, signal: &str, protocol: &str) -> Vec<Value> {
        let kept = self.requests_of(signal, protocol).into_iter().filter(Taken::is_accepted);
        kept.map(|taken| {
            assert!(taken.violations.is_empty(), "{:#?}", taken.violations);
            taken.message
        })
        .collect()
    }

    /// All points by a protocol.
    pub fn points(&self, protocol: &str) -> Vec<Point> {
        self.accepted("metrics", protocol).iter().flat_map(Point::of_export).collect()
    }

    /// All spans by a protocol.
    pub fn spans(&self, protocol: &str) -> Vec<Span> {
        self.accepted("traces", protocol).iter().flat_map(Span::of_export).collect()
    }

    /// All log records by a protocol.
    pub fn log_records(&self, protocol: &str) -> Vec<LogRecord> {
        self.accepted("logs", protocol).iter().flat_map(LogRecord::of_export).collect()
    }

    /// All values of a metric: see [`histogram`].
    pub fn histogram(&self, protocol: &str, metric: &str, delta: bool) -> Histogram {
        histogram(&self.points(protocol), metric, delta)
    }

    /// Fails unless the histograms by a protocol say what Locust says; the witness knows what failed.
    pub fn check_figures(&self, protocol: &str, witness: &Figures) {
        check_figures(protocol, &self.points(protocol), witness);
    }
}
