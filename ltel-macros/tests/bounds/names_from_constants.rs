use ltel_core::prelude::*;

mod names {
    pub const RESERVED: &str = "source";
    pub const INVALID: &str = "a b";
    pub const TIME: &str = "time";
    pub const METRIC: &str = "2xx";
    pub const METHOD: &str = "method";
    pub const SAME: &str = "traffic.slow";
}

/// Traffic.
#[derive(Recorder)] //~ invalid metric name
#[recorder(
    on = Request,
    labels(
        names::RESERVED = name, //~ this name is reserved
        names::INVALID = name, //~ invalid name: use ASCII letters
    ),
)]
struct Traffic {
    /// Requests.
    #[counter(name = names::METRIC)] //~ invalid metric name
    requests: Counter,
    /// Slow ones.
    #[record(
        name = names::INVALID, //~ invalid name
        fields(names::TIME = |_| 1), //~ this name is reserved
    )]
    slow: Records,
}

/// Traffic.
#[derive(Recorder)] //~ two labels have the same name
#[recorder(on = Request, labels(method, names::METHOD = name))]
struct TwoLabels {
    /// Requests.
    #[counter]
    requests: Counter,
}

/// Traffic.
#[derive(Recorder)] //~ two fields have the same metric name
#[recorder(on = Request)]
struct TwoMetrics {
    /// Requests.
    #[counter(name = names::SAME)]
    requests: Counter,
    /// Slow ones.
    #[counter(name = "traffic.slow")]
    slow: Counter,
}

fn main() {}
