//! `ltel-cli example`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::cli::commands::example;

pub(super) const EXAMPLES: &str = "\
Examples:
  ltel-cli example                              list them
  ltel-cli example prometheus                   print one
  ltel-cli example kubernetes --out load-test   write its files into a folder";

#[derive(Debug, Args)]
pub(crate) struct ExampleArgs {
    /// Which example. Default: list them all.
    #[arg(value_name = "NAME", hide_possible_values = true, value_parser = PossibleValuesParser::new(example::names()))]
    pub(crate) name: Option<String>,
    /// The folder for its files. It is created if needed; files that exist are not replaced. Default: print them.
    #[arg(long, value_name = "DIR", requires = "name")]
    pub(crate) out: Option<PathBuf>,
}
