//! The events that are sent in batches: requests and executions of tasks.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::trace::TraceContext;

/// A request's response time in milliseconds, or absent: Locust reports `None` for requests that have no
/// meaningful duration. Compared with a number, an absent time is neither less, equal nor greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ResponseTime(Option<f64>);

impl ResponseTime {
    /// No response time.
    pub const ABSENT: Self = Self(None);

    /// A response time of so many milliseconds; absent if it is not a finite number.
    #[must_use]
    pub fn from_ms(ms: f64) -> Self {
        Self(ms.is_finite().then_some(ms))
    }

    /// Milliseconds, if there is a time.
    #[must_use]
    pub const fn ms(self) -> Option<f64> {
        self.0
    }
}

impl PartialEq<f64> for ResponseTime {
    #[inline]
    fn eq(&self, other: &f64) -> bool {
        self.0.is_some_and(|ms| ms == *other)
    }
}

impl PartialOrd<f64> for ResponseTime {
    #[inline]
    fn partial_cmp(&self, other: &f64) -> Option<Ordering> {
        self.0.and_then(|ms| ms.partial_cmp(other))
    }
}

/// The error for which Locust counts a request as failed, or that ended a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestError<'a> {
    /// The exception's class, such as `HTTPError`.
    pub class: Cow<'a, str>,
    /// The text that Locust's own statistics show (`StatsError.parse_error`).
    pub text: Cow<'a, str>,
}

/// One request: Locust's `request` event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request<'a> {
    /// When it began, in seconds since the epoch, as its event says. Locust itself does not use it.
    pub start_time: f64,
    /// When Locust reported it and its statistics counted it, in seconds since the epoch by the process' own clock. It is its
    /// end if the source can have reported it then ([`crate::wire`]), and otherwise when the source packed it. Rates are
    /// computed from this.
    pub reported_at: f64,
    /// Locust's `request_type`: the HTTP method, or what a client of another protocol reports.
    pub method: Cow<'a, str>,
    /// The name under which Locust groups it: the path, unless the test names it.
    pub name: Cow<'a, str>,
    /// Milliseconds, if there is a time.
    pub response_time: ResponseTime,
    /// Bytes of the response's body.
    pub response_length: u64,
    /// The HTTP status; 0 or absent if there was no response.
    pub status_code: Option<u16>,
    /// Present if Locust counts a failure.
    pub error: Option<RequestError<'a>>,
    /// Details that are sent only if a recorder asks for them ([`crate::wire::Features`]).
    pub extra: Option<Box<Extra<'a>>>,
}

impl Request<'_> {
    /// When it ended, in seconds since the epoch.
    #[must_use]
    pub fn end_time(&self) -> f64 {
        self.start_time + self.response_time.ms().unwrap_or(0.0) / 1e3
    }

    /// [`Extra::url`], if a recorder asked for it.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.extra.as_ref()?.url.as_deref()
    }

    /// [`Extra::user_class`], if a recorder asked for it.
    #[must_use]
    pub fn user_class(&self) -> Option<&str> {
        self.extra.as_ref()?.user_class.as_deref()
    }

    /// [`Extra::context`], if a recorder asked for it and the locustfile gave one.
    #[must_use]
    pub fn context(&self) -> Option<&serde_json::Map<String, serde_json::Value>> {
        self.extra.as_ref().map(|extra| &extra.context).filter(|context| !context.is_empty())
    }

    /// [`Extra::request_length`], if a recorder asked for it and the client knows it.
    #[must_use]
    pub fn request_length(&self) -> Option<u64> {
        self.extra.as_ref()?.request_length
    }

    /// Its trace ids, if a recorder asked for traces and this request is among those that it needs.
    #[must_use]
    pub fn trace(&self) -> Option<TraceContext> {
        self.extra.as_ref()?.trace
    }
}

/// Details of a request that are sent only if a recorder asks for them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extra<'a> {
    /// The full URL.
    pub url: Option<Cow<'a, str>>,
    /// The class of the user that made the request.
    pub user_class: Option<Cow<'a, str>>,
    /// The request's context, as the locustfile gave it (`context=`).
    pub context: serde_json::Map<String, serde_json::Value>,
    /// Bytes of the request's body, 0 if it had none.
    pub request_length: Option<u64>,
    /// Its ids.
    pub trace: Option<TraceContext>,
}

/// One execution of a task of a user.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Task<'a> {
    /// When it began, in seconds since the epoch.
    pub start_time: f64,
    /// Milliseconds.
    pub duration: f64,
    /// The user's class.
    pub user_class: Cow<'a, str>,
    /// The task's name, after that of its `TaskSet` if it is in one.
    pub name: Cow<'a, str>,
    /// Its span, above those of its requests.
    pub trace: Option<TraceContext>,
    /// The exception that ended it.
    pub error: Option<RequestError<'a>>,
}

impl Task<'_> {
    /// When it ended, in seconds since the epoch.
    #[must_use]
    pub fn end_time(&self) -> f64 {
        self.start_time + self.duration / 1e3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::nonminimal_bool, clippy::neg_cmp_op_on_partial_ord)] // the point of the test
    fn an_absent_time_compares_with_nothing() {
        let absent = ResponseTime::ABSENT;
        assert!(!(absent > 0.0) && !(absent < 0.0) && !(absent == 0.0) && !(absent >= 0.0));
        assert!(ResponseTime::from_ms(2.0) > 1.0);
        assert_eq!(ResponseTime::from_ms(f64::NAN), ResponseTime::ABSENT);
    }
}
