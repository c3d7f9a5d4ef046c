//! Turns the parsed attributes into a model. Reports every error at its token; one error does not hide others.

mod value;
mod group;
mod field;
mod state;

use syn::{Expr, ExprLit, ExprPath, Lit};

use crate::attr::{Item, Pair, Raw, Value};
use crate::errors::{Errors, did_you_mean};
use crate::model::{Closure, Group, Label, Model, Name, On, ValueSource};
use crate::name;

/// The model. Use it only if there were no errors.
pub(crate) fn check<'a>(raw: &Raw<'a>, errors: &mut Errors) -> Model<'a> {
    let items = Items(&raw.items);
    let name = recorder_name(raw, items, errors);
    let mut owner = Owner { name: &name, groups: Vec::new(), labels: Vec::new(), constant: Vec::new() };
    group::groups(raw, items, &mut owner, errors);
    let fields = field::fields(raw, &mut owner, errors);
    state::check(raw, errors);
    let needs = needs(items, &owner.groups, &fields, errors);
    Model {
        ident: raw.ident,
        krate: krate(items, errors),
        description: raw.description.clone().unwrap_or_default(),
        scope: items.name("scope", "the name of the scope", errors),
        per_run: items.expr("per").and_then(|e| value::word(e, &["source", "run"], errors)) == Some("run"),
        every: items.expr("every").and_then(|expr| every(expr, errors)),
        options: items.options(),
        groups: owner.groups,
        labels: owner.labels,
        needs,
        instruments: fields.instruments,
        records: fields.records,
        state: fields.state,
        name,
    }
}

/// What is known of the struct while its fields are checked.
struct Owner<'a> {
    name: &'a str,
    groups: Vec<Group>,
    /// The labels that distinguish series.
    labels: Vec<Name>,
    constant: Vec<(Name, String)>,
}

impl Owner<'_> {
    /// A label of some series. Labels of the same name have one column.
    fn label(&mut self, name: &Name, source: ValueSource) -> Label {
        let column = self.labels.iter().position(|have| have == name).unwrap_or_else(|| {
            self.labels.push(name.clone());
            self.labels.len() - 1
        });
        Label { column, source }
    }
}

impl Pair {
    /// The text, if the source is one.
    fn constant(&self) -> Option<String> {
        match self.source.as_ref().map(value::plain) {
            Some(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) => Some(text.value()),
            _ => None,
        }
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

    fn name(self, key: &str, what: &str, errors: &mut Errors) -> Option<Name> {
        self.expr(key).and_then(|expr| value::name(expr, what, errors))
    }

    fn closure(self, key: &str, errors: &mut Errors) -> Option<Closure> {
        self.expr(key).and_then(|expr| value::closure(expr, errors))
    }

    /// The `on(...)`s: the events, and the keys of each.
    fn ons(self) -> impl Iterator<Item = (&'a Expr, Items<'a>)> {
        self.0.iter().filter_map(|item| match &item.value {
            Value::On(events, items) => Some((events, Items(items))),
            _ => None,
        })
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

/// Whether a label or a field of a record can have this name.
fn check_key(pair: &Pair, what: &str, reserved: &[&str], seen: &mut Vec<Name>, errors: &mut Errors) -> bool {
    let first = !seen.contains(&pair.name);
    seen.push(pair.name.clone());
    let name = match &pair.name {
        Name::Text(name) => name.as_str(),
        // The compiler checks the rest.
        Name::Constant(_) => "constant",
    };
    if let Some(message) = name::key_error(name) {
        errors.here(pair.span, message);
    } else if reserved.contains(&name) {
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
            let name = match &pair.name {
                Name::Text(name) => format!("\"{name}\""),
                Name::Constant(_) => pair.name.to_string(),
            };
            errors.here(pair.span, format!("expected `{name} = ...`"));
            None
        }
    }
}

/// The needs in `needs(...)`, of bare identifiers and of events.
fn needs(
    items: Items<'_>,
    groups: &[Group],
    fields: &field::CheckedFields<'_>,
    errors: &mut Errors,
) -> Vec<(&'static str, Option<ValueSource>)> {
    const KNOWN: &[&str] =
        &["url", "user_class", "context", "request_length", "usage", "trace", "tasks", "measurements", "logs"];
    let mut needs: Vec<(&'static str, Option<ValueSource>)> = Vec::new();
    for pair in items.list("needs") {
        let Some(need) = KNOWN.iter().find(|known| pair.name == Name::Text((**known).to_owned())) else {
            let near = did_you_mean(&pair.name.to_string(), KNOWN.iter().copied());
            let message = format!("expected {}{near}", crate::errors::one_of(KNOWN.iter().copied()));
            errors.here(pair.span, message);
            continue;
        };
        let source = match pair.source.as_ref().map(value::plain) {
            None => None,
            Some(Expr::Lit(ExprLit { lit: lit @ Lit::Int(_), .. })) if *need == "logs" => {
                Some(ValueSource::Literal(lit.clone()))
            }
            Some(expr @ Expr::Closure(_)) => value::of_options(expr, errors).map(ValueSource::Closure),
            Some(expr) => {
                let what = match *need {
                    "logs" => "the lowest level, by its number in Python: `logs = 30` or `logs = |o| ...`",
                    _ => "a closure over the options that returns a bool",
                };
                errors.at(expr, format!("expected {what}"));
                None
            }
        };
        needs.push((need, source));
    }
    let labels = groups.iter().flat_map(|group| &group.labels).map(|label| &label.source);
    let mut more: Vec<&'static str> = Vec::new();
    for source in labels.chain(fields.sources()) {
        if let ValueSource::Field(_, fields) = source {
            more.extend(fields.iter().filter_map(|(_, field)| field.needs));
        }
    }
    more.extend(groups.iter().flat_map(|group| group.on.events()).filter_map(|kind| kind.needs));
    for need in more {
        if !needs.iter().any(|(have, _)| *have == need) {
            needs.push((need, None));
        }
    }
    needs.sort_by_key(|(need, _)| *need);
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
