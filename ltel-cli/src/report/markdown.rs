//! A run in Markdown, as a CI shows it with a job. The verdict comes first.

use std::fmt::Write as _;

use ltel_core::text::shortened;

use super::Document;
use super::document::{Endpoint, SourceAccount};
use crate::plural::counted;

// A CI takes no more than a megabyte of it.
const ENDPOINTS: usize = 200;
const ERRORS: usize = 20;

// In characters.
const LONGEST: usize = 200;
// The longest endpoint in the reason of a threshold.
const REASON_ENDPOINT: usize = 120;

/// The summary.
pub(crate) fn markdown(document: &Document) -> String {
    let mut out = String::new();
    head(document, &mut out);
    thresholds(document, &mut out);
    endpoints(document, &mut out);
    errors(document, &mut out);
    generators(document, &mut out);
    account(document, &mut out);
    foot(document, &mut out);
    out
}

fn head(document: &Document, out: &mut String) {
    let verdict = match (document.passed, document.complete) {
        (Some(true), _) => "passed",
        (Some(false), _) => "failed",
        (None, Some(true)) => "complete",
        (None, Some(false)) => "incomplete",
        (None, None) => "running",
    };
    let _ = writeln!(out, "## Load test {}: {verdict}\n", code(&document.run.testplan));
    let broken = document.thresholds.iter().filter(|threshold| !threshold.passed).count();
    match (broken, document.thresholds.len()) {
        (_, 0) => {}
        (0, 1) => out.push_str("**The threshold holds.** "),
        (0, all) => {
            let _ = write!(out, "**All {all} thresholds hold.** ");
        }
        (broken, all) => {
            let _ = write!(
                out,
                "**{broken} of {} {} broken.** ",
                counted(all as u64, "thresholds"),
                if all == 1 { "is" } else { "are" }
            );
        }
    }
    let total = &document.total;
    let users = counted(document.users, "users");
    if total.requests == 0 {
        let _ = writeln!(out, "No request was made, {users}.\n");
        return completeness(document, out);
    }
    let _ = write!(
        out,
        "{} in {} ({} req/s), {} failed{}, ",
        counted(total.requests, "requests"),
        seconds(document.duration_seconds),
        number(Some(total.rps)),
        total.failures,
        total.failure_ratio.map_or(String::new(), |ratio| format!(" ({})", percent(Some(ratio)))),
    );
    let _ = match total.p95_ms {
        Some(p95) => writeln!(out, "p95 {} ms, {users}.\n", number(Some(p95))),
        None => writeln!(out, "no response times, {users}.\n"),
    };
    completeness(document, out);
}

fn completeness(document: &Document, out: &mut String) {
    let filtered = document.account.filtered;
    if filtered > 0 {
        let _ = write!(out, "{} filtered by `[[names]]`. ", counted(filtered, "requests"));
    }
    let account = &document.account;
    let are_out = account.filtered > 0 && !account.own_names;
    out.push_str(match document.complete {
        Some(true) if are_out => "The figures are complete: every other request is in them.\n",
        Some(true) => "The figures are complete: every request is in them.\n",
        Some(false) => "**The figures are incomplete**: see the account below.\n",
        None => "The test is still running: the figures are those until now.\n",
    });
    if account.own_names {
        out.push_str(
            "\nThe tables have Locust's own names, and the filtered requests too: `names = true` in `[recorders.stats]` follows the \
             rules.\n",
        );
    }
    if !account.values_left_out.is_empty() {
        let by_recorder = account.values_left_out.iter();
        let parts: Vec<_> = by_recorder.map(|(recorder, count)| format!("{count} by {}", code(recorder))).collect();
        let _ = writeln!(out, "\nValues left out: {}.", parts.join(", "));
    }
}

