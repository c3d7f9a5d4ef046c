//! The names that queries are made of, looked up in the recorders' specs.

use std::cell::RefCell;
use std::collections::BTreeSet;

use ltel_core::recorder::{InstrumentKind, InstrumentSpec, Per, RecordSpec, Spec};
use ltel_core::registry::Registry;

use crate::deliver::prometheus::name::{self, Suffix};

/// Looks names up, and remembers those that do not exist.
pub(super) struct Names<'a> {
    registry: &'a Registry,
    unknown: RefCell<BTreeSet<String>>,
}

/// A metric in Prometheus.
pub(super) struct Metric<'a> {
    names: &'a Names<'a>,
    family: String,
    labels: Vec<String>,
    title: String,
}

/// A record in JSON lines.
pub(super) struct Record<'a> {
    names: &'a Names<'a>,
    spec: Option<&'static RecordSpec>,
    name: String,
}

impl<'a> Names<'a> {
    pub(super) fn of(registry: &'a Registry) -> Self {
        Self { registry, unknown: RefCell::default() }
    }

    /// What was looked up and does not exist.
    pub(super) fn unknown(&self) -> Vec<String> {
        self.unknown.borrow().iter().cloned().collect()
    }

    /// The metric of an instrument, by the field of its recorder.
    pub(super) fn metric(&'a self, recorder: &str, field: &str) -> Metric<'a> {
        let spec = self.spec(recorder);
        let instrument = spec.and_then(|spec| spec.instruments.iter().find(|instrument| instrument.field == field));
        let title = format!("metric `{field}` of recorder `{recorder}`");
        let Some((spec, instrument)) = spec.zip(instrument) else {
            if spec.is_some() {
                self.is_unknown(title.clone());
            }
            return Metric { names: self, family: String::new(), labels: Vec::new(), title };
        };
        let suffix = match instrument.kind {
            InstrumentKind::Counter => Suffix::Total,
            InstrumentKind::Gauge => Suffix::Ratio,
            InstrumentKind::UpDownCounter | InstrumentKind::Histogram => Suffix::No,
        };
        let (family, _) = name::family(&instrument.full_name(spec.name), instrument.unit, suffix);
        Metric { names: self, family, labels: labels(spec, instrument), title }
    }

    /// A record of a recorder.
    pub(super) fn record(&'a self, recorder: &str, name: &str) -> Record<'a> {
        let spec = self.spec(recorder);
        let record = spec.and_then(|spec| spec.records.iter().find(|record| record.name == name));
        if spec.is_some() && record.is_none() {
            self.is_unknown(format!("record `{name}` of recorder `{recorder}`"));
        }
        Record { names: self, spec: record, name: name.to_owned() }
    }

    fn spec(&self, recorder: &str) -> Option<&'static Spec> {
        let spec = self.registry.types().map(|known| known.spec).find(|spec| spec.name == recorder);
        if spec.is_none() {
            self.is_unknown(format!("recorder `{recorder}`"));
        }
        spec
    }

    fn is_unknown(&self, what: String) {
        self.unknown.borrow_mut().insert(what);
    }
}

/// The labels of a metric's points in Prometheus.
fn labels(spec: &Spec, instrument: &InstrumentSpec) -> Vec<String> {
    let constant = instrument.attributes.iter().map(|(name, _)| *name);
    let source: &[_] = if spec.per == Per::Source { &["source", "source_id"] } else { &[] };
    let run: &[_] = if instrument.kind == InstrumentKind::Gauge { &[] } else { &["run_id", "testplan"] };
    let bound: &[_] = if instrument.kind == InstrumentKind::Histogram { &["le"] } else { &[] };
    constant.chain(spec.labels.iter().chain(source).chain(run).chain(bound).copied()).map(name::label).collect()
}

impl Metric<'_> {
    /// A counter's series with these matchers, such as `endpoint="/"`.
    pub(super) fn total(&self, matchers: &str) -> String {
        self.selector("_total", matchers)
    }

    /// A gauge's series.
    pub(super) fn value(&self, matchers: &str) -> String {
        self.selector("", matchers)
    }

    /// A histogram's buckets.
    pub(super) fn bucket(&self, matchers: &str) -> String {
        self.selector("_bucket", matchers)
    }

    /// The name of a histogram's buckets, for a selector of several metrics.
    pub(super) fn bucket_name(&self) -> String {
        format!("{}_bucket", self.family)
    }

    /// A label, by its name in Prometheus.
    pub(super) fn label(&self, label: &str) -> String {
        if !self.family.is_empty() && !self.labels.iter().any(|have| have == label) {
            self.names.is_unknown(format!("label `{label}` of {}", self.title));
        }
        label.to_owned()
    }

    fn selector(&self, suffix: &str, matchers: &str) -> String {
        for matcher in matchers.split(',').filter(|matcher| !matcher.is_empty()) {
            let label = matcher.split(['=', '!']).next().unwrap_or_default();
            self.label(label.trim());
        }
        let matchers = if matchers.is_empty() { String::new() } else { format!("{{{matchers}}}") };
        format!("{}{suffix}{matchers}", self.family)
    }
}

impl Record<'_> {
    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// A field's label after `| json`. A spec has variable parts of names in braces: `percentile_{p}`.
    pub(super) fn field(&self, field: &str) -> String {
        let is_known = |spec: &RecordSpec| {
            spec.fields.iter().any(|known| match known.split_once('{') {
                Some((before, _)) => field.strip_prefix(before).is_some_and(|rest| !rest.is_empty()),
                None => *known == field,
            })
        };
        if self.spec.is_some_and(|spec| !is_known(spec)) {
            self.names.is_unknown(format!("field `{field}` of record `{}`", self.name));
        }
        format!("telemetry_{field}")
    }
}
