//! Turns the parsed attributes into a model. Reports every error at its token; one error does not hide others.

mod value;
mod field;

use syn::{Expr, ExprPath, Lit};

use self::field::Owner;
use crate::attr::{Item, Pair, Raw, Value};
use crate::errors::{Errors, did_you_mean};
use crate::event::EventKind;
use crate::model::{Model, On, ValueSource};
use crate::name;

/// The model. Use it only if there were no errors.
pub(crate) fn check<'a>(raw: &Raw<'a>, errors: &mut Errors) -> Model<'a> {
    let items = Items(&raw.items);
    let name = recorder_name(raw, items, errors);
    let on = items.expr("on").and_then(|expr| value::on(expr, false, errors));
    let events = struct_events(raw, items, on.as_ref(), errors);
    let each = items.expr("each").and_then(|expr| value::closure(expr, 3, errors));
    let on = On::Events(events.clone());
    let Labels { series, constant } = labels(items, &on, each.is_some(), errors);
    let owner = Owner {
        name: &name,
        events: &events,
        each: each.is_some(),
        series: &series.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        constant: &constant,
    };
    let fields = field::fields(raw, &owner, errors);
    let mut needs = needs(items, errors);
    let sources = series.iter().map(|(_, source)| source).chain(fields.sources());
    for field in
        sources.filter_map(|source| if let ValueSource::Field(_, fields) = source { Some(fields) } else { None })
    {
        needs.extend(field.iter().filter_map(|(_, field)| field.needs));
    }
    needs.extend(fields.events(&events).filter_map(|kind| kind.needs));
    needs.sort_unstable();
    needs.dedup();
    Model {
        ident: raw.ident,
        krate: krate(items, errors),
        description: raw.description.clone().unwrap_or_default(),
        scope: items.text("scope", "the name of the scope", errors),
        per_run: items.expr("per").and_then(|e| value::word(e, &["source", "run"], errors)) == Some("run"),
        every: items.expr("every").and_then(|expr| every(expr, errors)),
        options: items.options(),
        when: items.expr("when").and_then(|expr| value::closure(expr, 3, errors)),
        each,
        labels: series,
        needs,
        events,
        instruments: fields.instruments,
        records: fields.records,
        state: fields.state,
        name,
    }
}

/// The items of one attribute, by key.
#[derive(Clone, Copy)]
struct Items<'a>(&'a [Item]);

impl<'a> Items<'a> {
    fn get(self, key: &str) -> Option<&'a Item> {
        self.0.iter().find(|item| item.key == key)
    }

    fn expr(self, key: &str) -> Option<&'a Expr> {
        match &self.get(key)?.value {
            Value::Expr(expr) => Some(expr),
            _ => None,
        }
    }

    fn list(self, key: &str) -> &'a [Pair] {
        match self.get(key).map(|item| &item.value) {
            Some(Value::List(pairs)) => pairs,
            _ => &[],
        }
    }

    fn text(self, key: &str, what: &str, errors: &mut Errors) -> Option<String> {
        self.expr(key).and_then(|expr| value::text(expr, what, errors)).map(|text| text.value())
    }

    fn options(self) -> Option<syn::Type> {
        match &self.get("options")?.value {
            Value::Type(ty) => Some(ty.clone()),
            _ => None,
        }
    }
}

fn recorder_name(raw: &Raw<'_>, items: Items<'_>, errors: &mut Errors) -> String {
    let default = name::snake_case(&syn::ext::IdentExt::unraw(raw.ident).to_string());
    let Some(expr) = items.expr("name") else {
        if !name::is_snake_case(&default) {
            let message =
                "the name of this struct is not ASCII, so the recorder needs a name: `#[recorder(name = \"...\")]`";
            errors.here(raw.ident.span(), message);
        }
        return default;
    };
    let Some(text) = value::text(expr, "the name of a recorder", errors) else {
        return default;
    };
    if !name::is_snake_case(&text.value()) {
        let near = name::snake_case(&text.value().replace(['-', '.', ' '], "_"));
        let near = if name::is_snake_case(&near) { format!("; did you mean `{near}`?") } else { String::new() };
        errors.at(&text, format!("the name of a recorder must be `snake_case`, such as `slow_checkout`{near}"));
    }
    text.value()
}

