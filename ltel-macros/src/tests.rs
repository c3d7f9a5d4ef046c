//! Snapshots of expansions, and a check that no input makes the macro panic.

use proc_macro2::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};
use proptest::prelude::*;
use quote::quote;

/// The expansion, as a person would write it.
fn expanded(input: TokenStream) -> String {
    let expansion = crate::derive(input);
    let text = expansion.to_string();
    match syn::parse2(expansion) {
        Ok(file) => prettyplease::unparse(&file),
        Err(error) => panic!("no Rust: {error}\n{text}"),
    }
}

#[test]
fn checkout() {
    let expansion = expanded(quote! {
        /// Checkout traffic by endpoint.
        #[recorder(
            on = Request,
            when = |r| r.name.starts_with("/checkout"),
            labels(method, endpoint = name),
            options = CheckoutOptions,
        )]
        struct Checkout {
            /// Time to the last byte.
            #[histogram(unit = "ms", value = response_time, buckets = [100, 250, 1000])]
            duration: Histogram,

            /// Requests that raised.
            #[counter(when = |r| r.error.is_some())]
            failures: Counter,

            /// Requests slower than the configured limit.
            #[counter(when = |r, o| r.response_time > o.slow_ms)]
            slow: Counter,
        }
    });
    insta::assert_snapshot!(expansion);
}

#[test]
fn several_events_with_records_and_a_state() {
    let expansion = expanded(quote! {
        /// The life of a test.
        ///
        /// More for readers.
        #[recorder(
            on = [TestStart, TestStop, CpuWarning],
            name = "life",
            scope = "my.scope",
            per = run,
            every = "10s",
            crate = crate::ltel,
            labels(what = |e| name_of(e), kind = "life"),
            when = |e, _, cx| cx.speaks_for_run(),
            options = Options,
        )]
        struct TheLife {
            /// Events.
            #[counter(name = "life.events", unit = "{event}")]
            events: Counter,
            /// Ends.
            #[record(on = TestStop, name = "test.end", severity = warning, fields(ended = time, note = |_, o| &o.note, unit = "percent", n = 3))]
            ends: Records,
            /// Times.
            #[record(kind = metrics, on = [TestStart, TestStop], when = |_| true, fields(at = time))]
            times: Records,
            /// Still alive.
            #[gauge(on = Tick, value = |now, o, cx| cx.state.at(now))]
            alive: Gauge<u64>,
            /// In the end.
            #[record(on = Finish, fields(total = |_, _, cx| cx.state.total))]
            total: Records,
            #[state(init = |o| Life::new(o))]
            life: Life,
        }
    });
    insta::assert_snapshot!(expansion);
}

#[test]
fn fields_that_share_a_metric_and_bounds_from_options() {
    let expansion = expanded(quote! {
        /// Requests.
        #[recorder(on = Request, labels(endpoint = name, "user.class" = user_class), needs(context), options = Options)]
        struct Requests {
            /// Response times.
            #[histogram(name = "times", unit = "ms", value = response_time, labels(outcome = "passed"), when = |r| r.error.is_none(), buckets = |o| &o.bounds)]
            passed: Histogram,
            /// Response times.
            #[histogram(name = "times", unit = "ms", value = response_time, labels(outcome = "failed"), when = |r| r.error.is_some(), buckets = |o| &o.bounds)]
            failed: Histogram,
            /// Open sessions.
            #[up_down_counter(value = |r| if r.name == "/login" { 1 } else { -1 })]
            sessions: UpDownCounter,
            /// Bytes.
            #[counter(unit = "By", value = response_length)]
            bytes: Counter,
        }
    });
    insta::assert_snapshot!(expansion);
}

#[test]
fn an_item_in_the_events_place() {
    let expansion = expanded(quote! {
        /// Users by class.
        #[recorder(on = Users, each = |u| &u.counts, labels(class = |(class, _)| *class))]
        struct UsersByClass {
            /// Running users.
            #[gauge(value = |(_, n)| *n)]
            running: Gauge<u64>,
        }
    });
    insta::assert_snapshot!(expansion);
}

