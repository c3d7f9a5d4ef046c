//! The built-in recorders. They use the same public API as custom recorders, and emit the names that existing
//! dashboards query.

pub mod lifecycle;
pub mod stats;
pub mod requests;
pub mod users;
pub mod system;
pub mod failures;
pub mod tasks;
pub mod workers;
pub mod events;
pub mod custom;
pub mod logs;
pub mod http;
pub mod spans;
mod chronicle;
mod buckets;
mod semconv;

use ltel_core::declared::Declared;
use ltel_core::registry::Registry;

pub use custom::Custom;
pub use events::Events;
pub use failures::Failures;
pub use http::Http;
pub use lifecycle::Lifecycle;
pub use logs::Logs;
pub use requests::Requests;
pub use spans::Spans;
pub use stats::Stats;
pub use system::System;
pub use tasks::Tasks;
pub use users::UsersRecorder;
pub use workers::WorkersRecorder;

/// The instrumentation scope (meter) of the built-in recorders, which existing dashboards query.
pub const SCOPE: &str = "locust_telemetry";

/// All built-in recorders. Add your own with [`Registry::with`].
#[must_use]
pub fn registry() -> Registry {
    Registry::new()
        .with::<Lifecycle>()
        .with::<Stats>()
        .with::<Requests>()
        .with::<UsersRecorder>()
        .with::<System>()
        .with::<Failures>()
        .with::<Tasks>()
        .with::<WorkersRecorder>()
        .with::<Events>()
        .with::<Custom>()
        .with::<Logs>()
        .with::<Http>()
        .with::<Spans>()
        .with::<Declared>()
}
