//! From documents to text, Markdown, JSON and a page.

use ltel_core::Timestamp;
use ltel_core::figures::{Annotation, AnnotationKind, EndpointFigures, RunFigures, Stage};

use super::simulated::{STEADY, Simulated};
use super::*;
use crate::report::Document;
use crate::report::sample::{self, HOSTILE};

const SHOP: Simulated = Simulated { rate: 100.0, spread: 0.3, ..STEADY };

const OPTIONS: Options = Options { min_change: 5.0, fail_above: None };

// As it is read from the file that a run has written.
fn run(name: &str, figures: &RunFigures) -> Run {
    Run::read(name.to_owned(), &Document::of(&sample::run(), figures).to_json()).unwrap()
}

// Two endpoints of which one became slower, one that is gone, one that is new and hostile.
fn shop(branch: bool) -> RunFigures {
    let slower = if branch { 56.0 } else { 40.0 };
    let seed = u64::from(branch);
    let mut endpoints = vec![
        Simulated { median_ms: slower, ..SHOP }.endpoint("/search", seed),
        SHOP.endpoint("/", 10 + seed),
        Simulated { rate: 0.5, ..SHOP }.endpoint("/checkout", 20 + seed),
        SHOP.endpoint(if branch { HOSTILE } else { "/old" }, 30),
    ];
    endpoints[0].method = "POST".to_owned();
    SHOP.with(endpoints)
}

fn compared(options: Options) -> Comparison {
    let mut branch = shop(true);
    branch.test.host = Some(HOSTILE.to_owned());
    let mut main = shop(false);
    main.test.host = Some("https://shop.example".to_owned());
    Comparison::of(run("main.json", &main), vec![run("branch.json", &branch)], options)
}

/// Scenario: a run beside its baseline, with an endpoint that became slower, one with few requests, one that is gone and one that is
/// new. Guarantees: each is said in words, within 80 columns, and nothing that a client sent is raw.
#[test]
fn as_text() {
    let text = compared(OPTIONS).to_text(false, false);
    insta::assert_snapshot!(text);
    for line in text.lines() {
        // What is listed by name may be longer than a line.
        assert!(line.chars().count() <= 80 || line.contains("onerror"), "{line}");
    }
    assert!(!text.contains('\u{1b}') && compared(OPTIONS).to_text(true, true).contains("\u{1b}[31m"));
}

/// Scenario: three runs beside a baseline. Guarantees: each is a column, within 80 columns.
#[test]
fn several_as_text() {
    let others = ["same.json", "branch.json", "a-file-with-quite-a-long-name-of-its-own.json"]
        .map(|name| run(name, &shop(name != "same.json")));
    let text = Comparison::of(run("main.json", &shop(false)), others.into(), OPTIONS).to_text(false, true);
    insta::assert_snapshot!(text);
    assert!(text.lines().all(|line| line.chars().count() <= 80 || line.contains("onerror")), "{text}");
}

#[test]
fn as_markdown() {
    let text = compared(Options { fail_above: Some(10.0), ..OPTIONS }).to_markdown();
    insta::assert_snapshot!(text);
    assert!(!text.contains("<img") && !text.contains('\u{1b}'));
    // Each line of a table has its columns.
    for line in text.lines().filter(|line| line.starts_with('|')) {
        assert_eq!(line.matches('|').count(), 9, "{line}");
    }
}

#[test]
fn as_json() {
    let text = compared(Options { fail_above: Some(10.0), ..OPTIONS }).to_json();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&document["schema"], &document["passed"]), (&"ltel.comparison/1".into(), &false.into()));
    let search = document["endpoints"].as_array().unwrap().iter().find(|of| of["name"] == "/search").unwrap();
    let p95 = &search["quantities"]["p95"];
    assert_eq!(p95["runs"][0]["verdict"], "surely_worse");
    let bound = |of: &str, index: usize| p95["runs"][0][of][index].as_f64().unwrap();
    assert!(
        bound("confidence_99", 0) < bound("confidence_95", 0) && bound("confidence_95", 1) < bound("confidence_99", 1)
    );
    assert!(p95["baseline"].as_f64().unwrap() > 40.0);
    assert_eq!(document["runs"][0]["only_in_baseline"][0]["name"], "/old");
    assert_eq!(document["runs"][0]["not_in_baseline"][0]["name"], HOSTILE);
}

/// Scenario: hostile names and file names. Guarantees: the page holds no markup, no script and no address but its own.
#[test]
fn as_a_page() {
    let mut comparison = compared(Options { fail_above: Some(10.0), ..OPTIONS });
    comparison.others[0].run.name = HOSTILE.to_owned();
    let page = comparison.to_html().unwrap();
    assert!(!page.contains("<img") && !page.contains("<script") && !page.contains("</script"), "{page}");
    assert!(!page.contains('\u{1b}') && !page.contains('\u{202e}'));
    assert!(page.contains("&#60;img") || page.contains("&lt;img"), "it is shown as text");
    assert!(!page.contains("http:") && !page.contains("url("));
    assert!(page.contains("✗ Failed") && page.contains("surely slower"));
    assert!(page.len() < 100_000, "{}", page.len());
}

