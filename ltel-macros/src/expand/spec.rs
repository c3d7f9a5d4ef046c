//! `SPEC`: what the recorder emits, as a constant.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::spanned::Spanned as _;

use super::{Expansion, field_name, locally};
use crate::model::{Instrument, Model, Name, RecordField, ValueSource};

impl Expansion<'_> {
    pub(super) fn spec(&self) -> TokenStream {
        let Self { model, private, .. } = self;
        let Model { name, description, .. } = model;
        let scope = match &model.scope {
            Some(scope) => scope.to_token_stream(),
            // The crate that the recorder is in.
            None => quote!(match ::core::option_env!("CARGO_PKG_NAME") {
                ::core::option::Option::Some(name) => name,
                ::core::option::Option::None => "ltel",
            }),
        };
        let per = if model.per_run { quote!(Run) } else { quote!(Source) };
        let labels = &model.labels;
        let instruments = model.instruments.iter().map(|instrument| self.instrument_spec(instrument));
        let records = model.records.iter().map(|record| {
            let RecordField { description, .. } = record;
            let name = self.record_name(record);
            let fields = record.fields.iter().map(|(name, _)| name);
            quote!(#private::RecordSpec { name: #name, description: #description, fields: &[#(#fields),*] })
        });
        let events = model.groups.iter().flat_map(|group| group.on.events());
        let events = events.map(|kind| Ident::new(kind.name, Span::call_site()));
        let always = model.needs.iter().filter(|(_, source)| !matches!(source, Some(ValueSource::Closure(_))));
        let needs = always.map(|(need, source)| self.need(need, source.as_ref()));
        quote! {
            const SPEC: &'static #private::Spec = &#private::Spec {
                name: #name,
                description: #description,
                scope: #scope,
                events: &[#(#private::EventKind::#events),*],
                per: #private::Per::#per,
                labels: &[#(#labels),*],
                instruments: &[#(#instruments),*],
                records: &[#(#records),*],
                spans: &[],
                needs: #private::Needs { #(#needs,)* ..#private::Needs::NONE },
            };
        }
    }

    /// `needs`, if a need depends on the options.
    pub(super) fn needs(&self) -> Option<TokenStream> {
        let Self { model, private, options, .. } = self;
        let by_options = model.needs.iter().filter(|(_, source)| matches!(source, Some(ValueSource::Closure(_))));
        let needs: Vec<_> = by_options.map(|(need, source)| self.need(need, source.as_ref())).collect();
        (!needs.is_empty()).then(|| {
            quote! {
                fn needs(#options: &Self::Options) -> #private::Needs {
                    #private::Needs { #(#needs,)* ..<Self as #private::Recorder>::SPEC.needs }
                }
            }
        })
    }

    fn need(&self, need: &str, source: Option<&ValueSource>) -> TokenStream {
        let Self { model, private, options, .. } = self;
        let field = Ident::new(need, Span::call_site());
        let returns = if need == "logs" { quote!(u32) } else { quote!(bool) };
        let value = match source {
            Some(ValueSource::Closure(closure)) => Some(self.call(closure, options, Some(&returns), false)),
            Some(ValueSource::Literal(lit)) => Some(lit.to_token_stream()),
            _ => None,
        };
        let value = match (need, value) {
            ("logs", Some(level)) => quote!(::core::option::Option::Some(#level)),
            ("logs", None) => quote!(#private::LOGS),
            ("trace", wanted) => {
                let tasks = model.needs.iter().any(|(need, _)| *need == "tasks");
                let trace = if tasks { quote!(#private::TRACE_WITH_TASKS) } else { quote!(#private::TRACE) };
                match wanted {
                    Some(wanted) => quote!(if #wanted { #trace } else { ::core::option::Option::None }),
                    None => trace,
                }
            }
            (_, Some(wanted)) => wanted,
            (_, None) => quote!(true),
        };
        quote!(#field: #value)
    }

    /// What the compiler checks of names that are constants: each at the constant.
    pub(super) fn checks(&self) -> TokenStream {
        let model = self.model;
        let labels = model.instruments.iter().flat_map(|i| i.attributes.iter().map(|(name, _)| name));
        let fields = model.records.iter().flat_map(|record| record.fields.iter().map(|(name, _)| name));
        let mut checks: Vec<(&str, &Name)> = model.labels.iter().chain(labels).map(|name| ("label", name)).collect();
        checks.extend(fields.map(|name| ("field", name)));
        checks.extend(model.instruments.iter().filter_map(|i| Some(("metric", i.name.as_ref()?))));
        checks.extend(model.records.iter().filter_map(|record| Some(("record", record.name.as_ref()?))));
        let mut all = TokenStream::new();
        for (what, name) in checks {
            if let Name::Constant(path) = name {
                let at = locally(path.span());
                let (private, check) = (self.private_at(at), Ident::new(&format!("check_{what}"), at));
                all.extend(quote_spanned!(at=> const _: () = #private::#check(#path);));
            }
        }
        if !all.is_empty() {
            let (private, ident) = (&self.private, model.ident);
            all.extend(quote_spanned!(locally(ident.span())=> const _: () = #private::check_names(<#ident as #private::Recorder>::SPEC);));
        }
        all
    }

    fn instrument_spec(&self, instrument: &Instrument<'_>) -> TokenStream {
        let private = &self.private;
        let Instrument { unit, description, .. } = instrument;
        let field = field_name(instrument.ident);
        let kind = Ident::new(instrument.kind.variant(), Span::call_site());
        let mut spec =
            quote!(#private::InstrumentSpec::new(#field, #private::InstrumentKind::#kind, #unit, #description));
        if let Some(name) = &instrument.name {
            spec.extend(quote!(.named(#name)));
        }
        if let Some(bounds) = &instrument.buckets.fixed {
            spec.extend(quote!(.buckets(#bounds)));
        }
        if !instrument.attributes.is_empty() {
            let attributes = instrument.attributes.iter().map(|(name, value)| quote!((#name, #value)));
            spec.extend(quote!(.attributes(&[#(#attributes),*])));
        }
        spec
    }

    /// A record's name if the configuration has one instance, named after the type.
    fn record_name(&self, record: &RecordField<'_>) -> Name {
        match &record.name {
            Some(name) => name.clone(),
            None => Name::Text(format!("{}.{}", self.model.name, field_name(record.ident))),
        }
    }
}
