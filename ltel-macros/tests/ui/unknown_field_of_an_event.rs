use ltel_core::prelude::*;

/// Traffic.
#[derive(Recorder)]
#[recorder(on = Request, labels(request_type, endpont = nmae, frobnicate))]
struct Traffic {
    /// Response times.
    #[histogram(unit = "ms", value = response_tme)]
    duration: Histogram,
    /// Requests at a tick.
    #[gauge(on = Tick, value = response_time)]
    ticks: Gauge,
}

/// Several.
#[derive(Recorder)]
#[recorder(on = [Request, Users], labels(name))]
struct Several {
    /// All.
    #[counter]
    all: Counter,
}

fn main() {
    // The stub keeps this from being an error as well.
    let _ = ltel_core::registry::Registry::new().with::<Traffic>().with::<Several>();
}
