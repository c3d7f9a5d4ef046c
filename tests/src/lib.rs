//! The harness of the end-to-end tests: real Locust, real receivers, broken ones, and the binary under test.
//!
//! Everything that a test needs it makes itself: virtual environments once under the target
//! directory, Debian packages where they are missing. A test that cannot get what it needs is skipped, which is said at the end.

// A harness has one way to say that something is wrong: it panics, and the test fails.
#![allow(clippy::missing_panics_doc)]

mod wait;
mod turn;
mod process;
mod memory;
mod http;
mod events;
mod need;
mod setup;
mod scene;
mod terminal;
mod target;
mod seen;
mod figures;
mod lines;
mod agent;
mod prometheus;
mod browser;
mod points;
mod exemplars;
mod spans;
mod log_records;
mod client;
mod receiver;
mod fault_receiver;
mod rotel;
mod certificates;
mod tls;
mod json_schema;
mod yaml;
mod attack;

pub use agent::{TestAgent, otlp_backend};
pub use attack::{Attack, MOST_MEMORY, Outcome};
pub use browser::{Browser, Look};
pub use certificates::{Authority, Certificate, CertificateFiles};
pub use client::{Client, hello, hello_of, row, traced};
pub use events::{Events, PageEvent};
pub use exemplars::Exemplar;
pub use fault_receiver::{Fault, FaultReceiver, Taken};
pub use figures::{Counted, Endpoint, Figures};
pub use http::{Response, get, post, request};
pub use json_schema::{schema_mistakes, taplo_lint};
pub use lines::{Line, Lines, check_account};
pub use log_records::LogRecord;
pub use memory::peak_mib;
pub use need::{Need, attempt, need_file, skipped};
pub use points::{Histogram, Point, Value, check_figures, histogram, latest};
pub use process::{Exit, Process};
pub use prometheus::{Prometheus, Sample, StoredExemplar, prometheus_backend};
pub use receiver::{Deaf, Recording, free_port};
pub use rotel::Rotel;
pub use scene::{Scene, config, plugin_path};
pub use seen::Seen;
pub use setup::{
    NEWEST_LOCUST, fault_receiver_venv, locust_opentelemetry_venv, locust_otel_venv, locust_telemetry_venv,
    locust_venv, locust_venv_of, program, prometheus_client_venv, target_dir, test_agent_venv,
};
pub use spans::{Span, ids};
pub use target::{Hit, Target};
pub use terminal::Terminal;
pub use tls::TlsProxy;
pub use turn::Turn;
pub use wait::{SLOW, SOON, until};
pub use yaml::{container_lint, kubernetes_lint, schema_lint, yaml_documents};
