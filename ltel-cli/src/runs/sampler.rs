//! Measures the usage of Locust processes on this host from outside, which costs them nothing. Others report it themselves.

use std::time::Duration;

use ltel_core::Now;
use ltel_core::event::Usage;
use sysinfo::{Networks, Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// Measures processes at an interval.
#[derive(Debug)]
pub(crate) struct Sampler {
    every: Duration,
    next: Option<Duration>,
    system: System,
    networks: Networks,
}

impl Sampler {
    /// Creates a sampler with this interval.
    pub(crate) fn new(every: Duration) -> Result<Self, sysinfo::Error> {
        Ok(Self { every, next: None, system: System::new()?, networks: Networks::new()? })
    }

    /// When the next samples are due, if there is anything to sample.
    pub(crate) fn due(&self) -> Option<Duration> {
        self.next
    }

    /// Starts to watch a process. CPU usage is a difference over time: without this, the first sample would have none.
    pub(crate) fn watch(&mut self, pid: u32, now: Now) {
        self.refresh(&[pid]);
        self.next.get_or_insert(now.steady.saturating_add(self.every));
    }

    /// The usage of these processes; none for a process that has exited.
    pub(crate) fn sample(&mut self, pids: &[u32], now: Now) -> Vec<(u32, Usage)> {
        self.next = (!pids.is_empty()).then(|| now.steady.saturating_add(self.every));
        self.refresh(pids);
        self.networks.refresh(true);
        let sent = self.networks.values().map(sysinfo::NetworkData::total_transmitted).sum();
        let received = self.networks.values().map(sysinfo::NetworkData::total_received).sum();
        pids.iter()
            .filter_map(|&pid| {
                let process = self.system.process(Pid::from_u32(pid))?;
                let usage = Usage {
                    time: now.wall.as_secs(),
                    cpu_percent: f64::from(process.cpu_usage()),
                    memory_bytes: process.memory(),
                    net_sent_bytes: sent,
                    net_recv_bytes: received,
                };
                Some((pid, usage))
            })
            .collect()
    }

    fn refresh(&mut self, pids: &[u32]) {
        let pids: Vec<Pid> = pids.iter().map(|&pid| Pid::from_u32(pid)).collect();
        let what = ProcessRefreshKind::nothing().with_cpu().with_memory().without_tasks();
        self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&pids), true, what);
    }
}
