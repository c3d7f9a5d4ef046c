//! An event of any kind, to be replayed.

use crate::clock::Timestamp;
use crate::event::{Event, Measurement, Request, SingleEvent, Task, single_events};
use crate::source::Source;

/// An event for a [`super::Replay`]. It happens at the replay's time, in the replay's source.
#[derive(Clone, Debug)]
pub struct ReplayEvent<E = OwnedEvent> {
    pub(super) event: E,
    source: Option<Source>,
}

/// An event of any kind.
#[derive(Clone, Debug)]
pub enum OwnedEvent {
    /// An event that is sent in its own frame.
    Single(SingleEvent),
    /// A request.
    Request(Request<'static>),
    /// An execution of a task.
    Task(Task<'static>),
    /// A value of a metric of the locustfile.
    Measurement(Measurement<'static>),
}

impl From<Measurement<'static>> for OwnedEvent {
    fn from(measurement: Measurement<'static>) -> Self {
        Self::Measurement(measurement)
    }
}

impl From<Request<'static>> for OwnedEvent {
    fn from(request: Request<'static>) -> Self {
        Self::Request(request)
    }
}

impl From<Task<'static>> for OwnedEvent {
    fn from(task: Task<'static>) -> Self {
        Self::Task(task)
    }
}

macro_rules! from_events {
    ($($name:ident $kind:literal $doc:literal)*) => {$(
        impl From<crate::event::$name> for OwnedEvent {
            fn from(event: crate::event::$name) -> Self {
                Self::Single(event.into())
            }
        }
    )*};
}
single_events!(from_events);

impl<E> ReplayEvent<E> {
    pub(super) const fn new(event: E) -> Self {
        Self { event, source: None }
    }

    /// It happens in this Locust process.
    #[must_use]
    pub fn from(mut self, source: Source) -> Self {
        self.source = Some(source);
        self
    }

    pub(super) const fn source(&self) -> Option<&Source> {
        self.source.as_ref()
    }
}

impl<E: Into<OwnedEvent>> ReplayEvent<E> {
    /// Erases its kind, so that a list can hold events of several kinds.
    #[must_use]
    pub fn erased(self) -> ReplayEvent {
        ReplayEvent { event: self.event.into(), source: self.source }
    }
}

impl OwnedEvent {
    /// Sets the time of the event and passes it on.
    pub(super) fn at(mut self, now: Timestamp, see: impl FnOnce(&Event<'_>)) {
        let now = now.as_secs();
        see(&match &mut self {
            Self::Single(event) => {
                event.set_time(now);
                event.as_event()
            }
            // It is reported when it ends.
            Self::Request(request) => {
                request.start_time = now - request.response_time.ms().unwrap_or(0.0) / 1e3;
                request.reported_at = now;
                Event::Request(request)
            }
            Self::Task(task) => {
                task.start_time = now - task.duration / 1e3;
                Event::Task(task)
            }
            Self::Measurement(measurement) => {
                measurement.time = now;
                Event::Measurement(measurement)
            }
        });
    }
}
