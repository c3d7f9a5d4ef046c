//! Values: fields of the event, closures called at once, constants.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;

use super::{Expansion, locally};
use crate::event::{Access, EventField, EventKind};
use crate::model::{Closure, Instrument, On, ValueSource};

impl Expansion<'_> {
    /// The value that an instrument records for the event: an `Option`.
    pub(super) fn value(&self, instrument: &Instrument<'_>) -> TokenStream {
        let private = &self.private;
        let value = match &instrument.value {
            None => {
                let one = self.slot(instrument, "ONE");
                quote!(::core::option::Option::Some(#one))
            }
            Some(source) => {
                let number = self.slot(instrument, "Value");
                self.converted(source, &quote!(#private::number::<#number>), true)
            }
        };
        self.guarded(&instrument.on, instrument.when.as_ref(), &value, &quote!(::core::option::Option::None))
    }

    pub(super) fn label(&self, source: &ValueSource) -> TokenStream {
        let private = &self.private;
        self.converted(source, &quote!(#private::label), false)
    }

    /// A value, passed to a function of `__private` by reference. The argument has the span of the user's tokens, so that
    /// the compiler reports a wrong type there.
    pub(super) fn converted(&self, source: &ValueSource, convert: &TokenStream, may_change: bool) -> TokenStream {
        match source {
            ValueSource::Literal(lit) => quote!(#convert(&#lit)),
            ValueSource::Closure(closure) => {
                let call = self.call(closure, &self.event, None, may_change);
                let argument = quote_spanned!(locally(closure.expr.body.span())=> &#call);
                quote!(#convert(#argument))
            }
            ValueSource::Field(ident, fields) => self.field(ident, fields, |place| quote!(#convert(#place))),
        }
    }

    /// The body, run if the field sees the event and its `when` is true.
    pub(super) fn guarded(
        &self,
        on: &On,
        when: Option<&Closure>,
        body: &TokenStream,
        otherwise: &TokenStream,
    ) -> TokenStream {
        let Self { model, private, event, whole, .. } = self;
        let body = match when {
            Some(when) => {
                let when = self.call(when, event, Some(&quote!(bool)), true);
                quote!(if #when { #body } else { #otherwise })
            }
            None => body.clone(),
        };
        let On::Events(events) = on else { return body };
        if *events == model.events {
            return body;
        }
        let kinds = events.iter().map(|kind| Ident::new(kind.name, Span::call_site()));
        match events.as_slice() {
            [_] => quote!(if let #private::Event::#(#kinds)*(#event) = *#whole { #body } else { #otherwise }),
            _ => quote!(if ::core::matches!(#whole, #(#private::Event::#kinds(_))|*) { #body } else { #otherwise }),
        }
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
        let at = locally(expr.body.span());
        let (function, arguments) = match closure.arity {
            1 => (quote_spanned!(at=> call1::<_, #returns>), quote!(#event)),
            2 => (quote_spanned!(at=> call2::<_, _, #returns>), quote!(#event, #options)),
            _ => {
                let context = self.context(may_change);
                (quote_spanned!(at=> call3::<_, _, _, #returns>), quote!(#event, #options, #context))
            }
        };
        let private = self.private_at(at);
        quote_spanned!(at=> #private::#function(#arguments, #expr))
    }

    /// A conversion of the event's field, for each event that the field sees.
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

    /// The context argument of a closure. A label may borrow from the state, so its closure gets a shared reference.
    pub(super) fn context(&self, may_change: bool) -> TokenStream {
        let Self { model, private, this, cx, .. } = self;
        let state = match &model.state {
            Some(state) => {
                let ident = state.ident;
                if may_change { quote!(&mut #this.#ident) } else { quote!(&#this.#ident) }
            }
            None => quote!(#private::NoState),
        };
        if may_change { quote!(&mut #cx.with_state(#state)) } else { quote!(&#cx.for_label(#state)) }
    }
}
