//! A comparison as JSON, for programs.

use serde_json::{Value, json};

use super::comparison::{Comparison, Name, Other};
use super::difference::{Difference, Quantity};
use super::explanation;
use super::gate::Outcome;
use super::interval::Interval;

/// The schema of these documents.
const SCHEMA: &str = "ltel.comparison/1";

/// The comparison. Times are in milliseconds, ratios and changes are shares (0.1 is 10 %, or 10 percentage points of a ratio), what is not
/// known is `null`.
pub(crate) fn render(comparison: &Comparison) -> String {
    let document = json!({
        "schema": SCHEMA,
        "baseline": comparison.baseline.name,
        "runs": comparison.others.iter().map(run).collect::<Vec<_>>(),
        "min_change_percent": comparison.options.min_change,
        "fail_above_percent": comparison.options.fail_above,
        "passed": comparison.outcome().and_then(passed),
        "comparisons": comparison.comparisons,
        "method": explanation(comparison),
        "endpoints": comparison.rows.iter().map(|row| {
            let lines = row.lines.iter().map(|line| {
                let cells: Vec<_> =
                    line.cells.iter().map(|cell| cell.as_ref().map(|of| difference(line.quantity, of))).collect();
                (line.quantity.as_str().to_owned(), json!({ "baseline": line.baseline, "runs": cells }))
            });
            let mut of = name(&row.endpoint);
            of["requests"] = json!({ "baseline": row.requests, "runs": row.others });
            of["quantities"] = Value::Object(lines.collect());
            of
        }).collect::<Vec<_>>(),
    });
    format!("{document:#}\n")
}

// Neither, if nothing could be judged.
fn passed(outcome: Outcome) -> Option<bool> {
    match outcome {
        Outcome::Passed => Some(true),
        Outcome::Failed => Some(false),
        Outcome::NotJudged => None,
    }
}

fn run(other: &Other) -> Value {
    json!({
        "name": other.run.name,
        "remarks": other.remarks,
        "only_in_baseline": other.gone.iter().map(name).collect::<Vec<_>>(),
        "not_in_baseline": other.new.iter().map(name).collect::<Vec<_>>(),
    })
}

fn name(of: &Name) -> Value {
    json!({ "method": of.method, "name": of.name, "total": of.is_total })
}

fn difference(quantity: Quantity, of: &Difference) -> Value {
    json!({
        "value": of.value,
        "change": of.change,
        "confidence_95": interval(quantity, of.likely),
        "confidence_99": interval(quantity, of.sure),
        "verdict": of.verdict.as_str(),
    })
}

fn interval(quantity: Quantity, of: Interval) -> Value {
    json!([of.low, of.high].map(|bound| quantity.is_known(bound).then_some(bound)))
}
