//! The fields: instruments, records and the state.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote};
use syn::{Expr, ExprLit, ExprUnary, Ident, Lit, UnOp};

use super::value;
use super::{Items, Owner, check_key, pair_source};
use crate::attr::{Raw, RawField, Role};
use crate::errors::{Errors, one_of};
use crate::model::{
    Buckets, Group, Instrument, Kind, Label, Name, Occasion, On, RecordField, Severity, State, ValueSource,
};
use crate::{name, unit};

pub(crate) struct CheckedFields<'a> {
    pub(crate) instruments: Vec<Instrument<'a>>,
    pub(crate) records: Vec<RecordField<'a>>,
    pub(crate) state: Option<State<'a>>,
}

impl CheckedFields<'_> {
    /// Where their values come from.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &ValueSource> {
        let of_records =
            self.records.iter().flat_map(|record| record.fields.iter().map(|(_, source)| source).chain(&record.body));
        let of_labels = self.instruments.iter().flat_map(|instrument| &instrument.labels).map(|label| &label.source);
        self.instruments.iter().filter_map(|instrument| instrument.value.as_ref()).chain(of_labels).chain(of_records)
    }
}

pub(crate) fn fields<'a>(raw: &Raw<'a>, owner: &mut Owner<'_>, errors: &mut Errors) -> CheckedFields<'a> {
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
                let init = items.expr("init").and_then(|expr| value::of_options(expr, errors));
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
    owner: &mut Owner<'_>,
    errors: &mut Errors,
) -> (Instrument<'a>, Span) {
    let items = Items(&role.items);
    let attr = &role.attr;
    let occasions = occasions(field, items, owner, errors);
    let (on, each) = seen(&occasions, owner);
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
        Some(expr) => match value::source(expr, &on, each, errors) {
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
        Some(expr) => buckets(expr, errors),
        None => Buckets { fixed: default_buckets(kind, &unit), computed: None },
    };
    let (attributes, labels) = labels(items, &occasions, owner, errors);
    let instrument = Instrument {
        ident: field.ident,
        ty: field.ty,
        kind,
        name,
        unit,
        description,
        buckets,
        attributes,
        labels,
        occasions,
        value,
    };
    (instrument, span)
}

fn description(field: &RawField<'_>, what: &str, errors: &mut Errors) -> String {
    field.description.clone().unwrap_or_else(|| {
        errors.here(field.ident.span(), format!("missing doc comment on `{}`: it becomes {what}", field.ident));
        String::new()
    })
}

/// When the field records; empty after an error, to avoid follow-up errors.
fn occasions(field: &RawField<'_>, items: Items<'_>, owner: &mut Owner<'_>, errors: &mut Errors) -> Vec<Occasion> {
    let mut occasions: Vec<Occasion> = Vec::new();
    for (expr, own) in items.ons() {
        let Some(on) = value::on(expr, errors) else { continue };
        if let Some(name) = occasions.iter().find_map(|have| have.on.shared(&on)) {
            errors.at(expr, format!("this field has an `on(...)` for `{name}` already"));
        }
        occasions.extend(occasion(expr, on, own, owner, errors));
    }
    if items.ons().next().is_some() {
        for item in ["when", "each"].into_iter().filter_map(|key| items.get(key)) {
            errors.here(item.key.span(), format!("put `{}` into the `on(...)` whose events it is for", item.key));
        }
        return occasions;
    }
    if let Some(expr) = items.expr("on") {
        let on = value::on(expr, errors);
        occasions.extend(on.and_then(|on| occasion(expr, on, items, owner, errors)));
    } else if let Some((group, on)) = only_events(owner) {
        occasions.push(of_group(group, on, items, errors));
    } else if !items.0.iter().any(|item| item.key == "on") {
        let names: Vec<_> = owner.groups.iter().flat_map(|group| group.on.events()).map(|kind| kind.name).collect();
        errors.here(
            field.ident.span(),
            format!(
                "missing `on`: the recorder treats its events differently, so `{}` needs one of {}",
                field.ident,
                one_of(names)
            ),
        );
    }
    occasions
}

