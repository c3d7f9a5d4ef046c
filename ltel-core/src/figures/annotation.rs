//! What happened to a run, to be marked in its charts.

use crate::clock::Timestamp;

/// Something that happened to a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// When.
    pub time: Timestamp,
    /// What.
    pub kind: AnnotationKind,
    /// The label of the Locust process that it concerns, if it concerns one.
    pub source: Option<String>,
    /// More about it, such as a number of users; may be empty.
    pub text: String,
}

/// What can happen to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnnotationKind {
    /// The test has started.
    Start,
    /// All users are spawned.
    SpawningComplete,
    /// The test was stopped.
    Stop,
    /// Locust has warned that a process is short of CPU.
    CpuWarning,
    /// A worker has joined.
    WorkerJoined,
    /// A worker has left before it was done.
    WorkerLeft,
    /// The statistics were set back to zero.
    ResetStats,
    /// A broken threshold has stopped the test.
    Abort,
}

impl AnnotationKind {
    /// Its name in documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::SpawningComplete => "spawning_complete",
            Self::Stop => "stop",
            Self::CpuWarning => "cpu_warning",
            Self::WorkerJoined => "worker_joined",
            Self::WorkerLeft => "worker_left",
            Self::ResetStats => "reset_stats",
            Self::Abort => "abort",
        }
    }
}
