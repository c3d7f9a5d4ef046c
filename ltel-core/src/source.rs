//! A source: one Locust process that takes part in a run.

use serde::{Deserialize, Serialize};

/// The role of a Locust process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// The only process of its test.
    #[default]
    Local,
    /// Coordinates workers and reports for them.
    Master,
    /// Runs users for a master.
    Worker,
}

/// One Locust process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Source {
    /// Its role.
    pub kind: SourceKind,
    /// Locust's id for it: the runner's `client_id` for a worker.
    pub id: String,
    /// The number the master gave a worker, from 0.
    pub worker_index: Option<u32>,
    /// The host it runs on.
    pub host: String,
    /// Its process id on that host. Not unique: containers share host names, not pids.
    pub pid: u32,
}

impl Source {
    /// The label `source`: the name of Locust's runner class, which existing dashboards query.
    #[must_use]
    pub const fn runner(&self) -> &'static str {
        match self.kind {
            SourceKind::Local => "LocalRunner",
            SourceKind::Master => "MasterRunner",
            SourceKind::Worker => "WorkerRunner",
        }
    }

    /// The label `source_id`: `local`, `master` or `worker-<index>`; a worker without an index shows Locust's id.
    #[must_use]
    pub fn label(&self) -> String {
        match (self.kind, self.worker_index) {
            (SourceKind::Local, _) => "local".to_owned(),
            (SourceKind::Master, _) => "master".to_owned(),
            (SourceKind::Worker, Some(index)) => format!("worker-{index}"),
            (SourceKind::Worker, None) => format!("worker-{}", self.id),
        }
    }

    /// Whether it reports for the whole run: the master, or the only process.
    #[must_use]
    pub fn coordinates(&self) -> bool {
        self.kind != SourceKind::Worker
    }
}
