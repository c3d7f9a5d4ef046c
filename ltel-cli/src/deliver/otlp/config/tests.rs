//! Precedence: a signal's table, the backend's, the signal's variables, the variables for all signals.

use std::any::Any;
use std::path::Path;

use ltel_core::backend::{Environment, Signal};

use super::{Otlp, OtlpProtocol, SignalConfig};
use crate::config::{BackendConfig, Config, ConfigErrors, load};

/// The only OTLP backend of a configuration with these lines, in this environment.
fn otlp(lines: &str, env: &[(&str, &str)]) -> Otlp {
    as_otlp(&loaded(lines, env).backends[1]).clone()
}

fn as_otlp(config: &BackendConfig) -> &Otlp {
    (&*config.backend as &dyn Any).downcast_ref().expect("it is OTLP")
}

fn loaded(lines: &str, env: &[(&str, &str)]) -> Config {
    // Another backend takes the signals that this one may leave out.
    let text =
        format!("[recorders.spans]\n[backends.json]\nspans = true\n[backends.collector]\ntype = \"otlp\"\n{lines}");
    load_all(&text, env).expect("valid")
}

fn load_all(text: &str, env: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let env: Environment = env.iter().copied().collect();
    load("telemetry.toml", text, &crate::with_backends(ltel_recorders::registry()), &env)
}

fn texts(warnings: &[String]) -> Vec<&str> {
    warnings.iter().map(String::as_str).collect()
}

/// One property of each signal.
fn each(otlp: &Otlp, show: impl Fn(&SignalConfig) -> String) -> [String; 3] {
    Signal::ALL.map(|signal| otlp.signal(signal).map_or("-".to_owned(), &show))
}

fn check(lines: &str, env: &[(&str, &str)], show: impl Fn(&SignalConfig) -> String, expected: [&str; 3]) {
    assert_eq!(each(&otlp(lines, env), show), expected, "{lines} {env:?}");
}

#[test]
fn endpoints() {
    let uri = |config: &SignalConfig| config.endpoint.to_string();
    let base = "endpoint = \"http://file:4318/base/?tenant=1\"\n";
    let own = "[backends.collector.traces]\nendpoint = \"http://own/as/it/is\"\n";
    let all = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://env/base");
    let logs = ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://env-logs");
    check(
        "",
        &[],
        uri,
        ["http://localhost:4318/v1/metrics", "http://localhost:4318/v1/traces", "http://localhost:4318/v1/logs"],
    );
    check("protocol = \"grpc\"", &[], uri, ["http://localhost:4317/"; 3]);
    check("", &[all], uri, ["http://env/base/v1/metrics", "http://env/base/v1/traces", "http://env/base/v1/logs"]);
    check("", &[all, logs], uri, ["http://env/base/v1/metrics", "http://env/base/v1/traces", "http://env-logs/"]);
    check(own, &[all, logs], uri, ["http://env/base/v1/metrics", "http://own/as/it/is", "http://env-logs/"]);
    check(
        &format!("{base}{own}"),
        &[all, logs],
        uri,
        ["http://file:4318/base/v1/metrics?tenant=1", "http://own/as/it/is", "http://file:4318/base/v1/logs?tenant=1"],
    );
    check("signals = [\"logs\"]", &[], uri, ["-", "-", "http://localhost:4318/v1/logs"]);
}

