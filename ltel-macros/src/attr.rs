//! Attributes as typed: which keys exist and the form of their values. [`crate::check`] decides what they mean.

use proc_macro2::{Span, TokenTree};
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{Attribute, Data, DeriveInput, Expr, Fields, Generics, Ident, Lit, LitStr, Meta, Path, Token, Type, token};

use crate::errors::{Errors, all_of, did_you_mean, one_of};
use crate::model::Name;

/// The input, parsed but not yet checked.
pub(crate) struct Raw<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) generics: &'a Generics,
    pub(crate) description: Option<String>,
    pub(crate) items: Vec<Item>,
    pub(crate) fields: Vec<RawField<'a>>,
}

/// A field of the struct.
pub(crate) struct RawField<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) ty: &'a Type,
    pub(crate) description: Option<String>,
    pub(crate) role: Option<Role>,
}

/// What a field is for: `#[counter(...)]`.
pub(crate) struct Role {
    pub(crate) attr: Ident,
    pub(crate) items: Vec<Item>,
}

/// `key = value` or `key(...)`.
pub(crate) struct Item {
    pub(crate) key: Ident,
    pub(crate) value: Value,
}

/// The value of a key.
pub(crate) enum Value {
    Expr(Expr),
    Type(Type),
    List(Vec<Pair>),
    /// `on(Request, ...)`: the events, and the keys that are theirs.
    On(Expr, Vec<Item>),
}

/// `name`, `name = source`, `"na.me" = source` or `path::NAME = source`.
pub(crate) struct Pair {
    pub(crate) name: Name,
    pub(crate) span: Span,
    /// Absent for a bare identifier, which is also the name of a field of the event.
    pub(crate) source: Option<Expr>,
    /// The bare identifier.
    pub(crate) ident: Option<Ident>,
}

/// The attributes of a field, and their keys.
const ROLES: &[(&str, &[&str])] = &[
    ("counter", &["on", "when", "each", "value", "name", "unit", "labels"]),
    ("up_down_counter", &["on", "when", "each", "value", "name", "unit", "labels"]),
    ("gauge", &["on", "when", "each", "value", "name", "unit", "labels"]),
    ("histogram", &["on", "when", "each", "value", "name", "unit", "labels", "buckets"]),
    ("record", &["on", "when", "each", "name", "severity", "kind", "body", "fields"]),
    ("state", &["init"]),
];
const STRUCT_KEYS: &[&str] =
    &["on", "when", "each", "observe", "labels", "options", "name", "per", "every", "scope", "needs", "crate"];
/// The keys of `on(...)` on the struct, and on a field.
const STRUCT_ON_KEYS: &[&str] = &["when", "each", "observe", "labels"];
const FIELD_ON_KEYS: &[&str] = &["when", "each"];

pub(crate) fn parse<'a>(input: &'a DeriveInput, errors: &mut Errors) -> Raw<'a> {
    let mut raw = Raw {
        ident: &input.ident,
        generics: &input.generics,
        description: description(&input.attrs),
        items: Vec::new(),
        fields: Vec::new(),
    };
    for attr in input.attrs.iter().filter(|attr| attr.path().is_ident("recorder")) {
        items_of(attr, "recorder", STRUCT_KEYS, &mut raw.items, errors);
    }
    if raw.description.is_none() {
        errors.here(
            input.ident.span(),
            "missing doc comment: it becomes the description of the recorder, such as `/// Checkout traffic by endpoint.`",
        );
    }
    for param in &input.generics.params {
        errors.at(
            param,
            "a recorder cannot have generic parameters: a table of the configuration selects one concrete type",
        );
    }
    let what = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => {
                raw.fields.extend(fields.named.iter().filter_map(|field| raw_field(field, errors)));
                if raw.fields.is_empty() {
                    errors.here(input.ident.span(), "a recorder needs at least one field: an instrument or a record");
                }
                return raw;
            }
            Fields::Unnamed(_) => "a tuple struct, whose instruments would have no names",
            Fields::Unit => "a unit struct, which has no instruments",
        },
        Data::Enum(_) => "an enum",
        Data::Union(_) => "a union",
    };
    let message = format!("expected a struct with named fields, one per instrument; found {what}");
    errors.here(input.ident.span(), message);
    raw
}