fn thresholds(document: &Document, out: &mut String) {
    if document.thresholds.is_empty() {
        return;
    }
    out.push_str("\n### Thresholds\n\n| | Endpoints | Check | Figure | |\n|---|---|---|---:|---|\n");
    for threshold in &document.thresholds {
        let reason = threshold.reason.as_deref();
        let is_named = |endpoint: &str| {
            let worst = format!("{} is the worst of ", shortened(endpoint, REASON_ENDPOINT));
            reason.is_some_and(|reason| reason.contains(&worst))
        };
        let named = threshold.endpoint.iter().filter(|endpoint| **endpoint != threshold.target && !is_named(endpoint));
        let mut remarks: Vec<_> = named.map(|endpoint| format!("of {}", code(endpoint))).collect();
        remarks.extend(threshold.baseline_limit().map(|limit| format!("limit {}", plain(&limit))));
        remarks.extend(reason.map(|reason| plain(&shortened(reason, LONGEST).to_string())));
        // A reason says so itself.
        remarks.extend((threshold.aborted && reason.is_none()).then(|| "has stopped the test".to_owned()));
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            if threshold.passed { "passed" } else { "**broken**" },
            code(&threshold.target),
            code(&threshold.check),
            threshold.actual.as_deref().map_or("-".to_owned(), plain),
            remarks.join(", "),
        );
    }
}

