//! The moment of closures: what it has beside the state.
#![allow(missing_docs)]

use ltel_core::prelude::*;
use ltel_core::replay::{Replay, request, test_start, worker};

/// Traffic by the host under test.
#[derive(Recorder)]
#[recorder(
    on = [TestStart, Request],
    observe = State::observe,
    labels(
        host = |_, _, cx| &cx.state.host,
        locust = |_, _, cx| cx.source().map(|source| &source.source.host),
        plan = |_, _, cx| &cx.run().testplan,
    ),
)]
struct Traffic {
    /// Requests.
    #[counter(on = Request)]
    requests: Counter,
    /// Starts.
    #[record(on = TestStart)]
    host: Records,
    /// In the end.
    #[record(on = Finish, fields(seen = |_, _, cx| cx.state.seen))]
    end: Records,
    #[state]
    state: State,
}

#[derive(Default)]
struct State {
    host: Option<String>,
    seen: u64,
}

impl State {
    fn observe(event: &Event<'_>, cx: &mut Moment<'_, NoOptions, &mut Self>) {
        match event {
            Event::TestStart(start) => cx.state.host.clone_from(&start.host),
            _ => cx.state.seen += 1,
        }
    }
}

/// Scenario: labels that borrow from the state, the source and the run; a method that observes. Guarantees: a closure of
/// a derived recorder knows what a hand-written recorder knows, and labels see the state after `observe`.
#[test]
fn closures_have_the_whole_moment() {
    let out = Replay::of::<Traffic>()
        .event(test_start().host("http://shop"))
        .event(request("GET", "/"))
        .event(request("GET", "/").from(worker(1)))
        .finish();
    insta::assert_snapshot!(out);
}
