//! The end of a connection.

/// Why a connection ends before the client ends it.
#[derive(Debug)]
pub(super) enum End {
    /// The client closed it, or ltel is stopping.
    Quiet,
    /// The client's fault: its kind, and the message for the client.
    Fault(&'static str, String),
}
