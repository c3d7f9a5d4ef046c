//! Derives the names of families and labels from OpenTelemetry's, like a collector's Prometheus exporter: dashboards work
//! with both.
//!
//! The rules: <https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/>.

/// Units that Prometheus spells out. Other units stay as they are.
const UNITS: [(&str, &str); 25] = [
    ("d", "days"),
    ("h", "hours"),
    ("min", "minutes"),
    ("s", "seconds"),
    ("ms", "milliseconds"),
    ("us", "microseconds"),
    ("ns", "nanoseconds"),
    ("By", "bytes"),
    ("KiBy", "kibibytes"),
    ("MiBy", "mebibytes"),
    ("GiBy", "gibibytes"),
    ("TiBy", "tibibytes"),
    ("KBy", "kilobytes"),
    ("MBy", "megabytes"),
    ("GBy", "gigabytes"),
    ("TBy", "terabytes"),
    ("m", "meters"),
    ("V", "volts"),
    ("A", "amperes"),
    ("J", "joules"),
    ("W", "watts"),
    ("g", "grams"),
    ("Cel", "celsius"),
    ("Hz", "hertz"),
    ("%", "percent"),
];

const PER_UNITS: [(&str, &str); 7] =
    [("s", "second"), ("m", "minute"), ("h", "hour"), ("d", "day"), ("w", "week"), ("mo", "month"), ("y", "year")];

/// The suffix besides the unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suffix {
    /// `_total`, which the samples of a counter carry and its family does not.
    Total,
    /// `_ratio` if the unit is 1: for gauges. A counter with unit 1 counts things, and is not a ratio.
    Ratio,
    /// None.
    No,
}

/// The name of a metric's family, and its unit if the name ends with it.
pub(crate) fn family(metric: &str, unit: &str, suffix: Suffix) -> (String, Option<String>) {
    let mut words: Vec<&str> =
        metric.split(|c: char| !c.is_ascii_alphanumeric() && c != ':').filter(|word| !word.is_empty()).collect();
    if suffix == Suffix::Total && words.iter().any(|word| *word != "total") {
        words.retain(|word| *word != "total");
    }
    let ratio = suffix == Suffix::Ratio && unit == "1";
    if ratio {
        words.retain(|word| *word != "ratio");
    }
    let (one, per) = if ratio { ("ratio".to_owned(), None) } else { written_out(unit) };
    let mut name = words.join("_");
    if !one.is_empty() && !words.contains(&one.as_str()) {
        name = join(&name, &one);
    }
    if let Some(per) = &per
        && !name.ends_with(&format!("_{per}"))
    {
        name = join(&name, per);
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, '_');
    }
    let unit = per.map_or(one.clone(), |per| join(&one, &per));
    // OpenMetrics: the name of a family with a unit ends with it.
    let unit = (!unit.is_empty() && name.ends_with(&format!("_{unit}"))).then_some(unit);
    (name, unit)
}

/// `By/s` is `bytes` and `per_second`.
fn written_out(unit: &str) -> (String, Option<String>) {
    let (one, per) = unit.split_once('/').map_or((unit, ""), |(one, per)| (one, per));
    let find = |unit: &str, units: &[(&str, &str)]| {
        let unit = unit.trim();
        // Braces hold an annotation, not a unit: `{request}`.
        if unit == "1" || unit.contains(['{', '}']) {
            return String::new();
        }
        let known = units.iter().find(|(symbol, _)| *symbol == unit).map_or(unit, |(_, word)| word);
        only_valid(known).trim_matches('_').to_owned()
    };
    let per = find(per, &PER_UNITS);
    (find(one, &UNITS), (!per.is_empty()).then(|| format!("per_{per}")))
}

/// The name of a label.
pub(crate) fn label(attribute: &str) -> String {
    let name = only_valid(attribute);
    // Prometheus reserves names that begin with two underscores. A collector removes them too.
    match name.as_bytes().first() {
        Some(b'_') => format!("key{name}"),
        Some(first) if !first.is_ascii_digit() => name,
        _ => format!("key_{name}"),
    }
}

