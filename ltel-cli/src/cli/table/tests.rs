//! Tables of figures of every kind.

use std::sync::Arc;

use ltel_core::figures::{EndpointFigures, RunFigures};
use ltel_core::runs::RunInfo;
use ltel_core::thresholds::{Judgement, Unit};
use unicode_width::UnicodeWidthStr;

use super::*;
use crate::deliver::summary::OwnValue;
use crate::report::sample;

fn look(width: u16, beside_locust: bool) -> Look {
    Look { width, colors: false, beside_locust }
}

fn own_metrics() -> Vec<OwnMetric> {
    let metric = |name: &str, unit: &str, series, value| OwnMetric {
        name: format!("shop.{name}"),
        unit: unit.to_owned(),
        series,
        value,
    };
    vec![
        metric("orders", "{order}", 3, OwnValue::Sum(209.0)),
        metric("basket", "EUR", 3, OwnValue::Values { count: 209, sum: 5_225.0, max: Some(99.5) }),
        metric("nothing", "ms", 1, OwnValue::Values { count: 0, sum: 0.0, max: None }),
        metric("open", "1", 1, OwnValue::Last { least: 4.0, greatest: 4.0 }),
        metric("stock", "", 2, OwnValue::Last { least: -1.5, greatest: 1_000_000.0 }),
    ]
}

/// Renders the figures of a run, and checks that they fit.
fn render(figures: &RunFigures, run: RunInfo, look: Look) -> String {
    let ended = EndedRun { info: Arc::new(run), account: figures.account.clone(), complete: figures.is_complete() };
    let text = of_run(&ended, Some(figures), &own_metrics(), look).join("\n\n");
    for line in text.lines() {
        let is_table = line.starts_with(' ');
        assert!(!is_table || line.width() <= look.width.into(), "wider than {}: {line}", look.width);
        assert!(!line.contains(|c: char| c.is_control()), "{line:?}");
    }
    text
}

/// Scenario: a run in which everything occurs, with hostile names, beside Locust's own tables and without them, in 80 and 140
/// columns.
/// Guarantees: tables fit; nothing that a client sent reaches the terminal raw; a figure that does not exist is `-`.
#[test]
fn figures_of_every_kind() {
    for (width, beside_locust) in [(80, true), (80, false), (140, false)] {
        let name = format!("{}_columns_{}", width, if beside_locust { "beside_locust" } else { "alone" });
        insta::assert_snapshot!(name, render(&sample::small(), sample::run(), look(width, beside_locust)));
    }
}

/// Scenario: a run without requests; one of which a part is missing.
/// Guarantees: the one says so and has no table of endpoints; the other says which process lacks what.
#[test]
fn an_empty_and_an_incomplete_run() {
    insta::assert_snapshot!("empty", render(&sample::empty(), sample::run(), look(80, true)));
    let text = render(&sample::incomplete(), sample::hostile_run(), look(80, true));
    let (_, account) = text.rsplit_once("sent by").expect("an account");
    insta::assert_snapshot!("incomplete", account);
}

/// Scenario: rules drop requests, which the figures have all the same, or not; recorders have left out values.
/// Guarantees: the account says all of it, and where the table's names are from.
#[test]
fn what_is_filtered_and_left_out() {
    for own_names in [true, false] {
        let text = render(&sample::filtered(own_names), sample::run(), look(80, true));
        assert!(text.contains(" 5 filtered, 0 dropped: complete\n"), "{text}");
        assert_eq!(
            text.contains("\nThe table has Locust's own names, and the filtered requests: `names = true`"),
            own_names
        );
        assert!(text.contains("\n665 values left out by checkout, 240 by events"), "{text}");
    }
    let text = render(&sample::small(), sample::run(), look(80, true));
    assert!(!text.contains("own names") && !text.contains("left out"), "{text}");
}

/// Scenario: 2,000 endpoints with long names, in a terminal of any width.
/// Guarantees: the 30 with the most requests are shown in their order, and how many are not; lines fit.
#[test]
fn many_endpoints() {
    let endpoint = |n: u64| EndpointFigures {
        method: "GET".to_owned(),
        name: format!("/catalogue/{n:04}/items/of/a/long/name/日本語"),
        requests: n % 1_000,
        ..EndpointFigures::default()
    };
    let mut figures = sample::small();
    figures.endpoints = (0..2_000).map(endpoint).collect();
    for width in [40, 60, 80, 140] {
        let text = render(&figures, sample::run(), look(width, true));
        assert_eq!(text.lines().filter(|line| line.starts_with(" GET")).count(), 30, "{text}");
        assert!(text.contains("… and 1970 more endpoints with 969240 requests"), "{text}");
    }
    let text = render(&figures, sample::run(), look(140, true));
    let at = |name: &str| text.find(name).expect(name);
    assert!(at("/0985/") < at("/0999/") && at("/0999/") < at("/1985/") && !text.contains("/0984/"), "{text}");
}

/// Scenario: a terminal with colors.
/// Guarantees: verdicts have them, and nothing else.
#[test]
fn verdicts_are_colored() {
    let plain = render(&sample::small(), sample::run(), look(80, true));
    let run = EndedRun { info: Arc::new(sample::run()), account: sample::small().account, complete: true };
    let colors = Look { colors: true, ..look(80, true) };
    let text = of_run(&run, Some(&sample::small()), &own_metrics(), colors).join("\n\n");
    assert_eq!(text.matches("\u{1b}[1;31mBROKEN\u{1b}[0m").count(), 3, "{text}");
    assert_eq!(text.matches("\u{1b}[32mpassed\u{1b}[0m").count(), 1, "{text}");
    assert!(text.contains("\u{1b}[1;31mFAILED, 3 of 4 thresholds broken\u{1b}[0m"), "{text}");
    let stripped = ["\u{1b}[1;31m", "\u{1b}[32m", "\u{1b}[0m"].iter().fold(text, |text, code| text.replace(code, ""));
    assert_eq!(stripped, plain);
}

/// Scenario: a run with one threshold: it is broken, it names endpoints that there were, or it compares with a baseline.
/// Guarantees: the verdict is a sentence, what was compared with is shown where the check does not say it, and the beginning of a
/// reason stays.
#[test]
fn one_threshold() {
    let text = |judgement| {
        let figures = RunFigures { thresholds: vec![judgement], ..sample::empty() };
        render(&figures, sample::run(), look(80, true))
    };
    let of =
        |check: &str| Judgement { check: check.to_owned(), target: "GET /gone".to_owned(), ..Judgement::default() };
    let reason = format!("no endpoint matches; there were `{}`", "GET /catalogue/items".repeat(5));
    let none = text(Judgement { reason: Some(reason), ..of("p95 < 500ms") });
    assert!(none.contains(": FAILED, its threshold is broken\n"), "{none}");
    assert!(none.contains("\n BROKEN  p95 < 500ms  GET /gone  no endpoint matches\n"), "{none}");
    let baseline = Judgement {
        actual: Some("18.9 req/s".to_owned()),
        limit_value: Some(42.968),
        unit: Unit::PerSecond,
        ..of("rps > baseline - 10%")
    };
    let compared = text(baseline);
    assert!(compared.contains("  GET /gone  18.9 req/s, limit 42.968 req/s\n"), "{compared}");
}
