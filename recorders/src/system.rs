//! `system`: what the Locust processes use of their hosts.

use ltel_core::prelude::*;

/// CPU, memory and network of each Locust process. A load generator that is short of them measures itself.
#[derive(Debug)]
pub struct System {
    cpu: Gauge,
    mem: Gauge<u64>,
    network: Gauge<u64>,
}

impl Recorder for System {
    type Options = NoOptions;

    const SPEC: &'static Spec = &Spec {
        name: "system",
        description: "CPU, memory and network of the Locust processes.",
        scope: crate::SCOPE,
        per: Per::Source,
        labels: &["direction"],
        instruments: &[
            InstrumentSpec::new(
                "cpu",
                InstrumentKind::Gauge,
                "%",
                "CPU of the Locust process, in percent of one core.",
            )
            .named("locust.tl.system.metric.cpu"),
            InstrumentSpec::new("mem", InstrumentKind::Gauge, "By", "Resident memory of the Locust process.")
                .named("locust.tl.system.metric.mem"),
            InstrumentSpec::new(
                "network",
                InstrumentKind::Gauge,
                "By",
                "Bytes over the host's network interfaces since it started.",
            )
            .named("locust.tl.system.metric.network"),
        ],
        records: &[],
        needs: Needs { usage: true, ..Needs::NONE },
    };

    fn build(_: &NoOptions, instruments: &mut Instruments<'_>) -> Self {
        let [cpu, mem, network] = Self::SPEC.instruments else { unreachable!("the spec above") };
        Self { cpu: instruments.gauge(cpu), mem: instruments.gauge(mem), network: instruments.gauge(network) }
    }

    fn record(&mut self, event: &Event<'_>, cx: &mut Context<'_, NoOptions>) {
        let Event::Usage(usage) = event else { return };
        let process = cx.series([Label::Absent]);
        self.cpu.set(process, usage.cpu_percent);
        self.mem.set(process, usage.memory_bytes);
        self.network.set(cx.series([Label::Str("sent")]), usage.net_sent_bytes);
        self.network.set(cx.series([Label::Str("recv")]), usage.net_recv_bytes);
    }
}
