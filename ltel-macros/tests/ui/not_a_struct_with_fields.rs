use ltel_core::prelude::*;

/// A unit.
#[derive(Recorder)]
#[recorder(on = Request)]
struct Unit;

/// A tuple.
#[derive(Recorder)]
#[recorder(on = Request)]
struct Tuple(Counter);

/// An enum.
#[derive(Recorder)]
#[recorder(on = Request)]
enum Enum {}

/// Empty.
#[derive(Recorder)]
#[recorder(on = Request)]
struct Empty {}

/// A union.
#[derive(Recorder)]
#[recorder(on = Request)]
union Union {
    a: u8,
}

fn main() {
    // The stub keeps this from being an error as well.
    let _ = ltel_core::registry::Registry::new().with::<Unit>().with::<Tuple>().with::<Enum>().with::<Empty>();
}