/// By the specification, a host and a port alone are for gRPC, and encrypted unless the environment says otherwise, even on
/// this machine. Over HTTP an endpoint needs a scheme.
#[test]
fn an_endpoint_of_the_environment_without_a_scheme() {
    let shown = |config: &SignalConfig| format!("{} {}", config.protocol.as_str(), config.endpoint);
    let endpoint = |value| ("OTEL_EXPORTER_OTLP_ENDPOINT", value);
    let insecure = |value| ("OTEL_EXPORTER_OTLP_INSECURE", value);
    let protocol = |value| ("OTEL_EXPORTER_OTLP_PROTOCOL", value);
    for (host, uri) in [
        ("collector:4317", "collector:4317/"),
        ("localhost:4317", "localhost:4317/"),
        ("127.0.0.1:4317", "127.0.0.1:4317/"),
        ("[::1]:4317", "[::1]:4317/"),
    ] {
        let (http, https) = (format!("grpc http://{uri}"), format!("grpc https://{uri}"));
        check("", &[endpoint(host)], shown, [&https; 3]);
        check("", &[endpoint(host), insecure("false")], shown, [&https; 3]);
        check("", &[endpoint(host), insecure("1")], shown, [&https; 3]);
        check("", &[endpoint(host), insecure("True")], shown, [&http; 3]);
        let traces = ("OTEL_EXPORTER_OTLP_TRACES_INSECURE", "true");
        check("", &[endpoint(host), traces], shown, [&https, &http, &https]);
        let traces = ("OTEL_EXPORTER_OTLP_TRACES_INSECURE", "false");
        check("", &[endpoint(host), insecure("true"), traces], shown, [&http, &https, &http]);
    }
    let plain = "grpc http://collector/";
    check("", &[endpoint("collector"), protocol("grpc"), insecure("true")], shown, [plain; 3]);
    check("protocol = \"grpc\"", &[endpoint("collector"), insecure("true")], shown, [plain; 3]);
    let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:4317");
    let base = endpoint("http://other");
    let one = "grpc http://collector:4317/";
    let expected = ["http/protobuf http://other/v1/metrics", one, "http/protobuf http://other/v1/logs"];
    check("", &[base, traces, insecure("true")], shown, expected);
    // The scheme takes precedence.
    let stated = [endpoint("https://collector:4317"), insecure("true")];
    check("", &stated, shown, ["grpc https://collector:4317/"; 3]);
}

/// Guarantees: an endpoint that cannot work is an error that says what to write; one that can is none.
#[test]
fn endpoints_that_cannot_work() {
    let text = |lines: &str| format!("[recorders.spans]\n[backends.collector]\ntype = \"otlp\"\n{lines}");
    for (lines, message, help) in [
        ("endpoint = 'http://localhost:99999'", "from 1 to 65535", "write a URL"),
        ("endpoint = 'http://localhost:0'", "from 1 to 65535", "write a URL"),
        ("endpoint = 'https://[::1]:70000/base'", "from 1 to 65535", "write a URL"),
        ("endpoint = 'http://localhost:'", "a colon and no port", "write a URL"),
        ("traces = { endpoint = 'http://localhost:99999/v1/traces' }", "from 1 to 65535", "write a URL"),
        (
            "endpoint = 'http://localhost:4317/foo'",
            "has a path, which gRPC does not use",
            "write `http://localhost:4317`",
        ),
        ("endpoint = 'http://[::1]:4317/foo/'", "has a path, which gRPC does not use", "write `http://[::1]:4317`"),
        ("endpoint = 'http://h/foo'\nprotocol = 'grpc'", "has a path", "write `http://h`, or `protocol"),
        ("endpoint = 'http://localhost:4318/v1'", "ends with `/v1`", "write `http://localhost:4318`"),
        ("endpoint = 'http://h/base/v1/'", "ends with `/v1`", "write `http://h/base`"),
        ("endpoint = 'http://h/v1/metric'", "ends with `/v1/metric`", "write `http://h`"),
        ("endpoint = 'http://h/v1/spans'", "ends with `/v1/spans`", "write `http://h`"),
    ] {
        let errors = load_all(&text(lines), &[]).expect_err(lines);
        let error = &errors.errors()[0];
        assert!(error.message.contains(message), "{lines}: {}", error.message);
        assert!(error.help.as_ref().is_some_and(|said| said.contains(help)), "{lines}: {:?}", error.help);
    }
    for right in [
        "http://localhost:4317/",
        "http://localhost:65535",
        "http://[::1]",
        "http://[::1]:4318",
        "http://prometheus:9090/api/v1/otlp",
        "http://h/v1/otlp",
        "http://h/v10",
    ] {
        assert!(load_all(&text(&format!("endpoint = '{right}'")), &[]).is_ok(), "{right}");
    }
}

/// Scenario: gRPC at HTTP's conventional port, and the reverse. Guarantees: one warning; none for other ports.
#[test]
fn ports_of_the_other_protocol() {
    for (lines, part) in [
        ("endpoint = 'http://h:4318'\nprotocol = 'grpc'", "have HTTP at the port of `http://h:4318`, and gRPC at 4317"),
        (
            "endpoint = 'http://h:4317'\nprotocol = 'http/protobuf'",
            "have gRPC at the port of `http://h:4317`, and HTTP at 4318",
        ),
        ("endpoint = 'http://h:4318'\nprotocol = 'http/protobuf'", ""),
        ("endpoint = 'http://h:4317'\nprotocol = 'grpc'", ""),
        ("endpoint = 'http://h:4319'\nprotocol = 'grpc'", ""),
        ("protocol = 'grpc'", ""),
        ("", ""),
    ] {
        let warnings = loaded(lines, &[]).warnings;
        let of_port: Vec<_> = warnings.iter().filter(|warning| warning.contains("at the port of")).collect();
        assert_eq!(of_port.len(), usize::from(!part.is_empty()), "{lines}: {warnings:?}");
        assert!(of_port.iter().all(|warning| warning.contains(part)), "{lines}: {warnings:?}");
    }
}

