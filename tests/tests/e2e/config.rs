//! Invalid configurations: each file in `cases/config` and its errors.

use ltel_cli::config::{Config, ConfigErrors, Environment};
use ltel_core::prelude::*;
use serde::Deserialize;

fn load(file: &str, text: &str, env: &Environment) -> Result<Config, ConfigErrors> {
    ltel_cli::config::load(file, text, &ltel_cli::with_backends(ltel_recorders::registry()), env)
}

/// Scenario: a configuration with one or several mistakes. Guarantees: all mistakes are reported at once, each with file,
/// line, column, the wrong text and a fix, as in the snapshot.
#[apply(e2e)]
fn every_mistake_is_shown_where_it_is() {
    insta::glob!("../../cases/config", "*.toml", |path| {
        let text = std::fs::read_to_string(path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy();
        let errors = load(&name, &text, &Environment::default()).unwrap_err();
        insta::assert_snapshot!(errors.render(false));
    });
}

/// Scenario: a file without recorders or backends. Guarantees: the example of the error, added to the file, makes it valid.
#[apply(e2e)]
fn the_examples_of_help_can_be_pasted() {
    for file in
        ["", "testplan = \"checkout\"\n", "[backends.json]\n", "[recorders.stats]\n", "[listen]\ntoken = \"t\"\n"]
    {
        let errors = load("telemetry.toml", file, &Environment::default()).unwrap_err();
        let helps = errors.errors().iter().filter_map(|error| error.help.as_deref());
        let examples: Vec<_> = helps.flat_map(str::lines).filter_map(|line| line.strip_prefix("  ")).collect();
        assert!(!examples.is_empty(), "{errors}");
        let whole = format!("{file}{}\n", examples.join("\n"));
        load("telemetry.toml", &whole, &Environment::default()).unwrap_or_else(|errors| panic!("{whole}\n{errors}"));
    }
}

/// Scenario: `[listen]` with a token, and without an address. Guarantees: ltel listens where it does without `[listen]`.
#[apply(e2e)]
fn a_token_alone_is_for_the_default_addresses() {
    let text = |listen: &str| format!("{listen}[recorders.stats]\n[backends.json]\n");
    let listen = |text: &str| load("telemetry.toml", text, &Environment::default()).unwrap().listen;
    let (without, with) = (listen(&text("")), listen(&text("[listen]\ntoken = \"secret\"\n")));
    assert!(without.token.is_none() && with.token.is_some());
    assert_eq!(without.tcp, with.tcp);
    assert!(with.tcp.is_some());
}

/// Scenario: ways to write values that are right. Guarantees: they are read, and mean what they say.
#[apply(e2e)]
fn what_may_be_written_in_several_ways() {
    for (keys, shown) in [
        ("output = \"-\"", "stdout"),
        ("output = \"/dev/stdout\"", "stdout"),
        ("output = \"./stderr\"", "./stderr"),
        ("output = \"{run_id}.jsonl\"", "{run_id}.jsonl"),
    ] {
        let config =
            load("telemetry.toml", &format!("[recorders.stats]\n[backends.json]\n{keys}\n"), &Environment::default());
        assert_eq!(config.unwrap().backends[0].backend.destination(), shown, "{keys}");
    }
    let prometheus = "[recorders.requests]\n[backends.prometheus]\nlisten = \"localhost:9999\"\n";
    let config = load("telemetry.toml", prometheus, &Environment::default()).unwrap();
    assert!(config.backends[0].backend.destination().contains("127.0.0.1:9999"), "{:?}", config.backends);
}

/// Scenario: an environment variable is invalid. Guarantees: the error names the variable.
#[apply(e2e)]
fn a_wrong_variable_is_an_error_too() {
    let text = "[recorders.stats]\n[backends.collector]\ntype = \"otlp\"\n";
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/xml"),
        ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "10s"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "nonsense"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector"),
        ("OTEL_RESOURCE_ATTRIBUTES", "key=value,nonsense"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "sometimes"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "3s"),
        ("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "exponential"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/xml"),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "127.0.0.1:4318/v1/logs"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318/v1/metrics"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4317/v1/traces/"),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://localhost:4318/v1/traces"),
    ] {
        let env: Environment = [(name, value)].into_iter().collect();
        let errors = load("telemetry.toml", text, &env).unwrap_err();
        let [error] = errors.errors() else { panic!("{name}: one error, got {:?}", errors.errors()) };
        // What may be a key is not shown.
        let is_list = name.ends_with("HEADERS") || name.ends_with("ATTRIBUTES");
        let shown = if is_list { "is not `key=value`" } else { value };
        assert!(error.message.contains(name) && error.message.contains(shown), "{name}: {}", error.message);
    }
}

/// Scenario: an endpoint of the environment without a scheme, for HTTP. Guarantees: an error that says what to write.
#[apply(e2e)]
fn an_endpoint_without_a_scheme_is_not_for_http() {
    let text = "[recorders.stats]\n[backends.collector]\ntype = \"otlp\"\n";
    let env: Environment = [("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318")].into_iter().collect();
    let errors = load("telemetry.toml", text, &env).unwrap_err();
    insta::assert_snapshot!(errors.render(false));
}

