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

use crate::model::{Group, Instrument, Kind, Model, Occasion, On, RecordField, Severity};

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
    let ons = model.instruments.iter().map(|i| &i.occasions).chain(model.records.iter().map(|r| &r.occasions));
    let merges = ons.flatten().any(|occasion| !matches!(occasion.on, On::Events(_)));
    let merges = merges.then(|| {
        quote!(
            const MERGES_EVENTS: bool = true;
        )
    });
    let needs = expansion.needs();
    let build = expansion.build();
    let record = expansion.record();
    let tick = expansion.at(&On::Tick);
    let finish = expansion.at(&On::Finish);
    let checks = expansion.checks();
    quote! {
        #[automatically_derived]
        #[allow(unused_mut, unused_variables, for_loops_over_fallibles, clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction)]
        impl #private::Recorder for #ident {
            type Options = #options;
            #spec
            #every
            #merges
            #needs
            #build
            #record
            #tick
            #finish
        }
        #checks
    }
}

struct Expansion<'a> {
    model: &'a Model<'a>,
    private: TokenStream,
    // `self` too: a closure that names it would otherwise compile.
    this: Ident,
    whole: Ident,
    event: Ident,
    item: Ident,
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
            item: local("item"),
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
            let bounds = match &instrument.buckets.computed {
                Some(closure) => {
                    let bounds = self.call(closure, options, None, false);
                    quote!(, ::core::option::Option::Some(#private::bounds(#bounds)))
                }
                None if instrument.kind == Kind::Histogram => quote!(, ::core::option::Option::None),
                None => TokenStream::new(),
            };
            fields.push(quote! {
                #ident: #build(#instruments, &<Self as #private::Recorder>::SPEC.instruments[#index] #bounds)
            });
        }
        for (index, record) in model.records.iter().enumerate() {
            let RecordField { ident, .. } = record;
            let build = self.slot_of(record.ty, "Records", "build");
            let name = field_name(record.ident);
            let name = match &record.name {
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
        let Self { model, private, this, whole, cx, event, options, .. } = self;
        let arms = model.groups.iter().enumerate().filter_map(|(index, group)| {
            let kinds = group.on.events().iter().map(|kind| Ident::new(kind.name, Span::call_site()));
            let body = self.group(index, group);
            Some(match group.on.events() {
                [] => return None,
                [_] => quote!(#private::Event::#(#kinds)*(#event) => { #body }),
                _ => quote!(#(#private::Event::#kinds(_))|* => { let #event = #whole; #body }),
            })
        });
        quote! {
            #[inline]
            fn record(&mut #this, #whole: &#private::Event<'_>, #cx: &mut #private::Context<'_, Self::Options>) {
                let #options = #cx.options();
                match *#whole {
                    #(#arms)*
                    _ => {}
                }
            }
        }
    }

    /// `tick` or `finish`, if something happens there.
    fn at(&self, at: &On) -> Option<TokenStream> {
        let Self { model, private, this, event, cx, options, .. } = self;
        let (index, group) = model.groups.iter().enumerate().find(|(_, group)| group.on == *at)?;
        let name = Ident::new(if *at == On::Tick { "tick" } else { "finish" }, Span::call_site());
        let body = self.group(index, group);
        Some(quote! {
            fn #name(&mut #this, #cx: &mut #private::Context<'_, Self::Options>) {
                let #options = #cx.options();
                let #event = &#cx.now();
                #body
            }
        })
    }

    /// For each item: `when`, then `observe`, then the fields.
    fn group(&self, index: usize, group: &Group) -> TokenStream {
        let event = &self.event;
        let mut body = self.fields(index, group);
        if let Some(observe) = &group.observe {
            let observe = self.call(observe, event, Some(&quote!(())), true);
            body = quote!(#observe; #body);
        }
        if let Some(when) = &group.when {
            let when = self.call(when, event, Some(&quote!(bool)), true);
            body = quote!(if #when { #body });
        }
        match &group.each {
            Some(each) => self.for_each(each, event, &body),
            None => body,
        }
    }

    /// All fields that record then: first the values, which are `None` if there is nothing to record, then one
    /// look-up of the series if any value is present, then the fields with series of their own, then the records.
    fn fields(&self, index: usize, group: &Group) -> TokenStream {
        let Self { model, cx, series, event, value: bound, .. } = self;
        let (mut lets, mut values, mut writes, mut own) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (instrument, occasion) in occasions(&model.instruments, index, |i| &i.occasions) {
            if instrument.labels.is_empty() && occasion.each.is_none() {
                let name = field_name(instrument.ident);
                let value = Ident::new(&format!("value_{name}"), locally(instrument.ty.span()));
                let some = self.value(instrument, event);
                let expr = self.guarded(group, occasion, &some, &quote!(::core::option::Option::None));
                writes.push(self.write(instrument, &value));
                lets.push(quote!(let #value = #expr;));
                values.push(value);
            } else {
                let some = self.value(instrument, self.subject(occasion));
                let labels = self.labels(group, Some((instrument, occasion)));
                let value = Ident::new(&bound.to_string(), locally(instrument.ty.span()));
                let write = self.write(instrument, &value);
                let body = quote! {{
                    let #value = #some;
                    if #value.is_some() {
                        let #series = #cx.series(#labels);
                        #write
                    }
                }};
                own.push(self.guarded(group, occasion, &body, &TokenStream::new()));
            }
        }
        let look_up = (!values.is_empty()).then(|| {
            let labels = self.labels(group, None);
            quote! {
                if #(#values.is_some())||* {
                    let #series = #cx.series(#labels);
                    #(#writes)*
                }
            }
        });
        let records = occasions(&model.records, index, |record| &record.occasions);
        let records = records.map(|(record, occasion)| self.emit(record, group, occasion));
        quote!(#(#lets)* #look_up #(#own)* #(#records)*)
    }

    /// Writes a value that may be absent.
    fn write(&self, instrument: &Instrument<'_>, value: &Ident) -> TokenStream {
        let ident = instrument.ident;
        let write = self.slot(instrument, "write");
        let at = locally(instrument.ty.span());
        let (mut this, mut series) = (self.this.clone(), self.series.clone());
        this.set_span(at);
        series.set_span(at);
        quote_spanned! {at=>
            if let ::core::option::Option::Some(value) = #value {
                #write(&mut #this.#ident, #series, value);
            }
        }
    }

    /// The values of all labels of a series, in the order of the spec.
    fn labels(&self, group: &Group, of: Option<(&Instrument<'_>, &Occasion)>) -> TokenStream {
        let private = &self.private;
        let labels = (0..self.model.labels.len()).map(|column| {
            let of_group = group.labels.iter().map(|label| (label, &self.event));
            let of_field = of.into_iter().flat_map(|(instrument, occasion)| {
                instrument.labels.iter().map(|label| (label, self.subject(occasion)))
            });
            match of_group.chain(of_field).find(|(label, _)| label.column == column) {
                Some((label, subject)) => self.converted(&label.source, subject, &quote!(#private::label), false),
                None => quote!(#private::Label::Absent),
            }
        });
        quote!([#(#labels),*])
    }

    /// What the closures of a field take.
    fn subject(&self, occasion: &Occasion) -> &Ident {
        if occasion.each.is_some() { &self.item } else { &self.event }
    }

    fn emit(&self, of: &RecordField<'_>, group: &Group, occasion: &Occasion) -> TokenStream {
        let Self { private, this, whole, cx, record, value: bound, .. } = self;
        let (ident, build) = (of.ident, self.slot_of(of.ty, "Records", "record"));
        let subject = self.subject(occasion);
        let variant = |name: &str| {
            let mut name = name.to_owned();
            name[..1].make_ascii_uppercase();
            Ident::new(&name, Span::call_site())
        };
        let kind = variant(of.kind);
        let severity = match &of.severity {
            Severity::Fixed(word) => {
                let word = variant(word);
                quote!(#private::Severity::#word)
            }
            Severity::Computed(closure) => self.call(closure, subject, Some(&quote!(#private::Severity)), true),
        };
        let time = match occasion.on {
            On::Events(_) => quote!(#private::Timestamp::from_secs(#whole.time())),
            On::Tick | On::Finish => quote!(#cx.now()),
        };
        let body = of.body.as_ref().map(|body| {
            let body = self.converted(body, subject, &quote!(#private::text), true);
            quote!(#record.body = #body;)
        });
        let fields = of.fields.iter().map(|(name, source)| {
            let value = self.converted(source, subject, &quote!(#private::field), true);
            quote! {
                if let ::core::option::Option::Some(#bound) = #value {
                    #record = #record.field(#name, #bound);
                }
            }
        });
        let body = quote! {{
            let mut #record = #build(&#this.#ident, #private::RecordKind::#kind, #time).severity(#severity);
            #body
            #(#fields)*
            #cx.emit(#record);
        }};
        self.guarded(group, occasion, &body, &TokenStream::new())
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

/// Those of the fields that record in a group, each with its occasion.
fn occasions<'a, T>(
    fields: &'a [T],
    group: usize,
    of: impl Fn(&'a T) -> &'a [Occasion],
) -> impl Iterator<Item = (&'a T, &'a Occasion)> {
    fields.iter().flat_map(move |field| {
        of(field).iter().filter(move |occasion| occasion.group == group).map(move |occasion| (field, occasion))
    })
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
