//! The fields: instruments, records and the state.

use proc_macro2::Span;
use syn::{Expr, ExprLit, ExprUnary, Ident, Lit, UnOp};

use super::value;
use super::{Items, check_key, pair_source};
use crate::attr::{Raw, RawField, Role};
use crate::errors::Errors;
use crate::event::EventKind;
use crate::model::{Buckets, Instrument, Kind, On, RecordField, State, ValueSource};
use crate::{name, unit};

/// What the check of a field needs from its struct.
pub(crate) struct Owner<'a> {
    pub(crate) name: &'a str,
    pub(crate) events: &'a [&'static EventKind],
    pub(crate) each: bool,
    /// The labels that distinguish series.
    pub(crate) series: &'a [&'a str],
    pub(crate) constant: &'a [(String, String)],
}

pub(crate) struct CheckedFields<'a> {
    pub(crate) instruments: Vec<Instrument<'a>>,
    pub(crate) records: Vec<RecordField<'a>>,
    pub(crate) state: Option<State<'a>>,
}

impl CheckedFields<'_> {
    /// Where their values come from.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &ValueSource> {
        let of_records = self.records.iter().flat_map(|record| &record.fields).map(|(_, source)| source);
        self.instruments.iter().filter_map(|instrument| instrument.value.as_ref()).chain(of_records)
    }

    /// The events that at least one of them sees.
    pub(crate) fn events<'a>(
        &'a self,
        of_struct: &'a [&'static EventKind],
    ) -> impl Iterator<Item = &'static EventKind> {
        let ons = self.instruments.iter().map(|i| &i.on).chain(self.records.iter().map(|r| &r.on));
        let own = ons.filter_map(|on| if let On::Events(events) = on { Some(events) } else { None }).flatten();
        own.chain(of_struct).copied()
    }
}

pub(crate) fn fields<'a>(raw: &Raw<'a>, owner: &Owner<'_>, errors: &mut Errors) -> CheckedFields<'a> {
    let mut checked = CheckedFields { instruments: Vec::new(), records: Vec::new(), state: None };
    for field in &raw.fields {
        let Some(role) = &field.role else { continue };
        let items = Items(&role.items);
        match kind(&role.attr) {
            Some(kind) => {
                let (instrument, span) = instrument(field, role, kind, owner, errors);
                check_shared_name(&instrument, span, &checked.instruments, owner, errors);
                checked.instruments.push(instrument);
            }
            None if role.attr == "record" => checked.records.push(record(field, items, owner, errors)),
            None => {
                let init = items.expr("init").and_then(|expr| value::closure(expr, 1, errors));
                if let Some(have) = &checked.state {
                    let message = format!(
                        "a recorder can have only one `#[state]`, and `{}` is one already: put both into one struct",
                        have.ident
                    );
                    errors.here(role.attr.span(), message);
                } else {
                    checked.state = Some(State { ident: field.ident, ty: field.ty, init });
                }
            }
        }
    }
    if raw.fields.iter().all(|field| field.role.as_ref().is_some_and(|role| role.attr == "state"))
        && let Some(state) = &checked.state
    {
        errors.here(state.ident.span(), "a recorder needs an instrument or a record besides its state");
    }
    checked
}

fn kind(attr: &Ident) -> Option<Kind> {
    match attr.to_string().as_str() {
        "counter" => Some(Kind::Counter),
        "up_down_counter" => Some(Kind::UpDownCounter),
        "gauge" => Some(Kind::Gauge),
        "histogram" => Some(Kind::Histogram),
        _ => None,
    }
}