fn raw_field<'a>(field: &'a syn::Field, errors: &mut Errors) -> Option<RawField<'a>> {
    let ident = field.ident.as_ref()?;
    let mut role: Option<Role> = None;
    for attr in &field.attrs {
        let Some(&(name, keys)) = ROLES.iter().find(|(name, _)| attr.path().is_ident(name)) else {
            continue;
        };
        let mut items = Vec::new();
        items_of(attr, name, keys, &mut items, errors);
        if let Some(have) = &role {
            errors.at(
                attr.path(),
                format!("`{ident}` is already a `#[{}]`: a field can have only one of these attributes", have.attr),
            );
        } else if let Some(attr) = attr.path().get_ident() {
            role = Some(Role { attr: attr.clone(), items });
        }
    }
    if role.is_none() {
        let near = field
            .attrs
            .iter()
            .filter_map(|attr| attr.path().get_ident())
            .map(|attr| did_you_mean(&attr.to_string(), ROLES.iter().map(|(name, _)| *name)))
            .find(|near| !near.is_empty());
        let attrs = one_of(["#[counter]", "#[up_down_counter]", "#[gauge]", "#[histogram]", "#[record]"]);
        let near = near.unwrap_or_default();
        errors.here(
            ident.span(),
            format!("field `{ident}` has no attribute: add {attrs} for telemetry, or `#[state]` for data that closures keep between events{near}"),
        );
    }
    Some(RawField { ident, ty: &field.ty, description: description(&field.attrs), role })
}

/// The first paragraph of the doc comment.
fn description(attrs: &[Attribute]) -> Option<String> {
    let mut text = String::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("doc")) {
        let Meta::NameValue(meta) = &attr.meta else { continue };
        let Expr::Lit(syn::ExprLit { lit: Lit::Str(line), .. }) = &meta.value else { continue };
        // Not `lines`, which gives none for an empty text.
        for line in line.value().split('\n').map(str::trim) {
            match (line.is_empty(), text.is_empty()) {
                (true, false) => return Some(text),
                (true, true) => {}
                (false, true) => line.clone_into(&mut text),
                (false, false) => {
                    text.push(' ');
                    text.push_str(line);
                }
            }
        }
    }
    (!text.is_empty()).then_some(text)
}

fn items_of(attr: &Attribute, name: &str, keys: &[&str], items: &mut Vec<Item>, errors: &mut Errors) {
    match &attr.meta {
        // `#[counter]` adds one per event.
        Meta::Path(_) => return,
        Meta::List(_) => {}
        Meta::NameValue(_) => {
            errors.at(&attr.meta, format!("expected `#[{name}(...)]`"));
            return;
        }
    }
    let parser = |input: ParseStream<'_>| {
        parse_items(input, name, keys, items, errors);
        Ok(())
    };
    // It takes all tokens and reports its own errors.
    let _: syn::Result<()> = attr.parse_args_with(parser);
}

fn parse_items(input: ParseStream<'_>, attr: &str, keys: &[&str], items: &mut Vec<Item>, errors: &mut Errors) {
    each_between_commas(input, errors, |input, errors| {
        if let Some(item) = item(input, attr, keys, errors)? {
            // `on(...)` can be there several times, `on = ...` once and alone.
            let both = |have: &Item| !matches!((&have.value, &item.value), (Value::On(..), Value::On(..)));
            match items.iter().find(|have| have.key == item.key && both(have)) {
                Some(_) if item.key == "on" => errors.here(
                    item.key.span(),
                    "`on = ...` is for all that the attribute does: write one `on(...)` for each event instead",
                ),
                Some(_) => errors.here(item.key.span(), format!("duplicate key `{}`", item.key)),
                None => items.push(item),
            }
        }
        Ok(())
    });
}

/// One item; `None` if it has an error, which has been reported.
fn item(input: ParseStream<'_>, attr: &str, keys: &[&str], errors: &mut Errors) -> syn::Result<Option<Item>> {
    let key = input.call(Ident::parse_any)?;
    let name = key.unraw().to_string();
    let known = keys.contains(&name.as_str());
    if !known {
        errors.here(key.span(), unknown_key(&name, attr, keys));
    }
    let is_list = ["labels", "fields", "needs"].contains(&name.as_str());
    let value = if input.peek(token::Paren) {
        let content;
        syn::parenthesized!(content in input);
        if !known {
            content.parse::<proc_macro2::TokenStream>()?;
            return Ok(None);
        }
        if name == "on" {
            let events = content.parse()?;
            let mut items = Vec::new();
            if !content.is_empty() {
                content.parse::<Token![,]>()?;
            }
            let keys = if attr == "recorder" { STRUCT_ON_KEYS } else { FIELD_ON_KEYS };
            parse_items(&content, "on", keys, &mut items, errors);
            return Ok(Some(Item { key, value: Value::On(events, items) }));
        }
        if !is_list {
            content.parse::<proc_macro2::TokenStream>()?;
            return Err(syn::Error::new(key.span(), format!("expected `{name} = ...`")));
        }
        let mut pairs = Vec::new();
        each_between_commas(&content, errors, |input, _| {
            pairs.push(pair(input)?);
            Ok(())
        });
        Value::List(pairs)
    } else if input.peek(Token![=]) && !input.peek(Token![==]) {
        input.parse::<Token![=]>()?;
        if !known {
            skip_item(input)?;
            return Ok(None);
        }
        if is_list {
            return Err(syn::Error::new(key.span(), format!("expected `{name}(...)`")));
        }
        if name == "options" { Value::Type(input.parse()?) } else { Value::Expr(input.parse()?) }
    } else if known {
        let form = if is_list { "(...)" } else { " = ..." };
        return Err(syn::Error::new(key.span(), format!("expected `{name}{form}`")));
    } else {
        return Ok(None);
    };
    Ok(Some(Item { key, value }))
}