#[test]
fn protocols() {
    let name = |config: &SignalConfig| config.protocol.as_str().to_owned();
    let (grpc, http) = (OtlpProtocol::Grpc.as_str(), OtlpProtocol::HttpProtobuf.as_str());
    let own = "[backends.collector.logs]\nprotocol = \"http/protobuf\"\n";
    check(&format!("protocol = \"grpc\"\n{own}"), &[], name, [grpc, grpc, http]);
    let traces = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc");
    check(own, &[traces], name, [http, grpc, http]);
    check("", &[traces, ("OTEL_EXPORTER_OTLP_PROTOCOL", "GRPC")], name, [grpc; 3]);
    check("endpoint = \"http://localhost:4317\"", &[], name, [grpc; 3]);
    let own = "endpoint = \"http://localhost:4317\"\ntraces = { endpoint = \"http://localhost/v1/traces\" }";
    check(own, &[], name, [grpc, http, grpc]);
}

#[test]
fn timeouts_and_compression() {
    let shown =
        |config: &SignalConfig| format!("{}{}", config.timeout.as_millis(), if config.gzip { " gzip" } else { "" });
    let env = [
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "1"),
        ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "2"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "None"),
    ];
    check("", &[], shown, ["10000"; 3]);
    // An unsupported value counts as not set.
    check("", &[env[2], ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "zstd")], shown, ["10000 gzip"; 3]);
    check("", &env, shown, ["1 gzip", "1 gzip", "2"]);
    check("timeout = \"3ms\"", &env, shown, ["3 gzip", "3 gzip", "3"]);
    check("compression = \"none\"", &env, shown, ["1", "1", "2"]);
    let own = "[backends.collector.traces]\ntimeout = \"4ms\"\n[backends.collector.logs]\ncompression = \"gzip\"";
    check(own, &env, shown, ["1 gzip", "4 gzip", "2 gzip"]);
}

#[test]
fn headers_of_one_level_take_the_place_of_the_next() {
    let names = |config: &SignalConfig| {
        let mut names: Vec<_> = config.headers.keys().map(ToString::to_string).collect();
        names.sort();
        names.join(" ")
    };
    let env = [("OTEL_EXPORTER_OTLP_HEADERS", "all=1,more=2"), ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "traced=1")];
    check("", &env, names, ["all more", "traced", "all more"]);
    let none = "[backends.collector.logs]\nheaders = {}";
    check(none, &env, names, ["all more", "traced", ""]);
    check(&format!("headers = {{ stated = \"1\" }}\n{none}"), &env, names, ["stated", "stated", ""]);
    // The only OTLP backend: the environment must mean this one.
    check("endpoint = \"http://localhost\"", &env, names, ["all more", "traced", "all more"]);
}

#[test]
fn a_key_of_the_environment_reaches_its_own_endpoint_only() {
    let text = "[recorders.stats]\n[backends.ours]\ntype = \"otlp\"\n[backends.ours.logs]\nendpoint = \"http://logs\"\n\
                [backends.theirs]\ntype = \"otlp\"\nendpoint = \"http://theirs\"\n";
    let config = load_all(text, &[("OTEL_EXPORTER_OTLP_HEADERS", "api-key=secret")]).expect("valid");
    let with_key: Vec<_> = config
        .backends
        .iter()
        .map(|backend| each(as_otlp(backend), |config| config.headers.contains_key("api-key").to_string()))
        .collect();
    assert_eq!(with_key, [["true", "true", "false"], ["false"; 3]]);
}

