//! A stub beside the errors: the struct is still a recorder, so `.with::<Checkout>()` elsewhere does not fail too.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Expr, ExprPath, GenericParam, Type};

use crate::attr::{Raw, Value};

pub(crate) fn stub(raw: &Raw<'_>) -> TokenStream {
    let value = |key: &str| raw.items.iter().find(|item| item.key == key).map(|item| &item.value);
    let krate = match value("crate") {
        Some(Value::Expr(Expr::Path(ExprPath { path, .. }))) => path.clone(),
        _ => syn::parse_quote!(::ltel_core),
    };
    let private = quote!(#krate::__private);
    let options: Type = match value("options") {
        Some(Value::Type(ty)) => ty.clone(),
        _ => syn::parse_quote!(#krate::__private::NoOptions),
    };
    let mut generics = raw.generics.clone();
    let bounds: Vec<TokenStream> = generics
        .params
        .iter()
        .filter_map(|param| match param {
            GenericParam::Type(ty) => {
                let ident = &ty.ident;
                Some(quote!(#ident: ::core::marker::Send + 'static))
            }
            GenericParam::Lifetime(lifetime) => {
                let lifetime = &lifetime.lifetime;
                Some(quote!(#lifetime: 'static))
            }
            GenericParam::Const(_) => None,
        })
        .collect();
    let clause = generics.make_where_clause();
    clause.predicates.extend(bounds.into_iter().map(|bound| -> syn::WherePredicate { syn::parse_quote!(#bound) }));
    let (of_impl, of_type, clause) = generics.split_for_impl();
    let ident = raw.ident;
    quote! {
        #[automatically_derived]
        #[allow(warnings)]
        impl #of_impl #private::Recorder for #ident #of_type #clause {
            type Options = #options;
            const SPEC: &'static #private::Spec = &#private::Spec {
                name: "",
                description: "",
                scope: "",
                events: &[],
                per: #private::Per::Source,
                labels: &[],
                instruments: &[],
                records: &[],
                spans: &[],
                needs: #private::Needs::NONE,
            };
            fn build(_: &Self::Options, _: &mut #private::Instruments<'_>) -> Self {
                ::core::unreachable!()
            }
            fn record(&mut self, _: &#private::Event<'_>, _: &mut #private::Context<'_, Self::Options>) {}
        }
    }
}
