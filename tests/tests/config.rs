//! Configurations that are wrong: each file in `cases/config` and all that ltel says of it.

use ltel_cli::config::{BackendKind, Environment, OtlpProtocol, Signal, load};

/// Scenario: a configuration with one kind of mistake, or several. Guarantees: every mistake is found at once, each with
/// file, line, column, the text that is wrong and what would be right; the words are the snapshot's.
#[test]
fn every_mistake_is_shown_where_it_is() {
    insta::glob!("../cases/config", "*.toml", |path| {
        let text = std::fs::read_to_string(path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy();
        let errors = load(&name, &text, &ltel_recorders::registry(), &Environment::default()).unwrap_err();
        insta::assert_snapshot!(errors.render(false));
    });
}

/// Scenario: a variable of the environment is wrong. Guarantees: it is an error like the file's own, and names the variable.
#[test]
fn a_wrong_variable_is_an_error_too() {
    let text = "[recorders.stats]\n[backends.collector]\ntype = \"otlp\"\n";
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "10s"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "brotli"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "nonsense"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4317"),
        ("OTEL_RESOURCE_ATTRIBUTES", "key=value,nonsense"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "sometimes"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "3s"),
        ("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "exponential"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "localhost:4317"),
        ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "zstd"),
    ] {
        let env: Environment = [(name, value)].into_iter().collect();
        let errors = load("telemetry.toml", text, &ltel_recorders::registry(), &env).unwrap_err();
        let [error] = errors.errors() else { panic!("{name}: one error, got {:?}", errors.errors()) };
        // What may be a key is not shown.
        let is_list = name.ends_with("HEADERS") || name.ends_with("ATTRIBUTES");
        let shown = if is_list { "is not `key=value`" } else { value };
        assert!(error.message.contains(name) && error.message.contains(shown), "{name}: {}", error.message);
    }
}

/// Scenario: files of TLS that the environment names, and that are not there or not whole. Guarantees: an error that names the
/// variable, once, however many signals it concerns.
#[test]
fn certificates_of_the_environment_are_checked_too() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://otlp.example.com");
    let text = "[recorders.stats]\n[backends.collector]\ntype = \"otlp\"\n";
    for (name, expected) in [
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE: cannot read `/nope.pem`"),
        ("OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE", "OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE: cannot read `/nope.pem`"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "`OTEL_EXPORTER_OTLP_CLIENT_KEY` stands without its certificate"),
        (
            "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
            "`OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE` stands without its private key",
        ),
    ] {
        let env: Environment = [endpoint, (name, "/nope.pem")].into_iter().collect();
        let errors = load("telemetry.toml", text, &ltel_recorders::registry(), &env).unwrap_err();
        let [error] = errors.errors() else { panic!("{name}: one error, got {:?}", errors.errors()) };
        assert!(error.message.starts_with(expected), "{}", error.message);
    }
}

/// Scenario: the file asks for no compression where the environment asks for it. Guarantees: an error, since the exporter
/// would compress all the same; none where the signal's own variable says `none`.
#[test]
fn compression_that_cannot_be_undone() {
    let text = "[recorders.stats]\n[backends.collector]\ntype = \"otlp\"\ncompression = \"none\"\n\
                signals = [\"logs\"]\n";
    let all = ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
    let env: Environment = [all].into_iter().collect();
    let errors = load("telemetry.toml", text, &ltel_recorders::registry(), &env).unwrap_err();
    insta::assert_snapshot!(errors.render(false));
    let env: Environment = [all, ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "none")].into_iter().collect();
    load("telemetry.toml", text, &ltel_recorders::registry(), &env).unwrap();
}

/// Scenario: certificates and keys for mTLS, right ones and one of somebody else's. Guarantees: what belongs together is taken,
/// at the backend's level or a signal's; a key that is not the certificate's is an error.
#[test]
fn a_certificate_and_its_key() {
    let scene = ltel_tests::Scene::new();
    let pair = |name: &str| {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let certificate = scene.write(&format!("{name}.pem"), &made.cert.pem());
        (certificate, scene.write(&format!("{name}.key"), &made.signing_key.serialize_pem()))
    };
    let ((ours, our_key), (_, other_key)) = (pair("ours"), pair("other"));
    let config = |key: &std::path::Path| {
        let text = format!(
            "[recorders.stats]\n[backends.collector]\ntype = \"otlp\"\nendpoint = \"https://localhost\"\n\
             tls = {{ ca_file = '{ours}' }}\n[backends.collector.traces]\n\
             tls = {{ ca_file = '{ours}', cert_file = '{ours}', key_file = '{}' }}\n",
            key.display(),
            ours = ours.display(),
        );
        load("telemetry.toml", &text, &ltel_recorders::registry(), &Environment::default())
    };
    let right = config(&our_key).unwrap();
    let BackendKind::Otlp(otlp) = &right.backends[0].kind else { panic!("it is OTLP") };
    let tls = |signal| &otlp.signal(signal).unwrap().tls;
    assert!(tls(Signal::Metrics).ca.is_some() && tls(Signal::Metrics).identity.is_none());
    assert!(tls(Signal::Traces).ca.is_some() && tls(Signal::Traces).identity.is_some());
    let errors = config(&other_key).unwrap_err();
    let [error] = errors.errors() else { panic!("one error, got {:?}", errors.errors()) };
    assert!(error.message.contains("other.key` is not the key of `"), "{}", error.message);
}

/// Scenario: two collectors, one named by the file and one by the environment. Guarantees: the environment fills what the
/// file leaves open, and its key goes to its own endpoint only.
#[test]
fn the_environment_fills_what_is_open_and_no_more() {
    let text = "[recorders.stats]\n[backends.ours]\ntype = \"otlp\"\n[backends.theirs]\ntype = \"otlp\"\n\
                endpoint = \"http://theirs:4317\"\ntimeout = \"1s\"\n";
    let env: Environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://ours:4318/base/"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=secret"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
    ]
    .into_iter()
    .collect();
    let config = load("telemetry.toml", text, &ltel_recorders::registry(), &env).unwrap();
    let otlp: Vec<_> = config
        .backends
        .iter()
        .map(|backend| match &backend.kind {
            BackendKind::Otlp(otlp) => otlp.metrics.as_ref().unwrap(),
            other => panic!("both are OTLP, not {other:?}"),
        })
        .collect();
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
