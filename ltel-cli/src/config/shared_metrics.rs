//! Metrics that two recorders of a configuration have in common: a store takes them for one.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use ltel_core::backend::ConfigError;
use ltel_core::expression::Written;
use ltel_core::name::plain;
use ltel_core::recorder::{InstrumentSpec, Per};

use super::RecorderConfig;

/// The names of all metrics of recorders.
pub(super) fn names<'a>(recorders: impl Iterator<Item = &'a RecorderConfig>) -> BTreeSet<String> {
    recorders.flat_map(metrics).map(|(name, _)| name).collect()
}

/// Reports metrics that are not the same in two recorders, and those that both have with the same labels.
pub(super) fn check(
    recorders: &[(RecorderConfig, Range<usize>)],
    errors: &mut Vec<ConfigError>,
    warnings: &mut Vec<String>,
) {
    for (at, (recorder, header)) in recorders.iter().enumerate() {
        for (other, _) in &recorders[..at] {
            // What goes to different places never meets.
            if !recorder.backends.iter().any(|backend| other.backends.contains(backend)) {
                continue;
            }
            let mut doubled = Vec::new();
            for (name, metric) in metrics(recorder) {
                if let Some((alike, _)) = metrics(other).find(|(of, _)| *of != name && plain(of) == plain(&name)) {
                    errors.push(spelled(&name, recorder, &alike, other, header.clone()));
                    return;
                }
                let same: Vec<_> = metrics(other).filter(|(of, _)| *of == name).map(|(_, metric)| metric).collect();
                if let Some(differs) = same.iter().find(|of| described(of) != described(metric)) {
                    errors.push(differing(&name, (recorder, metric), (other, differs), header.clone()));
                    return;
                }
                if same.iter().any(|of| labels(other, of) == labels(recorder, metric)) && !doubled.contains(&name) {
                    doubled.push(name);
                }
            }
            if !doubled.is_empty() && may_overlap(recorder, other) {
                warnings.push(doubling(&doubled, recorder, other));
            }
        }
    }
}

/// The instruments of a recorder, if it has points.
fn metrics(recorder: &RecorderConfig) -> impl Iterator<Item = (String, &'static InstrumentSpec)> {
    let instruments = if recorder.factory.has_points() { recorder.spec.instruments } else { &[] };
    instruments.iter().map(|metric| (metric.full_name(&recorder.name), metric))
}

fn described(metric: &InstrumentSpec) -> String {
    let (kind, unit) = (metric.kind.as_str(), metric.unit);
    if unit.is_empty() { format!("{kind} without a unit") } else { format!("{kind} in `{unit}`") }
}

/// The labels that tell series apart; without a value, those that differ from event to event.
fn labels(recorder: &RecorderConfig, metric: &InstrumentSpec) -> BTreeMap<String, Option<String>> {
    let source = if recorder.spec.per == Per::Source { &["source"][..] } else { &[] };
    let varying = recorder.spec.labels.iter().chain(source).map(|name| ((*name).to_owned(), None));
    let constant = metric.attributes.iter().map(|(name, value)| ((*name).to_owned(), Some(format!("{value:?}"))));
    let configured = recorder.factory.common().labels().map(|(name, written)| match written {
        Written::Constant(value) => (name.to_owned(), Some(value.to_string())),
        Written::Expression(_) => (name.to_owned(), None),
    });
    varying.chain(constant).chain(configured).collect()
}

/// Whether both may see the same event: two conditions that differ are there to part them.
fn may_overlap(a: &RecorderConfig, b: &RecorderConfig) -> bool {
    let when = |of: &RecorderConfig| of.factory.common().when().map(ToOwned::to_owned);
    match (when(a), when(b)) {
        (Some(a), Some(b)) => a == b,
        _ => true,
    }
}

fn differing(
    name: &str,
    (recorder, metric): (&RecorderConfig, &InstrumentSpec),
    (other, differs): (&RecorderConfig, &InstrumentSpec),
    header: Range<usize>,
) -> ConfigError {
    let (is, was) = (described(metric), described(differs));
    let message = format!(
        "the metric `{name}` of [recorders.{}] is a {is}, but that of [recorders.{}] is a {was}",
        recorder.name, other.name
    );
    ConfigError::new(message, header).help("give one of them another name, or both the same kind and unit")
}

fn spelled(
    name: &str,
    recorder: &RecorderConfig,
    alike: &str,
    other: &RecorderConfig,
    header: Range<usize>,
) -> ConfigError {
    let message = format!(
        "the metric `{name}` of [recorders.{}] and `{alike}` of [recorders.{}] are one metric in Prometheus",
        recorder.name, other.name
    );
    ConfigError::new(message, header).help("give one of them another name, or both the same")
}

