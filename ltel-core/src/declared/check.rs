//! Checks the table of a declared recorder: finds every mistake, and compiles the expressions.

use std::ops::Range;

use toml::Spanned;

use crate::backend::ConfigError;
use crate::event::{EventKind, FieldType, LogLevel};
use crate::expression::{Entries, Expression, Purpose, Written};
use crate::name::{RESERVED_FIELDS, RESERVED_LABELS, ends_metric_names, is_key, is_metric_name, plain};
use crate::record::{RecordKind, Severity};
use crate::recorder::{InstrumentKind, Needs, OptionsCheck, Per, constant_help};
use crate::text::{did_you_mean, list};
use crate::unit;

use super::options::{Counted, DeclaredOptions, Formula, RawKind, RawMetric, RawPer, RawRecord, RawSeverity};
use super::plan::{MetricPlan, Plan, RecordPlan, Source};
use super::spec::{Content, InstrumentContent, RecordContent};

/// OpenTelemetry's default bounds, which suit milliseconds.
const BUCKETS: &[f64] =
    &[0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0, 10000.0];

/// The bounds of OpenTelemetry's semantic conventions for seconds.
const BUCKETS_IN_SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

const KINDS: &str = "`counter`, `up_down_counter`, `gauge` or `histogram`";

/// What the recorder does; `None` if there are mistakes.
pub(super) fn plan(options: &DeclaredOptions, check: &mut OptionsCheck<'_>) -> Option<Plan> {
    let on = event(options.on.as_ref(), check)?;
    let mut checker = Checker { on, needs: on.needs(), failed: false, check };
    let level = checker.level(options.level.as_ref());
    let mut metrics: Vec<CheckedMetric> = Vec::new();
    for (name, metric) in in_order(&options.metrics) {
        if let Some(checked) = checker.metric(name, metric) {
            checker.shared_name(name, &checked, &metrics);
            metrics.push(checked);
        }
    }
    // Instruments of one metric hold one type of numbers.
    for n in 0..metrics.len() {
        let shares = |other: &&CheckedMetric| same_metric(&other.content, &metrics[n].content);
        metrics[n].plan.whole = metrics.iter().filter(shares).all(|other| other.plan.whole);
    }
    let records: Vec<_> =
        in_order(&options.records).into_iter().filter_map(|(name, record)| checker.record(name, record)).collect();
    if options.metrics.is_empty() && options.records.is_empty() {
        let help = "add a table `metrics` or `records`, such as `metrics.total = { counter = true }`";
        let table = checker.check.table();
        checker.error("the recorder declares neither metrics nor records", table, Some(help));
    }
    if checker.failed {
        return None;
    }
    let (instruments, metrics) = metrics.into_iter().map(|metric| (metric.content, metric.plan)).unzip();
    let (contents, records): (Vec<_>, Vec<_>) = records.into_iter().unzip();
    let content = Content {
        description: options.description.clone().unwrap_or_else(|| "Declared in the configuration.".to_owned()),
        on,
        per: match options.per {
            RawPer::Source => Per::Source,
            RawPer::Run => Per::Run,
        },
        instruments,
        records: contents,
        needs: checker.needs,
    };
    let spec = content.spec();
    let records = records
        .into_iter()
        .zip(spec.records)
        .map(|(record, spec)| RecordPlan {
            when: record.when,
            severity: record.severity,
            kind: record.kind,
            field: record.field,
            fields: spec.fields.iter().copied().zip(record.sources).collect(),
        })
        .collect();
    Some(Plan { spec, on, level, metrics, records })
}

fn event(on: Option<&Spanned<String>>, check: &mut OptionsCheck<'_>) -> Option<EventKind> {
    let known = || EventKind::ALL.iter().map(|kind| kind.name());
    let Some(on) = on else {
        let error = ConfigError::new("the key `on` is missing: the event that the recorder sees", check.table());
        check.error(error.help(format!("add it, such as `on = \"request\"`; events: {}", list(known()))));
        return None;
    };
    let name = on.get_ref();
    let kind = EventKind::named(name);
    if kind.is_none() {
        let error = ConfigError::new(format!("unknown event `{name}`"), on.span());
        check.error(match did_you_mean(name, known()) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error.help(format!("events: {}", list(known()))),
        });
    }
    kind
}

struct CheckedMetric {
    content: InstrumentContent,
    plan: MetricPlan,
}

struct CheckedRecord {
    when: Option<Expression>,
    severity: Severity,
    kind: RecordKind,
    field: Option<String>,
    sources: Vec<Source>,
}