#[test]
fn several_events_each_in_its_own_way() {
    let expansion = expanded(quote! {
        /// Traffic.
        #[recorder(
            options = Options,
            scope = crate::SCOPE,
            needs(url = |o| o.urls, logs = 40, trace = |o| o.traces),
            labels(team = "shop"),
            on(Request, each = |r, _, cx| cx.state.see(r), labels(names::METHOD = |seen| seen.method, endpoint = |seen| seen.name)),
            on([TestStart, TestStop], observe = Traffic::host),
            on(Users),
            on(Tick, observe = |now, cx| cx.state.tick(now)),
        )]
        struct Traffic {
            /// Time.
            #[histogram(on = Request, name = names::TIME, unit = "s", value = |seen| seen.seconds, buckets = (BOUNDS, |o| &o.bounds))]
            time: Histogram,
            /// Users.
            #[gauge(
                on(Users, each = |users| &users.counts),
                on(Finish, each = |_, _, cx| cx.state.rest(), when = |(_, n)| *n > 0),
                labels(class = |(class, _)| *class),
                value = |(_, n)| *n,
            )]
            users: Gauge<u64>,
            /// What was slow.
            #[record(on = Tick, name = names::SLOW, each = |_, _, cx| cx.state.slow(), severity = |seen| seen.severity, body = |seen| seen.text(), fields(names::METHOD = |seen| seen.method))]
            slow: Records,
            #[state]
            seen: Seen,
        }
    });
    insta::assert_snapshot!(expansion);
}

#[test]
fn an_error_leaves_a_stub() {
    let expansion = expanded(quote! {
        #[recorder(on = Requst, options = Mine)]
        struct Broken<'a, T> {
            #[counter(unit = "msec")]
            a: Counter,
            b: T,
        }
    });
    insta::assert_snapshot!(expansion);
}

/// Scenario: an event is added to this crate or to `ltel-core`. Guarantees: both know the same events;
/// `tests/events.rs` compares their fields.
#[test]
fn the_events_are_those_of_the_core() {
    let mut known: Vec<_> = crate::event::EVENTS.iter().map(|kind| kind.name).collect();
    let mut core = ltel_core::event::Event::NAMES.to_vec();
    known.sort_unstable();
    core.sort_unstable();
    assert_eq!(known, core);
}

proptest! {
    /// Guarantees: the macro's rule for names is the core's, which the configuration has too.
    #[test]
    fn names_are_those_of_the_core(name in "[a-zA-Z0-9_./ \u{e9}-]{0,20}", more in 0..60_usize) {
        let longer = format!("{name}{}", "a".repeat(more));
        for name in [&name, &longer, &format!("{longer}{}", "a".repeat(200))] {
            let (metric, field) = (crate::name::metric_name_error(name), crate::name::field_name_error(name));
            prop_assert_eq!(metric.is_none(), ltel_core::name::is_metric_name(name));
            // Rust has no empty field.
            prop_assert!(name.is_empty() || field.is_none() == ltel_core::name::ends_metric_names(name));
        }
    }
}

/// Guarantees: what is reserved here is reserved in the configuration, and the other way round.
#[test]
fn reserved_names_are_those_of_the_core() {
    assert_eq!(crate::name::RESERVED_LABELS, ltel_core::name::RESERVED_LABELS);
    assert_eq!(crate::name::RESERVED_FIELDS, ltel_core::name::RESERVED_FIELDS);
}

proptest! {
    /// Guarantees: the macro's rule for units is the core's, which the configuration has too.
    #[test]
    fn units_are_those_of_the_core(terms in prop::collection::vec(unit_part(), 0..6)) {
        let unit = terms.concat();
        prop_assert_eq!(crate::unit::error(&unit).is_none(), ltel_core::unit::error(&unit).is_none(), "{}", unit);
    }
}

fn unit_part() -> impl Strategy<Value = String> {
    let parts =
        "ms s By KiBy msec bytes B % 1 100 2 -1 10* {request} {} { } . / / . h min Cel \u{b5}s m k a d rps [ppm]";
    prop::sample::select(parts.split(' ').chain([" "]).map(str::to_owned).collect::<Vec<_>>())
}

