//! Configurations that are wrong: each file in `cases/config` and all that ltel says of it.

use ltel_cli::config::{Environment, load};

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
        ("OTEL_RESOURCE_ATTRIBUTES", "nonsense"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "sometimes"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "3s"),
    ] {
        let env: Environment = [(name, value)].into_iter().collect();
        let errors = load("telemetry.toml", text, &ltel_recorders::registry(), &env).unwrap_err();
        let [error] = errors.errors() else { panic!("{name}: one error, got {:?}", errors.errors()) };
        assert!(error.message.contains(name) && error.message.contains(value), "{name}: {}", error.message);
    }
}

/// Scenario: two collectors, one named by the file and one by the environment. Guarantees: the environment fills what the
/// file leaves open, and its key goes to its own endpoint only.
#[test]
fn the_environment_fills_what_is_open_and_no_more() {
    use ltel_cli::config::{BackendKind, OtlpProtocol};
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
            BackendKind::Otlp(otlp) => otlp,
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
