//! What recorders of one's own have counted.

use super::Look;
use super::layout::{self, number, shown, text};
use crate::cli::numbers;
use crate::deliver::summary::{OwnMetric, OwnValue};
use crate::plural::counted;

/// How many metrics are shown.
const SHOWN: usize = 20;

/// Each metric, added up over its series.
pub(super) fn table(metrics: &[OwnMetric], look: Look) -> Option<String> {
    let row = |metric: &OwnMetric| vec![shown(&metric.name), metric.series.to_string(), value(metric)];
    let rows: Vec<_> = metrics.iter().take(SHOWN).map(row).collect();
    let more = match metrics.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!("\n… and {more} more; the backends have all of them"),
    };
    let columns = [text("Metric"), number("Series"), text("All series together")];
    (!rows.is_empty()).then(|| layout::table(look.width, &columns, &rows) + &more)
}

fn value(metric: &OwnMetric) -> String {
    // `1` and `{order}` are units of counts.
    let unit = match metric.unit.as_str() {
        "" | "1" => String::new(),
        unit if unit.starts_with('{') => String::new(),
        unit => format!(" {}", shown(unit)),
    };
    let of = |number: f64| format!("{}{unit}", exact(number));
    match metric.value {
        OwnValue::Sum(sum) => of(sum),
        OwnValue::Values { count, sum, max } => {
            let mean = (count > 0).then(|| format!(", mean {}{unit}", numbers::number(Some(sum / count as f64))));
            let max = max.filter(|_| count > 0).map(|max| format!(", max {}{unit}", numbers::number(Some(max))));
            format!("{}{}{}", counted(count, "values"), mean.unwrap_or_default(), max.unwrap_or_default())
        }
        OwnValue::Last { least, greatest } if least < greatest => format!("{} to {}", exact(least), of(greatest)),
        OwnValue::Last { greatest, .. } => of(greatest),
    }
}

// A count is shown to its last digit.
fn exact(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 1e15 { format!("{number:.0}") } else { numbers::number(Some(number)) }
}