/// Scenario: a URL for one signal, without a path. Guarantees: a warning, since it is used as it is.
#[apply(e2e)]
fn a_url_of_one_signal_has_its_path() {
    let text = "[recorders.stats]\n[backends.collector]\ntype = \"otlp\"\n";
    for (url, warns) in
        [("http://localhost:4318", true), ("http://localhost:4318/", true), ("http://localhost:4318/v1/logs", false)]
    {
        let (_, warnings) = warned(text, &[("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", url)]);
        assert_eq!(warnings.iter().any(|warning| warning.contains("at `/v1/logs`")), warns, "{url}: {warnings:?}");
    }
}

/// The recorders and the warnings in an environment.
fn warned(text: &str, env: &[(&str, &str)]) -> (String, Vec<String>) {
    let env: Environment = env.iter().copied().collect();
    let config = load("telemetry.toml", text, &env).expect("valid");
    let recorders = config.recorders.iter().map(|recorder| {
        let trace = recorder.factory.needs().trace;
        format!("{}{}", recorder.name, trace.map_or(String::new(), |trace| format!(" {}", trace.ratio)))
    });
    (recorders.collect::<Vec<_>>().join(", "), config.warnings)
}

/// Scenario: a rule for a method in lower case. Guarantees: a warning, since HTTP's are upper case; none for other protocols' methods.
#[apply(e2e)]
fn methods_of_http_are_upper_case() {
    for (method, warns) in [("get", true), ("get|post", true), ("(?i)get", false), ("GET|HEAD", false), ("grpc", false)]
    {
        let text = format!("[[names]]\nmethod = '{method}'\ndrop = true\n[recorders.requests]\n[backends.json]\n");
        let (_, warnings) = warned(&text, &[]);
        let expected = "[[names]] in line 1: `method` matches no method of HTTP: methods are upper case, such as `GET`";
        assert_eq!(warnings, Vec::from_iter(warns.then(|| expected.to_owned())), "{method}");
    }
}

/// Scenario: percentiles as quantiles. Guarantees: a warning that says which and what is meant; none for the shortest time, or for p1.
#[apply(e2e)]
fn percentiles_are_of_100() {
    for (percentiles, low) in [("0.5, 0.95", Some("0.5")), ("50, 0.99", Some("0.99")), ("0, 1, 50, 99.9", None)] {
        let text = format!("[recorders.times]\ntype = 'stats'\npercentiles = [{percentiles}]\n[backends.json]\n");
        let (_, warnings) = warned(&text, &[]);
        let expected = low.map(|low| {
            format!("[recorders.times]: `percentiles` are of 100, such as 95 for p95: {low} is less than 1")
        });
        assert_eq!(warnings.len(), usize::from(low.is_some()), "{warnings:?}");
        assert!(
            warnings.iter().zip(&expected).all(|(warning, expected)| warning.starts_with(expected)),
            "{warnings:?}"
        );
    }
}

