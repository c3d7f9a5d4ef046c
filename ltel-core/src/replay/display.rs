//! The text of a replay's output: what a snapshot shows.

use std::fmt;

use serde_json::Value;

use super::output::{PointOut, ReplayOutput, SpanOut};
use crate::points::PointValue;

impl PointOut {
    // The run is always that of the replay, and `source` follows from `source_id`.
    pub(super) fn shown_labels(&self, all: bool) -> String {
        let mut shown = Vec::new();
        for (name, value) in &self.labels {
            if all || !["run_id", "testplan", "source"].contains(&name.as_str()) {
                shown.push(format!("{name}={}", Word(value)));
            }
        }
        if shown.is_empty() { "-".to_owned() } else { shown.join(" ") }
    }
}

/// Text without quotes if none are needed.
struct Word<'a>(&'a Value);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::String(text)
                if !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || "\"=".contains(c)) =>
            {
                f.write_str(text)
            }
            // `50` and not `50.0`: the instrument shows the type.
            Value::Number(number) if number.is_f64() => write!(f, "{}", number.as_f64().unwrap_or(f64::NAN)),
            other => write!(f, "{other}"),
        }
    }
}

/// One paragraph per metric, one line per point; then one line per record.
impl fmt::Display for ReplayOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut metric = "";
        for point in &self.points {
            if point.name != metric {
                if !metric.is_empty() {
                    writeln!(f)?;
                }
                metric = &point.name;
                writeln!(f, "{metric} ({}, {})", point.instrument, point.unit)?;
            }
            writeln!(f, "  {}  {}", point.shown_labels(false), point.value)?;
        }
        if !self.records.is_empty() {
            if !metric.is_empty() {
                writeln!(f)?;
            }
            writeln!(f, "records")?;
        }
        for record in &self.records {
            write!(f, "  {}s {} {} {}", record.at, record.severity, record.telemetry_type, record.telemetry_name)?;
            if let Some(source_id) = &record.source_id {
                write!(f, " source_id={source_id}")?;
            }
            if let Some(span) = &record.span {
                write!(f, " span={span}")?;
            }
            for (name, value) in &record.fields {
                write!(f, " {name}={}", Word(value))?;
            }
            writeln!(f)?;
        }
        if !self.spans.is_empty() {
            if !(metric.is_empty() && self.records.is_empty()) {
                writeln!(f)?;
            }
            writeln!(f, "spans")?;
        }
        for span in &self.spans {
            span.fmt(f)?;
        }
        if self.overflowed > 0 {
            writeln!(f, "\n{} events beyond the series limit", self.overflowed)?;
        }
        if self.left_out > 0 {
            writeln!(f, "\nvalues left out: {}", self.left_out)?;
        }
        for notice in &self.notices {
            writeln!(f, "  {notice}")?;
        }
        if self.points.is_empty() && self.records.is_empty() && self.spans.is_empty() {
            writeln!(f, "(nothing)")?;
        }
        if !self.withheld.is_empty() {
            let names = self.withheld.join(", ");
            writeln!(f, "\nwithheld: {names}")?;
            writeln!(
                f,
                "  Locust sends this only if a recorder asks for it: `#[recorder(needs({names}))]`, or `Recorder::needs`"
            )?;
        }
        Ok(())
    }
}

/// Ids, then one line per attribute and event.
impl fmt::Display for SpanOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { start, duration_ms, name, kind, trace_id, span_id, sampled, status, .. } = self;
        writeln!(f, "  {start}s {duration_ms}ms {kind} {name:?} {status}")?;
        write!(f, "    trace={trace_id} span={span_id}")?;
        if let Some(parent) = &self.parent_span_id {
            write!(f, " parent={parent}")?;
        }
        writeln!(f, " sampled={sampled}")?;
        for (name, value) in &self.attributes {
            writeln!(f, "    {name}={}", Word(value))?;
        }
        for (event, attributes) in &self.events {
            write!(f, "    event {event}")?;
            for (name, value) in attributes {
                write!(f, " {name}={}", Word(value))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for PointValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, sum, min, max) = match self {
            Self::Number { value } => return Word(&(*value).into()).fmt(f),
            Self::Histogram { count, sum, min, max, .. } | Self::ExponentialHistogram { count, sum, min, max, .. } => {
                (count, sum, min, max)
            }
        };
        write!(f, "count={count} sum={sum}")?;
        if let (Some(min), Some(max)) = (min, max) {
            write!(f, " min={min} max={max}")?;
        }
        if let Self::Histogram { bounds, bucket_counts, .. } = self {
            // Empty buckets add nothing to the spec.
            let bounds = bounds.iter().map(|bound| format!("<={bound}")).chain(["more".to_owned()]);
            for (bound, count) in bounds.zip(bucket_counts).filter(|(_, count)| **count > 0) {
                write!(f, " {bound}:{count}")?;
            }
        }
        Ok(())
    }
}
