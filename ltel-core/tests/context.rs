//! The context of closures: what they can do with it beside the state.
#![allow(missing_docs)]

use ltel_core::prelude::*;
use ltel_core::replay::{Replay, request, test_start, worker};

/// Traffic by the host under test.
#[derive(Recorder)]
#[recorder(
    on = [TestStart, Request],
    labels(
        host = |_, _, cx| &cx.state.host,
        locust = |_, _, cx| cx.source().map(|source| &source.source.host),
        plan = |_, _, cx| &cx.run().testplan,
    ),
)]
struct Traffic {
    /// Requests.
    #[counter(on = Request, when = |_, _, cx| {
        cx.state.seen += 1;
        true
    })]
    requests: Counter,
    /// Starts.
    #[record(on = TestStart, when = |start, _, cx| {
        cx.state.host = start.host.clone();
        cx.emit(Record::new(RecordKind::Event, "traffic.host", cx.now()));
        false
    })]
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

/// Scenario: labels that borrow from the state, the source and the run, and a closure that emits. Guarantees: a closure of
/// a derived recorder has the context that a hand-written recorder has.
#[test]
fn closures_have_the_whole_context() {
    let out = Replay::of::<Traffic>()
        .event(test_start().host("http://shop"))
        .event(request("GET", "/"))
        .event(request("GET", "/").from(worker(1)))
        .finish();
    insta::assert_snapshot!(out);
}
