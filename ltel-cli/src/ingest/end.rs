//! The end of a connection.

/// Why a connection ends before the client ends it.
#[derive(Debug)]
pub(super) enum End {
    /// The client closed it, or ltel is stopping.
    Quiet,
    /// A fault of the client's: what kind, and what to tell it.
    Fault(&'static str, String),
}
