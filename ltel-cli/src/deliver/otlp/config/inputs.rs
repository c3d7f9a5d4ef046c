//! What is known while a signal is resolved.

use ltel_core::backend::{Check, Signal};

use super::variable::SetVariable;

/// What is known while a signal is resolved.
pub(super) struct SignalInputs<'a, 'b> {
    pub(super) signal: Signal,
    pub(super) cx: &'a mut Check<'b>,
    /// Whether what the environment says of its endpoint (keys, certificates) means this receiver.
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
