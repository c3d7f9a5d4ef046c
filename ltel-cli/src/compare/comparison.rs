//! Runs beside a baseline: every endpoint, every quantity.

use std::collections::BTreeMap;

use ltel_core::figures::{EndpointFigures, RunFigures};

use super::comparable;
use super::difference::{self, Demands, Difference, Quantity, Verdict};
use super::noise::Batches;
use super::run::Run;

/// What is asked of a comparison, in percent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// What changes by less does not matter.
    pub(crate) min_change: f64,
    /// What is surely worse by more is a failure, as is a run that cannot be judged.
    pub(crate) fail_above: Option<f64>,
}

/// Runs beside a baseline.
#[derive(Debug)]
pub(crate) struct Comparison {
    pub(crate) options: Options,
    pub(crate) baseline: Run,
    pub(crate) others: Vec<Other>,
    /// Each endpoint of the baseline that one of the others has too. The total is the first row, unless there is only one endpoint.
    pub(crate) rows: Vec<Row>,
    /// How many comparisons could show a difference by chance.
    pub(crate) comparisons: usize,
}

/// A run that is compared with the baseline.
#[derive(Debug)]
pub(crate) struct Other {
    pub(crate) run: Run,
    /// What the two tests do not have in common, and what is wrong with them.
    pub(crate) remarks: Vec<String>,
    /// Endpoints of the baseline that this run does not have.
    pub(crate) gone: Vec<Name>,
    /// Endpoints of this run that the baseline does not have.
    pub(crate) new: Vec<Name>,
}

/// An endpoint's method and name, as the client sent them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    #[allow(clippy::struct_field_names)] // as everywhere in ltel
    pub(crate) name: String,
    pub(crate) method: String,
    /// Whether it is the total of all.
    pub(crate) is_total: bool,
}

impl Name {
    fn of(figures: &EndpointFigures) -> Self {
        Self { name: figures.name.clone(), method: figures.method.clone(), is_total: false }
    }

    fn total() -> Self {
        Self { name: String::new(), method: String::new(), is_total: true }
    }

    /// The method and the name, or `all endpoints`. Not escaped.
    pub(crate) fn text(&self) -> String {
        match (self.is_total, self.method.is_empty()) {
            (true, _) => "all endpoints".to_owned(),
            (false, true) => self.name.clone(),
            (false, false) => format!("{} {}", self.method, self.name),
        }
    }
}

/// An endpoint.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) endpoint: Name,
    /// Requests in the baseline.
    pub(crate) requests: u64,
    /// The same in each of the others; absent where it does not occur.
    pub(crate) others: Vec<Option<u64>>,
    pub(crate) lines: Vec<Line>,
}

impl Row {
    /// Whether one of its figures differs, in one of the runs.
    pub(crate) fn differs(&self) -> bool {
        self.lines.iter().flat_map(|line| &line.cells).flatten().any(|cell| cell.verdict.is_difference())
    }
}

/// A quantity of an endpoint.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) quantity: Quantity,
    pub(crate) baseline: Option<f64>,
    /// One for each of the others; absent where the endpoint does not occur.
    pub(crate) cells: Vec<Option<Difference>>,
}

impl Comparison {
    /// Compares runs with a baseline.
    pub(crate) fn of(baseline: Run, others: Vec<Run>, options: Options) -> Self {
        let batches: Vec<_> = others.iter().map(|other| Batches::of(&baseline.figures, &other.figures)).collect();
        let known: Vec<_> = others.iter().map(|other| by_name(&other.figures)).collect();
        let ours = by_name(&baseline.figures);
        let mut pairs: Vec<(Name, &EndpointFigures, Vec<Option<&EndpointFigures>>)> = Vec::new();
        for (name, figures) in &ours {
            let beside: Vec<_> = known.iter().map(|of| of.get(name).copied()).collect();
            if beside.iter().any(Option::is_some) {
                pairs.push((name.clone(), figures, beside));
            }
        }
        // The total of a single endpoint is that endpoint.
        if ours.len() != 1 || known.iter().any(|of| of.len() != 1) || pairs.is_empty() {
            let totals = others.iter().map(|other| Some(&other.figures.total)).collect();
            pairs.insert(0, (Name::total(), &baseline.figures.total, totals));
        }
        let comparisons = pairs
            .iter()
            .flat_map(|(_, from, beside)| beside.iter().zip(&batches).map(move |(to, batches)| (from, to, batches)))
            .flat_map(|(from, to, batches)| Quantity::ALL.map(|quantity| (quantity, from, to, batches)))
            .filter(|(quantity, from, to, batches)| {
                to.is_some_and(|to| {
                    let no_failure = *quantity == Quantity::FailureRatio && from.failures == 0 && to.failures == 0;
                    !no_failure && difference::comparable(*quantity, batches.as_ref(), from, to).is_ok()
                })
            })
            .count();
        let demands = Demands { min_change: options.min_change, comparisons };
        let rows = pairs.iter().map(|(name, from, beside)| row(name, from, beside, &batches, demands)).collect();
        let remarks: Vec<_> = others
            .iter()
            .zip(&known)
            .map(|(other, known)| {
                let gone = ours.keys().filter(|name| !known.contains_key(name)).cloned().collect();
                let new = known.keys().filter(|name| !ours.contains_key(name)).cloned().collect();
                (comparable::remarks(&baseline.figures, &other.figures), gone, new)
            })
            .collect();
        let others = others.into_iter().zip(remarks);
        let others = others.map(|(run, (remarks, gone, new))| Other { run, remarks, gone, new }).collect();
        Self { options, baseline, others, rows, comparisons }
    }

    /// Each comparison with the run at this index.
    pub(crate) fn differences(&self, other: usize) -> impl Iterator<Item = (&Row, &Line, &Difference)> {
        self.rows.iter().flat_map(move |row| {
            row.lines.iter().filter_map(move |line| Some((row, line, line.cells[other].as_ref()?)))
        })
    }

    /// How often each kind of verdict occurs in the comparison with the run at this index.
    pub(crate) fn count(&self, other: usize, which: impl Fn(Verdict) -> bool) -> usize {
        self.differences(other).filter(|(_, _, difference)| which(difference.verdict)).count()
    }
}

fn by_name(figures: &RunFigures) -> BTreeMap<Name, &EndpointFigures> {
    // What had no request did not occur.
    let occurred = figures.endpoints.iter().filter(|endpoint| endpoint.requests > 0);
    occurred.map(|endpoint| (Name::of(endpoint), endpoint)).collect()
}

fn row(
    name: &Name,
    from: &EndpointFigures,
    beside: &[Option<&EndpointFigures>],
    batches: &[Option<Batches>],
    demands: Demands,
) -> Row {
    let line = |quantity: Quantity| Line {
        quantity,
        baseline: quantity.of(from),
        cells: beside
            .iter()
            .zip(batches)
            .map(|(to, batches)| to.map(|to| difference::compare(quantity, batches.as_ref(), from, to, demands)))
            .collect(),
    };
    Row {
        endpoint: name.clone(),
        requests: from.requests,
        others: beside.iter().map(|to| to.map(|to| to.requests)).collect(),
        lines: Quantity::ALL.map(line).into(),
    }
}
