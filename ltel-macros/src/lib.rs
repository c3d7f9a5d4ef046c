//! `#[derive(Recorder)]`. Use it through `ltel_core`, which re-exports it beside the trait and documents it.
//!
//! In the order in which an input passes: [`attr`] parses the attributes, [`check`] turns them into a [`model`] or into
//! errors, [`expand`] turns the model into an `impl`, and [`fallback`] stands in for it where there were errors. Only the
//! first two can fail, and they never stop at the first error. [`event`], [`name`] and [`unit`] are what they know of
//! the world.

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

/// Makes a struct of instruments a recorder: `impl ltel_core::Recorder`. The reference of its attributes is the page of
/// `ltel_core::Recorder`, and the book in `recorders/README.md`.
#[proc_macro_derive(
    Recorder,
    attributes(recorder, counter, up_down_counter, gauge, histogram, record, state)
)]
pub fn derive_recorder(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    derive(input.into()).into()
}

fn derive(input: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        // The compiler has already said what it makes of this.
        Err(error) => return error.to_compile_error(),
    };
    let mut errors = errors::Errors::default();
    let raw = attr::parse(&input, &mut errors);
    let model = check::check(&raw, &mut errors);
    match (model, errors.into_compile_errors()) {
        (Some(model), None) => expand::expand(&model),
        (_, errors) => {
            let stub = fallback::stub(&raw);
            quote::quote!(#errors #stub)
        }
    }
}
