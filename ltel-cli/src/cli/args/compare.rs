//! `ltel-cli compare`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};

pub(super) const EXAMPLES: &str = "\
Examples:
  ltel-cli run --report main.json locust -f locustfile.py --headless -u 100 -t 5m
  ltel-cli compare main.json branch.json
  ltel-cli compare main.json branch.json --fail-above 10%        fail a build: exit code 99
  ltel-cli compare main.json a.json b.json --html compared.html  a page for a browser
  ltel-cli compare main.json branch.json --format markdown >> $GITHUB_STEP_SUMMARY";

const VERDICTS: &str = "\
Verdicts:
  surely slower                the true change is greater than --min-change, at a confidence of 99 %
  maybe slower                 there is a change, at 95 %, and it looks greater than --min-change
  no difference that matters   neither, and no more than four times --min-change can hide in the noise
  too few requests to say      or too much noise, or too short: more than that could hide in it

How it is decided:
  Bounds of percentiles are order statistics of all response times; those of failures are Wilson's and Newcombe's. Requests of one
  moment resemble each other, so they count less than independent ones: how much less is estimated from how the figures of both runs
  scatter over time, second by second. The confidence holds for all figures together (Bonferroni), so a hundred endpoints give no
  more false alarms than one. A machine that is busier on one day than on another is in no single run: repeat a surprising result.
  Two runs are compared as they are; different users, hosts, run times and the like are said first.

  --min-change and --fail-above are percent of the baseline. A failure ratio changes by percentage points instead, and one point
  counts as 10 %: with 5 %, half a point matters.

Exit codes:
  0   compared
  2   a file cannot be read, is no report of ltel, or has a schema that this version does not know
  99  --fail-above: something is surely worse by more (at 99 %): slower, more failures, fewer requests per second; or a run
      cannot pass: it has no requests, is incomplete, was still running or stopped by a threshold, has no request to an endpoint
      of the baseline, or nothing could be judged. Stderr says which";

pub(super) fn long_help() -> String {
    format!("{VERDICTS}\n\n{EXAMPLES}")
}

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// The JSON documents of the runs, the baseline first.
    #[arg(required = true, num_args = 2.., value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// What stdout gets.
    #[arg(long, value_enum, default_value_t = CompareFormat::Text)]
    pub(crate) format: CompareFormat,
    /// Show the endpoints that do not differ, too (in text; other formats have them).
    #[arg(long)]
    pub(crate) all: bool,
    /// Also write a page for a browser, all in one file.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// What changes by less does not matter.
    #[arg(long, value_name = "PERCENT", default_value = "5%")]
    pub(crate) min_change: Percent,
    /// Exit with 99 if something is surely worse by more than this, or if that cannot be judged.
    #[arg(long, value_name = "PERCENT")]
    pub(crate) fail_above: Option<Percent>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum CompareFormat {
    /// A table, for people.
    Text,
    /// Markdown, for a CI's summary.
    Markdown,
    /// JSON, for machines.
    Json,
}

/// A number of percent, such as `10%`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Percent(pub(crate) f64);

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').ok_or("give percent, such as `10%`")?;
        match number.trim_end().parse::<f64>() {
            Ok(percent) if (0.0..=1_000.0).contains(&percent) => Ok(Self(percent)),
            _ => Err("give percent from 0 to 1000, such as `10%`".to_owned()),
        }
    }
}