fn unknown_key(name: &str, attr: &str, keys: &[&str]) -> String {
    if attr == "on" {
        return format!("`on(...)` has no key `{name}` here: it has {}", all_of(keys.iter().copied()));
    }
    let elsewhere = match name {
        "buckets" => Some("only `#[histogram]` has it"),
        "severity" | "kind" | "body" | "fields" => Some("only `#[record]` has it"),
        "init" => Some("only `#[state]` has it"),
        "value" | "unit" => Some("only instruments have it"),
        "observe" | "options" | "per" | "every" | "scope" | "needs" | "crate" => {
            Some("put it in the struct's `#[recorder(...)]`")
        }
        _ => None,
    };
    match elsewhere {
        Some(place) => format!("`#[{attr}]` has no key `{name}`: {place}"),
        None => {
            let near = did_you_mean(name, keys.iter().copied());
            let near = if near.is_empty() { format!("; the keys are {}", all_of(keys.iter().copied())) } else { near };
            format!("`#[{attr}]` has no key `{name}`{near}")
        }
    }
}

fn pair(input: ParseStream<'_>) -> syn::Result<Pair> {
    let (name, span, ident) = if input.peek(LitStr) {
        let name: LitStr = input.parse()?;
        (Name::Text(name.value()), name.span(), None)
    } else if input.peek(Token![::]) || input.peek2(Token![::]) {
        let path: Path = input.parse()?;
        (Name::Constant(path.clone()), path.span(), None)
    } else {
        // `http.route` needs no quotes.
        let path: Punctuated<Ident, Token![.]> = Punctuated::parse_separated_nonempty_with(input, Ident::parse_any)?;
        let name: Vec<_> = path.iter().map(|ident| ident.unraw().to_string()).collect();
        let first = path.into_iter().next().ok_or_else(|| input.error("expected a name"))?;
        let span = first.span();
        (Name::Text(name.join(".")), span, (name.len() == 1).then_some(first))
    };
    let source = if input.peek(Token![=]) {
        input.parse::<Token![=]>()?;
        Some(input.parse()?)
    } else {
        None
    };
    Ok(Pair { name, span, source, ident })
}

/// Parses comma-separated items. After an error it continues after the next comma that looks like a separator.
fn each_between_commas(
    input: ParseStream<'_>,
    errors: &mut Errors,
    mut parse: impl FnMut(ParseStream<'_>, &mut Errors) -> syn::Result<()>,
) {
    while !input.is_empty() {
        let result = parse(input, errors).and_then(|()| {
            if input.is_empty() || input.peek(Token![,]) { Ok(()) } else { Err(input.error("expected `,`")) }
        });
        if let Err(error) = result {
            errors.push(error);
            if skip_item(input).is_err() {
                return;
            }
        }
        if input.peek(Token![,]) && input.parse::<Token![,]>().is_err() {
            return;
        }
    }
}

/// Skips to the end, or to a comma that is followed by the start of an item: the comma in `|r, o|` is not.
fn skip_item(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() {
        if input.peek(Token![,]) {
            let ahead = input.fork();
            ahead.parse::<Token![,]>()?;
            let key = ahead.peek(Ident::peek_any) || ahead.peek(LitStr);
            if ahead.is_empty()
                || (key && (ahead.peek2(Token![=]) || ahead.peek2(token::Paren)) && !ahead.peek2(Token![==]))
            {
                return Ok(());
            }
        }
        input.parse::<TokenTree>()?;
    }
    Ok(())
}