/// What is checked, and what was found so far.
struct Checker<'a, 'b> {
    on: EventKind,
    needs: Needs,
    failed: bool,
    check: &'a mut OptionsCheck<'b>,
}

impl Checker<'_, '_> {
    fn error(&mut self, message: impl Into<String>, span: Range<usize>, help: Option<&str>) {
        self.failed = true;
        let error = ConfigError::new(message, span);
        self.check.error(match help {
            Some(help) => error.help(help),
            None => error,
        });
    }

    fn expression(&mut self, text: &Spanned<String>, purpose: Purpose) -> Option<Expression> {
        let expression = self.check.expression(text, self.on, purpose);
        match &expression {
            Some(expression) => self.needs = self.needs.and(expression.needs()),
            None => self.failed = true,
        }
        expression
    }

    fn condition(&mut self, when: Option<&Spanned<String>>) -> Option<Expression> {
        self.expression(when?, Purpose::Condition)
    }

    fn level(&mut self, level: Option<&Spanned<LogLevel>>) -> u32 {
        if let Some(level) = level
            && self.on != EventKind::Log
        {
            let message = format!("`{}` has no level", self.on.name());
            self.error(message, level.span(), Some("`level` is for `on = \"log\"`: leave it out"));
        }
        let level = level.map_or(LogLevel::Info, |level| *level.get_ref()).number();
        if self.on == EventKind::Log {
            self.needs = self.needs.and(Needs { logs: Some(level), ..Needs::NONE });
        }
        level
    }

    fn metric(&mut self, name: &Spanned<String>, metric: &Spanned<RawMetric>) -> Option<CheckedMetric> {
        let RawMetric { when, unit, description, buckets, labels, name: whole_name, .. } = metric.get_ref();
        let when = self.condition(when.as_ref());
        self.metric_name(name, whole_name.as_ref());
        let given = unit.as_ref();
        let unit = self.unit(given);
        let attributes = self.constant_labels(labels);
        let (kind, value, whole) = self.kind(name, metric)?;
        if let Some(given) = given {
            self.unit_of_value(given, value.as_ref());
        }
        if let Some(buckets) = buckets
            && kind != InstrumentKind::Histogram
        {
            let message = format!("a {} has no buckets", kind.as_str());
            self.error(message, buckets.span(), Some("`buckets` is for histograms: leave it out"));
        }
        let buckets = match buckets {
            _ if kind != InstrumentKind::Histogram => Vec::new(),
            Some(buckets) => self.buckets(buckets),
            None if unit == "s" => BUCKETS_IN_SECONDS.to_vec(),
            None => BUCKETS.to_vec(),
        };
        Some(CheckedMetric {
            content: InstrumentContent {
                field: name.get_ref().clone(),
                name: whole_name.as_ref().map(|name| name.get_ref().clone()),
                kind,
                unit,
                description: description.clone().unwrap_or_default(),
                buckets,
                attributes,
            },
            plan: MetricPlan { when, value, whole },
        })
    }

    /// The kind of the metric, its value (absent if events are counted), and whether all values are whole numbers.
    fn kind(
        &mut self,
        name: &Spanned<String>,
        metric: &Spanned<RawMetric>,
    ) -> Option<(InstrumentKind, Option<Expression>, bool)> {
        let raw = metric.get_ref();
        let counted = raw.counter.as_ref().map(|counter| {
            let text = match counter.get_ref() {
                Counted::Events => None,
                Counted::Expression(text) => Some(text.clone()),
            };
            (InstrumentKind::Counter, Spanned::new(counter.span(), text))
        });
        let of = |kind, text: Option<&Spanned<Formula>>| {
            text.map(|text| (kind, Spanned::new(text.span(), Some(text.get_ref().0.clone()))))
        };
        let given = [
            counted,
            of(InstrumentKind::UpDownCounter, raw.up_down_counter.as_ref()),
            of(InstrumentKind::Gauge, raw.gauge.as_ref()),
            of(InstrumentKind::Histogram, raw.histogram.as_ref()),
        ];
        let mut given = given.into_iter().flatten();
        let Some((kind, value)) = given.next() else {
            let message = format!("the metric `{}` has no kind", name.get_ref());
            self.error(message, metric.span(), Some(&format!("add {KINDS}, such as `counter = true`")));
            return None;
        };
        for (_, also) in given {
            let message = format!("the metric `{}` has two kinds", name.get_ref());
            self.error(message, also.span(), Some(&format!("keep one of {KINDS}")));
        }
        let span = value.span();
        let Some(text) = value.into_inner() else { return Some((kind, None, true)) };
        if kind == InstrumentKind::Counter && text.trim() == "true" {
            self.error(
                "a counter adds numbers: `true` in quotes is none",
                span,
                Some("to count events, write `counter = true`"),
            );
            return None;
        }
        let text = Spanned::new(span, text);
        let expression = self.expression(&text, Purpose::Number)?;
        let whole = expression.is_whole();
        Some((kind, Some(expression), whole))
    }