/// Scenario: limits below and above what has changed. Guarantees: only what is surely worse by more than the limit fails.
#[test]
fn limits() {
    for (fail_above, failing) in [(None, false), (Some(10.0), true), (Some(39.0), false)] {
        let comparison = compared(Options { fail_above, ..OPTIONS });
        assert_eq!(!comparison.failures().is_empty(), failing, "{fail_above:?}");
        let worse = comparison
            .complaints()
            .into_iter()
            .filter(|of| of.starts_with("surely worse by more than 10 %: branch.json"));
        assert_eq!(worse.filter(|of| of.contains("/search") || of.contains("all endpoints")).count() > 0, failing);
    }
    // What became faster fails no limit.
    let faster = Comparison::of(
        run("branch.json", &shop(true)),
        vec![run("main.json", &shop(false))],
        Options { fail_above: Some(0.0), ..OPTIONS },
    );
    assert!(faster.failures().is_empty());
}

/// Scenario: runs of which not all is known, with a limit that nothing breaks. Guarantees: none passes, and each is said with its
/// reason; a run like its baseline passes.
#[test]
fn what_was_not_judged_does_not_pass() {
    let steady = Simulated { rate: 100.0, spread: 0.3, ..STEADY };
    let endpoints = |names: &[&str]| steady.with(names.iter().map(|name| steady.endpoint(name, 1)).collect());
    let whole = || endpoints(&["/", "/checkout"]);
    let mut stopped = whole();
    stopped.annotations =
        vec![Annotation { time: Timestamp::default(), kind: AnnotationKind::Abort, source: None, text: String::new() }];
    let incomplete = RunFigures { stage: Stage::Final { complete: false }, ..whole() };
    let short = || Simulated { rate: 900.0, seconds: 3, ..STEADY }.run(1);
    let mut no_checkout = whole();
    no_checkout.endpoints.retain(|of| of.name != "/checkout");
    let mut silent = whole();
    let checkout = silent.endpoints.iter_mut().find(|of| of.name == "/checkout").unwrap();
    *checkout =
        EndpointFigures { name: checkout.name.clone(), method: checkout.method.clone(), ..EndpointFigures::default() };
    let gone = "other: no request to GET /checkout, which the baseline has";
    for (baseline, other, outcome, said) in [
        (whole(), whole(), Outcome::Passed, None),
        (whole(), sample::empty(), Outcome::Failed, Some("other: this run has no requests")),
        (sample::empty(), whole(), Outcome::Failed, Some("main: the baseline has no requests")),
        (whole(), stopped, Outcome::Failed, Some("other: this run was stopped by a broken threshold")),
        (whole(), incomplete, Outcome::Failed, Some("other: this run is incomplete: requests are missing")),
        (whole(), no_checkout, Outcome::Failed, Some(gone)),
        (whole(), silent, Outcome::Failed, Some(gone)),
        (
            short(),
            short(),
            Outcome::NotJudged,
            Some("other: nothing could be judged: run both tests for longer, or with more requests"),
        ),
    ] {
        let of = |fail_above| {
            Comparison::of(run("main", &baseline), vec![run("other", &other)], Options { fail_above, ..OPTIONS })
        };
        let comparison = of(Some(10.0));
        assert_eq!(comparison.outcome(), Some(outcome), "{said:?}");
        let complaints = comparison.complaints();
        assert_eq!(complaints.first().map(String::as_str), said);
        let json: serde_json::Value = serde_json::from_str(&comparison.to_json()).unwrap();
        let passed = match outcome {
            Outcome::Passed => true.into(),
            Outcome::Failed => false.into(),
            Outcome::NotJudged => serde_json::Value::Null,
        };
        assert_eq!(json["passed"], passed, "{said:?}");
        // Without a limit, nothing fails.
        assert!(of(None).outcome().is_none() && of(None).complaints().is_empty());
    }
}

/// Scenario: two runs of few figures that can be told. Guarantees: those are not counted among the ones without a difference.
#[test]
fn what_cannot_be_told_is_not_called_the_same() {
    let quiet = Simulated { rate: 0.5, ..SHOP };
    let of = |seed| SHOP.with(vec![SHOP.endpoint("/", seed), quiet.endpoint("/rare", 10 + seed)]);
    let comparison = Comparison::of(run("a", &of(1)), vec![run("b", &of(2))], OPTIONS);
    let unclear = comparison.count(0, |of| matches!(of, Verdict::Unclear(_)));
    assert!(unclear > 0);
    let said = format!("b: no difference that matters in {} of 15 figures; {unclear} cannot be told\n", 15 - unclear);
    assert!(comparison.to_text(false, false).ends_with(&said), "{}", comparison.to_text(false, false));
}

