//! A closure that uses a state which the recorder does not have.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{Expr, Pat};

use crate::attr::{Item, Raw, Value};
use crate::errors::Errors;

/// Reports the first `cx.state` of a recorder without `#[state]`; the compiler would speak of a type that people do not know.
pub(super) fn check(raw: &Raw<'_>, errors: &mut Errors) {
    let roles = raw.fields.iter().filter_map(|field| field.role.as_ref());
    if roles.clone().any(|role| role.attr == "state") {
        return;
    }
    let items = raw.items.iter().chain(roles.flat_map(|role| &role.items));
    if let Some(at) = items.flat_map(closures).find_map(used) {
        errors.here(
            at,
            "this recorder has no state: add a field with the attribute `#[state]`, whose type is the struct that closures \
             keep between events",
        );
    }
}

fn closures(item: &Item) -> Vec<&Expr> {
    match &item.value {
        Value::Expr(expr) => vec![expr],
        Value::List(pairs) => pairs.iter().filter_map(|pair| pair.source.as_ref()).collect(),
        Value::On(_, items) => items.iter().flat_map(closures).collect(),
        Value::Type(_) => Vec::new(),
    }
}

/// Where `state` of the last argument is used: that is the moment, if there are at least two.
fn used(expr: &Expr) -> Option<Span> {
    let Expr::Closure(closure) = super::value::plain(expr) else { return None };
    let Pat::Ident(moment) = closure.inputs.iter().skip(1).last()? else { return None };
    find(closure.body.to_token_stream(), &moment.ident.to_string())
}

fn find(tokens: TokenStream, moment: &str) -> Option<Span> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (n, token) in tokens.iter().enumerate() {
        if let TokenTree::Group(group) = token
            && let Some(at) = find(group.stream(), moment)
        {
            return Some(at);
        }
        let is = |n: usize, text: &str| tokens.get(n).is_some_and(|token| token.to_string() == text);
        if is(n, moment) && is(n + 1, ".") && is(n + 2, "state") {
            return tokens.get(n + 2).map(TokenTree::span);
        }
    }
    None
}
