//! What an exporter says of an export in passing only: to its log (a partial success, a refusal), or to its HTTP client (why a
//! request failed on its way, a refusal). It is kept here for the task that awaits the export.

use std::cell::RefCell;
use std::future::Future;

/// The details of an export.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ExportOutcome {
    /// The receiver's partial success.
    pub(super) partial_success: Option<PartialSuccess>,
    /// Why the last request failed on its way. The exporter returns only "network error".
    pub(super) failure: Option<String>,
    /// The receiver's message when it refused the last request. The exporter returns only the status.
    pub(super) refusal: Option<String>,
    /// What a successful answer held, if it was not OTLP.
    pub(super) not_otlp: Option<String>,
    /// How the last connection broke during the export.
    pub(super) broken: Option<String>,
}

/// OTLP's partial success: the receiver has accepted the rest. It must not be retried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PartialSuccess {
    /// How many points, spans or records it rejected; 0 if it only sent a message.
    pub(super) rejected: u64,
    /// Its message.
    pub(super) message: String,
}

tokio::task_local! {
    static OBSERVED: RefCell<ExportOutcome>;
}

/// Awaits an export, and returns the details noted meanwhile.
pub(super) async fn observe<F: Future>(export: F) -> (F::Output, ExportOutcome) {
    let export = async {
        let output = export.await;
        (output, OBSERVED.with(RefCell::take))
    };
    OBSERVED.scope(RefCell::default(), export).await
}

/// Notes a detail of the current export, if there is one.
pub(super) fn say(what: impl FnOnce(&mut ExportOutcome)) {
    // Fails only outside of an export, where there is nothing to note.
    let _ = OBSERVED.try_with(|outcome| what(&mut outcome.borrow_mut()));
}
