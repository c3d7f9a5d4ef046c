//! Turns the model into the `impl`. It cannot fail: what can still be wrong are types, and the compiler reports those at
//! the user's own tokens.
//!
//! Names of local variables have the span of the macro's definition, so that closures cannot see them.

mod spec;
mod value;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned as _;

use crate::model::{Buckets, Instrument, Kind, Model, On, RecordField};

pub(crate) fn expand(model: &Model<'_>) -> TokenStream {
    let expansion = Expansion::new(model);
    let private = &expansion.private;
    let ident = model.ident;
    let options = match &model.options {
        Some(ty) => ty.to_token_stream(),
        None => quote!(#private::NoOptions),
    };
    let spec = expansion.spec();
    let every = model.every.map(|ms| {
        quote! {
            const EVERY: ::core::option::Option<::core::time::Duration> =
                ::core::option::Option::Some(::core::time::Duration::from_millis(#ms));
        }
    });
    let build = expansion.build();
    let record = expansion.record();
    let tick = expansion.at(&On::Tick);
    let finish = expansion.at(&On::Finish);
    quote! {
        #[automatically_derived]
        #[allow(unused_mut, unused_variables, clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction)]
        impl #private::Recorder for #ident {
            type Options = #options;
            #spec
            #every
            #build
            #record
            #tick
            #finish
        }
    }
}

struct Expansion<'a> {
    model: &'a Model<'a>,
    private: TokenStream,
    // `self` too: a closure that names it would otherwise compile.
    this: Ident,
    whole: Ident,
    event: Ident,
    options: Ident,
    cx: Ident,
    series: Ident,
    value: Ident,
    record: Ident,
}

impl<'a> Expansion<'a> {
    fn new(model: &'a Model<'a>) -> Self {
        let krate = &model.krate;
        let local = |name: &str| Ident::new(name, Span::mixed_site());
        Self {
            model,
            private: quote!(#krate::__private),
            this: local("self"),
            whole: local("whole"),
            event: local("event"),
            options: local("options"),
            cx: local("cx"),
            series: local("series"),
            value: local("value"),
            record: local("record"),
        }
    }

    fn build(&self) -> TokenStream {
        let Self { model, private, options, .. } = self;
        let instruments = Ident::new("instruments", Span::mixed_site());
        let mut fields = Vec::new();
        for (index, instrument) in model.instruments.iter().enumerate() {
            let Instrument { ident, .. } = instrument;
            let build = self.slot(instrument, "build");
            let bounds = match &instrument.buckets {
                Buckets::Computed(closure) => {
                    let bounds = self.call(closure, options, None, false);
                    quote!(, ::core::option::Option::Some(#private::bounds(#bounds)))
                }
                Buckets::Fixed(_) if instrument.kind == Kind::Histogram => quote!(, ::core::option::Option::None),
                Buckets::Fixed(_) => TokenStream::new(),
            };
            fields.push(quote! {
                #ident: #build(#instruments, &<Self as #private::Recorder>::SPEC.instruments[#index] #bounds)
            });
        }
        for (index, record) in model.records.iter().enumerate() {
            let RecordField { ident, .. } = record;
            let build = self.slot_of(record.ty, "Records", "build");
            let name = field_name(record.ident);
            let name = match record.name {
                Some(_) => quote!(::core::option::Option::None),
                None => quote!(::core::option::Option::Some(#name)),
            };
            fields.push(quote! {
                #ident: #build(
                    #instruments, &<Self as #private::Recorder>::SPEC.records[#index], #name
                )
            });
        }
        if let Some(state) = &model.state {
            let (ident, ty) = (state.ident, state.ty);
            let value = match &state.init {
                Some(init) => self.call(init, options, Some(&ty.to_token_stream()), false),
                None => quote_spanned!(ty.span()=> <#ty as ::core::default::Default>::default()),
            };
            fields.push(quote!(#ident: #value));
        }
        quote! {
            fn build(#options: &Self::Options, #instruments: &mut #private::Instruments<'_>) -> Self {
                Self { #(#fields),* }
            }
        }
    }

    fn record(&self) -> TokenStream {
        let Self { model, private, this, whole, cx, event, .. } = self;
        let of_event = |on: &On| matches!(on, On::Events(_));
        let mut body = self.fields(of_event);
        if let Some(when) = &model.when {
            let when = self.call(when, event, Some(&quote!(bool)), true);
            body = quote!(if #when { #body });
        }
        if let Some(each) = &model.each {
            let items = self.call(each, event, None, true);
            body = quote!(for #event in #items { let #event = &#event; #body });
        }
        let kinds = model.events.iter().map(|kind| Ident::new(kind.name, Span::call_site()));
        let select = match model.events.as_slice() {
            [] => {
                return quote!(fn record(&mut #this, _: &#private::Event<'_>, _: &mut #private::Context<'_, Self::Options>) {});
            }
            [_] => quote! {
                let #private::Event::#(#kinds)*(#event) = *#whole else {
                    return;
                };
            },
            _ => quote! {
                if !::core::matches!(#whole, #(#private::Event::#kinds(_))|*) {
                    return;
                }
                let #event = #whole;
            },
        };
        let around = self.around();
        quote! {
            #[inline]
            fn record(&mut #this, #whole: &#private::Event<'_>, #cx: &mut #private::Context<'_, Self::Options>) {
                #select
                #around
                #body
            }
        }
    }

    /// `tick` or `finish`, if a field records there.
    fn at(&self, at: &On) -> Option<TokenStream> {
        let Self { model, private, this, event, cx, .. } = self;
        let mut ons = model.instruments.iter().map(|i| &i.on).chain(model.records.iter().map(|r| &r.on));
        if !ons.any(|on| on == at) {
            return None;
        }
        let name = Ident::new(if *at == On::Tick { "tick" } else { "finish" }, Span::call_site());
        let around = self.around();
        let body = self.fields(|on| on == at);
        Some(quote! {
            fn #name(&mut #this, #cx: &mut #private::Context<'_, Self::Options>) {
                let #event = &#cx.now();
                #around
                #body
            }
        })
    }

    /// The options, where there is a closure that takes them.
    fn around(&self) -> TokenStream {
        let Self { model, cx, options, .. } = self;
        (model.most_arguments() >= 2).then(|| quote!(let #options = #cx.options();)).into_token_stream()
    }

    /// All fields that record then: first the values, which are `None` if there is nothing to record, then one
    /// look-up of the series if any value is present, then the records.
    fn fields(&self, at_work: impl Fn(&On) -> bool) -> TokenStream {
        let Self { model, private, this, cx, series, .. } = self;
        let instruments: Vec<_> = model.instruments.iter().filter(|instrument| at_work(&instrument.on)).collect();
        let values: Vec<_> = instruments
            .iter()
            .map(|i| Ident::new(&format!("value_{}", field_name(i.ident)), locally(i.ty.span())))
            .collect();
        let lets = instruments.iter().zip(&values).map(|(instrument, value)| {
            let expr = self.value(instrument);
            quote!(let #value = #expr;)
        });
        let writes = instruments.iter().zip(&values).map(|(instrument, value)| {
            let ident = instrument.ident;
            let write = self.slot(instrument, "write");
            let at = locally(instrument.ty.span());
            let mut this = this.clone();
            this.set_span(at);
            let mut series = series.clone();
            series.set_span(at);
            quote_spanned! {at=>
                if let ::core::option::Option::Some(value) = #value {
                    #write(&mut #this.#ident, #series, value);
                }
            }
        });
        let look_up = (!instruments.is_empty()).then(|| {
            let has_event = instruments.iter().any(|instrument| matches!(instrument.on, On::Events(_)));
            let labels = model.labels.iter().map(|(_, source)| {
                if has_event {
                    self.label(source)
                } else {
                    // No event, no labels: a total.
                    quote!(#private::Label::Absent)
                }
            });
            quote! {
                if #(#values.is_some())||* {
                    let #series = #cx.series([#(#labels),*]);
                    #(#writes)*
                }
            }
        });
        let records = model.records.iter().filter(|record| at_work(&record.on)).map(|record| self.emit(record));
        quote!(#(#lets)* #look_up #(#records)*)
    }

    fn emit(&self, of: &RecordField<'_>) -> TokenStream {
        let Self { private, this, whole, cx, record, value: bound, .. } = self;
        let (ident, build) = (of.ident, self.slot_of(of.ty, "Records", "record"));
        let variant = |name: &str| {
            let mut name = name.to_owned();
            name[..1].make_ascii_uppercase();
            Ident::new(&name, Span::call_site())
        };
        let (kind, severity) = (variant(of.kind), variant(of.severity));
        let time = match of.on {
            On::Events(_) => quote!(#private::Timestamp::from_secs(#whole.time())),
            On::Tick | On::Finish => quote!(#cx.now()),
        };
        let fields = of.fields.iter().map(|(name, source)| {
            let value = self.converted(source, &quote!(#private::field), true);
            quote! {
                if let ::core::option::Option::Some(#bound) = #value {
                    #record = #record.field(#name, #bound);
                }
            }
        });
        let body = quote! {{
            let mut #record = #build(
                &#this.#ident, #private::RecordKind::#kind, #time
            ).severity(#private::Severity::#severity);
            #(#fields)*
            #cx.emit(#record);
        }};
        self.guarded(&of.on, of.when.as_ref(), &body, &quote!({}))
    }

    /// An item of the field's type, through the trait that its attribute requires. It has the span of the type: if the
    /// type does not implement the trait, the compiler reports it there.
    fn slot(&self, instrument: &Instrument<'_>, item: &str) -> TokenStream {
        self.slot_of(instrument.ty, instrument.kind.variant(), item)
    }

    fn slot_of(&self, ty: &Type, what: &str, item: &str) -> TokenStream {
        let at = locally(ty.span());
        let private = self.private_at(at);
        let (slot, item) = (Ident::new(&format!("{what}Slot"), at), Ident::new(item, at));
        quote_spanned!(at=> <#ty as #private::#slot>::#item)
    }

    /// `__private`, with the span of the user's tokens.
    fn private_at(&self, at: Span) -> TokenStream {
        let located = |token: TokenTree| {
            let mut token = token;
            token.set_span(token.span().located_at(at));
            token
        };
        self.private.clone().into_iter().map(located).collect()
    }
}

impl Kind {
    const fn variant(self) -> &'static str {
        match self {
            Self::Counter => "Counter",
            Self::UpDownCounter => "UpDownCounter",
            Self::Gauge => "Gauge",
            Self::Histogram => "Histogram",
        }
    }
}

fn field_name(ident: &syn::Ident) -> String {
    syn::ext::IdentExt::unraw(ident).to_string()
}

/// A span with the location of the user's token, for errors, and the hygiene of the macro, for names.
fn locally(at: Span) -> Span {
    Span::mixed_site().located_at(at)
}
