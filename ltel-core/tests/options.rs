//! Options of recorders: the configuration and the replay take the same.
#![allow(missing_docs, clippy::unwrap_used)]

use ltel_core::prelude::*;
use ltel_core::recorder::OptionsCheck;
use ltel_core::replay::Replay;
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

#[derive(Deserialize, JsonSchema)]
struct Options {
    limit: u64,
    #[serde(flatten)]
    shades: Shades,
}

#[derive(Deserialize, JsonSchema)]
struct Shades {
    #[serde(default)]
    dark: bool,
}

/// Traffic.
#[derive(Recorder)]
#[recorder(on = Request, options = Options)]
struct Traffic {
    /// Requests.
    #[counter(when = |_, o| o.limit > 0 || o.shades.dark)]
    requests: Counter,
}

struct Angry;

#[derive(JsonSchema)]
struct Shouts;

impl<'de> Deserialize<'de> for Shouts {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("no options today")
    }
}

impl Recorder for Angry {
    type Options = Shouts;
    const SPEC: &'static Spec = &Spec {
        name: "angry",
        description: "Panics.",
        scope: "test",
        events: &[EventKind::Request],
        per: Per::Run,
        labels: &[],
        instruments: &[],
        records: &[],
        spans: &[],
        needs: Needs::NONE,
    };

    fn build(_: &Shouts, _: &mut Instruments<'_>) -> Self {
        Self
    }

    fn record(&mut self, _: &Event<'_>, _: &mut Context<'_, Shouts>) {}
}

struct Demanding;

impl Recorder for Demanding {
    type Options = NoOptions;
    const SPEC: &'static Spec = &Spec { name: "demanding", ..*Angry::SPEC };

    fn needs(_: &NoOptions) -> Needs {
        panic!("everything")
    }

    fn build(_: &NoOptions, _: &mut Instruments<'_>) -> Self {
        Self
    }

    fn record(&mut self, _: &Event<'_>, _: &mut Context<'_, NoOptions>) {}
}

fn configured(registry: &Registry, name: &str, options: &str) -> Result<(), String> {
    let table = DeTable::parse(options).unwrap().into_inner();
    let value = ValueDeserializer::from(Spanned::new(0..0, DeValue::Table(table)));
    registry
        .get(name)
        .unwrap()
        .configure(value, &mut OptionsCheck::new(""))
        .map(drop)
        .map_err(|error| error.to_string().trim().to_owned())
}

/// Scenario: options with `flatten`. Guarantees: the replay takes what the binary takes, and refuses what that refuses.
#[test]
fn flattened_options() {
    let registry = Registry::new().with::<Traffic>();
    let keys = registry.get("traffic").unwrap().options;
    for (options, unknown) in [("limit = 1\ndark = true", None), ("limit = 1\ndrak = true", Some("drak"))] {
        assert_eq!(configured(&registry, "traffic", options), Ok(()));
        let found = keys.unknown(DeTable::parse(options).unwrap().get_ref());
        assert_eq!(found.first().map(String::as_str), unknown);
        let replayed = Replay::of::<Traffic>().options(options).try_finish();
        assert_eq!(replayed.is_err(), unknown.is_some());
        if let (Err(error), Some(unknown)) = (replayed, unknown) {
            assert!(error.to_string().contains(&format!("unknown field `{unknown}`")), "{error}");
        }
    }
}

/// Scenario: a recorder panics while it reads its options, or says what it needs. Guarantees: its registration does not
/// panic, and its table is in error.
#[test]
fn a_panic_is_an_error_of_the_configuration() {
    let registry = Registry::new().with::<Angry>().with::<Demanding>();
    for (name, says) in [("angry", "no options today"), ("demanding", "everything")] {
        let error = configured(&registry, name, "").unwrap_err();
        assert_eq!(error, format!("reading the options panicked: {says}"));
    }
}
