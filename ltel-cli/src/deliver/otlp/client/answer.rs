//! A receiver's answers. <https://opentelemetry.io/docs/specs/otlp/> says what they mean.

use std::time::Duration;

/// The receiver has taken a request, or most of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::deliver::otlp) struct Accepted {
    /// How many points, spans or log records it has rejected (OTLP's partial success). They must not be sent again.
    pub(in crate::deliver::otlp) rejected: u64,
    /// Its message, as it came.
    pub(in crate::deliver::otlp) message: String,
}

/// The receiver has not taken a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::deliver::otlp) struct Refusal {
    pub(in crate::deliver::otlp) remedy: Remedy,
    /// Why, in ltel's words: a status, or what became of the connection.
    pub(in crate::deliver::otlp) why: String,
    /// The receiver's own words, as they came; empty if there are none.
    pub(in crate::deliver::otlp) words: String,
    /// What people can do about it; empty if nothing is known.
    pub(in crate::deliver::otlp) hint: &'static str,
}

/// What can be done about a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::deliver::otlp) enum Remedy {
    /// Nothing.
    None,
    /// The same request can be sent again, after this time if the receiver has asked for one.
    Later(Option<Duration>),
    /// The request is larger than the receiver takes: it can be sent in parts.
    Parts,
    /// As [`Remedy::Parts`], or a quota is used up: the code stands for both, and the words do not tell.
    MaybeParts,
}

impl Refusal {
    /// Not the receiver's: it was not asked, or has not answered.
    pub(in crate::deliver::otlp) fn ours(why: impl Into<String>) -> Self {
        Self::new(Remedy::None, why)
    }

    pub(super) fn new(remedy: Remedy, why: impl Into<String>) -> Self {
        Self { remedy, why: why.into(), words: String::new(), hint: "" }
    }

    pub(super) fn words(mut self, words: impl Into<String>) -> Self {
        self.words = words.into();
        self
    }

    pub(super) const fn hint(mut self, hint: &'static str) -> Self {
        self.hint = hint;
        self
    }
}

/// OTLP's answer to a request, the same for all signals but for the names of its fields.
#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::deliver::otlp) struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    pub(in crate::deliver::otlp) partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::deliver::otlp) struct PartialSuccess {
    #[prost(int64, tag = "1")]
    pub(in crate::deliver::otlp) rejected: i64,
    #[prost(string, tag = "2")]
    pub(in crate::deliver::otlp) message: String,
}

impl From<ExportResponse> for Accepted {
    fn from(response: ExportResponse) -> Self {
        let PartialSuccess { rejected, message } = response.partial_success.unwrap_or_default();
        Self { rejected: u64::try_from(rejected).unwrap_or(0), message }
    }
}