/// A recorder with the options of the book's.
#[derive(Recorder)]
#[recorder(on = Request, options = CheckoutOptions)]
struct Checkout {
    /// Requests slower than the limit.
    #[counter(when = |r, o| r.response_time > o.slow_ms)]
    slow: Counter,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CheckoutOptions {
    slow_ms: f64,
}

/// Scenario: the configurations in the book about recorders; one without backends goes on where the one before it ended.
/// Guarantees: they have no mistakes.
#[apply(e2e)]
fn the_configurations_of_the_book_are_valid() {
    let book = include_str!("../../../recorders/README.md");
    let blocks = book.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let (mut text, mut checked) = (String::new(), 0);
    for block in blocks.filter(|block| !block.starts_with("# Cargo.toml")) {
        text = if block.contains("[backends.") { block.to_owned() } else { format!("{text}\n{block}") };
        let registry = ltel_cli::with_backends(ltel_recorders::registry().with::<Checkout>());
        if let Err(errors) = ltel_cli::config::load("telemetry.toml", &text, &registry, &Environment::default()) {
            panic!("{errors}");
        }
        checked += 1;
    }
    assert!(checked > 2);
}

/// Scenario: OpenTelemetry's sampler, beside a file that says a ratio or does not. Guarantees: the file's ratio wins; what the
/// sampler says is a ratio; what is not supported is said, and ignored.
#[apply(e2e)]
fn a_sampler_of_the_environment_is_a_ratio() {
    let jaeger = "OTEL_TRACES_SAMPLER: `jaeger_remote` is not supported, ignored; supported: `always_off`, `always_on`, \
                  `parentbased_always_off`, `parentbased_always_on`, `parentbased_traceidratio` and `traceidratio`";
    let arg = "OTEL_TRACES_SAMPLER_ARG: `10%` is not a number from 0 to 1, ignored";
    for (keys, sampler, argument, recorders, warnings) in [
        ("", "", "0.5", "spans 1", &[][..]),
        ("", "always_off", "", "spans 0", &[]),
        ("", "parentbased_always_on", "0.5", "spans 1", &[]),
        ("", "traceidratio", "0.25", "spans 0.25", &[]),
        ("", "parentbased_traceidratio", "0.00001", "spans 0.00001", &[]),
        ("tasks = true", "traceidratio", "", "spans 1", &[]),
        ("ratio = 0.1", "traceidratio", "0.25", "spans 0.1", &[]),
        ("", "traceidratio", "10%", "spans 1", &[arg]),
        ("", "jaeger_remote", "", "spans 1", &[jaeger]),
    ] {
        let text = format!("[backends.json]\nspans = true\n[recorders.spans]\n{keys}\n");
        let env = [("OTEL_TRACES_SAMPLER", sampler), ("OTEL_TRACES_SAMPLER_ARG", argument)];
        let expected = (recorders.to_owned(), warnings.iter().map(ToString::to_string).collect());
        assert_eq!(warned(&text, &env), expected, "{keys} {sampler} {argument}");
    }
}

/// Scenario: an environment that turns off what recorders go to. Guarantees: they are left out, which is said, and is not an
/// error of the file; those that go on elsewhere do.
#[apply(e2e)]
fn recorders_that_the_environment_leaves_nothing_for() {
    let left_out = |name: &str, what: &str| {
        format!("[recorders.{name}]: left out, as the environment turns off every backend that takes its {what}")
    };
    let off = "OTEL_SDK_DISABLED is `true`: backends of type `otlp` send nothing".to_owned();
    let no = |signal: &str| {
        let name = signal.to_uppercase();
        format!("OTEL_{name}_EXPORTER is `none`: backends of type `otlp` without `signals` send no {signal}")
    };
    let recorders = "[recorders.spans]\n[recorders.users]\n[recorders.lifecycle]\n[backends.otlp]\n";
    let json = format!("{recorders}[backends.json]\n");
    for (text, variable, left, warnings) in [
        (
            recorders,
            ("OTEL_TRACES_EXPORTER", "none"),
            "users, lifecycle",
            vec![no("traces"), left_out("spans", "spans")],
        ),
        (
            recorders,
            ("OTEL_METRICS_EXPORTER", "none"),
            "spans 1, lifecycle",
            vec![no("metrics"), left_out("users", "points")],
        ),
        (recorders, ("OTEL_LOGS_EXPORTER", "none"), "spans 1, users, lifecycle", vec![no("logs")]),
        (
            recorders,
            ("OTEL_SDK_DISABLED", "true"),
            "",
            vec![
                off.clone(),
                left_out("spans", "spans"),
                left_out("users", "points"),
                left_out("lifecycle", "points and records"),
            ],
        ),
        (&json, ("OTEL_SDK_DISABLED", "true"), "users, lifecycle", vec![off, left_out("spans", "spans")]),
    ] {
        assert_eq!(warned(text, &[variable]), (left.to_owned(), warnings), "{variable:?}");
    }
}

/// Scenario: variables that ltel does not support. Guarantees: a warning, if they concern a selected recorder or backend.
#[apply(e2e)]
fn variables_that_concern_nothing_are_not_spoken_of() {
    let env = [("OTEL_BSP_SCHEDULE_DELAY", "1"), ("OTEL_PROPAGATORS", "b3"), ("OTEL_EXPORTER_PROMETHEUS_PORT", "9000")];
    let said = |text: &str| -> Vec<_> {
        let (_, warnings) = warned(text, &env);
        warnings.iter().map(|warning| warning.split(':').next().unwrap().to_owned()).collect()
    };
    assert!(said("[recorders.stats]\n[backends.json]\n").is_empty());
    assert_eq!(said("[recorders.stats]\n[backends.otlp]\n"), ["OTEL_BSP_SCHEDULE_DELAY"]);
    assert_eq!(said("[recorders.spans]\n[backends.json]\nspans = true\n"), ["OTEL_PROPAGATORS"]);
    assert_eq!(said("[recorders.users]\n[backends.prometheus]\n"), ["OTEL_EXPORTER_PROMETHEUS_PORT"]);
}

/// Scenario: files of TLS that the environment names, and that are not there or not whole. Guarantees: an error that names the
/// variable, once, however many signals it concerns.
#[apply(e2e)]
fn certificates_of_the_environment_are_checked_too() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://otlp.example.com");
    let text = "[recorders.stats]\n[backends.collector]\ntype = \"otlp\"\n";
    for (name, expected) in [
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE: cannot read `/nope.pem`"),
        ("OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE", "OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE: cannot read `/nope.pem`"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "`OTEL_EXPORTER_OTLP_CLIENT_KEY` is set without its certificate"),
        (
            "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
            "`OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE` is set without its private key",
        ),
    ] {
        let env: Environment = [endpoint, (name, "/nope.pem")].into_iter().collect();
        let errors = load("telemetry.toml", text, &env).unwrap_err();
        let [error] = errors.errors() else { panic!("{name}: one error, got {:?}", errors.errors()) };
        assert!(error.message.starts_with(expected), "{}", error.message);
    }
}