fn doubling(names: &[String], recorder: &RecorderConfig, other: &RecorderConfig) -> String {
    let more = match names.len() {
        1 => String::new(),
        all => format!(" and {} more", all - 1),
    };
    let name = &recorder.name;
    format!(
        "[recorders.{name}] and [recorders.{}] both have the metric `{}`{more}, with the same labels: what both see counts twice \
         in sums; give one a label: `labels = {{ part = {{ value = {name:?} }} }}`",
        other.name, names[0]
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ltel_core::backend::Environment;
    use ltel_core::event::{Event, Measurement, MeasurementKind};
    use ltel_core::recorder::{Emitted, Origin, RecorderMemory, SeriesLimits};
    use ltel_core::runs::RunInfo;

    use crate::config::{Config, ConfigErrors, load};

    fn read(recorders: &str) -> Result<Config, ConfigErrors> {
        let registry = crate::with_backends(ltel_recorders::registry());
        let text = format!("{recorders}\n[backends.json]\n[backends.other]\ntype = \"json\"\noutput = \"other\"\n");
        load("telemetry.toml", &text, &registry, &Environment::default())
    }

    /// Guarantees: who has the same series as another recorder is told so, with what to do; labels, backends and conditions that
    /// part them are enough.
    #[test]
    fn the_same_series_twice() {
        let twice = |more: &str| format!("[recorders.requests]\n[recorders.cart]\ntype = \"requests\"\n{more}");
        let when = "when = 'name == \"/cart\"'";
        for (recorders, told) in [
            (twice(""), true),
            (twice(when), true),
            (twice(&format!("{when}\nlabels = {{ part = {{ value = \"cart\" }} }}")), false),
            (twice(&format!("{when}\nlabels = {{ tenant = \"context.tenant\" }}")), false),
            (
                twice("backends = [\"other\"]").replace("[recorders.cart]", "backends = [\"json\"]\n[recorders.cart]"),
                false,
            ),
            (twice(when).replace("[recorders.cart]", "when = 'name != \"/cart\"'\n[recorders.cart]"), false),
            ("[recorders.stats]\n[recorders.other]\ntype = \"stats\"".to_owned(), false),
        ] {
            let warnings = read(&recorders).expect("valid").warnings;
            let warned = warnings.iter().any(|warning| {
                warning.starts_with("[recorders.cart] and [recorders.requests] both have the metric `locust.tl.")
                    && warning.ends_with("give one a label: `labels = { part = { value = \"cart\" } }`")
            });
            assert_eq!((warned, warnings.len()), (told, usize::from(told)), "{recorders}: {warnings:?}");
        }
        // No built-in recorders have metrics in common that differ.
        let registry = ltel_recorders::registry();
        let names = registry.types().map(|of| of.spec.name).filter(|name| !matches!(*name, "declared" | "spans"));
        let all = names.map(|name| format!("[recorders.{name}]")).collect::<Vec<_>>().join("\n");
        assert_eq!(read(&all).expect("valid").warnings, [""; 0]);
    }

    fn declared(name: &str, unit: &str) -> String {
        format!(
            "[recorders.{name}]\ntype = \"declared\"\non = \"request\"\n\
             metrics.items = {{ counter = true, name = \"cart.items\", unit = \"{unit}\" }}\n"
        )
    }

    /// Guarantees: two metrics of one name and different units are an error, at the second.
    #[test]
    fn one_name_and_two_units() {
        let errors = read(&(declared("a", "{item}") + &declared("b", "{thing}"))).expect_err("an error");
        let [error] = errors.errors() else { panic!("one error: {errors}") };
        let says = "the metric `cart.items` of [recorders.b] is a counter in `{thing}`, but that of [recorders.a] is a counter in `{item}`";
        assert_eq!(error.message, says);
        assert_eq!(errors.place(error).0.line, 5);
    }

    /// Guarantees: two spellings that a store takes for one name are an error, in one recorder and in two.
    #[test]
    fn two_spellings_of_one_name() {
        let other = declared("b", "{item}").replace("cart.items", "cart_Items");
        let errors = read(&(declared("a", "{item}") + &other)).expect_err("an error");
        let says =
            "the metric `cart_Items` of [recorders.b] and `cart.items` of [recorders.a] are one metric in Prometheus";
        assert_eq!(errors.errors()[0].message, says);
        let one = declared("a", "{item}") + "metrics.more = { counter = true, name = \"cart-items\" }\n";
        assert!(read(&one).is_err());
    }

    /// Scenario: the locustfile has a metric of the name of a declared one, and another. Guarantees: `custom` leaves out the first,
    /// says so once, and has the second.
    #[test]
    fn the_locustfile_has_the_name_of_a_declared_metric() {
        let config = read(&(declared("a", "{item}") + "[recorders.custom]")).expect("valid");
        let custom = config.recorders.iter().find(|of| of.name == "custom").expect("`custom`");
        let limits = SeriesLimits { count: 100, memory: Arc::new(RecorderMemory::new(1 << 20, 0)).begin_run() };
        let mut recorder = custom.factory.build("custom", Arc::<RunInfo>::default(), &[], limits);
        let mut out = Emitted::default();
        for name in ["cart.items", "cart.items", "cart_items", "cart.value"] {
            let value = Measurement {
                time: 0.0,
                name: name.into(),
                kind: MeasurementKind::Counter,
                unit: "".into(),
                description: "".into(),
                value: 1.0,
                labels: Arc::default(),
            };
            recorder.record(
                &Event::Measurement(&value),
                Origin { source: None, now: ltel_core::Now::default() },
                &mut out,
            );
        }
        assert_eq!((recorder.left_out(), out.notices.len()), (3, 2), "{:?}", out.notices);
        assert!(
            out.notices[0].starts_with("metric `cart.items` is left out and counted: another recorder"),
            "{:?}",
            out.notices
        );
    }
}