/// The group of events, if there is no other.
fn only_events(owner: &Owner<'_>) -> Option<(usize, On)> {
    let mut groups = owner.groups.iter().enumerate().filter(|(_, group)| matches!(group.on, On::Events(_)));
    let (index, group) = groups.next()?;
    groups.next().is_none().then(|| (index, group.on.clone()))
}

fn occasion(expr: &Expr, on: On, items: Items<'_>, owner: &mut Owner<'_>, errors: &mut Errors) -> Option<Occasion> {
    let found = owner.groups.iter().position(|group| group.on.shared(&on).is_some());
    let group = match (found, &on) {
        (Some(group), _) => group,
        (None, On::Events(events)) => {
            // If the struct's own events have an error, this would add nothing.
            let known = owner.groups.iter().any(|group| !group.on.events().is_empty());
            if let Some(kind) = events.first().filter(|_| known) {
                errors.at(expr, format!("the recorder does not see `{}`: add it to the `on` of the struct", kind.name));
            }
            return None;
        }
        (None, at) => {
            owner.groups.push(Group::new(at.clone()));
            owner.groups.len() - 1
        }
    };
    let of_group = &owner.groups[group];
    if let Some(kind) = on.events().iter().find(|kind| !of_group.on.events().contains(kind)) {
        let message = if owner.groups.iter().any(|group| group.on.events().contains(kind)) {
            format!("`{}` is in another `on(...)` of the struct: write an `on(...)` for each", kind.name)
        } else {
            format!("the recorder does not see `{}`: add it to the `on` of the struct", kind.name)
        };
        errors.at(expr, message);
        return None;
    }
    if of_group.each.is_some() && on != of_group.on {
        errors.at(expr, "with `each` on the struct, a field sees all its events: remove this `on`");
    }
    Some(self::of_group(group, on, items, errors))
}

fn of_group(group: usize, on: On, items: Items<'_>, errors: &mut Errors) -> Occasion {
    Occasion { group, on, when: items.closure("when", errors), each: items.closure("each", errors) }
}

/// What the field's values come from: on all occasions, and whether it is an item.
fn seen(occasions: &[Occasion], owner: &Owner<'_>) -> (On, bool) {
    let each = occasions.iter().any(|o| o.each.is_some() || owner.groups[o.group].each.is_some());
    let no_event = occasions.iter().find(|o| !matches!(o.on, On::Events(_)));
    let events = || occasions.iter().flat_map(|o| o.on.events()).copied().collect();
    (no_event.map_or_else(|| On::Events(events()), |o| o.on.clone()), each)
}

