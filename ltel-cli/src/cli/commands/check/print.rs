//! `check --print`: the whole configuration that results, as a file that `check` accepts again.

use std::any::Any;
use std::fmt::Write as _;

use ltel_core::backend::{Environment, Signal, Takes};
use ltel_core::recorder::field_of;
use ltel_core::registry::Registry;
use ltel_core::text::printable;
use opentelemetry_sdk::metrics::Temporality;
use serde_json::Value as Json;
use toml::{Table, Value};

use super::secrets::Secrets;
use crate::config::{self, BackendConfig, Config, RecorderConfig};
use crate::deliver::otlp::Otlp;
use crate::deliver::prometheus::Prometheus;
use crate::deliver::setting::{DEFAULT, Setting};

/// What is printed of a configuration: its text, and what it has become.
pub(super) struct Printed<'a> {
    pub(super) text: &'a str,
    pub(super) config: &'a Config,
    pub(super) registry: &'a Registry,
    /// Without what ltel ignores.
    pub(super) env: &'a Environment,
    /// What to say about where the file's name comes from.
    pub(super) origin: &'a str,
}

impl Printed<'_> {
    /// The file. `name` is that of the one that was read.
    pub(super) fn to_toml(&self, name: &str) -> String {
        // It has been read before.
        let file: Table = toml::from_str(self.text).unwrap_or_default();
        let schema = config::schema(self.registry);
        let table = |name: &str| file.get(name).and_then(Value::as_table);
        let in_table = |of: &str, name: &str| table(of)?.get(name)?.as_table();
        let mut out = Printer::default();
        let _ = writeln!(
            out.0,
            "# All of {}{}. What is not from it has a comment with where it comes from.\n",
            printable(name),
            self.origin
        );
        let top: Table =
            file.iter().filter(|(_, value)| !is_of_tables(value)).map(|(k, v)| (k.clone(), v.clone())).collect();
        out.table(&top, &with_defaults(&top, schema.get("properties"), Vec::new()), Secrets::NONE);
        self.labels(table("labels"), &mut out);
        match table("listen") {
            Some(stated) => {
                out.header("[listen]");
                let settings = with_defaults(stated, schema.pointer("/$defs/Listen/properties"), Vec::new());
                out.table(stated, &settings, Secrets::by_name(&schema, "/$defs/Listen"));
            }
            None => self.default_listen(&mut out),
        }
        // Tables such as `[health]`, which are nothing unless they are stated.
        let apart = ["labels", "listen", "limits", "recorders", "backends", "thresholds"];
        for (name, stated) in file.iter().filter(|(name, _)| !apart.contains(&name.as_str())) {
            let Some(stated) = stated.as_table() else { continue };
            let of = schema.get("properties").and_then(|properties| properties.get(name)?.get("$ref")?.as_str());
            let keys = of.and_then(|of| schema.pointer(of.trim_start_matches('#'))?.get("properties"));
            out.header(&format!("[{name}]"));
            let secrets = Secrets::by_name(&schema, of.unwrap_or_default().trim_start_matches('#'));
            out.table(stated, &with_defaults(stated, keys, Vec::new()), secrets);
        }
        let limits = table("limits").cloned().unwrap_or_default();
        out.header("[limits]");
        let of_limits = with_defaults(&limits, schema.pointer("/$defs/Limits/properties"), Vec::new());
        out.table(&limits, &of_limits, Secrets::NONE);
        for rule in file.get("names").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_table) {
            out.header("[[names]]");
            out.table(rule, &[], Secrets::NONE);
        }
        let keys = |kind: &str, of: &str| schema.get("$defs")?.get(format!("{kind}.{of}"))?.get("properties");
        for recorder in &self.config.recorders {
            let stated = in_table("recorders", &recorder.name).cloned().unwrap_or_default();
            out.header(&format!("[recorders.{}]", key(&recorder.name)));
            let settings = self.of_recorder(recorder, &stated);
            let secrets = Secrets::by_schema(&schema, &format!("/$defs/recorder.{}", recorder.spec.name));
            out.table(&stated, &with_defaults(&stated, keys("recorder", recorder.spec.name), settings), secrets);
        }
        for backend in &self.config.backends {
            let stated = in_table("backends", &backend.name).cloned().unwrap_or_default();
            let header = format!("[backends.{}]", key(&backend.name));
            out.header(&header);
            let settings = self.of_backend(backend, &stated);
            let (own, within): (Vec<_>, Vec<_>) = settings.into_iter().partition(|setting| setting.within.is_none());
            // A table of a signal has its own keys from elsewhere, too: it stands by itself.
            let parts: Vec<_> = Signal::ALL.into_iter().map(Signal::as_str).collect();
            let parts = if within.is_empty() { Vec::new() } else { parts };
            let plain = stated.iter().filter(|(key, _)| !parts.contains(&key.as_str()));
            let plain: Table = plain.map(|(key, value)| (key.clone(), value.clone())).collect();
            let kind = backend.backend.spec().name;
            let secrets = Secrets::by_name(&schema, &format!("/$defs/backend.{kind}"));
            out.table(&plain, &with_defaults(&plain, keys("backend", kind), own), secrets);
            for part in parts {
                let stated = stated.get(part).and_then(Value::as_table).cloned().unwrap_or_default();
                let of: Vec<_> = within.iter().filter(|setting| setting.within == Some(part)).cloned().collect();
                if !stated.is_empty() || !of.is_empty() {
                    out.header(&format!("{}.{part}]", header.trim_end_matches(']')));
                    out.table(&stated, &of, secrets.within(part));
                }
            }
        }
        if let Some(thresholds) = table("thresholds") {
            out.header("[thresholds]");
            out.table(thresholds, &[], Secrets::NONE);
        }
        out.0
    }

    /// Those of the file, and those of `--label`, which may replace them.
    fn labels(&self, stated: Option<&Table>, out: &mut Printer) {
        if self.config.labels.is_empty() {
            return;
        }
        out.header("[labels]");
        for label in self.config.labels.iter() {
            let name = label.key.as_str();
            let value = Value::try_from(field_of(&label.value)).unwrap_or_else(|_| label.value.to_string().into());
            match stated.and_then(|stated| stated.get(name)) {
                Some(written) if written.is_table() || *written == value => out.line(name, written, None),
                _ => out.line(name, &value, Some("--label")),
            }
        }
    }

    // As a table, `run` would listen there too.
    fn default_listen(&self, out: &mut Printer) {
        let listen = &self.config.listen;
        let _ = write!(out.0, "\n# [listen] is not in the file. Without a command, ltel listens here:  # default\n");
        if let Some(unix) = &listen.unix {
            let _ = writeln!(out.0, "#   unix = {}  # XDG_RUNTIME_DIR", Value::from(unix.path.display().to_string()));
        }
        if let Some(tcp) = &listen.tcp {
            let _ = writeln!(out.0, "#   tcp = {}", Value::from(tcp.to_string()));
        }
    }

    fn of_recorder(&self, recorder: &RecorderConfig, stated: &Table) -> Vec<Setting> {
        let names = recorder.backends.iter().map(|&index| Value::from(self.config.backends[index].name.as_str()));
        let names: Vec<_> = names.collect();
        let mut settings = Vec::new();
        if !names.is_empty() && !stated.contains_key("backends") {
            settings.push(Setting::new("backends", names, "default: all"));
        }
        if let Some(interval) = recorder.interval.filter(|_| !stated.contains_key("interval")) {
            settings.push(Setting::new("interval", humantime::format_duration(interval).to_string(), DEFAULT));
        }
        let ratio = config::environment::sampled(self.env).filter(|_| !stated.contains_key("ratio"));
        if let Some(ratio) = ratio.filter(|_| recorder.factory.needs().trace.is_some()) {
            settings.push(Setting::new("ratio", ratio, "OTEL_TRACES_SAMPLER"));
        }
        settings
    }

    fn of_backend(&self, backend: &BackendConfig, stated: &Table) -> Vec<Setting> {
        let (mut settings, is_open) = (Vec::new(), |key: &str| !stated.contains_key(key));
        let any: &dyn Any = &*backend.backend;
        let otlp = any.downcast_ref::<Otlp>();
        let from = |variable: &'static str| match otlp.and_then(|_| self.env.get(variable)) {
            Some(_) => variable,
            None => DEFAULT,
        };
        if is_open("interval") && backend.backend.spec().pace.is_none() {
            let interval = humantime::format_duration(backend.interval).to_string();
            settings.push(Setting::new("interval", interval, from("OTEL_METRIC_EXPORT_INTERVAL")));
        }
        if is_open("temporality") && backend.backend.takes(Signal::Metrics) == Takes::Yes {
            let value = match backend.temporality {
                Temporality::Cumulative => Some("cumulative".into()),
                Temporality::Delta => Some("delta".into()),
                // No file can say it.
                _ => None,
            };
            let origin = from("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE").to_owned();
            settings.push(Setting { within: None, key: "temporality".to_owned(), value, origin });
        }
        if is_open("internal_metrics") {
            settings.push(Setting::new("internal_metrics", backend.internal_metrics, DEFAULT));
        }
        if let Some(otlp) = otlp {
            settings.extend(otlp.unstated(stated, self.env));
        }
        if let Some(prometheus) = any.downcast_ref::<Prometheus>() {
            settings.extend(prometheus.unstated(stated, self.env));
        }
        settings
    }
}

