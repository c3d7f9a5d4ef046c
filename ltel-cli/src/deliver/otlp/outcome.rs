//! What an exporter says of an export in passing only: to its log (a partial success, a refusal), or to its HTTP client (why a
//! request failed on its way, a refusal). It is kept here for the task that awaits the export.

use std::cell::RefCell;
use std::future::Future;

/// What was said during an export.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ExportOutcome {
    /// What the receiver said beside its thanks.
    pub(super) partial_success: Option<PartialSuccess>,
    /// Why the last request failed on its way. The exporter says no more than "network error".
    pub(super) failure: Option<String>,
    /// The receiver's words when it refused the last request. The exporter says no more than the status.
    pub(super) refusal: Option<String>,
    /// What the receiver answered in the place of what OTLP answers, when it said that all is well.
    pub(super) not_otlp: Option<String>,
    /// How the last connection that broke under the export ended.
    pub(super) broken: Option<String>,
}

/// OTLP's partial success: the receiver has taken the rest. It is not to be sent again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PartialSuccess {
    /// How many points, spans or records it refused. None, if it only has something to say.
    pub(super) rejected: u64,
    /// Its words.
    pub(super) message: String,
}

tokio::task_local! {
    static OBSERVED: RefCell<ExportOutcome>;
}

/// Awaits an export, and what is said of it meanwhile.
pub(super) async fn observe<F: Future>(export: F) -> (F::Output, ExportOutcome) {
    let export = async {
        let output = export.await;
        (output, OBSERVED.with(RefCell::take))
    };
    OBSERVED.scope(RefCell::default(), export).await
}

/// Says something of the export at whose work we are, if we are.
pub(super) fn say(what: impl FnOnce(&mut ExportOutcome)) {
    // Fails outside of an export only: then it is of no export that anybody counts.
    let _ = OBSERVED.try_with(|outcome| what(&mut outcome.borrow_mut()));
}
