//! The inputs for resolving a signal.

use ltel_core::backend::{Check, Signal};

use super::variable::SetVariable;

/// The inputs for resolving a signal.
pub(super) struct SignalInputs<'a, 'b> {
    pub(super) signal: Signal,
    pub(super) cx: &'a mut Check<'b>,
    /// Whether the environment's headers and certificates are meant for this receiver.
    pub(super) endpoint_is_environments: bool,
}

impl SignalInputs<'_, '_> {
    pub(super) fn variable(&self, name: &str) -> Option<SetVariable> {
        SetVariable::find(self.cx.env, self.signal, name)
    }

    /// A variable that belongs to the environment's endpoint and must reach no other.
    pub(super) fn variable_of_endpoint(&self, name: &str) -> Option<SetVariable> {
        self.variable(name).filter(|_| self.endpoint_is_environments)
    }
}
