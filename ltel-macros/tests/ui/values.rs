use ltel_core::prelude::*;

/// Traffic.
#[derive(Recorder)]
#[recorder(on = Request)]
struct Traffic {
    /// Response times.
    #[histogram(unit = "ms")]
    duration: Histogram,
    /// Gauge.
    #[gauge]
    gauge: Gauge,
    /// Sessions.
    #[up_down_counter]
    sessions: UpDownCounter,
    /// Text.
    #[counter(value = "1")]
    text: Counter,
    /// Sum.
    #[counter(value = 1 + 1)]
    sum: Counter,
}

fn main() {
    // The stub keeps this from being an error as well.
    let _ = ltel_core::registry::Registry::new().with::<Traffic>();
}
