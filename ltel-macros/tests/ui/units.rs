use ltel_core::prelude::*;

/// Traffic.
#[derive(Recorder)]
#[recorder(on = Request)]
struct Traffic {
    /// Response times.
    #[histogram(unit = "msec", value = response_time)]
    duration: Histogram,
    /// Sizes.
    #[histogram(unit = "bytes", value = response_length)]
    size: Histogram,
    /// Widgets.
    #[counter(unit = "widgets/s")]
    widgets: Counter,
    /// None.
    #[counter(unit = "")]
    empty: Counter,
    /// Micro.
    #[histogram(unit = "\u{b5}s", value = response_time)]
    micro: Histogram,
}

fn main() {
    // The stub keeps this from being an error as well.
    let _ = ltel_core::registry::Registry::new().with::<Traffic>();
}
