//! The report and the live page in a real browser. Where there is none and none can be installed, these tests say that they are
//! skipped.

use std::fs;
use std::path::Path;

use ltel_core::event::{Request, RequestError, UserError};
use ltel_core::wire::{Encoding, Message};
use ltel_tests::{Browser, Client, Exit, Look, SLOW, SOON, Scene, Target, Turn, config, free_port, get, row, traced};
use rustix::process::Signal;
use serde_json::Value;

const CHART: &str = "document.querySelector('#chart .main-svg')";

/// Names that try to be markup, a script, an attribute, a template; to turn the text around them; or to be of no use.
const HOSTILE: [&str; 14] = [
    "<script>window.pwned = 1</script>",
    "</script><script>window.pwned = 1</script>",
    "\"><img src=x onerror=\"window.pwned = 1\">",
    "<svg onload=alert(1)>",
    "'onmouseover='alert(1)",
    "<b>bold</b> <a href=\"javascript:alert(1)\">link</a><br>",
    "%{y} %{customdata} $x^2$ {{7*7}} ${7*7} &lt;b&gt;",
    "javascript:alert(1)",
    "\u{202e}gnp.exe\u{200f} \u{2066}",
    "line\nbreak\r\n\ttab",
    "\u{1b}[31mred\u{7f}",
    "__proto__",
    "constructor",
    "-->]]></style>\u{2028}",
];

/// Scenario: real Locust with successes and failures; its report in HTML and JSON; a browser, light and wide, then dark and as
/// narrow as a phone.
/// Guarantees: the page's texts are the document's figures; it asks nothing of anybody; the browser has nothing to complain of; the
/// tables can be used with a keyboard; charts are drawn; nothing is wider than a phone.
#[apply(e2e)]
fn the_report() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    let mut browser = Browser::start(&scene);
    let target = Target::start();
    let url = target.url();
    let locust = ["--headless", "-f", "everything.py", "-H", &url, "-u5", "-r10", "-t4s", "--only-summary"];
    let mut command = scene.run(&reported(&scene, ""), locust);
    // Port 1 refuses.
    command.env("REFUSING", "http://127.0.0.1:1");
    let mut run = scene.start("run", command);
    assert_eq!(run.wait(SLOW), Exit::Code(1), "Locust's own exit code for a test with failures");
    let document = document(&scene.path("report.json"));
    let page = format!("file://{}", scene.path("report.html").display());

    browser.open(&page, Look::default());
    browser.sees(CHART);
    check_figures(&mut browser, &document);
    assert_eq!(browser.text("#verdict"), "✓Complete");
    let width = browser.value("document.querySelector('.row > th').getBoundingClientRect().width").as_f64();
    assert!(width >= Some(250.0), "a name of 30 characters has its place: {width:?}");
    assert!(document["total"]["failures"].as_u64() > Some(0), "a test with failures");
    check_errors(&mut browser, &document);

    // A click sorts; so does a key.
    browser.value("document.querySelectorAll('.endpoints thead button')[1].click()");
    let counts: Vec<f64> =
        browser.texts(".endpoints tbody:not(.total) td:nth-child(2)").iter().map(|t| number(t)).collect();
    assert!(counts.is_sorted_by(|a, b| a >= b), "the most requests first: {counts:?}");
    browser.press("Enter");
    browser.value("document.querySelectorAll('.endpoints thead button')[1].focus()");
    browser.press("Enter");
    assert_eq!(browser.value("document.querySelector('[aria-sort]').getAttribute('aria-sort')"), "ascending");
    let counts: Vec<f64> =
        browser.texts(".endpoints tbody:not(.total) td:nth-child(2)").iter().map(|t| number(t)).collect();
    assert!(counts.is_sorted(), "the fewest requests first: {counts:?}");

    // A key opens the panel of an endpoint, and draws its charts.
    browser.value("document.querySelectorAll('.endpoints .open')[1].focus()");
    browser.press("Enter");
    assert_eq!(browser.value("document.activeElement.getAttribute('aria-expanded')"), "true");
    browser.sees("document.querySelectorAll('.panel .main-svg').length >= 2");
    browser.press("Enter");
    browser.sees("document.querySelector('.panel') === null");

    // All timelines show the same part of the time.
    browser.value("document.querySelectorAll('.endpoints .open')[0].click()");
    browser.sees("document.querySelectorAll('.panel .main-svg').length >= 2");
    browser.value(
        "{ const [a, b] = document.getElementById('chart')._fullLayout.xaxis.range; \
         Plotly.relayout('chart', { 'xaxis.range[0]': b.slice(0, 19), 'xaxis.range[1]': b }).then(() => a) }",
    );
    browser.sees(
        "JSON.stringify(document.getElementById('chart')._fullLayout.xaxis.range) \
         === JSON.stringify(document.querySelector('.panel [data-timeline]')._fullLayout.xaxis.range)",
    );
    browser.value("document.getElementById('unzoom').click()");
    browser.sees("document.getElementById('unzoom').hidden");

    browser.value(
        "document.getElementById('search').value = 'no such endpoint'; \
         document.getElementById('search').dispatchEvent(new Event('input'))",
    );
    assert_eq!(browser.texts(".endpoints tbody:not(.total) tr").len(), 0);
    check_quiet(&browser, "file://");

    browser.open(&page, Look { width: 390, dark: true });
    browser.sees(CHART);
    check_figures(&mut browser, &document);
    assert_eq!(browser.value("document.documentElement.scrollWidth"), 390);
    check_quiet(&browser, "file://");
}