/// Scenario: `OTEL_SDK_DISABLED` and `OTEL_<signal>_EXPORTER`. Guarantees: the signals that are sent, and the warnings.
#[test]
fn signals_that_the_environment_turns_off() {
    let disabled = ("OTEL_SDK_DISABLED", "true");
    let no_traces = ("OTEL_TRACES_EXPORTER", "none");
    let all = ["metrics", "traces", "logs"];
    let stated = "signals = [\"traces\", \"logs\"]\n";
    let own = "[backends.collector.traces]\nendpoint = \"http://own\"\n";
    let told = "OTEL_TRACES_EXPORTER is `none`: backends of type `otlp` without `signals` send no traces";
    let off = "OTEL_SDK_DISABLED is `true`: backends of type `otlp` send nothing";
    let console = "OTEL_TRACES_EXPORTER: `console` is not supported, ignored; supported: `none` and `otlp`";
    for (lines, env, sent, warnings) in [
        ("", &[][..], &all[..], &[][..]),
        ("", &[("OTEL_SDK_DISABLED", "false")], &all, &[]),
        ("", &[disabled], &[], &[off]),
        (stated, &[disabled], &[], &[off]),
        (own, &[disabled, no_traces], &[], &[off]),
        ("", &[("OTEL_TRACES_EXPORTER", "otlp")], &all, &[]),
        ("", &[no_traces], &["metrics", "logs"], &[told]),
        (own, &[no_traces], &["metrics", "logs"], &[told]),
        (stated, &[no_traces], &["traces", "logs"], &[]),
        ("", &[("OTEL_TRACES_EXPORTER", "console")], &all, &[console]),
    ] {
        let config = loaded(lines, env);
        let otlp = as_otlp(&config.backends[1]);
        let is_sent = |signal: &Signal| otlp.signal(*signal).is_some();
        let now: Vec<_> = Signal::ALL.into_iter().filter(is_sent).map(Signal::as_str).collect();
        assert_eq!((&now[..], texts(&config.warnings)), (sent, warnings.to_vec()), "{lines} {env:?}");
    }
}

#[test]
fn receivers_are_named_once_if_all_signals_go_there() {
    let shown_in = |lines: &str, env: &[(&str, &str)]| otlp(lines, env).receivers();
    let shown = |lines: &str| shown_in(lines, &[]);
    assert_eq!(shown("endpoint = \"http://here:4317\""), "http://here:4317/ (grpc)");
    assert_eq!(
        shown(
            "endpoint = \"http://here\"\nsignals = [\"metrics\", \"logs\"]\nlogs = { endpoint = \"http://there:4317\" }"
        ),
        "metrics http://here/v1/metrics (http/protobuf)\nlogs http://there:4317/ (grpc)"
    );
    assert_eq!(
        shown("endpoint = \"http://here:4318\""),
        "http://here:4318/v1/metrics, /v1/traces and /v1/logs (http/protobuf)"
    );
    assert_eq!(
        shown("endpoint = \"http://here\"\nsignals = [\"metrics\", \"logs\"]"),
        "http://here/v1/metrics and /v1/logs (http/protobuf)"
    );
    assert_eq!(shown("endpoint = \"http://here\"\nsignals = [\"logs\"]"), "logs http://here/v1/logs (http/protobuf)");
    assert_eq!(shown("endpoint = \"http://here:4317\"\nsignals = [\"logs\"]"), "logs http://here:4317/ (grpc)");
    let here = ("OTEL_EXPORTER_OTLP_ENDPOINT", "here:4317");
    assert_eq!(shown_in("", &[here]), "https://here:4317/ (grpc)");
    let no_traces = ("OTEL_TRACES_EXPORTER", "none");
    assert_eq!(shown_in("", &[here, no_traces]), "metrics https://here:4317/ (grpc)\nlogs https://here:4317/ (grpc)");
    assert_eq!(shown_in("", &[("OTEL_SDK_DISABLED", "true")]), "turned off by the environment");
}

/// Scenario: certificates and keys for mTLS, matching ones and a foreign key. Guarantees: matching pairs are accepted, in
/// the backend's table or a signal's; a key that does not match the certificate is an error.
#[test]
fn a_certificate_and_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let pair = |name: &str| {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let certificate = write(&format!("{name}.pem"), &made.cert.pem());
        (certificate, write(&format!("{name}.key"), &made.signing_key.serialize_pem()))
    };
    let ((ours, our_key), (_, other_key)) = (pair("ours"), pair("other"));
    let config = |key: &Path| {
        let text = format!(
            "[recorders.stats]\n[backends.collector]\ntype = \"otlp\"\nendpoint = \"https://localhost\"\n\
             tls = {{ ca_file = '{ours}' }}\n[backends.collector.traces]\n\
             tls = {{ ca_file = '{ours}', cert_file = '{ours}', key_file = '{}' }}\n",
            key.display(),
            ours = ours.display(),
        );
        load_all(&text, &[])
    };
    let right = config(&our_key).unwrap();
    let otlp = as_otlp(&right.backends[0]);
    let tls = |signal| &otlp.signal(signal).unwrap().tls;
    assert!(tls(Signal::Metrics).ca.is_some() && tls(Signal::Metrics).identity.is_none());
    assert!(tls(Signal::Traces).ca.is_some() && tls(Signal::Traces).identity.is_some());
    let errors = config(&other_key).unwrap_err();
    let [error] = errors.errors() else { panic!("one error, got {:?}", errors.errors()) };
    assert!(error.message.contains("other.key` is not the key of `"), "{}", error.message);
}