/// The struct's `on`, or all events of its fields.
fn struct_events(raw: &Raw<'_>, items: Items<'_>, on: Option<&On>, errors: &mut Errors) -> Vec<&'static EventKind> {
    if let Some(On::Events(events)) = on {
        return events.clone();
    }
    if items.get("on").is_some() {
        return Vec::new();
    }
    let mut events: Vec<&'static EventKind> = Vec::new();
    for role in raw.fields.iter().filter_map(|field| field.role.as_ref()).filter(|role| role.attr != "state") {
        match Items(&role.items).expr("on") {
            // Errors here are reported with the field.
            Some(expr) => {
                if let Some(On::Events(of_field)) = value::on(expr, true, &mut Errors::default()) {
                    for kind in of_field {
                        if !events.contains(&kind) {
                            events.push(kind);
                        }
                    }
                }
            }
            None => {
                errors.here(
                    raw.ident.span(),
                    "missing event: add one to the struct, such as `#[recorder(on = Request)]`",
                );
                return Vec::new();
            }
        }
    }
    events
}

struct Labels {
    series: Vec<(String, ValueSource)>,
    constant: Vec<(String, String)>,
}

fn labels(items: Items<'_>, on: &On, each: bool, errors: &mut Errors) -> Labels {
    let mut labels = Labels { series: Vec::new(), constant: Vec::new() };
    let no_events = *on == On::Events(Vec::new());
    let mut seen = Vec::new();
    for pair in items.list("labels") {
        if !check_key(pair, "label", name::RESERVED_LABELS, &mut seen, errors) || no_events {
            continue;
        }
        match pair_source(pair, on, each, errors) {
            Some(ValueSource::Literal(Lit::Str(text))) => labels.constant.push((pair.name.clone(), text.value())),
            Some(ValueSource::Literal(lit)) => errors.at(lit, "a constant label must be a string: `\"...\"`"),
            Some(source) => labels.series.push((pair.name.clone(), source)),
            None => {}
        }
    }
    labels
}

/// Whether a label or a field of a record can have this name.
fn check_key(pair: &Pair, what: &str, reserved: &[&str], seen: &mut Vec<String>, errors: &mut Errors) -> bool {
    let first = !seen.contains(&pair.name);
    seen.push(pair.name.clone());
    if let Some(message) = name::key_error(&pair.name) {
        errors.here(pair.span, message);
    } else if reserved.contains(&pair.name.as_str()) {
        let name = &pair.name;
        let source = if pair.ident.is_some() && pair.source.is_none() { name } else { "..." };
        let message = format!(
            "`{name}` is reserved, because all telemetry has it: give the {what} another name, such as `its_{name} = {source}`"
        );
        errors.here(pair.span, message);
    } else if !first {
        errors.here(pair.span, format!("duplicate {what} `{}`", pair.name));
    } else {
        return true;
    }
    false
}

fn pair_source(pair: &Pair, on: &On, each: bool, errors: &mut Errors) -> Option<ValueSource> {
    match (&pair.source, &pair.ident) {
        (Some(expr), _) => value::source(expr, on, each, errors),
        (None, Some(ident)) => value::field(ident, on, each, errors),
        (None, None) => {
            errors.here(pair.span, format!("expected `\"{}\" = ...`", pair.name));
            None
        }
    }
}

/// The needs in `needs(...)`. Those of bare identifiers are added later.
fn needs(items: Items<'_>, errors: &mut Errors) -> Vec<&'static str> {
    const KNOWN: &[&str] =
        &["url", "user_class", "context", "request_length", "usage", "trace", "tasks", "measurements"];
    let mut needs = Vec::new();
    for pair in items.list("needs") {
        match KNOWN.iter().find(|known| **known == pair.name) {
            Some(need) if pair.source.is_none() => needs.push(*need),
            _ => {
                let near = did_you_mean(&pair.name, KNOWN.iter().copied());
                let message = format!("expected {}{near}", crate::errors::one_of(KNOWN.iter().copied()));
                errors.here(pair.span, message);
            }
        }
    }
    needs
}

fn krate(items: Items<'_>, errors: &mut Errors) -> syn::Path {
    let default = || syn::parse_quote!(::ltel_core);
    match items.expr("crate").map(value::plain) {
        None => default(),
        Some(Expr::Path(ExprPath { path, .. })) => path.clone(),
        Some(other) => {
            errors.at(other, "expected the path of `ltel_core`: `crate = my_crate::ltel_core`");
            default()
        }
    }
}

/// `500ms`, `10s`, `1m`, `1h`, in milliseconds.
fn every(expr: &Expr, errors: &mut Errors) -> Option<u64> {
    let text = value::text(expr, "a duration", errors)?;
    let value = text.value();
    let digits = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let (number, unit) = value.split_at(digits);
    let factor = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let millis = factor.and_then(|factor| number.parse::<u64>().ok()?.checked_mul(factor)).filter(|ms| *ms > 0);
    if millis.is_none() {
        errors.at(&text, "expected a whole number above zero with the unit `ms`, `s`, `m` or `h`, such as `\"10s\"`");
    }
    millis
}