/// The instrument, and the span of its name.
fn instrument<'a>(
    field: &RawField<'a>,
    role: &Role,
    kind: Kind,
    owner: &Owner<'_>,
    errors: &mut Errors,
) -> (Instrument<'a>, Span) {
    let items = Items(&role.items);
    let attr = &role.attr;
    let on = field_on(items, owner, errors);
    let description = description(field, "the description of the metric", errors);
    let (name, span) = metric_name(field, items, errors);
    let unit = match items.expr("unit").map(|expr| value::text(expr, "a unit", errors)) {
        Some(Some(text)) => {
            if let Some(message) = unit::error(&text.value()) {
                errors.at(&text, message);
            }
            text.value()
        }
        _ => "1".to_owned(),
    };
    let value = match items.expr("value") {
        Some(expr) => match value::source(expr, &on, owner.each, errors) {
            Some(ValueSource::Literal(lit)) if !matches!(lit, Lit::Int(_) | Lit::Float(_)) => {
                errors.at(lit, "expected a number");
                None
            }
            value => value,
        },
        None if kind == Kind::Counter => None,
        None => {
            let message = format!(
                "missing `value`: `#[{attr}]` needs a field of the event or a closure (only `#[counter]` works without one)"
            );
            errors.here(attr.span(), message);
            None
        }
    };
    let buckets = match items.expr("buckets") {
        Some(expr) => buckets(expr, errors).unwrap_or(Buckets::Fixed(Vec::new())),
        None => Buckets::Fixed(default_buckets(kind, &unit)),
    };
    let instrument = Instrument {
        ident: field.ident,
        ty: field.ty,
        kind,
        name,
        unit,
        description,
        buckets,
        attributes: constant_labels(items, owner, errors),
        when: items.expr("when").and_then(|expr| value::closure(expr, 3, errors)),
        value,
        on,
    };
    (instrument, span)
}

fn description(field: &RawField<'_>, what: &str, errors: &mut Errors) -> String {
    field.description.clone().unwrap_or_else(|| {
        errors.here(field.ident.span(), format!("missing doc comment on `{}`: it becomes {what}", field.ident));
        String::new()
    })
}

/// The field's own events, or those of the struct; empty after an error, to avoid follow-up errors.
fn field_on(items: Items<'_>, owner: &Owner<'_>, errors: &mut Errors) -> On {
    let Some(expr) = items.expr("on") else {
        return On::Events(owner.events.to_vec());
    };
    let Some(on) = value::on(expr, true, errors) else {
        return On::Events(Vec::new());
    };
    if let On::Events(events) = &on {
        if let Some(kind) = events.iter().find(|kind| !owner.events.contains(kind)) {
            // If the struct's own events have an error, this would add nothing.
            if !owner.events.is_empty() {
                errors.at(expr, format!("the recorder does not see `{}`: add it to the `on` of the struct", kind.name));
            }
        } else if owner.each && events.as_slice() != owner.events {
            errors.at(expr, "`on` of a field cannot be combined with `each`: remove it");
        }
    }
    on
}

fn metric_name(field: &RawField<'_>, items: Items<'_>, errors: &mut Errors) -> (Option<String>, Span) {
    let text = items.expr("name").and_then(|expr| value::text(expr, "the name of a metric", errors));
    let (name, span, error) = match &text {
        Some(text) => (text.value(), text.span(), name::metric_name_error(&text.value())),
        // The recorder's part of the name is checked with the recorder.
        None => (String::new(), field.ident.span(), name::field_name_error(&field_name(field.ident))),
    };
    if let Some(message) = error {
        errors.here(span, message);
    }
    (text.map(|_| name), span)
}

pub(crate) fn field_name(ident: &Ident) -> String {
    syn::ext::IdentExt::unraw(ident).to_string()
}

/// Fields can share a metric if their constant labels differ.
fn check_shared_name(
    instrument: &Instrument<'_>,
    span: Span,
    others: &[Instrument<'_>],
    owner: &Owner<'_>,
    errors: &mut Errors,
) {
    let full_name = |instrument: &Instrument<'_>| match &instrument.name {
        Some(name) => name.clone(),
        None => format!("{}.{}", owner.name, field_name(instrument.ident)),
    };
    let name = full_name(instrument);
    // OpenTelemetry's metric names are case-insensitive.
    for other in others.iter().filter(|other| full_name(other).eq_ignore_ascii_case(&name)) {
        let keys = |i: &Instrument<'_>| i.attributes.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>();
        let message = if keys(instrument) != keys(other) || instrument.attributes == other.attributes {
            format!(
                "`{}` has the same metric name: choose another `name`, or give both fields a constant label, such as \
                 `labels(direction = \"sent\")`",
                other.ident
            )
        } else if instrument.kind != other.kind
            || instrument.unit != other.unit
            || instrument.description != other.description
        {
            format!(
                "this field shares its metric with `{}`, so kind, unit and description must be the same",
                other.ident
            )
        } else {
            continue;
        };
        errors.here(span, message);
        return;
    }
}

