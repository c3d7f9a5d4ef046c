use ltel_core::prelude::*;

/// Traffic.
#[derive(Recorder)]
#[recorder(
    when = |_| true,
    observe = |r, cx| (),
    labels(team = "shop", path = |r| &r.name),
    on(Request, labels(method, team = "x"), observe = 3, unit = "s"),
    on([Users, Request], each = |u| &u.counts),
    on(Usage, observe = |u| ()),
    on(Tick, labels(time, n = 3)),
)]
struct Traffic {
    /// Which events it sees.
    #[counter]
    of_none: Counter,
    /// Two at once.
    #[counter(on = [Request, Usage])]
    of_two: Counter,
    /// Not there.
    #[counter(on = TestStop)]
    not_seen: Counter,
    /// Keys that are in the wrong place.
    #[gauge(on(Request, value = 1), on(Request), when = |_| true, value = 1)]
    misplaced: Gauge,
    /// Short and long.
    #[gauge(on = Request, on(Usage), value = 1)]
    both: Gauge,
    /// No event, but its field.
    #[gauge(on(Request), on(Tick), value = response_length)]
    no_event: Gauge,
    /// An item, but a field of the event.
    #[gauge(on(Request, each = |r| [r]), value = response_length, labels(method = "GET", status = status_code))]
    of_item: Gauge,
}

fn main() {
    // The stub keeps this from being an error as well.
    let _ = ltel_core::registry::Registry::new().with::<Traffic>();
}
