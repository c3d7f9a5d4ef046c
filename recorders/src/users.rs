//! `users`: how many users are running.

use ltel_core::prelude::*;

/// The number of running users in each Locust process. A master's is that of all its workers.
#[derive(Debug)]
pub struct Users {
    count: Gauge<u64>,
}

impl Recorder for Users {
    type Options = NoOptions;

    const SPEC: &'static Spec = &Spec {
        name: "users",
        description: "How many users are running.",
        scope: crate::SCOPE,
        per: Per::Source,
        labels: &[],
        instruments: &[InstrumentSpec::new(
            "count",
            InstrumentKind::Gauge,
            "1",
            "Running users; a master's are those of all its workers.",
        )
        .named("locust.tl.user.metric.count")],
        records: &[],
        needs: Needs::NONE,
    };

    fn build(_: &NoOptions, instruments: &mut Instruments<'_>) -> Self {
        Self { count: instruments.gauge(&Self::SPEC.instruments[0]) }
    }

    fn record(&mut self, event: &Event<'_>, cx: &mut Context<'_, NoOptions>) {
        if let Event::Users(users) = event {
            self.count.set(cx.series([]), users.total());
        }
    }
}