fn constant_labels(items: Items<'_>, owner: &Owner<'_>, errors: &mut Errors) -> Vec<(String, String)> {
    let mut all = owner.constant.to_vec();
    let mut seen: Vec<String> = owner.series.iter().map(|name| (*name).to_owned()).collect();
    seen.extend(all.iter().map(|(name, _)| name.clone()));
    for pair in items.list("labels") {
        if !check_key(pair, "label", name::RESERVED_LABELS, &mut seen, errors) {
            continue;
        }
        match pair.source.as_ref().map(value::plain) {
            Some(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) => all.push((pair.name.clone(), text.value())),
            _ => errors.here(
                pair.span,
                "the labels of a field must be constant strings: put labels that vary on the struct, with \
                 `#[recorder(labels(...))]`",
            ),
        }
    }
    all
}

fn buckets(expr: &Expr, errors: &mut Errors) -> Option<Buckets> {
    let array = match value::plain(expr) {
        Expr::Closure(_) => return value::closure(expr, 1, errors).map(Buckets::Computed),
        Expr::Array(array) => array,
        other => {
            errors.at(
                other,
                "expected a list of upper bounds (`[100, 250, 1000]`) or a closure over the options (`|o| &o.bounds`)",
            );
            return None;
        }
    };
    let mut bounds: Vec<f64> = Vec::new();
    for expr in &array.elems {
        match number(expr) {
            Some(bound) if bounds.last().is_some_and(|last| *last >= bound) => {
                errors.at(expr, "upper bounds must be in ascending order");
                return None;
            }
            Some(bound) => bounds.push(bound),
            None => {
                errors.at(expr, "expected a finite number");
                return None;
            }
        }
    }
    Some(Buckets::Fixed(bounds))
}

fn number(expr: &Expr) -> Option<f64> {
    let value = match value::plain(expr) {
        Expr::Lit(ExprLit { lit: Lit::Int(int), .. }) => int.base10_digits().parse().ok(),
        Expr::Lit(ExprLit { lit: Lit::Float(float), .. }) => float.base10_digits().parse().ok(),
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => number(expr).map(|value: f64| -value),
        _ => None,
    };
    value.filter(|value| value.is_finite())
}

/// OpenTelemetry's default bounds, which suit milliseconds; for seconds, the bounds of its semantic conventions.
fn default_buckets(kind: Kind, unit: &str) -> Vec<f64> {
    match (kind, unit) {
        (Kind::Histogram, "s") => {
            vec![0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0]
        }
        (Kind::Histogram, _) => {
            vec![0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0, 10000.0]
        }
        _ => Vec::new(),
    }
}

fn record<'a>(field: &RawField<'a>, items: Items<'_>, owner: &Owner<'_>, errors: &mut Errors) -> RecordField<'a> {
    let on = field_on(items, owner, errors);
    let mut seen = Vec::new();
    let mut fields = Vec::new();
    for pair in items.list("fields") {
        if check_key(pair, "field", name::RESERVED_FIELDS, &mut seen, errors)
            && let Some(source) = pair_source(pair, &on, owner.each, errors)
        {
            fields.push((pair.name.clone(), source));
        }
    }
    let name = items.expr("name").and_then(|expr| value::text(expr, "the name of a record", errors));
    if let Some(name) = &name
        && let Some(message) = name::key_error(&name.value())
    {
        errors.at(name, message);
    }
    RecordField {
        ident: field.ident,
        ty: field.ty,
        name: name.map(|name| name.value()),
        description: description(field, "the description of the record", errors),
        severity: word(items, "severity", &["info", "warning", "error"], errors),
        kind: word(items, "kind", &["event", "metrics"], errors),
        when: items.expr("when").and_then(|expr| value::closure(expr, 3, errors)),
        fields,
        on,
    }
}

/// The first word is the default.
fn word(items: Items<'_>, key: &str, words: &[&'static str], errors: &mut Errors) -> &'static str {
    items.expr(key).and_then(|expr| value::word(expr, words, errors)).unwrap_or(words[0])
}
