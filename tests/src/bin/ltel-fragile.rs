//! ltel with recorders that panic, as those of a user's own might: one at a request named `/falls`, the others at its end.

use ltel_core::prelude::*;

/// Requests, up to the one that it cannot take.
#[derive(Debug, Recorder)]
#[recorder(on = Request, labels(endpoint = name))]
struct Fragile {
    /// Requests.
    #[counter(when = |r| stands(&r.name))]
    requests: Counter,
}

fn stands(name: &str) -> bool {
    assert_ne!(name, "/falls", "no such request was expected");
    true
}

/// A recorder that panics when the run is over.
#[derive(Debug)]
struct FragileAtTheEnd;

impl Recorder for FragileAtTheEnd {
    type Options = NoOptions;

    const SPEC: &'static Spec = &spec("fragile_at_the_end");

    fn build(_: &NoOptions, _: &mut Instruments<'_>) -> Self {
        Self
    }

    fn record(&mut self, _: &Event<'_>, _: &mut Context<'_, NoOptions>) {}

    fn finish(&mut self, _: &mut Context<'_, NoOptions>) {
        panic!("it does not finish");
    }
}

/// A recorder that panics when it is dropped.
#[derive(Debug)]
struct FragileInDrop;

impl Recorder for FragileInDrop {
    type Options = NoOptions;

    const SPEC: &'static Spec = &spec("fragile_in_drop");

    fn build(_: &NoOptions, _: &mut Instruments<'_>) -> Self {
        Self
    }

    fn record(&mut self, _: &Event<'_>, _: &mut Context<'_, NoOptions>) {}
}

impl Drop for FragileInDrop {
    fn drop(&mut self) {
        panic!("it cannot be dropped");
    }
}

const fn spec(name: &'static str) -> Spec {
    Spec {
        name,
        description: "Panics.",
        scope: "fragile",
        events: &[EventKind::Request],
        per: Per::Run,
        labels: &[],
        instruments: &[],
        records: &[],
        spans: &[],
        needs: Needs::NONE,
    }
}

fn main() -> std::process::ExitCode {
    ltel_cli::run(ltel_recorders::registry().with::<Fragile>().with::<FragileAtTheEnd>().with::<FragileInDrop>())
}
