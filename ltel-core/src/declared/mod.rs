//! `type = "declared"`: a recorder that is declared in the configuration, with expressions in place of code. It is a recorder
//! like any other, but for its spec, which is made when the configuration is read.
//!
//! ```
//! use ltel_core::replay::{Replay, request};
//!
//! let checkout = r#"
//! on = "request"
//!
//! [metrics]
//! duration = { histogram = "response_time", unit = "ms", buckets = [100, 250, 1000] }
//! failures = { counter = true, when = "error != null" }
//!
//! [records]
//! slow = { when = "response_time > 500.0", severity = "warning", fields = { endpoint = "name", took_ms = "response_time" } }
//! "#;
//! let out = Replay::declared(checkout)
//!     .named("checkout")
//!     .event(request("POST", "/checkout/pay").took_ms(612.0).raised("Timeout"))
//!     .event(request("POST", "/checkout/pay").took_ms(80.0))
//!     .finish();
//! assert_eq!(out.to_string(), "\
//! checkout.duration (histogram, ms)
//!   source_id=local  count=2 sum=692 min=80 max=612 <=100:1 <=1000:1
//!
//! checkout.failures (counter, 1)
//!   source_id=local  1
//!
//! records
//!   0s WARNING event checkout.slow source_id=local endpoint=/checkout/pay took_ms=612
//! ");
//! ```

mod options;
mod plan;
mod check;
mod spec;
mod metric;

use std::borrow::Cow;

use crate::clock::Timestamp;
use crate::event::{Event, EventKind};
use crate::expression::{Expression, Value};
use crate::instrument::Instruments;
use crate::record::Records;
use crate::recorder::{Context, Needs, OptionsCheck, Per, Recorder, Spec};

use self::metric::Metric;
use self::plan::{Plan, RecordPlan, Source};

pub use self::options::DeclaredOptions;

/// The type of recorders that are declared in the configuration.
#[derive(Debug)]
pub struct Declared {
    metrics: Vec<Metric>,
    records: Vec<Records>,
    saw_any: bool,
}

impl Recorder for Declared {
    type Options = DeclaredOptions;

    const SPEC: &'static Spec = &Spec {
        name: "declared",
        description: "What its table declares: metrics and records from the fields of an event.",
        scope: "ltel",
        events: EventKind::ALL,
        per: Per::Source,
        labels: &[],
        instruments: &[],
        records: &[],
        spans: &[],
        needs: Needs::NONE,
    };

    fn check(options: &mut DeclaredOptions, check: &mut OptionsCheck<'_>) {
        options.plan = check::plan(options, check);
    }

    fn spec(options: &DeclaredOptions) -> &'static Spec {
        options.plan.as_ref().map_or(Self::SPEC, |plan| plan.spec)
    }

    fn needs(options: &DeclaredOptions) -> Needs {
        Self::spec(options).needs
    }

    fn has_points(options: &DeclaredOptions) -> bool {
        !Self::spec(options).instruments.is_empty()
    }

    fn build(options: &DeclaredOptions, instruments: &mut Instruments<'_>) -> Self {
        let Some(plan) = &options.plan else {
            return Self { metrics: Vec::new(), records: Vec::new(), saw_any: false };
        };
        let metrics = plan.metrics.iter().zip(plan.spec.instruments);
        let records = plan.records.iter().zip(plan.spec.records);
        Self {
            metrics: metrics.map(|(metric, spec)| Metric::build(metric, spec, instruments)).collect(),
            records: records
                .map(|(record, spec)| {
                    Records::new(match &record.field {
                        Some(field) => Cow::Owned(format!("{}.{field}", instruments.instance())),
                        None => Cow::Borrowed(spec.name),
                    })
                })
                .collect(),
            saw_any: false,
        }
    }

    /// As a derived recorder: first the values, then one look-up of the series if there is any, then the records.
    fn record(&mut self, event: &Event<'_>, cx: &mut Context<'_, DeclaredOptions>) {
        let Some(plan) = &cx.options().plan else { return };
        if !plan.sees(event) {
            return;
        }
        self.saw_any = true;
        let mut any = false;
        for (metric, of) in self.metrics.iter_mut().zip(&plan.metrics) {
            let applies = of.when.as_ref().is_none_or(|when| holds(when, event, cx));
            any |= metric.prepare(of, applies, event, cx);
        }
        if any {
            let series = cx.series_of(&[]);
            self.metrics.iter_mut().for_each(|metric| metric.write(series));
        }
        for (records, of) in self.records.iter().zip(&plan.records) {
            if of.when.as_ref().is_none_or(|when| holds(when, event, cx)) {
                emit(records, of, event, cx);
            }
        }
    }

    fn finish(&mut self, cx: &mut Context<'_, DeclaredOptions>) {
        let Some(plan) = &cx.options().plan else { return };
        // Of those that a test is made of: it is well that others, such as errors, do not occur.
        let expected =
            matches!(plan.on, EventKind::Request | EventKind::Task | EventKind::Measurement | EventKind::Custom);
        if expected && !self.saw_any && !cx.when_never_held() {
            cx.notice(format!("the run had no event `{}`", plan.on.name()));
        }
    }
}

fn emit(records: &Records, of: &RecordPlan, event: &Event<'_>, cx: &mut Context<'_, DeclaredOptions>) {
    let mut record = records.at(of.kind, Timestamp::from_secs(event.time())).severity(of.severity);
    for (name, source) in &of.fields {
        match source {
            Source::Constant(value) => record = record.field(*name, value.clone()),
            Source::Expression(expression) => match expression.evaluate(event) {
                // What is absent is left out.
                Ok(Value::Null) => {}
                Ok(value) => record = record.field(*name, value.to_json()),
                Err(fault) => cx.fault(expression, &fault),
            },
        }
    }
    cx.emit(record);
}

/// Whether a condition holds. One that has no value does not.
fn holds(when: &Expression, event: &Event<'_>, cx: &mut Context<'_, DeclaredOptions>) -> bool {
    when.holds(event).unwrap_or_else(|fault| {
        cx.fault(when, &fault);
        false
    })
}

impl Plan {
    fn sees(&self, event: &Event<'_>) -> bool {
        match event {
            // Another recorder may need more of them.
            Event::Log(log) => self.on == EventKind::Log && log.level_number >= u64::from(self.level),
            event => event.kind() == self.on,
        }
    }
}