/// Scenario: a browser that cannot unpack plotly.js opens a report.
/// Guarantees: head and tables are there, and a line says why there are no charts.
#[apply(e2e)]
fn a_report_without_charts() {
    let scene = Scene::new();
    let mut browser = Browser::start(&scene);
    let mut ltel = scene.serve(&reported(&scene, ""), &["--once"]);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    client.start("run");
    client.requests(vec![row("/a", 10.0, false), row("/b", 20.0, true)]);
    client.finish();
    assert_eq!(ltel.wait(SOON), Exit::Code(0));
    browser.before_each("delete window.DecompressionStream");
    browser.open(&format!("file://{}", scene.path("report.html").display()), Look::default());
    browser.sees("!document.getElementById('no-charts').hidden");
    check_figures(&mut browser, &document(&scene.path("report.json")));
    assert!(browser.text("#no-charts").contains("DecompressionStream"));
}

/// Scenario: a client whose every text is hostile: names, methods, errors, exceptions, run, test plan, host.
/// Guarantees: all of them are on the page as they are, as text; no script ran, no element came of them, no dialog opened, nothing
/// was asked for.
#[apply(e2e)]
fn hostile_names_are_texts() {
    let scene = Scene::new();
    let mut browser = Browser::start(&scene);
    let mut ltel = scene.serve(&reported(&scene, ""), &["--once"]);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, HOSTILE[0]);
    client.start(HOSTILE[1]);
    let long = "🦀".repeat(256);
    let names: Vec<&str> = HOSTILE.into_iter().chain([long.as_str()]).collect();
    client.requests(names.iter().map(|name| hostile(name)).collect());
    for name in &names {
        let (error, traceback) = ((*name).to_owned(), format!("Traceback:\n  {name}\n"));
        client.send(Message::from(UserError { time: 1_700_000_001.0, error, traceback, ..UserError::default() }));
    }
    client.finish();
    assert_eq!(ltel.wait(SOON), Exit::Code(0));
    let document = document(&scene.path("report.json"));

    browser.open(&format!("file://{}", scene.path("report.html").display()), Look::default());
    browser.sees(CHART);
    browser.value("for (const button of document.querySelectorAll('.endpoints .open')) button.click()");
    let panels = format!("document.querySelectorAll('.panel .chart:first-child .main-svg').length >= {}", names.len());
    browser.sees(&panels);
    browser.value("for (const summary of document.querySelectorAll('summary')) summary.click()");

    let list = |of: &str, key: &str| -> Vec<String> {
        let all = document[of].as_array().expect("a list").iter();
        all.map(|entry| entry[key].as_str().expect("a text").to_owned()).collect()
    };
    let (endpoints, errors) = (list("endpoints", "name"), list("errors", "error"));
    for name in &names {
        assert!(endpoints.iter().any(|known| known == name), "{name} is not in the document: {endpoints:?}");
    }
    assert_eq!(browser.texts(".endpoints .row .name")[1..], endpoints);
    assert_eq!(sorted(browser.texts("#errors-body .message")), sorted(errors));
    assert_eq!(sorted(browser.texts("#exceptions-body .message")), sorted(list("exceptions", "error")));
    assert_eq!(sorted(browser.texts("#exceptions-body pre")), sorted(list("exceptions", "traceback")));
    assert_eq!(browser.text("[data-fact=run_id]"), document["run"]["run_id"].as_str().unwrap());

    // What a name might have become.
    for of in
        ["#main script", "img", "#main > svg", "a[href^=javascript]", "[onerror]", "[onload]", "[onmouseover]", "b"]
    {
        assert_eq!(browser.texts(of).len(), 0, "{of}");
    }
    assert_eq!(browser.value("typeof window.pwned"), "undefined");
    check_quiet(&browser, "file://");
}

