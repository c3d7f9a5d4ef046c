//! `http`: HTTP requests, users and processes by OpenTelemetry's names, so that dashboards and alerts for any
//! HTTP client work for a load test too. Names, units and meanings are those of the semantic conventions, version 1.42.

use std::borrow::Cow;
use std::collections::HashMap;

use ltel_core::event;
use ltel_core::prelude::*;
use ltel_core::schema;
use opentelemetry_semantic_conventions::{attribute, metric};
use serde::Deserialize;
use serde::de::Deserializer;

use crate::buckets::{self, BYTES, SECONDS};
use crate::semconv::{self, Server, Servers};

/// HTTP requests, users and processes by the names of OpenTelemetry's semantic conventions.
///
/// Only HTTP requests are seen: those with a method of HTTP's, or an `http` URL. Where the conventions leave a choice:
///
/// - `url.template` is Locust's name of the request: a test that names its requests well has few.
/// - `error.type` stands on what Locust counts as a failure, and on nothing else: a 404 that the test accepts has none.
/// - `server.address`, `server.port` and `url.scheme` are those of the host under test ([`event::TestStart::host`]), since
///   the URL of each request would cost Locust about a microsecond more per request. [`Options::request_url`] asks for
///   it: where a test talks to several hosts.
/// - `process.cpu.utilization` divides by one CPU and not by all that the host has: Locust is one Python thread, and at 1
///   it is at its limit however many there are. It has no `cpu.mode`: only the sum of user and system time is known.
#[derive(Debug, Recorder)]
#[recorder(
    options = Options,
    scope = crate::SCOPE,
    needs(url = |options| options.request_url, request_length = |options| options.request_body_size),
    on(
        Request,
        each = |request, options, cx| cx.state.exchange(request, options),
        labels(
            attribute::HTTP_REQUEST_METHOD = |exchange| semconv::http_method(&exchange.request.method),
            attribute::URL_TEMPLATE = |exchange| semconv::without_secrets(&exchange.request.name),
            attribute::HTTP_RESPONSE_STATUS_CODE = |exchange| exchange.status,
            attribute::ERROR_TYPE = |exchange| semconv::error_type(exchange.request),
            attribute::SERVER_ADDRESS = |exchange| exchange.server.map(|server| &*server.address),
            attribute::SERVER_PORT = |exchange| exchange.server.map(|server| server.port),
            attribute::URL_SCHEME = |exchange| exchange.server.map(|server| server.scheme),
        ),
    ),
    // A master's count includes all its workers: adding theirs would count users twice.
    on(Users, when = |_, _, cx| cx.speaks_for_run()),
    on(Usage),
    on(TestStart, observe = |start, cx| cx.state.begin(start)),
)]
pub struct Http {
    /// Duration of HTTP client requests.
    #[histogram(
        on = Request,
        name = metric::HTTP_CLIENT_REQUEST_DURATION,
        unit = "s",
        value = |exchange| exchange.request.response_time.ms().map(|ms| ms / 1e3),
        buckets = (SECONDS, |options| &options.buckets),
    )]
    duration: Histogram,

    /// Size of HTTP client request bodies; needs the option `request_body_size`.
    #[histogram(
        on = Request,
        name = metric::HTTP_CLIENT_REQUEST_BODY_SIZE,
        unit = "By",
        value = |exchange| exchange.request.request_length(),
        buckets = (BYTES, |options| &options.size_buckets),
    )]
    request_size: Histogram,

    /// Size of HTTP client response bodies, as Locust counts it: after decompression.
    // Without a response, Locust's length is 0 and means nothing.
    #[histogram(
        on = Request,
        name = metric::HTTP_CLIENT_RESPONSE_BODY_SIZE,
        unit = "By",
        when = |exchange| exchange.status.is_some() || exchange.request.response_length > 0,
        value = |exchange| exchange.request.response_length,
        buckets = (BYTES, |options| &options.size_buckets),
    )]
    response_size: Histogram,

    // For counts such as users or memory, the conventions use up-down counters. Ours are gauges: a sum lives as long as its
    // run, and would include the users and the memory of a worker that has left. Prometheus has one type for both.
    /// Running users of the run by class; of each worker if no master reports them.
    // The class of a user has no name in the conventions.
    #[gauge(
        on = Users,
        name = "locust.users",
        unit = "{user}",
        each = |users, _, cx| cx.state.counts(users, cx.source().map(|source| source.index)),
        labels(locust.user_class = |(class, _)| class),
        value = |(_, count)| *count,
    )]
    users: Gauge<u64>,

    /// CPU time of the Locust process by elapsed time; 1 is one CPU, the most that Python code of one process can use.
    #[gauge(on = Usage, name = metric::PROCESS_CPU_UTILIZATION, value = |usage| usage.cpu_percent / 100.0)]
    cpu: Gauge,

    /// Physical memory that the Locust process uses.
    #[gauge(on = Usage, name = metric::PROCESS_MEMORY_USAGE, unit = "By", value = memory_bytes)]
    memory: Gauge<u64>,

    #[state]
    state: State,
}