fn metric_name(field: &RawField<'_>, items: Items<'_>, errors: &mut Errors) -> (Option<Name>, Span) {
    let expr = items.expr("name");
    let name = expr.and_then(|expr| value::name(expr, "the name of a metric", errors));
    let span = expr.map_or_else(|| field.ident.span(), syn::spanned::Spanned::span);
    let error = match &name {
        Some(Name::Text(name)) => name::metric_name_error(name),
        Some(Name::Constant(_)) => None,
        // The recorder's part of the name is checked with the recorder.
        None => name::field_name_error(&field_name(field.ident)),
    };
    if let Some(message) = error {
        errors.here(span, message);
    }
    (name, span)
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
        Some(name) => name.to_string(),
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

/// The constant labels, and those of the field's own series.
fn labels(
    items: Items<'_>,
    occasions: &[Occasion],
    owner: &mut Owner<'_>,
    errors: &mut Errors,
) -> (Vec<(Name, String)>, Vec<Label>) {
    let (mut constant, mut labels) = (owner.constant.clone(), Vec::new());
    let (on, each) = seen(occasions, owner);
    let of_groups =
        occasions.iter().flat_map(|o| &owner.groups[o.group].labels).map(|label| &owner.labels[label.column]);
    let mut seen: Vec<Name> = of_groups.chain(constant.iter().map(|(name, _)| name)).cloned().collect();
    for pair in items.list("labels") {
        if !check_key(pair, "label", name::RESERVED_LABELS, &mut seen, errors) {
            continue;
        }
        if let Some(text) = pair.constant() {
            constant.push((pair.name.clone(), text));
        } else if !occasions.is_empty() {
            match pair_source(pair, &on, each, errors) {
                Some(ValueSource::Literal(lit)) => errors.at(lit, "a constant label must be a string: `\"...\"`"),
                Some(source) => labels.push(owner.label(&pair.name, source)),
                None => {}
            }
        }
    }
    (constant, labels)
}

fn buckets(expr: &Expr, errors: &mut Errors) -> Buckets {
    let mut buckets = Buckets::default();
    match value::plain(expr) {
        Expr::Closure(_) => buckets.computed = value::of_options(expr, errors),
        // The default, and what the options have.
        Expr::Tuple(tuple) if tuple.elems.len() == 2 => {
            buckets.fixed = bounds(&tuple.elems[0], errors);
            buckets.computed = value::of_options(&tuple.elems[1], errors);
        }
        expr => buckets.fixed = bounds(expr, errors),
    }
    buckets
}

fn bounds(expr: &Expr, errors: &mut Errors) -> Option<TokenStream> {
    let array = match expr {
        Expr::Path(path) => return Some(path.to_token_stream()),
        Expr::Array(array) => array,
        other => {
            errors.at(
                other,
                "expected upper bounds: a list (`[100, 250, 1000]`), the path of a constant, a closure over the options \
                 (`|o| &o.bounds`), or a default and a closure (`([100, 250], |o| &o.bounds)`)",
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
    Some(list(&bounds))
}

fn list(bounds: &[f64]) -> TokenStream {
    quote!(&[#(#bounds),*])
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
fn default_buckets(kind: Kind, unit: &str) -> Option<TokenStream> {
    const SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
    const MILLISECONDS: &[f64] =
        &[0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0, 10000.0];
    (kind == Kind::Histogram).then(|| list(if unit == "s" { SECONDS } else { MILLISECONDS }))
}

fn record<'a>(field: &RawField<'a>, items: Items<'_>, owner: &mut Owner<'_>, errors: &mut Errors) -> RecordField<'a> {
    let occasions = occasions(field, items, owner, errors);
    let (on, each) = seen(&occasions, owner);
    let mut names = Vec::new();
    let mut fields = Vec::new();
    for pair in items.list("fields") {
        if check_key(pair, "field", name::RESERVED_FIELDS, &mut names, errors)
            && let Some(source) = pair_source(pair, &on, each, errors)
        {
            fields.push((pair.name.clone(), source));
        }
    }
    let name = items.name("name", "the name of a record", errors);
    if let (Some(Name::Text(text)), Some(expr)) = (&name, items.expr("name"))
        && let Some(message) = name::key_error(text)
    {
        errors.at(expr, message);
    }
    let severity = match items.expr("severity") {
        Some(expr) if matches!(value::plain(expr), Expr::Closure(_)) => {
            items.closure("severity", errors).map_or(Severity::Fixed("info"), Severity::Computed)
        }
        _ => Severity::Fixed(word(items, "severity", &["info", "debug", "warning", "error", "critical"], errors)),
    };
    RecordField {
        ident: field.ident,
        ty: field.ty,
        name,
        description: description(field, "the description of the record", errors),
        severity,
        kind: word(items, "kind", &["event", "metrics"], errors),
        body: items.expr("body").and_then(|expr| value::source(expr, &on, each, errors)),
        fields,
        occasions,
    }
}

/// The first word is the default.
fn word(items: Items<'_>, key: &str, words: &[&'static str], errors: &mut Errors) -> &'static str {
    items.expr(key).and_then(|expr| value::word(expr, words, errors)).unwrap_or(words[0])
}
