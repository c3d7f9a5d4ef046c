//! Rotel, an OpenTelemetry collector: what it receives it sends on.

use std::net::TcpStream;

use crate::agent::otlp_backend;
use crate::process::Process;
use crate::receiver::free_port;
use crate::scene::Scene;
use crate::setup::rotel_program;
use crate::wait::{SLOW, until};

/// A running collector.
#[derive(Debug)]
pub struct Rotel {
    _process: Process,
    grpc: u16,
    http: u16,
}

impl Rotel {
    /// Starts one on free ports that sends all it receives to this port, by gRPC.
    pub fn start(scene: &Scene, to: u16) -> Self {
        let (grpc, http) = (free_port(), free_port());
        let mut command = scene.program(&rotel_program());
        command
            .arg("start")
            .args(["--exporter", "otlp", "--otlp-exporter-endpoint", &format!("http://127.0.0.1:{to}")])
            // What it takes for lost, it sends again.
            .args(["--otlp-exporter-request-timeout", "60s"])
            .args(["--otlp-grpc-endpoint", &format!("127.0.0.1:{grpc}")])
            .args(["--otlp-http-endpoint", &format!("127.0.0.1:{http}")])
            .arg("--pid-file")
            .arg(scene.path("rotel.pid"))
            .arg("--log-file")
            .arg(scene.path("rotel.log"));
        let mut process = scene.start("rotel", command);
        until("Rotel", SLOW, || {
            assert_eq!(process.exit(), None, "Rotel ended:\n{}{}", process.stdout(), process.stderr());
            [grpc, http].iter().all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok()).then_some(())
        });
        Self { _process: process, grpc, http }
    }

    /// The port for OTLP over HTTP.
    pub fn http(&self) -> u16 {
        self.http
    }

    /// The configuration of a backend that sends here by this protocol, `grpc` or `http`, of which it has the name.
    pub fn backend(&self, protocol: &str) -> String {
        if protocol == "grpc" {
            otlp_backend("grpc", "grpc", self.grpc)
        } else {
            otlp_backend("http", "http/protobuf", self.http)
        }
    }
}