#[test]
fn names_become_snake_case() {
    for (name, snake) in [
        ("Checkout", "checkout"),
        ("SlowCheckout", "slow_checkout"),
        ("HTTPErrors", "http_errors"),
        ("P99", "p99"),
        ("already_snake", "already_snake"),
        ("HTTP", "http"),
    ] {
        assert_eq!(crate::name::snake_case(name), snake);
    }
}

/// Words and punctuation of the DSL, so that random input gets past the first check.
fn token() -> impl Strategy<Value = TokenTree> {
    let word = prop::sample::select(
        "struct enum union recorder counter gauge histogram record state doc on when each observe body labels options name per every scope \
         needs crate value unit buckets fields severity kind init Request Users Tick Finish source run usage a b r o m self fn \
         where impl for as async move static const r#type _x Counter u64 method"
            .split_whitespace()
            .collect::<Vec<_>>(),
    )
    .prop_map(|word| {
        let ident = word.strip_prefix("r#").map_or_else(
            || Ident::new(word, Span::call_site()),
            |raw| Ident::new_raw(raw, Span::call_site()),
        );
        TokenTree::Ident(ident)
    });
    let mark = (prop::sample::select("=,|.:;<>#&!-+'*?@/".chars().collect::<Vec<_>>()), any::<bool>()).prop_map(
        |(mark, joint)| TokenTree::Punct(Punct::new(mark, if joint { Spacing::Joint } else { Spacing::Alone })),
    );
    let literal = prop_oneof![
        "[a-z.{}/ ]{0,5}|ä".prop_map(|text| Literal::string(&text)),
        any::<u64>().prop_map(Literal::u64_unsuffixed),
        (0.0..1e300).prop_map(Literal::f64_unsuffixed),
        any::<char>().prop_map(Literal::character),
    ]
    .prop_map(TokenTree::Literal);
    let leaf = prop_oneof![4 => word, 4 => mark, 1 => literal];
    leaf.prop_recursive(4, 48, 8, |inner| {
        let delimiter =
            prop::sample::select(vec![Delimiter::Parenthesis, Delimiter::Brace, Delimiter::Bracket, Delimiter::None]);
        (delimiter, prop::collection::vec(inner, 0..8))
            .prop_map(|(delimiter, tokens)| TokenTree::Group(Group::new(delimiter, tokens.into_iter().collect())))
    })
}

fn soup() -> impl Strategy<Value = TokenStream> {
    prop::collection::vec(token(), 0..16).prop_map(|tokens| tokens.into_iter().collect())
}

fn assert_expands(input: TokenStream) {
    // The output must parse, with errors and stub.
    let expansion = crate::derive(input);
    if let Err(error) = syn::parse2::<syn::File>(expansion.clone()) {
        panic!("{error}: {expansion}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn never_panics(input in soup()) {
        assert_expands(input);
    }

    #[test]
    fn never_panics_in_attributes(of_struct in soup(), of_field in soup(), role in prop::sample::select(
        vec!["counter", "up_down_counter", "gauge", "histogram", "record", "state"]
    )) {
        let role = Ident::new(role, Span::call_site());
        assert_expands(quote!(#[doc = "A"] #[recorder(#of_struct)] struct S { #[doc = "B"] #[#role(#of_field)] f: T }));
    }

    #[test]
    fn never_panics_in_values(value in soup(), key in prop::sample::select(
        "on when each observe labels options name per every scope needs crate value unit buckets fields severity kind body init"
            .split_whitespace().collect::<Vec<_>>()
    ), list in any::<bool>()) {
        let key = Ident::new(key, Span::call_site());
        let item = if list { quote!(#key(#value)) } else { quote!(#key = #value) };
        assert_expands(quote!(#[doc = "A"] #[recorder(on = Request, #item)] struct S { #[doc = "B"] #[counter] f: T }));
        assert_expands(quote!(#[doc = "A"] #[recorder(on = Request)] struct S { #[doc = "B"] #[histogram(#item)] f: T }));
        assert_expands(quote!(#[doc = "A"] #[recorder(on = Request)] struct S { #[doc = "B"] #[record(#item)] f: T }));
    }
}