    fn metric_name(&mut self, field: &Spanned<String>, whole: Option<&Spanned<String>>) {
        match whole {
            Some(whole) if !is_metric_name(whole.get_ref()) => {
                let help = "begin with a letter, then use letters, digits, `_`, `.`, `-` and `/`, at most 255";
                self.error(format!("`{}` is not a valid name of a metric", whole.get_ref()), whole.span(), Some(help));
            }
            None if !ends_metric_names(field.get_ref()) => {
                let help = "use letters, digits, `_`, `.`, `-` and `/`, at most 55: the metric is named after it";
                self.error(format!("`{}` is not a valid name of a metric", field.get_ref()), field.span(), Some(help));
            }
            _ => {}
        }
    }

    fn unit(&mut self, unit: Option<&Spanned<String>>) -> String {
        let Some(unit) = unit else { return "1".to_owned() };
        if let Some((message, help)) = unit::error(unit.get_ref()) {
            self.error(message, unit.span(), Some(&help));
        }
        unit.get_ref().clone()
    }

    /// The unit must be that of the value, where that is known.
    fn unit_of_value(&mut self, unit: &Spanned<String>, value: Option<&Expression>) {
        let typed = unit.get_ref();
        if unit::error(typed).is_some() {
            return;
        }
        // `ms{total}` is `ms` with a note.
        let plain = typed.split('{').next().unwrap_or_default();
        let Some(value) = value else {
            if !unit::counts(typed) {
                // Times of day are not added up.
                let field = self.on.fields().iter().find(|field| field.unit == Some(plain) && plain != "s");
                let add = field
                    .map_or_else(String::new, |field| format!(", or add a field up: `counter = \"{}\"`", field.name));
                let message = format!("`counter = true` counts events: they are not in {typed}");
                let help = format!("`unit = \"{{{}}}\"`{add}", self.on.name());
                self.error(message, unit.span(), Some(&help));
            }
            return;
        };
        let Some((field, of_field)) = self.on.field(value.text().trim()).and_then(|field| Some((field, field.unit?)))
        else {
            return;
        };
        if of_field != plain {
            let message = format!("`{}` is in {of_field}, not {typed}", field.name);
            let number = match field.field_type {
                FieldType::Int => format!("double({})", field.name),
                _ => field.name.to_owned(),
            };
            let convert =
                unit::conversion(of_field, plain).map_or_else(String::new, |how| format!(", or `{number} {how}`"));
            self.error(message, unit.span(), Some(&format!("`unit = \"{of_field}\"`{convert}")));
        }
    }

    fn buckets(&mut self, buckets: &Spanned<Vec<Spanned<f64>>>) -> Vec<f64> {
        let mut bounds: Vec<f64> = Vec::new();
        for bound in buckets.get_ref() {
            if !bound.get_ref().is_finite() {
                self.error("an upper bound must be a finite number", bound.span(), None);
            } else if bounds.last().is_some_and(|last| last >= bound.get_ref()) {
                self.error("upper bounds must be in ascending order", bound.span(), None);
            } else {
                bounds.push(*bound.get_ref());
            }
        }
        bounds
    }

    fn constant_labels(&mut self, labels: &Entries<Written>) -> Vec<(String, String)> {
        let mut constants = Vec::new();
        for (name, value) in in_order(labels) {
            self.key(name, "label", RESERVED_LABELS);
            let help = match value.get_ref() {
                Written::Constant(serde_json::Value::String(text)) => {
                    constants.push((name.get_ref().clone(), text.clone()));
                    continue;
                }
                Written::Constant(other) => format!("write `{{ value = \"{other}\" }}`"),
                Written::Expression(text) => format!(
                    "write `{{ value = {text:?} }}`; labels that are computed belong to the whole recorder: put them into its \
                     `labels`"
                ),
            };
            self.error("a label of one metric must be a constant text", value.span(), Some(&help));
        }
        constants
    }