fn is_of_tables(value: &Value) -> bool {
    value.is_table() || value.as_array().is_some_and(|items| items.first().is_some_and(Value::is_table))
}

/// These settings, and the schema's defaults of keys that are neither stated nor set.
fn with_defaults(stated: &Table, properties: Option<&Json>, mut settings: Vec<Setting>) -> Vec<Setting> {
    for (key, of) in properties.and_then(Json::as_object).into_iter().flatten() {
        let is_known = stated.contains_key(key) || settings.iter().any(|setting| setting.key == *key);
        let value = of.get("default").and_then(|default| Value::try_from(default).ok());
        if let Some(value) = value.filter(|_| !is_known) {
            settings.push(Setting { within: None, key: key.clone(), value: Some(value), origin: DEFAULT.to_owned() });
        }
    }
    settings
}

#[derive(Default)]
struct Printer(String);

impl Printer {
    fn header(&mut self, header: &str) {
        let _ = write!(self.0, "\n{header}\n");
    }

    fn table(&mut self, stated: &Table, settings: &[Setting], secrets: Secrets<'_>) {
        // A setting may complete what is stated, such as a resource.
        let completed = |key: &str| settings.iter().any(|setting| setting.key == *key);
        for (key, value) in stated.iter().filter(|(key, _)| !completed(key)) {
            self.line(key, &secrets.blanked(key, value), None);
        }
        for Setting { key, value, origin, .. } in settings {
            match value {
                Some(value) => self.line(key, &secrets.blanked(key, value), Some(origin)),
                None => drop(writeln!(self.0, "# {key} is not the default: {origin}")),
            }
        }
    }

