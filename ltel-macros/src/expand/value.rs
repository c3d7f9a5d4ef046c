//! Values: fields of the event, closures called at once, constants.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Expr;
use syn::spanned::Spanned as _;

use super::{Expansion, locally};
use crate::event::{Access, EventField, EventKind};
use crate::model::{Closure, Group, Instrument, Occasion, Takes, ValueSource};

impl Expansion<'_> {
    /// The value that an instrument records: an `Option`.
    pub(super) fn value(&self, instrument: &Instrument<'_>, subject: &Ident) -> TokenStream {
        let private = &self.private;
        match &instrument.value {
            None => {
                let one = self.slot(instrument, "ONE");
                quote!(::core::option::Option::Some(#one))
            }
            Some(source) => {
                let number = self.slot(instrument, "Value");
                self.converted(source, subject, &quote!(#private::number::<#number>), true)
            }
        }
    }

    /// A value, passed to a function of `__private` by reference. The argument has the span of the user's tokens, so that
    /// the compiler reports a wrong type there.
    pub(super) fn converted(
        &self,
        source: &ValueSource,
        subject: &Ident,
        convert: &TokenStream,
        may_change: bool,
    ) -> TokenStream {
        match source {
            ValueSource::Literal(lit) => quote!(#convert(&#lit)),
            ValueSource::Closure(closure) => {
                let call = self.call(closure, subject, None, may_change);
                let argument = quote_spanned!(locally(closure.span())=> &#call);
                quote!(#convert(#argument))
            }
            ValueSource::Field(ident, fields) => self.field(ident, fields, |place| quote!(#convert(#place))),
        }
    }

    /// The body, run on this occasion: if the field sees the event, for each item, if its `when` is true.
    pub(super) fn guarded(
        &self,
        group: &Group,
        occasion: &Occasion,
        body: &TokenStream,
        otherwise: &TokenStream,
    ) -> TokenStream {
        let Self { private, event, whole, .. } = self;
        let otherwise = (!otherwise.is_empty()).then(|| quote!(else { #otherwise }));
        let mut body = body.clone();
        if let Some(when) = &occasion.when {
            let when = self.call(when, self.subject(occasion), Some(&quote!(bool)), true);
            body = quote!(if #when { #body } #otherwise);
        }
        if let Some(each) = &occasion.each {
            body = self.for_each(each, &self.item, &body);
        }
        if occasion.on == group.on {
            return body;
        }
        let kinds = occasion.on.events().iter().map(|kind| Ident::new(kind.name, Span::call_site()));
        match occasion.on.events() {
            [_] => quote!(if let #private::Event::#(#kinds)*(#event) = *#whole { #body } #otherwise),
            _ => quote!(if ::core::matches!(#whole, #(#private::Event::#kinds(_))|*) { #body } #otherwise),
        }
    }

    pub(super) fn for_each(&self, each: &Closure, item: &Ident, body: &TokenStream) -> TokenStream {
        let items = self.call(each, &self.event, None, true);
        quote!(for #item in #items { let #item = &#item; #body })
    }

    /// A closure that is called at once, through a function that fixes its signature before its body is type-checked.
    pub(super) fn call(
        &self,
        closure: &Closure,
        event: &Ident,
        returns: Option<&TokenStream>,
        may_change: bool,
    ) -> TokenStream {
        let Self { options, .. } = self;
        let expr = &closure.expr;
        let returns = match returns {
            Some(returns) => returns.clone(),
            None => quote!(_),
        };
        let at = locally(closure.span());
        let (function, arguments) = match closure.takes {
            Takes::Event | Takes::Options => (quote_spanned!(at=> call1::<_, #returns>), quote!(#event)),
            Takes::EventOptions => (quote_spanned!(at=> call2::<_, _, #returns>), quote!(#event, #options)),
            Takes::EventMoment => {
                let moment = self.moment(may_change);
                (quote_spanned!(at=> call2::<_, _, #returns>), quote!(#event, #moment))
            }
            Takes::EventOptionsMoment => {
                let moment = self.moment(may_change);
                (quote_spanned!(at=> call3::<_, _, _, #returns>), quote!(#event, #options, #moment))
            }
        };
        let private = self.private_at(at);
        quote_spanned!(at=> #private::#function(#arguments, #expr))
    }

    /// A conversion of the event's field, for each event that it may be.
    pub(super) fn field(
        &self,
        ident: &syn::Ident,
        fields: &[(&'static EventKind, &'static EventField)],
        convert: impl Fn(TokenStream) -> TokenStream,
    ) -> TokenStream {
        let Self { private, event, whole, .. } = self;
        let at = locally(ident.span());
        let place = |access: Access| {
            let mut event = event.clone();
            event.set_span(at);
            match access {
                Access::Field => quote_spanned!(at=> &#event.#ident),
                Access::Method => quote_spanned!(at=> &#event.#ident()),
            }
        };
        if let [(_, field)] = fields {
            return convert(place(field.access));
        }
        let arms = fields.iter().map(|(kind, field)| {
            let kind = Ident::new(kind.name, Span::call_site());
            let value = convert(place(field.access));
            quote!(#private::Event::#kind(#event) => #value)
        });
        quote!(match *#whole { #(#arms,)* _ => ::core::default::Default::default() })
    }

    /// The moment that a closure takes. A label may borrow from the state, so its closure gets a shared reference.
    fn moment(&self, may_change: bool) -> TokenStream {
        let Self { model, private, this, cx, .. } = self;
        let state = match &model.state {
            Some(state) => {
                let ident = state.ident;
                if may_change { quote!(&mut #this.#ident) } else { quote!(&#this.#ident) }
            }
            None => quote!(#private::NoState),
        };
        if may_change { quote!(&mut #cx.with_state(#state)) } else { quote!(&#cx.with_state(#state)) }
    }
}

impl Closure {
    /// Where an error about its result is shown.
    fn span(&self) -> Span {
        match &self.expr {
            Expr::Closure(closure) => closure.body.span(),
            path => path.span(),
        }
    }
}
