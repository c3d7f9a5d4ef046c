//! What the struct says of its events: `on = ...` or several `on(...)`.

use syn::Lit;

use super::{Items, Owner, check_key, pair_source, value};
use crate::attr::Raw;
use crate::errors::Errors;
use crate::event::EventKind;
use crate::model::{Group, Name, On, ValueSource};
use crate::name;

/// Fills in the groups and the labels of their series.
pub(super) fn groups(raw: &Raw<'_>, items: Items<'_>, owner: &mut Owner<'_>, errors: &mut Errors) {
    if items.ons().next().is_none() {
        let on = On::Events(events(raw, items, errors));
        let group = group(on, items, true, owner, errors);
        owner.groups.push(group);
        return;
    }
    for key in ["when", "each", "observe"] {
        if let Some(item) = items.get(key) {
            errors.here(item.key.span(), format!("put `{key}` into the `on(...)` whose events it is for"));
        }
    }
    constant_labels(items, owner, errors);
    for (expr, items) in items.ons() {
        let on = value::on(expr, errors).unwrap_or(On::Events(Vec::new()));
        if let Some(have) = owner.groups.iter().find_map(|group| group.on.shared(&on)) {
            errors.at(expr, format!("`{have}` has an `on(...)` already: put all about it into one"));
        }
        let group = group(on, items, false, owner, errors);
        owner.groups.push(group);
    }
}

fn group(on: On, items: Items<'_>, whole: bool, owner: &mut Owner<'_>, errors: &mut Errors) -> Group {
    let mut group = Group {
        when: items.closure("when", errors),
        each: items.closure("each", errors),
        observe: items.expr("observe").and_then(|expr| value::observer(expr, errors)),
        ..Group::new(on)
    };
    let each = items.get("each").is_some();
    let no_events = group.on == On::Events(Vec::new());
    let mut seen: Vec<Name> = owner.constant.iter().map(|(name, _)| name.clone()).collect();
    for pair in items.list("labels") {
        if !check_key(pair, "label", name::RESERVED_LABELS, &mut seen, errors) || no_events {
            continue;
        }
        match pair_source(pair, &group.on, each, errors) {
            Some(ValueSource::Literal(Lit::Str(text))) if whole => {
                owner.constant.push((pair.name.clone(), text.value()));
            }
            Some(ValueSource::Literal(lit)) if !matches!(lit, Lit::Str(_)) => {
                errors.at(lit, "a constant label must be a string: `\"...\"`");
            }
            Some(source) => group.labels.push(owner.label(&pair.name, source)),
            None => {}
        }
    }
    group
}

/// The labels of a struct with `on(...)`.
fn constant_labels(items: Items<'_>, owner: &mut Owner<'_>, errors: &mut Errors) {
    let mut seen = Vec::new();
    for pair in items.list("labels") {
        if !check_key(pair, "label", name::RESERVED_LABELS, &mut seen, errors) {
            continue;
        }
        match pair.constant() {
            Some(text) => owner.constant.push((pair.name.clone(), text)),
            None => errors.here(
                pair.span,
                "a label of the whole recorder must be a constant string: put labels that vary into the `on(...)` of their event",
            ),
        }
    }
}

/// The struct's `on`, or all events of its fields.
fn events(raw: &Raw<'_>, items: Items<'_>, errors: &mut Errors) -> Vec<&'static EventKind> {
    if let Some(expr) = items.expr("on") {
        return match value::on(expr, errors) {
            Some(On::Events(events)) => events,
            Some(_) => {
                errors.at(
                    expr,
                    "expected an event of Locust: `Tick` and `Finish` are for the `on` of a field, or for `on(...)`",
                );
                Vec::new()
            }
            None => Vec::new(),
        };
    }
    let mut events: Vec<&'static EventKind> = Vec::new();
    for role in raw.fields.iter().filter_map(|field| field.role.as_ref()).filter(|role| role.attr != "state") {
        let items = Items(&role.items);
        let mut ons = items.expr("on").into_iter().chain(items.ons().map(|(expr, _)| expr)).peekable();
        if ons.peek().is_none() {
            let message = "missing event: add one to the struct, such as `#[recorder(on = Request)]`";
            errors.here(raw.ident.span(), message);
            return Vec::new();
        }
        // Errors in them are reported with the field.
        for on in ons.filter_map(|expr| value::on(expr, &mut Errors::default())) {
            for kind in on.events() {
                if !events.contains(kind) {
                    events.push(kind);
                }
            }
        }
    }
    events
}
