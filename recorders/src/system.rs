//! `system`: the resources that the Locust processes use. An overloaded load generator measures itself.

use ltel_core::prelude::*;

/// CPU, memory and network of the Locust processes.
#[derive(Debug, Recorder)]
#[recorder(on = Usage, scope = "locust_telemetry")]
pub struct System {
    /// CPU of the Locust process, in percent of one core.
    #[gauge(name = "locust.tl.system.metric.cpu", unit = "%", value = cpu_percent)]
    cpu: Gauge,

    /// Resident memory of the Locust process.
    #[gauge(name = "locust.tl.system.metric.mem", unit = "By", value = memory_bytes)]
    mem: Gauge<u64>,

    /// Bytes over the host's network interfaces since it started.
    #[gauge(
        name = "locust.tl.system.metric.network", unit = "By", value = net_sent_bytes, labels(direction = "sent"),
    )]
    sent: Gauge<u64>,

    /// Bytes over the host's network interfaces since it started.
    #[gauge(
        name = "locust.tl.system.metric.network", unit = "By", value = net_recv_bytes, labels(direction = "recv"),
    )]
    recv: Gauge<u64>,
}