/// Each run of other characters becomes one underscore.
fn only_valid(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            name.push(c);
        } else if !name.ends_with('_') {
            name.push('_');
        }
    }
    name
}

fn join(name: &str, suffix: &str) -> String {
    if name.is_empty() { suffix.to_owned() } else { format!("{name}_{suffix}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families() {
        use Suffix::{No, Ratio, Total};
        for (metric, unit, suffix, name, shown_unit) in [
            // Those of the built-in recorders, which dashboards know.
            (
                "locust.tl.request.metric.success",
                "ms",
                No,
                "locust_tl_request_metric_success_milliseconds",
                "milliseconds",
            ),
            ("locust.tl.user.metric.count", "1", Ratio, "locust_tl_user_metric_count_ratio", "ratio"),
            ("locust.tl.system.metric.cpu", "%", Ratio, "locust_tl_system_metric_cpu_percent", "percent"),
            ("locust.tl.system.metric.mem", "By", Ratio, "locust_tl_system_metric_mem_bytes", "bytes"),
            ("locust.tl.event.test.events", "1", Total, "locust_tl_event_test_events", ""),
            // OpenTelemetry's own.
            ("http.client.request.duration", "s", No, "http_client_request_duration_seconds", "seconds"),
            ("locust.users", "{user}", Ratio, "locust_users", ""),
            ("process.cpu.utilization", "1", Ratio, "process_cpu_utilization_ratio", "ratio"),
            ("http.client.response.body.size", "By", No, "http_client_response_body_size_bytes", "bytes"),
            // Units.
            ("speed", "By/s", Ratio, "speed_bytes_per_second", "bytes_per_second"),
            ("rate", "{request}/s", Ratio, "rate_per_second", "per_second"),
            ("rate.per_second", "1/s", Ratio, "rate_per_second", "per_second"),
            ("speed", "m/mo", Ratio, "speed_meters_per_month", "meters_per_month"),
            ("odd", "furlong per-fortnight", Ratio, "odd_furlong_per_fortnight", "furlong_per_fortnight"),
            ("odd", "°", Ratio, "odd", ""),
            ("odd", "/", Ratio, "odd", ""),
            ("share", "1", No, "share", ""),
            // Suffixes that are already in the name are not repeated.
            ("wait.seconds", "s", No, "wait_seconds", "seconds"),
            ("bytes.sent", "By", Total, "bytes_sent", ""),
            ("hit.ratio", "1", Ratio, "hit_ratio", "ratio"),
            ("ratio.of.hits", "1", Ratio, "of_hits_ratio", "ratio"),
            ("requests.total", "1", Total, "requests", ""),
            ("total.requests", "1", Total, "requests", ""),
            ("total", "1", Total, "total", ""),
            // Characters.
            ("a/b-c..d__e", "", No, "a_b_c_d_e", ""),
            ("a.b.", "", No, "a_b", ""),
            ("größe", "", No, "gr_e", ""),
            ("3xx", "", No, "_3xx", ""),
        ] {
            let unit_of_name = (!shown_unit.is_empty()).then(|| shown_unit.to_owned());
            assert_eq!(family(metric, unit, suffix), (name.to_owned(), unit_of_name), "{metric} in {unit:?}");
        }
    }

    #[test]
    fn labels() {
        for (attribute, name) in [
            ("endpoint", "endpoint"),
            ("http.request.method", "http_request_method"),
            ("a..b", "a_b"),
            ("a_._b", "a_b"),
            ("2xx", "key_2xx"),
            ("_hidden", "key_hidden"),
            ("__name__", "key_name_"),
            ("grün", "gr_n"),
            ("", "key_"),
            ("a:b", "a_b"),
        ] {
            assert_eq!(label(attribute), name);
        }
    }
}