    /// Whether a label or a field of a record can have this name.
    fn key(&mut self, name: &Spanned<String>, what: &str, reserved: &[&str]) {
        let text = name.get_ref();
        if !is_key(text) {
            let help = "use letters, digits, `_`, `.`, `-` and `/`";
            self.error(format!("`{text}` is not a valid name of a {what}"), name.span(), Some(help));
        } else if reserved.contains(&text.as_str()) {
            let help = format!("give the {what} another name, such as `its_{text}`");
            self.error(format!("`{text}` is reserved, because all telemetry has it"), name.span(), Some(&help));
        }
    }

    /// Metrics can share a name if their constant labels differ.
    fn shared_name(&mut self, name: &Spanned<String>, metric: &CheckedMetric, others: &[CheckedMetric]) {
        let CheckedMetric { content, .. } = metric;
        let labels = |of: &InstrumentContent| of.attributes.iter().map(|(label, _)| label.clone()).collect::<Vec<_>>();
        for CheckedMetric { content: other, .. } in others.iter().filter(|other| same_metric(&other.content, content)) {
            if labels(content) != labels(other) || content.attributes == other.attributes {
                let message = format!("the metric `{}` has the same name", other.field);
                let help = "choose another `name`, or give both a constant label, such as \
                            `labels = { direction = { value = \"sent\" } }`";
                return self.error(message, name.span(), Some(help));
            }
            let same = |of: &InstrumentContent| (of.kind, of.unit.clone(), of.description.clone());
            if same(content) != same(other) {
                let message =
                    format!("the metric `{}` has the same name, but another kind, unit or description", other.field);
                return self.error(message, name.span(), Some("make them the same, or choose another `name`"));
            }
        }
    }

    /// The expression of a field of a record.
    fn source(&mut self, text: &Spanned<String>) -> Option<Source> {
        let word = text.get_ref();
        if let Some(help) = constant_help(word, self.on)
            && let Err(errors) = Expression::compile(word, self.on, Purpose::Field)
            && let Some(error) = errors.into_iter().next()
            && !error.help.as_ref().is_some_and(|help| help.starts_with("did you mean"))
        {
            self.error(error.message, text.span(), Some(&help));
            return None;
        }
        self.expression(text, Purpose::Field).map(Source::Expression)
    }

    fn record(
        &mut self,
        name: &Spanned<String>,
        record: &Spanned<RawRecord>,
    ) -> Option<(RecordContent, CheckedRecord)> {
        let RawRecord { when, severity, kind, fields, description, name: whole_name } = record.get_ref();
        let when = self.condition(when.as_ref());
        let checked_name = whole_name.as_ref().unwrap_or(name);
        if !is_key(checked_name.get_ref()) {
            let help = "use letters, digits, `_`, `.`, `-` and `/`";
            let message = format!("`{}` is not a valid name of a record", checked_name.get_ref());
            self.error(message, checked_name.span(), Some(help));
        }
        let (mut names, mut sources) = (Vec::new(), Vec::new());
        for (name, value) in in_order(fields) {
            self.key(name, "field", RESERVED_FIELDS);
            let source = match value.get_ref() {
                Written::Constant(value) => Some(Source::Constant(value.clone())),
                Written::Expression(text) => self.source(&Spanned::new(value.span(), text.clone())),
            };
            names.push(name.get_ref().clone());
            sources.extend(source);
        }
        if sources.len() < names.len() {
            return None;
        }
        let content = RecordContent {
            name: match whole_name {
                Some(name) => name.get_ref().clone(),
                None => format!("declared.{}", name.get_ref()),
            },
            description: description.clone().unwrap_or_default(),
            fields: names,
        };
        let severity = match severity {
            RawSeverity::Info => Severity::Info,
            RawSeverity::Warning => Severity::Warning,
            RawSeverity::Error => Severity::Error,
        };
        let kind = match kind {
            RawKind::Event => RecordKind::Event,
            RawKind::Metrics => RecordKind::Metrics,
        };
        let field = whole_name.is_none().then(|| name.get_ref().clone());
        Some((content, CheckedRecord { when, severity, kind, field, sources }))
    }
}

/// Whether a store may take them for one.
fn same_metric(a: &InstrumentContent, b: &InstrumentContent) -> bool {
    let name = |of: &InstrumentContent| match &of.name {
        Some(name) => plain(name),
        // Another recorder's name does not begin with a dot.
        None => format!(".{}", plain(&of.field)),
    };
    name(a) == name(b)
}

/// In the order of the file.
fn in_order<T>(entries: &Entries<T>) -> Vec<(&Spanned<String>, &Spanned<T>)> {
    let mut entries: Vec<_> = entries.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    entries
}
