//! `#[derive(Recorder)]`. Use it through `ltel_core`, which re-exports it beside the trait and documents it.
//!
//! In the order in which an input passes: `attr` parses the attributes, `check` turns them into a `model` or into
//! errors, `expand` turns the model into an `impl`, and `fallback` replaces it if there were errors. Only the
//! first two can fail, and they never stop at the first error. `event`, `name` and `unit` hold what they check
//! against.

mod attr;
mod check;
mod model;
mod expand;
mod fallback;
mod event;
mod name;
mod unit;
mod errors;
#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;
use syn::DeriveInput;

/// Makes a struct of instruments a recorder: `impl ltel_core::Recorder`.
///
/// `#[recorder(...)]` on the struct says which events it sees and how its series are labelled. An attribute gives each field its
/// role: `#[counter]`, `#[up_down_counter]`, `#[gauge]`, `#[histogram]`, `#[record]` or `#[state]`. Doc comments
/// are the descriptions, and required. The reference of all attributes is below.
///
/// ```
/// use ltel_core::prelude::*;
/// use ltel_core::replay::{Replay, request};
///
/// /// Checkout traffic by endpoint.
/// #[derive(Recorder)]
/// #[recorder(on = Request, when = |r| r.name.starts_with("/checkout"), labels(method, endpoint = name))]
/// struct Checkout {
///     /// Time to the last byte.
///     #[histogram(unit = "ms", value = response_time, buckets = [100, 250, 1000])]
///     duration: Histogram,
///
///     /// Requests that raised.
///     #[counter(when = |r| r.error.is_some())]
///     failures: Counter,
/// }
///
/// let out = Replay::of::<Checkout>().event(request("POST", "/checkout/pay").took_ms(612.0)).finish();
/// assert_eq!(out.value("checkout.duration", &[("endpoint", "/checkout/pay")]), 612.0);
/// assert!(out.points.iter().all(|point| point.name != "checkout.failures"));
/// ```
///
/// A closure takes the event, then the options, then the moment (`ltel_core::recorder::Moment`), as many of these as it needs.
/// All errors are reported at once, each at its token. A struct with errors is still a recorder, so it causes no
/// errors elsewhere.
///
/// ```compile_fail
/// use ltel_core::prelude::*;
///
/// /// Checkout traffic by endpoint.
/// #[derive(Recorder)]
/// #[recorder(on = Request, labels(request_type))] // `Request` has no field `request_type`; did you mean `method`?
/// struct Checkout {
///     /// Time to the last byte.
///     #[histogram(unit = "msec", value = response_time)] // `msec` is not a UCUM unit; did you mean `ms`?
///     duration: Histogram,
/// }
/// ```
#[doc = include_str!("../REFERENCE.md")]
#[proc_macro_derive(Recorder, attributes(recorder, counter, up_down_counter, gauge, histogram, record, state))]
pub fn derive_recorder(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    derive(input.into()).into()
}

fn derive(input: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        // The compiler has already reported this.
        Err(error) => return error.to_compile_error(),
    };
    let mut errors = errors::Errors::default();
    let raw = attr::parse(&input, &mut errors);
    let model = check::check(&raw, &mut errors);
    match errors.into_compile_errors() {
        None => expand::expand(&model),
        Some(errors) => {
            let stub = fallback::stub(&raw);
            quote::quote!(#errors #stub)
        }
    }
}
