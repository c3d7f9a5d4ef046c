//! Families as text: Prometheus' own format 0.0.4, or OpenMetrics 1.0.

use std::fmt::Write as _;

use ltel_core::exemplar::Exemplar;

use super::family::{Family, Kind, Labels, Value};

/// The formats that a scraper may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>
    Prometheus,
    /// <https://prometheus.io/docs/specs/om/open_metrics_spec/>
    OpenMetrics,
}

impl Format {
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A whole page. `created`: whether to write the start times of counters and histograms, which only OpenMetrics has.
pub(super) fn write(families: &[Family], format: Format, created: bool) -> String {
    let mut text = String::new();
    for family in families.iter().filter(|family| !family.samples.is_empty()) {
        write_family(&mut text, family, format, created && format == Format::OpenMetrics);
    }
    if format == Format::OpenMetrics {
        text.push_str("# EOF\n");
    }
    text
}

// Writing to a `String` cannot fail: results are ignored.
fn write_family(out: &mut String, family: &Family, format: Format, created: bool) {
    let name = &family.name;
    let sample = match family.kind {
        Kind::Counter => format!("{name}_total"),
        Kind::Info => format!("{name}_info"),
        Kind::Gauge | Kind::Histogram => name.clone(),
    };
    let (described, kind) = match (format, family.kind) {
        // Families are named after their samples here, and there is no info.
        (Format::Prometheus, Kind::Info) => (&sample, "gauge"),
        (Format::Prometheus, Kind::Counter) => (&sample, "counter"),
        (_, Kind::Info) => (name, "info"),
        (_, Kind::Counter) => (name, "counter"),
        (_, Kind::Gauge) => (name, "gauge"),
        (_, Kind::Histogram) => (name, "histogram"),
    };
    if !family.help.is_empty() {
        let _ = write!(out, "# HELP {described} ");
        escape(out, &family.help, format == Format::OpenMetrics);
        out.push('\n');
    }
    let _ = writeln!(out, "# TYPE {described} {kind}");
    if let (Format::OpenMetrics, Some(unit)) = (format, &family.unit) {
        let _ = writeln!(out, "# UNIT {described} {unit}");
    }
    for point in &family.samples {
        match &point.value {
            Value::Number(value) => write_sample(out, &sample, &point.labels, None, &number(*value)),
            Value::Histogram { buckets, count, sum, exemplars } => {
                let bucket = format!("{name}_bucket");
                let finite = buckets.iter().map(|(bound, below)| (le(*bound, format), *below));
                let all = finite.chain([("+Inf".to_owned(), *count)]);
                for (number, (le, below)) in all.enumerate() {
                    write_start(out, &bucket, &point.labels, Some(&le), &below.to_string());
                    // The other format has none.
                    if let (Format::OpenMetrics, Some(Some(exemplar))) = (format, exemplars.get(number)) {
                        write_exemplar(out, exemplar);
                    }
                    out.push('\n');
                }
                // Values below zero would make the sum go down, and it counts as a counter. OpenMetrics has no count without it.
                let sums = buckets.first().is_none_or(|(bound, _)| *bound >= 0.0);
                if sums {
                    write_sample(out, &format!("{name}_sum"), &point.labels, None, &number(*sum));
                }
                if sums || format == Format::Prometheus {
                    write_sample(out, &format!("{name}_count"), &point.labels, None, &count.to_string());
                }
            }
        }
        if let (true, Some(seconds)) = (created, point.created) {
            write_sample(out, &format!("{name}_created"), &point.labels, None, &number(seconds));
        }
    }
}

fn write_sample(out: &mut String, name: &str, labels: &Labels, le: Option<&str>, value: &str) {
    write_start(out, name, labels, le, value);
    out.push('\n');
}

/// The standard allows 128 characters of labels: these are 63. <https://prometheus.io/docs/specs/om/open_metrics_spec/#exemplars>
fn write_exemplar(out: &mut String, exemplar: &Exemplar) {
    let Exemplar { value, time, trace_id, span_id } = exemplar;
    let (value, time) = (number(*value), number(time.as_secs()));
    let _ = write!(out, " # {{trace_id=\"{trace_id}\",span_id=\"{span_id}\"}} {value} {time}");
}

fn write_start(out: &mut String, name: &str, labels: &Labels, le: Option<&str>, value: &str) {
    out.push_str(name);
    let labels = labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut before = '{';
    for (name, value) in labels.chain(le.map(|le| ("le", le))) {
        out.push(before);
        before = ',';
        out.push_str(name);
        out.push_str("=\"");
        escape(out, value, true);
        out.push('"');
    }
    if before == ',' {
        out.push('}');
    }
    out.push(' ');
    out.push_str(value);
}

fn escape(out: &mut String, text: &str, quotes: bool) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            // NUL ends the text for Prometheus' parser: one such name would break the whole scrape.
            '\0' => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
    }
}

/// A value: any form that parses back to the same number.
fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else if value.fract() == 0.0 && value.abs() < 1e16 {
        format!("{value:.0}")
    } else {
        format!("{value:?}")
    }
}

/// A bucket's bound. It is a label, so its form matters: Go's `%g`; in OpenMetrics always with a point or an exponent.
fn le(bound: f64, format: Format) -> String {
    let scientific = format!("{bound:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if !(-4..6).contains(&exponent) && bound != 0.0 {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    let plain = format!("{bound}");
    if format == Format::OpenMetrics && !plain.contains('.') { plain + ".0" } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Today the SDK passes only finite values; the format has names for the others.
    #[test]
    fn numbers() {
        for (value, expected) in [
            (0.0, "0"),
            (-1.5, "-1.5"),
            (1e15, "1000000000000000"),
            (1e16, "1e16"),
            (123_456_789.25, "123456789.25"),
            (1e-7, "1e-7"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(number(value), expected);
        }
    }

    #[test]
    fn bounds() {
        for (bound, own, open) in [
            (0.0, "0", "0.0"),
            (0.25, "0.25", "0.25"),
            (0.0001, "0.0001", "0.0001"),
            (0.00001, "1e-05", "1e-05"),
            (10.0, "10", "10.0"),
            (-5.0, "-5", "-5.0"),
            (123_456.5, "123456.5", "123456.5"),
            (1_000_000.0, "1e+06", "1e+06"),
            (1_250_000.0, "1.25e+06", "1.25e+06"),
            (1e100, "1e+100", "1e+100"),
        ] {
            assert_eq!((le(bound, Format::Prometheus).as_str(), le(bound, Format::OpenMetrics).as_str()), (own, open));
        }
    }
}
