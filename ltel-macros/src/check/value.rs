//! The values of keys: a field of the event, a closure, a text, an event.

use syn::{Expr, ExprLit, Ident, Lit, LitStr};

use crate::errors::{Errors, all_of, did_you_mean, one_of};
use crate::event::{self, EventKind};
use crate::model::{Closure, Name, On, Takes, ValueSource};

/// Names of fields in Locust or other telemetry tools, and their names in ltel.
const SYNONYMS: &[(&str, &str)] = &[
    ("request_type", "method"),
    ("exception", "error"),
    ("duration", "response_time"),
    ("latency", "response_time"),
    ("elapsed", "response_time"),
    ("status", "status_code"),
    ("endpoint", "name"),
    ("path", "name"),
    ("size", "response_length"),
    ("user", "user_class"),
    ("cpu", "cpu_percent"),
    ("memory", "memory_bytes"),
    ("user_count", "total"),
];

/// Unwraps the invisible groups that `macro_rules!` macros put around what they pass on.
pub(crate) fn plain(expr: &Expr) -> &Expr {
    match expr {
        Expr::Group(group) => plain(&group.expr),
        Expr::Paren(paren) => plain(&paren.expr),
        expr => expr,
    }
}

pub(crate) fn ident(expr: &Expr) -> Option<&Ident> {
    match plain(expr) {
        Expr::Path(path) if path.attrs.is_empty() => path.path.get_ident(),
        _ => None,
    }
}

/// A text, or the path of a constant that is one.
pub(crate) fn name(expr: &Expr, what: &str, errors: &mut Errors) -> Option<Name> {
    match plain(expr) {
        Expr::Path(path) => Some(Name::Constant(path.path.clone())),
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(Name::Text(text.value())),
        other => {
            errors.at(other, format!("{what} must be a string or the path of a constant"));
            None
        }
    }
}

pub(crate) fn text(expr: &Expr, what: &str, errors: &mut Errors) -> Option<LitStr> {
    if let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = plain(expr) {
        return Some(text.clone());
    }
    errors.at(expr, format!("{what} must be a string: `\"...\"`"));
    None
}