/// Scenario: two collectors, one named by the file and one by the environment. Guarantees: the environment fills keys that
/// the file does not set, and its API key goes only to its own endpoint.
#[test]
fn the_environment_fills_what_is_open_and_no_more() {
    let text = "[recorders.stats]\n[backends.ours]\ntype = \"otlp\"\n[backends.theirs]\ntype = \"otlp\"\n\
                endpoint = \"http://theirs:4317\"\ntimeout = \"1s\"\n";
    let env = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://ours:4318/base/"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=secret"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
    ];
    let config = load_all(text, &env).unwrap();
    let otlp: Vec<_> = config.backends.iter().map(|backend| as_otlp(backend).metrics.as_ref().unwrap()).collect();
    let [ours, theirs] = otlp[..] else { panic!("two backends") };
    assert_eq!(
        (ours.endpoint.to_string().as_str(), ours.protocol),
        ("http://ours:4318/base/v1/metrics", OtlpProtocol::HttpProtobuf)
    );
    assert_eq!((theirs.endpoint.to_string().as_str(), theirs.protocol), ("http://theirs:4317/", OtlpProtocol::Grpc));
    assert_eq!((ours.timeout.as_millis(), theirs.timeout.as_millis()), (2500, 1000));
    assert!(ours.gzip && theirs.gzip);
    assert_eq!(ours.headers.get("api-key").unwrap(), "secret");
    assert!(theirs.headers.is_empty(), "a key reached another endpoint");
}

/// Scenario: keys in the URL of a receiver, which is right or wrong, in the file or in a variable.
/// Guarantees: no message shows them, nor where telemetry goes, nor the line of the file.
#[test]
fn keys_in_urls_are_not_shown() {
    let to = |lines: &str, env: &[(&str, &str)]| ltel_core::backend::Backend::destination(&otlp(lines, env));
    let variable = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h/?api_key=S3cret&b=S3cret");
    assert_eq!(
        to("signals = [\"logs\"]\nendpoint = \"https://h/?tenant=S3cret\"", &[]),
        "logs https://h/v1/logs?tenant=*** (http/protobuf)"
    );
    assert_eq!(to("signals = [\"logs\"]", &[variable]), "logs http://h/v1/logs?api_key=***&b=*** (http/protobuf)");
    for url in [
        "https://me:S3cret@h/x?token=S3cret",
        "me:S3cret@h/x?token=S3cret",
        "https://me:S3/S3cret@h/",
        "http://h/v1/metrics?token=S3cret",
        "http://h/api/v1/write?S3cret",
        "http://h:4317/v1/logs?token=S3cret",
        "ftp://h/?token=S3cret",
        "http://h:99999/?token=S3cret",
        "https://[::1]:x/?token=S3cret",
    ] {
        let file = format!("[recorders.stats]\n[backends.otlp]\nendpoint = \"{url}\"\n");
        let said = load_all(&file, &[]).expect_err(url).render(false);
        assert!(!said.contains("S3") && said.contains("telemetry.toml:3:12"), "{url}: {said}");
        let file = "[recorders.stats]\n[backends.otlp]\n";
        let said = load_all(file, &[(variable.0, url)]).expect_err(url).render(false);
        assert!(!said.contains("S3"), "{url}: {said}");
    }
    let lines = "[backends.collector.logs]\nendpoint = \"http://h/?token=S3cret\"\n";
    let warnings = loaded(lines, &[]).warnings;
    assert!(!warnings.is_empty() && !warnings.concat().contains("S3"), "{warnings:?}");
    let tls = "endpoint = \"http://h/?token=S3cret\"\ntls = { ca_file = \"a.pem\" }\n";
    let file = format!("[recorders.stats]\n[backends.otlp]\n{tls}");
    let said = load_all(&file, &[]).expect_err(tls);
    assert!(said.errors().iter().all(|error| !error.message.contains("S3")), "{said}");
}