/// Scenario: ltel serves its page; a browser opens it before there is a run; a client begins one and sends requests, twice; a row
/// is open meanwhile; the run ends, and so does ltel.
/// Guarantees: the page follows by itself, keeps what is open, and says how things stand; its last figures are those of
/// the document that can be saved; it asks nobody but ltel, whose policy it obeys; while it is hidden, it leaves its connection to
/// other tabs.
#[apply(e2e)]
fn the_live_page() {
    let scene = Scene::new();
    let mut browser = Browser::start(&scene);
    let port = free_port();
    let page = format!("[backends.page]\ntype = \"page\"\nlisten = \"127.0.0.1:{port}\"\n");
    let mut ltel = scene.serve(&config(&scene, "", &page), &[]);
    let origin = format!("http://127.0.0.1:{port}/");
    browser.before_each(
        "window.sources = []; window.EventSource = class extends EventSource { \
         constructor(url) { super(url); sources.push(this); } }",
    );
    browser.open(&origin, Look::default());
    browser.sees("document.getElementById('waiting').textContent.startsWith('Waiting')");

    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    client.start("<b>first</b>");
    client.requests((0..10).map(|n| row("/a", f64::from(n), false)).collect());
    browser.sees(&shows("requests", "10"));
    assert_eq!(browser.text("#verdict"), "●Running");
    browser.sees(CHART);
    browser.value("document.querySelectorAll('.endpoints .open')[1].click()");
    browser.sees("document.querySelectorAll('.panel .main-svg').length >= 2");

    client.requests((0..5_000).map(|n| row("/a", f64::from(n % 100), n % 10 == 0)).collect());
    client.requests(vec![row("</script><img src=x onerror=alert(1)>", 1.0, true)]);
    browser.sees(&shows("requests", "5,011"));
    assert_eq!(browser.texts(".panel").len(), 1, "an open panel stays");
    client.finish();
    browser.sees("document.getElementById('verdict').dataset.verdict === 'complete'");
    let whole = get(port, "/document.json").expect("an answer").body;
    check_figures(&mut browser, &serde_json::from_str(&whole).expect("a document"));

    // A second run can be chosen, and is followed by itself.
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "second");
    client.start("second");
    client.requests(vec![row("/b", 1.0, false)]);
    browser.sees(&shows("requests", "1"));
    // The line of an endpoint without requests takes less of the width as time goes on. Of one point, the place would not change.
    let first = row("/b", 1.0, false);
    let at = first.start_time + 1.0;
    client.requests(vec![Request { start_time: at, reported_at: at, ..first }]);
    browser.sees(&shows("requests", "2"));
    browser.sees(
        "Math.max(...[...document.querySelector('tbody:not(.total) .sparkline path').getAttribute('d')\
         .matchAll(/[\\d.]+ /g)].map(Number)) < 40",
    );
    assert_eq!(browser.texts("#run option").len(), 2);
    browser.value("{ const run = document.getElementById('run'); run.value = '<b>first</b>'; run.dispatchEvent(new Event('change')) }");
    browser.sees(&shows("requests", "5,011"));
    client.finish();
    check_quiet(&browser, &origin);

    // A hidden tab leaves its connection to one that is shown, and comes back.
    let hide = |hidden| {
        format!(
            "Object.defineProperty(document, 'hidden', {{ value: {hidden}, configurable: true }}); \
             document.dispatchEvent(new Event('visibilitychange'))"
        )
    };
    browser.value(&hide(true));
    browser.value("new BroadcastChannel('ltel').postMessage('shown')");
    browser.sees("sources.every((events) => events.readyState === EventSource.CLOSED)");
    browser.value(&hide(false));
    browser.sees("sources.at(-1).readyState === EventSource.OPEN");

    ltel.signal(Signal::TERM);
    browser.sees("document.getElementById('link').dataset.state === 'ended'");
    assert_eq!(ltel.wait(SOON), Exit::Code(0));
    assert_eq!(browser.value("typeof window.pwned"), "undefined");
}