fn endpoints(document: &Document, out: &mut String) {
    out.push_str(
        "\n### Endpoints\n\n| Method | Name | Requests | Failures | Failed | p50 ms | p95 ms | p99 ms | Max ms | Req/s |\n\
         |---|---|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    // The most requested ones, in the order of the document.
    let mut requests: Vec<_> = document.endpoints.iter().map(|endpoint| endpoint.requests).collect();
    requests.sort_unstable_by_key(|requests| std::cmp::Reverse(*requests));
    let least = requests.get(ENDPOINTS - 1).copied().unwrap_or(0);
    let shown = document.endpoints.iter().filter(|endpoint| endpoint.requests >= least).take(ENDPOINTS);
    for endpoint in shown {
        row(&code(&endpoint.method), &code(&endpoint.name), endpoint, out);
    }
    row("", "**All**", &document.total, out);
    if document.endpoints.len() > ENDPOINTS {
        let more = document.endpoints.len() - ENDPOINTS;
        let _ = writeln!(out, "\n{more} more endpoints have fewer requests; the JSON and HTML reports have all.");
    }
}

fn row(method: &str, name: &str, endpoint: &Endpoint, out: &mut String) {
    let _ = writeln!(
        out,
        "| {method} | {name} | {} | {} | {} | {} | {} | {} | {} | {} |",
        endpoint.requests,
        endpoint.failures,
        percent(endpoint.failure_ratio),
        number(endpoint.p50_ms),
        number(endpoint.p95_ms),
        number(endpoint.p99_ms),
        number(endpoint.max_ms),
        number((endpoint.requests > 0).then_some(endpoint.rps)),
    );
}

fn errors(document: &Document, out: &mut String) {
    let requests = document
        .errors
        .iter()
        .map(|error| (error.occurrences, &error.error, format!("{} {}", code(&error.method), code(&error.name))));
    table("Errors", "At", requests.collect(), out);
    let users = document.exceptions.iter();
    let users = users.map(|exception| (exception.occurrences, &exception.error, code(&exception.user)));
    table("Exceptions of user code", "User", users.collect(), out);
}

/// What occurred, the most frequent first.
fn table(title: &str, place: &str, mut occurred: Vec<(u64, &String, String)>, out: &mut String) {
    if occurred.is_empty() {
        return;
    }
    let _ = write!(out, "\n### {title}\n\n| Times | Error | {place} |\n|---:|---|---|\n");
    occurred.sort_by_key(|(times, ..)| std::cmp::Reverse(*times));
    for (times, error, at) in occurred.iter().take(ERRORS) {
        let _ = writeln!(out, "| {times} | {} | {at} |", code(error));
    }
    if occurred.len() > ERRORS {
        let rest = occurred[ERRORS..].iter().map(|(times, ..)| *times).fold(0, u64::saturating_add);
        let _ = writeln!(out, "| {rest} | {} more kinds | |", occurred.len() - ERRORS);
    }
}

fn generators(document: &Document, out: &mut String) {
    let busy: Vec<_> = document.generators.iter().filter(|generator| generator.busy).collect();
    if busy.is_empty() {
        return;
    }
    out.push_str("\n### Generators\n\nThe load generator may have been the bottleneck: response times may be its own delays.\n\n");
    for generator in busy {
        let cpu = generator.max_cpu_percent.map(|percent| format!("up to {percent:.0} % of a core"));
        let warnings =
            (generator.cpu_warnings > 0).then(|| format!("{} of Locust", counted(generator.cpu_warnings, "warnings")));
        let facts: Vec<_> = cpu.into_iter().chain(warnings).collect();
        let _ = writeln!(out, "- {}: {}", code(&generator.label), facts.join(", "));
    }
}

fn account(document: &Document, out: &mut String) {
    let account = &document.account;
    if document.complete != Some(false) {
        return;
    }
    out.push_str("\n### Account\n\n| Source | Sent | Recorded | Dropped | |\n|---|---:|---:|---:|---|\n");
    for source in &account.sources {
        let dropped = source.dropped.values().copied().fold(0, u64::saturating_add);
        let _ = writeln!(
            out,
            "| {} | {} | {} | {dropped} | {} |",
            code(&source.label),
            source.sent,
            source.recorded,
            remarks(source)
        );
    }
    let dropped = account.dropped.values().copied().fold(0, u64::saturating_add);
    let _ = writeln!(out, "| **All** | {} | {} | {dropped} | |", account.sent, account.recorded);
    if account.unlisted_sources > 0 {
        let _ = writeln!(out, "\n{} beyond the limit of a run.", counted(account.unlisted_sources, "more sources"));
    }
    for (count, what) in [
        (account.late_events, "arrived after the end of the run"),
        (account.invalid_events, "could not be decoded"),
        (account.dropped_events, "found the plugin's buffer full"),
    ] {
        if count > 0 {
            let _ = writeln!(out, "\n{} {what}.", counted(count, "events"));
        }
    }
}

fn remarks(source: &SourceAccount) -> String {
    let filtered = (source.filtered > 0).then(|| format!("{} filtered by `[[names]]`", source.filtered));
    let dropped = source.dropped.iter().map(|(reason, count)| format!("{count} {}", code(reason)));
    std::iter::once(code(&source.status)).chain(filtered).chain(dropped).collect::<Vec<_>>().join(", ")
}

fn foot(document: &Document, out: &mut String) {
    let test = &document.test;
    let mut facts = vec![format!("Run {}", code(&document.run.run_id))];
    facts.push(format!("begun {}", document.run.begun));
    facts.extend(test.host.iter().map(|host| format!("host {}", code(host))));
    facts.extend(test.locust_version.iter().map(|version| format!("Locust {}", code(version))));
    facts.extend(document.run.labels().map(|(name, value)| format!("{} {}", code(name), code(&value))));
    facts.push(format!("ltel {}", code(&document.ltel)));
    let _ = writeln!(out, "\n{}", facts.join(", "));
}

/// Text as it is, in one line: whatever it holds, it is neither markup nor the end of a table's cell.
fn code(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let shown = shortened(text, LONGEST).to_string();
    // In a code span, everything else stands for itself.
    let is_plain = !shown.contains(['`', '|', '\\']) && !shown.starts_with(' ') && !shown.ends_with(' ');
    if is_plain { format!("`{shown}`") } else { format!("<code>{}</code>", plain(&shown)) }
}

/// Text outside a code span: its punctuation is written by numbers, which Markdown never reads as its own.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '.' | ',' | '/' | '-' | '%' => out.push(c),
            c if c.is_ascii_punctuation() => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

fn number(number: Option<f64>) -> String {
    match number {
        Some(number) if number.abs() < 10.0 => format!("{number:.2}"),
        Some(number) => format!("{number:.1}"),
        None => "-".to_owned(),
    }
}

fn percent(ratio: Option<f64>) -> String {
    ratio.map_or("-".to_owned(), |ratio| format!("{:.2} %", ratio * 100.0))
}

fn seconds(seconds: f64) -> String {
    if seconds < 60.0 {
        format!("{} s", number(Some(seconds)))
    } else {
        format!("{} min", number(Some(seconds / 60.0)))
    }
}

#[cfg(test)]
mod tests {
    use ltel_core::figures::RunFigures;
    use ltel_core::thresholds::{Judgement, Unit};

    use super::*;
    use crate::report::sample;

    /// Guarantees: the verdict is first, hostile names are text in one cell, and what is not known is `-`.
    #[test]
    fn a_run_is_summed_up() {
        insta::assert_snapshot!(markdown(&Document::of(&sample::run(), &sample::small())));
        insta::assert_snapshot!(markdown(&Document::of(&sample::run(), &sample::incomplete())));
        insta::assert_snapshot!(markdown(&Document::of(&sample::hostile_run(), &sample::empty())));
    }

    /// Scenario: rules drop requests, which the figures have all the same, or not; recorders have left out values.
    /// Guarantees: how many there are, and where the names are from.
    #[test]
    fn what_is_filtered_and_left_out() {
        for own_names in [true, false] {
            let text = markdown(&Document::of(&sample::run(), &sample::filtered(own_names)));
            let every = if own_names { "every request" } else { "every other request" };
            let says = format!("\n5 requests filtered by `[[names]]`. The figures are complete: {every} is in them.\n");
            assert!(text.contains(&says), "{text}");
            assert_eq!(
                text.contains("\nThe tables have Locust's own names, and the filtered requests too: "),
                own_names
            );
            assert!(text.contains("\nValues left out: 665 by `checkout`, 240 by `events`.\n"), "{text}");
        }
        let text = markdown(&Document::of(&sample::run(), &sample::small()));
        assert!(!text.contains("own names") && !text.contains("left out"), "{text}");
    }

    #[test]
    fn a_table_has_its_columns_whatever_the_names() {
        for figures in [sample::small(), sample::incomplete(), sample::large()] {
            let text = markdown(&Document::of(&sample::hostile_run(), &figures));
            let mut columns = None;
            for line in text.lines() {
                let Some(row) = line.strip_prefix('|') else {
                    columns = None;
                    continue;
                };
                // No name has a bar of its own.
                assert_eq!(*columns.get_or_insert(row.matches('|').count()), row.matches('|').count(), "{line}");
            }
            assert!(!text.contains("<img") && !text.contains("``") && !text.contains('\u{1b}'));
        }
    }

    /// Scenario: a threshold that has stopped the test, of the worst of two endpoints and of the only one that a pattern matches; one
    /// that compares with a baseline.
    /// Guarantees: nothing is said twice, and what was compared with is shown where the check does not say it.
    #[test]
    fn remarks_of_a_threshold() {
        let remark = |reason: Option<&str>, check: &str| {
            let judgement = Judgement {
                target: "POST /*".to_owned(),
                check: check.to_owned(),
                endpoint: Some("POST /checkout".to_owned()),
                limit_value: Some(42.968),
                unit: Unit::PerSecond,
                reason: reason.map(ToOwned::to_owned),
                aborted: reason.is_some(),
                ..Judgement::default()
            };
            let figures = RunFigures { thresholds: vec![judgement], ..sample::empty() };
            let text = markdown(&Document::of(&sample::run(), &figures));
            let row = text.lines().find(|line| line.starts_with("| **broken**")).expect("a row");
            row.rsplit(" | ").next().expect("a remark").trim_end_matches(" |").to_owned()
        };
        let stopped = "it was 217 ms after 3s, which has stopped the test";
        let worst = format!("{stopped}; POST /checkout is the worst of 2 endpoints");
        assert_eq!(remark(Some(&worst), "p95 < 1s"), plain(&worst));
        assert_eq!(remark(Some(stopped), "p95 < 1s"), format!("of `POST /checkout`, {}", plain(stopped)));
        assert_eq!(remark(None, "rps > baseline - 10%"), "of `POST /checkout`, limit 42.968 req/s");
    }

    #[test]
    fn text_stays_text() {
        for (text, shown) in [
            ("/search?q=*a*&b=<i>", "`/search?q=*a*&b=<i>`"),
            ("", ""),
            ("a|b", "<code>a&#124;b</code>"),
            ("`", "<code>&#96;</code>"),
            ("a\nb", "<code>a&#92;nb</code>"),
            (" a", "<code> a</code>"),
        ] {
            assert_eq!(code(text), shown);
        }
        assert_eq!(code(&"x".repeat(1_000)).chars().count(), LONGEST + 3);
    }

    /// Guarantees: a run with thousands of endpoints does not exceed what a CI shows, and says what is left out.
    #[test]
    fn a_large_run_is_cut() {
        let mut figures = sample::large();
        let one = figures.endpoints[7].clone();
        figures.endpoints.extend((0..5_000).map(|n| {
            let name = format!("{n} {}", "|".repeat(1_000));
            ltel_core::figures::EndpointFigures { name, points: Vec::new(), ..one.clone() }
        }));
        let text = markdown(&Document::of(&sample::run(), &figures));
        assert!(text.len() < 1 << 20, "{}", text.len());
        assert!(text.contains("\n4900 more endpoints have fewer requests"));
    }
}