/// What is known of the test beside its requests.
#[derive(Debug, Default)]
struct State {
    host: Option<Server>,
    servers: Servers,
    // By the index of their source.
    user_classes: HashMap<Option<u32>, Vec<String>>,
}

/// An HTTP request, and where it went.
struct Exchange<'a> {
    request: &'a Request<'a>,
    status: Option<u16>,
    server: Option<&'a Server>,
}

impl State {
    fn begin(&mut self, start: &event::TestStart) {
        if let Some(host) = start.host.as_deref().and_then(Server::of) {
            self.host = Some(host);
        }
    }

    #[inline]
    fn exchange<'a>(&'a mut self, request: &'a Request<'a>, options: &Options) -> Option<Exchange<'a>> {
        // Another recorder may have asked for the URLs of some requests: that must not change the output of this one.
        let url = if options.request_url { semconv::url(request) } else { semconv::url_in_name(request) };
        if url.is_none() && !semconv::is_http_method(&request.method) {
            return None;
        }
        let server = match url {
            Some(url) => self.servers.of(url),
            None => self.host.as_ref(),
        };
        Some(Exchange { request, status: semconv::status_code(request), server })
    }

    fn counts<'a>(
        &mut self,
        users: &'a event::Users,
        source: Option<u32>,
    ) -> impl Iterator<Item = (Cow<'a, str>, u64)> {
        let known = self.user_classes.insert(source, users.counts.keys().cloned().collect()).unwrap_or_default();
        // A class that is no longer named has no users: without a zero, its last count would stay visible for minutes.
        let vanished = known.into_iter().filter(|class| !users.counts.contains_key(class));
        let vanished = vanished.map(|class| (Cow::Owned(class), 0));
        vanished.chain(users.counts.iter().map(|(class, count)| (Cow::Borrowed(&**class), *count)))
    }
}

/// Options of [`Http`].
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The upper bounds of durations in s, ascending.
    #[serde(default = "seconds", deserialize_with = "in_seconds")]
    #[schemars(with = "schema::Buckets")]
    pub buckets: Vec<f64>,
    /// The upper bounds of sizes in bytes, ascending.
    #[serde(default = "bytes", deserialize_with = "in_bytes")]
    #[schemars(with = "schema::Buckets")]
    pub size_buckets: Vec<f64>,
    /// Have Locust send each request's URL, and take the server from it. Without it, the server is the host under test.
    #[serde(default)]
    pub request_url: bool,
    /// Have Locust send the length of each request's body, for `http.client.request.body.size`. Without it, the length is not known.
    #[serde(default)]
    pub request_body_size: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { buckets: seconds(), size_buckets: bytes(), request_url: false, request_body_size: false }
    }
}

fn seconds() -> Vec<f64> {
    SECONDS.to_vec()
}

fn bytes() -> Vec<f64> {
    BYTES.to_vec()
}

fn in_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    buckets::ascending(deserializer, "`[0.01, 0.05, 0.1, 0.5, 1]` (upper bounds in s)")
}

fn in_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    buckets::ascending(deserializer, "`[1024, 65536, 1048576]` (upper bounds in bytes)")
}