/// Scenario: a browser shows a run that it has chosen, and that goes on; ltel is killed; another one listens there.
/// Guarantees: the page does not say that the run goes on; it shows the run of the new ltel when that begins.
#[apply(e2e)]
fn another_ltel_does_not_know_the_run() {
    let scene = Scene::new();
    let mut browser = Browser::start(&scene);
    let port = free_port();
    let page = format!("[backends.page]\ntype = \"page\"\nlisten = \"127.0.0.1:{port}\"\n");
    let mut ltel = scene.serve(&config(&scene, "", &page), &[]);
    browser.open(&format!("http://127.0.0.1:{port}/"), Look::default());
    let [mut first, mut later] =
        ["first", "later"].map(|name| Client::unix(&scene.socket(), Encoding::MessagePack, name));
    first.start("first");
    first.requests(vec![row("/a", 1.0, false)]);
    browser.sees(&shows("requests", "1"));
    later.start("later");
    browser.sees("document.querySelectorAll('#run option').length === 2");
    browser.value(
        "{ const run = document.getElementById('run'); run.value = 'first'; run.dispatchEvent(new Event('change')) }",
    );
    browser.sees(&shows("requests", "1"));
    ltel.signal(Signal::KILL);
    ltel.wait(SOON);
    browser.sees("document.getElementById('link').dataset.state === 'lost'");
    assert_eq!(browser.text("#verdict"), "?Lost");
    let mut ltel = scene.serve(&config(&scene, "", &page), &[]);
    browser.sees("document.getElementById('link').textContent.startsWith('This run is not known here')");
    assert_eq!(browser.text("#verdict"), "?Lost");
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "second");
    client.start("second");
    client.requests(vec![row("/a", 1.0, false), row("/a", 1.0, false)]);
    browser.sees(&shows("requests", "2"));
    browser.sees("document.getElementById('link').textContent === 'Live'");
    assert_eq!(browser.text("#verdict"), "●Running");
    client.finish();
    ltel.signal(Signal::TERM);
    assert_eq!(ltel.wait(SOON), Exit::Code(0));
}

/// Scenario: requests of sampled traces, and a template for their addresses.
/// Guarantees: the page leads from the slow ones to their traces.
#[apply(e2e)]
fn slow_requests_lead_to_their_traces() {
    let scene = Scene::new();
    let mut browser = Browser::start(&scene);
    let config = reported(&scene, "[recorders.spans]\n")
        .replace("type = \"report\"", "type = \"report\"\ntrace_url = \"https://traces.example/t?id={trace_id}\"")
        .replace("[backends.file]", "[backends.file]\nspans = true");
    let mut ltel = scene.serve(&config, &["--once"]);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    client.start("run");
    client.requests((1..4).map(|n| traced(n, "http://127.0.0.1/")).collect());
    client.finish();
    assert_eq!(ltel.wait(SOON), Exit::Code(0));
    browser.open(&format!("file://{}", scene.path("report.html").display()), Look::default());
    browser.sees(CHART);
    let links = browser.value("[...document.querySelectorAll('#slow a')].map((link) => link.href)");
    let links: Vec<String> = serde_json::from_value(links).unwrap();
    let expected: Vec<_> = (1..4).map(|n| format!("https://traces.example/t?id={n:032x}")).collect();
    assert_eq!(sorted(links), expected);
    check_quiet(&browser, "file://");
}

