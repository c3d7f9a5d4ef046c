//! What the exporters tell only their log: that a receiver took a part of an export only, and over gRPC in which
//! words it refused one. Each of the three signals writes an event with the fields of the message that it got.

use std::fmt::Debug;

use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::outcome::{PartialSuccess, say};

/// The field names in the OTLP messages of metrics, traces and logs.
const REJECTED: [&str; 3] = ["rejected_data_points", "rejected_spans", "rejected_log_records"];
const MESSAGE: &str = "error_message";

/// The message of a gRPC status. At debug level, since a server may repeat a secret in it.
const REFUSAL: &str = "grpc_message";

/// Reads that log, whatever the log filter shows. Without it, partial successes are not counted.
pub(crate) fn layer<S: Subscriber + for<'a> LookupSpan<'a>>() -> impl Layer<S> {
    // By field, not by name: the names contain the exporter's types.
    let says_so = |metadata: &Metadata<'_>| {
        let has = |name| metadata.fields().field(name).is_some();
        metadata.is_event() && (has(REFUSAL) || REJECTED.iter().any(|name| has(name)))
    };
    Reader.with_filter(filter_fn(says_so).with_max_level_hint(LevelFilter::DEBUG))
}

struct Reader;

impl<S: Subscriber> Layer<S> for Reader {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut read = Read::default();
        event.record(&mut read);
        say(|outcome| match read.refusal {
            Some(words) => outcome.refusal = Some(words),
            None => outcome.partial_success = Some(read.partial_success),
        });
    }
}

#[derive(Default)]
struct Read {
    partial_success: PartialSuccess,
    refusal: Option<String>,
}

impl Visit for Read {
    fn record_i64(&mut self, field: &Field, value: i64) {
        if REJECTED.contains(&field.name()) {
            self.partial_success.rejected = u64::try_from(value).unwrap_or(0);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            MESSAGE => value.clone_into(&mut self.partial_success.message),
            REFUSAL => self.refusal = Some(value.to_owned()),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::EnvFilter;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::deliver::otlp::outcome::{ExportOutcome, observe};

    /// Scenario: the exporters' log, while the filter shows nothing. Guarantees: each event belongs to the export of its
    /// task; other events belong to none.
    #[tokio::test]
    async fn is_of_the_export_that_it_is_said_of() {
        let hidden = tracing_subscriber::fmt::layer().with_filter(EnvFilter::new("off"));
        let _log = tracing::subscriber::set_default(tracing_subscriber::registry().with(hidden).with(layer()));
        let refused = |rejected, message: &str| PartialSuccess { rejected, message: message.to_owned() };
        tracing::warn!(rejected_spans = 9_i64, error_message = "of no export");
        let ((), said) = observe(async {
            tokio::task::yield_now().await;
            tracing::warn!(name: "TonicTracesClient.PartialSuccess", target: "opentelemetry-otlp",
                name = "TonicTracesClient.PartialSuccess", rejected_spans = 3_i64, error_message = "too old");
        })
        .await;
        assert_eq!(said, ExportOutcome { partial_success: Some(refused(3, "too old")), ..ExportOutcome::default() });
        let ((), said) =
            observe(async { tracing::warn!(rejected_data_points = 0_i64, error_message = "slow down") }).await;
        assert_eq!(said.partial_success, Some(refused(0, "slow down")));
        let ((), said) = observe(async { tracing::warn!(rejected_log_records = 1_i64, error_message = "") }).await;
        assert_eq!(said.partial_success, Some(refused(1, "")));
        let ((), said) = observe(async { tracing::debug!(grpc_code = "Internal", grpc_message = "no disk") }).await;
        assert_eq!(said, ExportOutcome { refusal: Some("no disk".to_owned()), ..ExportOutcome::default() });
        let ((), said) = observe(async { tracing::warn!(error_message = "another") }).await;
        assert_eq!(said, ExportOutcome::default());
    }
}
