//! The figures of each endpoint.

use std::cmp::Reverse;
use std::fmt::Write as _;

use ltel_core::figures::{EndpointFigures, RunFigures};

use super::Look;
use super::layout::{leave_out, number, shown, table, text};
use crate::cli::numbers;
use crate::plural::counted;

/// How many endpoints are shown. Documents have all of them.
const SHOWN: usize = 30;

/// What goes first where there is no room.
const LEAVE_OUT: [&str; 4] = ["Req/s", "Max ms", "p50 ms", "p99 ms"];

/// Locust has just printed what is left out beside it.
pub(super) fn endpoints(figures: &RunFigures, look: Look) -> String {
    let mut columns = vec![text("Endpoint"), number("Requests"), number("Failed")];
    columns.extend(["p50 ms", "p95 ms", "p99 ms"].map(number));
    if !look.beside_locust {
        columns.extend(["Max ms", "Req/s"].map(number));
    }
    let (chosen, rest) = chosen(&figures.endpoints);
    let row = |name: String, of: &EndpointFigures| {
        let mut row = vec![name, of.requests.to_string(), numbers::percent(of.failure_ratio())];
        row.extend([50.0, 95.0, 99.0].map(|percent| numbers::number(of.percentile(percent))));
        if !look.beside_locust {
            row.extend([numbers::number(of.max_ms), numbers::number(Some(of.rate))]);
        }
        row
    };
    let name = |of: &EndpointFigures| shown(format!("{} {}", of.method, of.name).trim_start());
    let mut rows: Vec<_> = chosen.into_iter().map(|endpoint| row(name(endpoint), endpoint)).collect();
    rows.push(row("All".to_owned(), &figures.total));
    leave_out(look.width, &mut columns, &mut rows, &LEAVE_OUT);
    let mut out = table(look.width, &columns, &rows);
    if let Some((endpoints, requests)) = rest {
        let (endpoints, requests) = (counted(endpoints, "more endpoints"), counted(requests, "requests"));
        let _ = write!(out, "\n… and {endpoints} with {requests}: `--summary json` has all");
    }
    out
}

type Rest = Option<(u64, u64)>;

/// The endpoints with the most requests, in their order; and how many others there are, and their requests.
fn chosen(endpoints: &[EndpointFigures]) -> (Vec<&EndpointFigures>, Rest) {
    if endpoints.len() <= SHOWN {
        return (endpoints.iter().collect(), None);
    }
    let mut by_requests: Vec<_> = endpoints.iter().enumerate().collect();
    by_requests.sort_by_key(|(_, endpoint)| Reverse(endpoint.requests));
    let others = by_requests.split_off(SHOWN);
    by_requests.sort_by_key(|(index, _)| *index);
    let requests = others.iter().map(|(_, endpoint)| endpoint.requests).fold(0, u64::saturating_add);
    (by_requests.into_iter().map(|(_, endpoint)| endpoint).collect(), Some((others.len() as u64, requests)))
}

/// Requests in all, and what came of them.
pub(super) fn totals(figures: &RunFigures) -> String {
    let total = &figures.total;
    if total.requests == 0 {
        return "No request was made.".to_owned();
    }
    let seconds = numbers::number(Some(figures.duration.as_secs_f64()));
    let failed = match total.failures {
        0 => "none failed".to_owned(),
        failures => format!("{failures} failed ({})", numbers::percent(total.failure_ratio())),
    };
    let (requests, rate) = (counted(total.requests, "requests"), numbers::number(Some(total.rate)));
    let users = counted(figures.users, "users");
    format!("{requests} of {users} in {seconds} s, {rate} req/s; {failed}")
}