/// Scenario: 100 endpoints, none of which has changed. Guarantees: no figure of all 505 is called different.
#[test]
fn many_endpoints_give_no_false_alarm() {
    let test = Simulated { rate: 10.0, seconds: 30, ..STEADY };
    let run_of = |seed: u64| test.with((0..100).map(|n| test.endpoint(&format!("/{n}"), 1_000 * seed + n)).collect());
    let comparison = Comparison::of(run("a", &run_of(1)), vec![run("b", &run_of(2))], OPTIONS);
    assert!(comparison.comparisons > 200 && comparison.rows.len() == 101);
    assert_eq!(comparison.count(0, Verdict::is_difference), 0);
    let shown = comparison.to_text(false, false);
    assert!(shown.ends_with("b: no difference that matters in 101 of 505 figures; 404 cannot be told\n"), "{shown}");
    assert!(shown.contains("100 endpoints without a difference: `--all` shows them\n"), "{shown}");
    assert!(shown.lines().count() < 24, "{shown}");
    let all = comparison.to_text(false, true);
    assert!(all.contains("/99\n") && !all.contains("--all"), "{all}");
}

/// Scenario: the total of a run with one endpoint is that endpoint. Guarantees: it is shown and counted once.
#[test]
fn a_single_endpoint_is_its_total() {
    let of = |seed| SHOP.run(seed);
    let comparison = Comparison::of(run("a", &of(1)), vec![run("b", &of(2))], OPTIONS);
    assert_eq!((comparison.rows.len(), comparison.comparisons), (1, 5));
}

/// Scenario: runs without requests, incomplete ones, ones of which everything is odd. Guarantees: all formats can be written.
#[test]
fn odd_runs_can_be_compared() {
    for from in [sample::empty(), sample::small(), sample::incomplete()] {
        for to in [sample::empty(), sample::small(), sample::incomplete()] {
            let options = Options { fail_above: Some(1.0), ..OPTIONS };
            let comparison = Comparison::of(run("a", &from), vec![run("b", &to)], options);
            let (text, page) = (comparison.to_text(true, true), comparison.to_html().unwrap());
            assert!(text.contains("a ") && page.contains("Compared with a"));
            assert!(serde_json::from_str::<serde_json::Value>(&comparison.to_json()).is_ok());
            assert!(comparison.to_markdown().starts_with("## Compared"));
            assert!(comparison.failures().is_empty() && comparison.outcome() != Some(Outcome::NotJudged));
        }
    }
}

/// Scenario: files that are not what they should be. Guarantees: each is refused with its reason, or read without harm.
#[test]
fn what_is_no_document_is_refused() {
    let good = Document::of(&sample::run(), &shop(false)).to_json();
    let changed = |change: fn(&mut serde_json::Value)| {
        let mut document = serde_json::from_str(&good).unwrap();
        change(&mut document);
        document.to_string()
    };
    let error = |text: &str| Run::read("x".to_owned(), text).unwrap_err().to_string();
    assert!(error("").contains("not JSON"));
    assert!(error(&good[..good.len() / 2]).contains("not JSON"));
    assert!(error("[1]").contains("schema"));
    assert!(error(&changed(|of| of["schema"] = "ltel.report/9".into())).contains("ltel.report/9"));
    assert!(error(&changed(|of| of["endpoints"] = 1.into())).contains("damaged"));
    assert!(error(&changed(|of| of["endpoints"][0]["histogram"] = serde_json::Value::Null)).contains("histogram"));
    assert!(error(&changed(|of| of["total"]["histogram"] = "HISTFAAAA".into())).contains("damaged"));
    for odd in [
        changed(|of| of["duration_seconds"] = (-1.0).into()),
        changed(|of| of["timeline"]["step_seconds"] = 1e300.into()),
        changed(|of| of["timeline"]["step_seconds"] = 0.3.into()),
        changed(|of| of["timeline"]["points"] = u64::MAX.into()),
        changed(|of| of["endpoints"][0]["points"]["p50_ms"] = serde_json::json!([])),
        changed(|of| of["endpoints"][0]["points"]["requests"] = serde_json::json!([u64::MAX, 0, 3])),
        changed(|of| of["endpoints"][0]["failures"] = u64::MAX.into()),
        changed(|of| of["endpoints"][0]["rps"] = (-3.0).into()),
    ] {
        let comparison = Comparison::of(
            Run::read("x".to_owned(), &odd).unwrap(),
            vec![Run::read("y".to_owned(), &good).unwrap()],
            OPTIONS,
        );
        assert!(!comparison.to_text(false, false).contains("NaN"));
    }
}