/// One of a fixed set of words.
pub(crate) fn word(expr: &Expr, words: &[&'static str], errors: &mut Errors) -> Option<&'static str> {
    let given = ident(expr).map(ToString::to_string);
    if let Some(word) = words.iter().find(|word| given.as_deref() == Some(**word)) {
        return Some(word);
    }
    let near = given.map_or_else(String::new, |given| did_you_mean(&given, words.iter().copied()));
    errors.at(expr, format!("expected {}{near}", one_of(words.iter().copied())));
    None
}

/// A closure of the event, the options and the moment.
pub(crate) fn closure(expr: &Expr, errors: &mut Errors) -> Option<Closure> {
    let takes = [Takes::Event, Takes::EventOptions, Takes::EventOptionsMoment];
    closure_that(expr, &takes, "`|event|`, `|event, o|` or `|event, o, cx|` (options, moment)", errors)
}

/// A closure of the options alone.
pub(crate) fn of_options(expr: &Expr, errors: &mut Errors) -> Option<Closure> {
    closure_that(expr, &[Takes::Options], "the options: `|o|`", errors)
}

/// A closure of the event and the moment, or a function.
pub(crate) fn observer(expr: &Expr, errors: &mut Errors) -> Option<Closure> {
    match plain(expr) {
        Expr::Path(path) => Some(Closure { expr: Expr::Path(path.clone()), takes: Takes::EventMoment }),
        Expr::Closure(closure) if closure.inputs.len() == 2 => {
            closure_that(expr, &[Takes::Event, Takes::EventMoment], "", errors)
        }
        other => {
            errors.at(other, "expected a closure that takes `|event, cx|` (moment), or the path of such a function");
            None
        }
    }
}

/// `takes` are the arguments by their number, from 1.
fn closure_that(expr: &Expr, takes: &[Takes], what: &str, errors: &mut Errors) -> Option<Closure> {
    let Expr::Closure(closure) = plain(expr) else {
        errors.at(expr, format!("expected a closure that takes {what}"));
        return None;
    };
    let Some(takes) = closure.inputs.len().checked_sub(1).and_then(|n| takes.get(n)) else {
        errors.at(closure, format!("expected a closure that takes {what}"));
        return None;
    };
    if let Some(asyncness) = &closure.asyncness {
        errors.at(asyncness, "the closure cannot be async");
        return None;
    }
    Some(Closure { expr: Expr::Closure(closure.clone()), takes: *takes })
}

/// A value: a field of the event, a closure over it, or a constant.
pub(crate) fn source(expr: &Expr, on: &On, each: bool, errors: &mut Errors) -> Option<ValueSource> {
    match plain(expr) {
        Expr::Closure(_) => closure(expr, errors).map(ValueSource::Closure),
        Expr::Lit(ExprLit { lit, .. }) => Some(ValueSource::Literal(lit.clone())),
        Expr::Path(path) if path.path.get_ident().is_some() => {
            path.path.get_ident().and_then(|ident| field(ident, on, each, errors))
        }
        other => {
            errors.at(other, "expected a field of the event, a closure (`|event| ...`) or a constant");
            None
        }
    }
}

/// A bare identifier.
pub(crate) fn field(ident: &Ident, on: &On, each: bool, errors: &mut Errors) -> Option<ValueSource> {
    let events = match on {
        On::Tick | On::Finish => {
            errors.at(ident, "`Tick` and `Finish` have no event, so no fields: use a closure (`|now, o, cx| ...`)");
            return None;
        }
        On::Events(_) if each => {
            errors.at(ident, "with `each`, values come from the item: use a closure (`|item| ...`)");
            return None;
        }
        On::Events(events) => events,
    };
    let name = ident.to_string();
    let mut found = Vec::new();
    for kind in events {
        if let Some(field) = kind.field(&name) {
            found.push((*kind, field));
        } else {
            errors.at(ident, no_field(&name, kind));
            return None;
        }
    }
    // If there are no events, that error has been reported.
    (!found.is_empty()).then(|| ValueSource::Field(ident.clone(), found))
}

fn no_field(name: &str, kind: &EventKind) -> String {
    let names = || kind.fields.iter().map(|field| field.name);
    let synonym = SYNONYMS.iter().find(|(synonym, known)| *synonym == name && names().any(|name| name == *known));
    let near = match synonym {
        Some((_, known)) => format!("; did you mean `{known}`?"),
        None => did_you_mean(name, names()),
    };
    let near = if near.is_empty() { format!("; the fields are {}", all_of(names())) } else { near };
    format!("`{}` has no field `{name}`{near}", kind.name)
}

/// `Request`, `[TestStart, TestStop]`, `Tick` or `Finish`.
pub(crate) fn on(expr: &Expr, errors: &mut Errors) -> Option<On> {
    let list: Vec<&Expr> = match plain(expr) {
        Expr::Array(array) => array.elems.iter().collect(),
        one => vec![one],
    };
    if list.is_empty() {
        errors.at(expr, "expected at least one event");
        return None;
    }
    let mut events = Vec::new();
    let mut ok = true;
    for expr in &list {
        let name = ident(expr).map(ToString::to_string);
        match name.as_deref() {
            Some("Tick") if list.len() == 1 => return Some(On::Tick),
            Some("Finish") if list.len() == 1 => return Some(On::Finish),
            Some(name @ ("Tick" | "Finish")) => {
                errors.at(expr, format!("`{name}` cannot be in a list: write an `on({name}, ...)` of its own"));
                ok = false;
            }
            Some(name) if event::kind(name).is_some() => {
                let kind = event::kind(name);
                if kind.is_some_and(|kind| events.contains(&kind)) {
                    errors.at(expr, format!("duplicate event `{name}`"));
                    ok = false;
                }
                events.extend(kind);
            }
            name => {
                let known = || event::EVENTS.iter().map(|kind| kind.name);
                let near = name.map_or_else(String::new, |name| did_you_mean(name, known()));
                let near = if near.is_empty() { format!("; the events are {}", all_of(known())) } else { near };
                errors.at(expr, format!("expected an event of Locust{near}"));
                ok = false;
            }
        }
    }
    ok.then_some(On::Events(events))
}
