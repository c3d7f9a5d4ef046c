//! `SPEC`: what the recorder emits, as a constant.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, quote};

use super::{Expansion, field_name};
use crate::model::{Buckets, Instrument, Model, RecordField};

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
        let labels = model.labels.iter().map(|(name, _)| name);
        let instruments = model.instruments.iter().map(|instrument| self.instrument_spec(instrument));
        let records = model.records.iter().map(|record| {
            let RecordField { description, .. } = record;
            let name = self.record_name(record);
            let fields = record.fields.iter().map(|(name, _)| name);
            quote!(#private::RecordSpec { name: #name, description: #description, fields: &[#(#fields),*] })
        });
        let events = model.events.iter().map(|kind| Ident::new(kind.name, Span::call_site()));
        let needs = model.needs.iter().filter(|need| **need != "trace");
        let needs = needs.map(|need| Ident::new(need, Span::call_site()));
        let trace = match (model.needs.contains(&"trace"), model.needs.contains(&"tasks")) {
            (true, true) => quote!(trace: #private::TRACE_WITH_TASKS,),
            (true, false) => quote!(trace: #private::TRACE,),
            (false, _) => TokenStream::new(),
        };
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
                needs: #private::Needs { #(#needs: true,)* #trace ..#private::Needs::NONE },
            };
        }
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
        if let Buckets::Fixed(bounds) = &instrument.buckets
            && !bounds.is_empty()
        {
            spec.extend(quote!(.buckets(&[#(#bounds),*])));
        }
        if !instrument.attributes.is_empty() {
            let attributes = instrument.attributes.iter().map(|(name, value)| quote!((#name, #value)));
            spec.extend(quote!(.attributes(&[#(#attributes),*])));
        }
        spec
    }

    /// A record's name if the configuration has one instance, named after the type.
    fn record_name(&self, record: &RecordField<'_>) -> String {
        match &record.name {
            Some(name) => name.clone(),
            None => format!("{}.{}", self.model.name, field_name(record.ident)),
        }
    }
}
