//! `ltel-cli check`: what a configuration would run.

use comfy_table::Table;
use ltel_core::registry::Registry;

use super::{Failure, load_config};
use crate::cli::args::CheckArgs;
use crate::cli::print;
use crate::cli::table::plain;
use crate::config::{BackendKind, Config, JsonOutput, OtlpConfig, Signal};

pub(crate) fn check(args: &CheckArgs, registry: &Registry) -> Result<(), Failure> {
    let config = load_config(&args.config, registry)?;
    for warning in &config.warnings {
        print::stderr(&format!("warning: {warning}\n"));
    }
    print::stdout(&describe(&config)).map_err(|error| Failure::failed(error.to_string()))
}

fn describe(config: &Config) -> String {
    let listen = &config.listen;
    let unix = listen.unix.iter().map(|path| format!("unix:{}", path.display()));
    let addresses: Vec<_> = unix.chain(listen.tcp.iter().map(|tcp| format!("tcp://{tcp}"))).collect();
    let mut recorders = plain(&["recorder", "type", "interval", "to"]);
    for recorder in &config.recorders {
        let interval =
            recorder.interval.map_or("the backend's".to_owned(), |i| humantime::format_duration(i).to_string());
        let backends: Vec<_> = recorder.backends.iter().map(|&index| config.backends[index].name.as_str()).collect();
        recorders.add_row([&recorder.name, recorder.spec.name, &interval, &backends.join(", ")]);
    }
    let mut backends: Table = plain(&["backend", "type", "interval", "to"]);
    for backend in &config.backends {
        let (kind, to) = match &backend.kind {
            BackendKind::Json(json) => match &json.output {
                JsonOutput::Stdout => ("json", "stdout".to_owned()),
                JsonOutput::File { path, .. } => ("json", path.display().to_string()),
            },
            BackendKind::Otlp(otlp) => ("otlp", receivers(otlp)),
            BackendKind::Prometheus(prometheus) => {
                let keep = humantime::format_duration(prometheus.keep);
                ("prometheus", format!("http://{}/metrics (last figures kept {keep})", prometheus.listen))
            }
            BackendKind::Summary => continue,
        };
        let interval = match backend.kind {
            BackendKind::Prometheus(_) => "each scrape".to_owned(),
            _ => humantime::format_duration(backend.interval).to_string(),
        };
        backends.add_row([backend.name.as_str(), kind, &interval, &to]);
    }
    format!("listen    {}\n\n{recorders}\n\n{backends}\n", addresses.join(", "))
}

/// Where an OTLP backend's signals go, a line each; one line if that is the same for all that it takes.
fn receivers(otlp: &OtlpConfig) -> String {
    let all = Signal::ALL.into_iter().filter_map(|signal| Some((signal, otlp.signal(signal)?)));
    let all: Vec<_> = all
        .map(|(signal, config)| (signal.as_str(), format!("{} ({})", config.endpoint, config.protocol.as_str())))
        .collect();
    match &all[..] {
        [] => "off, by the environment".to_owned(),
        [(_, first), rest @ ..] if all.len() == Signal::ALL.len() && rest.iter().all(|(_, to)| to == first) => {
            first.clone()
        }
        _ => all.iter().map(|(signal, to)| format!("{signal} {to}")).collect::<Vec<_>>().join("\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    #[test]
    fn receivers_are_named_once_if_all_signals_go_there() {
        let shown_in = |lines: &str, env: &[(&str, &str)]| {
            let text = format!("[recorders.stats]\n[backends.collector]\ntype = \"otlp\"\n{lines}");
            let registry = ltel_recorders::registry();
            let config = load("telemetry.toml", &text, &registry, &env.iter().copied().collect()).expect("valid");
            match &config.backends[0].kind {
                BackendKind::Otlp(otlp) => receivers(otlp),
                other => panic!("it is OTLP, not {other:?}"),
            }
        };
        let shown = |lines: &str| shown_in(lines, &[]);
        assert_eq!(shown("endpoint = \"http://here:4317\""), "http://here:4317/ (grpc)");
        assert_eq!(
            shown(
                "endpoint = \"http://here\"\nsignals = [\"metrics\", \"logs\"]\nlogs = { endpoint = \"http://there:4317\" }"
            ),
            "metrics http://here/v1/metrics (http/protobuf)\nlogs http://there:4317/ (grpc)"
        );
        assert_eq!(shown("endpoint = \"http://here:4317\"\nsignals = [\"logs\"]"), "logs http://here:4317/ (grpc)");
        let here = ("OTEL_EXPORTER_OTLP_ENDPOINT", "here:4317");
        assert_eq!(shown_in("", &[here]), "https://here:4317/ (grpc)");
        let no_traces = ("OTEL_TRACES_EXPORTER", "none");
        assert_eq!(
            shown_in("", &[here, no_traces]),
            "metrics https://here:4317/ (grpc)\nlogs https://here:4317/ (grpc)"
        );
        assert_eq!(shown_in("", &[("OTEL_SDK_DISABLED", "true")]), "off, by the environment");
    }
}
