//! The keys `when` and `labels` on each built-in recorder, and `[labels]`.

use ltel_core::replay::{Replay, ReplayOutput, request};
use ltel_recorders::Requests;

fn shop(options: &str, of: Replay) -> ReplayOutput {
    of.options(options)
        .label("region", "eu")
        .event(request("GET", "/checkout").took_ms(10.0).context("tenant", "blue"))
        .event(request("GET", "/checkout").took_ms(20.0).context("tenant", "red"))
        .event(request("GET", "/health").took_ms(30.0).context("tenant", "blue"))
        .event(
            request("GET", "/checkout").took_ms(40.0).status(503).failed("HTTPError", "503").context("tenant", "blue"),
        )
        .finish()
}

#[test]
fn requests() {
    let keys = "when = 'name == \"/checkout\"'\nlabels = { tenant = 'context.tenant', color = { value = 'green' } }";
    insta::assert_snapshot!(shop(keys, Replay::of::<Requests>()));
}

/// Guarantees: an event without a value for the condition is not recorded, a label without a value is absent; both are counted and
/// said once.
#[test]
fn values_that_are_missing() {
    let out = Replay::of::<Requests>()
        .options("when = 'context.weight > 1.0'\nlabels.tenant = 'context.tenant'")
        .event(request("GET", "/"))
        .event(request("GET", "/").context("weight", 2.5))
        .event(request("GET", "/").context("weight", 2.5).context("tenant", 2.5))
        .event(request("GET", "/").context("weight", 2.5).context("tenant", "blue"))
        .event(request("GET", "/").context("weight", 2.5).context("tenant", serde_json::Value::Null))
        .finish();
    insta::assert_snapshot!(out);
}