/// A configuration with a report in HTML and JSON.
fn reported(scene: &Scene, more: &str) -> String {
    let (html, json) = (scene.path("report.html"), scene.path("report.json"));
    let report =
        format!("[backends.report]\ntype = \"report\"\nfiles = ['{}', '{}']\n", html.display(), json.display());
    config(scene, "", &(report + more))
}

fn document(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).expect("a report")).expect("a document")
}

fn hostile(name: &str) -> Request<'_> {
    let error = RequestError { class: name.into(), text: name.into() };
    Request { method: name.into(), error: Some(error), ..row(name, 5.0, true) }
}

fn shows(figure: &str, text: &str) -> String {
    format!("document.querySelector('[data-figure={figure}]')?.textContent === '{text}'")
}

/// The head and the table of endpoints are what the document says.
fn check_figures(browser: &mut Browser, document: &Value) {
    let total = &document["total"];
    for (figure, value, factor) in [
        ("requests", &total["requests"], 1.0),
        ("failure_ratio", &total["failure_ratio"], 100.0),
        ("rps", &total["rps"], 1.0),
        ("p95", &total["p95_ms"], 1.0),
        ("duration", &document["duration_seconds"], 1.0),
        ("users", &document["users"], 1.0),
    ] {
        let shown = browser.text(&format!("[data-figure={figure}]"));
        check_text(figure, &shown, value.as_f64().map(|value| value * factor));
    }
    let endpoints = document["endpoints"].as_array().expect("endpoints");
    let rows = browser.value(
        "[...document.querySelectorAll('.endpoints tbody:not(.total) .row')].map((row) => \
         [row.querySelector('.name').textContent, ...[...row.querySelectorAll('td')].map((cell) => cell.textContent)])",
    );
    let rows: Vec<Vec<String>> = serde_json::from_value(rows).expect("rows");
    assert_eq!(rows.len(), endpoints.len());
    for (row, endpoint) in rows.iter().zip(endpoints) {
        assert_eq!(row[0], endpoint["name"].as_str().expect("a name"));
        for (cell, (key, factor)) in row[1..].iter().zip([
            ("requests", 1.0),
            ("failure_ratio", 100.0),
            ("rps", 1.0),
            ("p50_ms", 1.0),
            ("p95_ms", 1.0),
            ("p99_ms", 1.0),
            ("max_ms", 1.0),
        ]) {
            check_text(key, cell, endpoint[key].as_f64().map(|value| value * factor));
        }
    }
}

fn check_errors(browser: &mut Browser, document: &Value) {
    let errors = document["errors"].as_array().expect("errors");
    let shown: u64 = browser
        .texts("#errors-body tbody th")
        .iter()
        .map(|text| text.replace(',', "").parse::<u64>().expect(text))
        .sum();
    let known: u64 = errors.iter().map(|error| error["occurrences"].as_u64().expect("a count")).sum();
    assert_eq!(shown, known);
}

/// A text is a figure with three digits, or a dash.
fn check_text(what: &str, text: &str, value: Option<f64>) {
    match value {
        None => assert_eq!(text, "–", "{what}"),
        Some(value) => {
            // Above ten seconds, the unit is seconds.
            let shown = if text.ends_with(" s") && what == "p95" { number(text) * 1e3 } else { number(text) };
            // Half of the last digit, and what an f64 adds to it.
            let digits = if what == "duration" { 0.05 } else { 0.005 } + 1e-9;
            assert!((shown - value).abs() <= (value.abs() * 0.006).max(digits), "{what}: `{text}` is not {value}");
        }
    }
}

fn number(text: &str) -> f64 {
    let digits: String = text.chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
    digits.parse().unwrap_or_else(|_| panic!("`{text}` is not a number"))
}

/// The browser has nothing to complain of, and has asked for nothing elsewhere.
fn check_quiet(browser: &Browser, own: &str) {
    assert_eq!(browser.complaints(), [""; 0]);
    let foreign: Vec<_> = browser.requests();
    let is_own = |url: &String| [own, "blob:", "data:"].iter().any(|begin| url.starts_with(begin));
    assert!(foreign.iter().all(is_own) && !foreign.is_empty(), "{foreign:?}");
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts
}