    fn line(&mut self, name: &str, value: &Value, origin: Option<&str>) {
        let origin = origin.map(|origin| format!("  # {origin}")).unwrap_or_default();
        let _ = writeln!(self.0, "{} = {value}{origin}", key(name));
    }
}

/// A key as TOML has it.
fn key(name: &str) -> String {
    let is_bare = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if is_bare { name.to_owned() } else { Value::from(name).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    const FILE: &str = r#"
        testplan = "checkout"
        [labels]
        region = "eu"
        build = 7
        auth_mode = "oauth"
        [[names]]
        match = '^/product/\d+$'
        replace = "/product/{id}"
        [[names]]
        match = '^https://shop/token\?id=\d+$'
        replace = "/token"
        [recorders.stats]
        percentiles = [50, 99]
        [recorders.spans]
        [recorders.checkout]
        type = "declared"
        on = "request"
        when = 'name.startsWith("/checkout")'
        backends = ["collector"]
        labels = { author = "context.author" }
        metrics.auth_time = { histogram = "response_time", unit = "ms" }
        [backends.json]
        [backends.collector]
        type = "otlp"
        endpoint = "https://collector:4318"
        headers = { api-key = "abc", env = "abc", other = { env = "KEY" } }
        resource = { team = "shop", "shop.token" = "abc" }
        [backends.collector.traces]
        endpoint = "https://traces.example.com/in?token=abc"
        [backends.elsewhere]
        type = "otlp"
        [backends.prometheus]
        [backends.page]
        token = "abc"
        [health]
        [thresholds]
        "POST /auth/login" = "p95 < 500ms"
        all = ["p95 < 500ms", { check = "failures < 10", abort = true, after = "5s" }]
    "#;

    fn environment() -> Environment {
        [
            ("KEY", "abc"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://gateway:4318"),
            ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://logs:9000/in?tenant=abc"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "key=abc"),
            ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "5000"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "15000"),
            ("OTEL_SERVICE_NAME", "abroad"),
            ("OTEL_RESOURCE_ATTRIBUTES", "site=here,deploy.key=abc"),
            ("OTEL_TRACES_SAMPLER", "traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
            ("OTEL_EXPORTER_PROMETHEUS_PORT", "9999"),
            ("OTEL_METRICS_EXEMPLAR_FILTER", "always_off"),
        ]
        .into_iter()
        .collect()
    }

    fn read(text: &str, env: &Environment) -> Config {
        let registry = crate::with_backends(ltel_recorders::registry());
        load("telemetry.toml", text, &registry, env).unwrap_or_else(|errors| panic!("{errors}"))
    }

    fn printed(text: &str, env: &Environment) -> String {
        let registry = crate::with_backends(ltel_recorders::registry());
        let followed = config::followed(env, &registry);
        Printed { text, config: &read(text, env), registry: &registry, env: &followed, origin: "" }
            .to_toml("telemetry.toml")
    }

    /// What a configuration does, without secrets and what each start has anew.
    fn effects(text: &str, env: &Environment) -> String {
        let config = read(text, env);
        let backends: Vec<_> = config
            .backends
            .iter()
            .map(|of| (&of.name, of.interval, of.temporality, of.queue, of.internal_metrics))
            .collect();
        let otlp = config.backends.iter().filter_map(|of| {
            let any: &dyn Any = &*of.backend;
            Some(any.downcast_ref::<Otlp>()?.unstated(&Table::new(), &Environment::default()))
        });
        let recorders: Vec<_> = config
            .recorders
            .iter()
            .map(|of| (&of.name, of.spec.name, &of.backends, of.interval, of.series_limit, of.factory.needs()))
            .collect();
        format!("{}\n{backends:#?}\n{recorders:#?}\n{:#?}", super::super::describe(&config), otlp.collect::<Vec<_>>())
    }

    /// Guarantees: everything is there, and says where it comes from; no secret is.
    #[test]
    fn the_whole_configuration() {
        let shown = printed(FILE, &environment());
        assert!(!shown.contains("abc"), "{shown}");
        insta::assert_snapshot!(shown);
    }

    /// Guarantees: what is printed does the same, in the same environment and in none; and nothing of it comes from elsewhere when it is
    /// printed again.
    #[test]
    fn what_is_printed_does_the_same() {
        let template = include_str!("../init/telemetry.toml.in");
        for (text, env) in [
            (FILE, environment()),
            (template, Environment::default()),
            (template, environment()),
            (config::DEFAULT, environment()),
        ] {
            let shown = printed(text, &env);
            let secrets: Environment = [("KEY", "abc")].into_iter().collect();
            // Where they are sent, and the resource.
            let does = effects(text, &env).replace("abc", "***");
            assert_eq!(effects(&shown, &env), does, "{shown}");
            assert_eq!(effects(&shown, &secrets), does, "{shown}");
            let values = |text: &str| toml::from_str::<Table>(text).expect("TOML");
            assert_eq!(values(&printed(&shown, &secrets)), values(&shown));
        }
    }
}
