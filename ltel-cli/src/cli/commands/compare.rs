//! `ltel-cli compare`: runs beside a baseline.

use std::io::IsTerminal;
use std::path::Path;

use ltel_core::text::shortened;

use super::Failure;
use crate::cli::args::{CompareArgs, CompareFormat};
use crate::cli::print;
use crate::compare::{Comparison, Options, Outcome, Run};
use crate::deliver::report::replace;
use crate::program;

// The exit code of a test that is judged as failed, as k6 has it.
const FAILED: u8 = 99;

// Far more than a report has, less than would be missed.
const LONGEST_FILE: u64 = 1 << 30;

pub(crate) fn compare(args: &CompareArgs) -> Result<u8, Failure> {
    refuse_to_overwrite(args)?;
    let mut runs = args.files.iter().map(|path| read(path));
    let baseline = runs.next().ok_or_else(|| Failure::usage("give the baseline and at least one other file"))??;
    let others = runs.collect::<Result<Vec<_>, _>>()?;
    let options = Options { min_change: args.min_change.0, fail_above: args.fail_above.map(|percent| percent.0) };
    let comparison = Comparison::of(baseline, others, options);
    if let Some(path) = &args.html {
        let page = comparison.to_html().map_err(|error| Failure::failed(format!("cannot make the page: {error}")))?;
        replace(path, &page).map_err(|error| Failure::failed(format!("cannot write `{}`: {error}", path.display())))?;
    }
    let text = match args.format {
        CompareFormat::Text => {
            let color = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            comparison.to_text(color, args.all)
        }
        CompareFormat::Markdown => comparison.to_markdown(),
        CompareFormat::Json => comparison.to_json(),
    };
    print::stdout(&text).map_err(|error| Failure::failed(error.to_string()))?;
    for complaint in comparison.complaints() {
        print::error(&complaint);
    }
    // A test of which nothing could be judged has not passed.
    Ok(if matches!(comparison.outcome(), None | Some(Outcome::Passed)) { 0 } else { FAILED })
}

/// The page must not take the place of a report that it is made of.
fn refuse_to_overwrite(args: &CompareArgs) -> Result<(), Failure> {
    let Some(page) = args.html.as_ref().and_then(|page| page.canonicalize().ok()) else { return Ok(()) };
    match args.files.iter().find(|file| file.canonicalize().is_ok_and(|file| file == page)) {
        None => Ok(()),
        Some(file) => Err(Failure::usage(format!(
            "--html: `{}` is one of the reports to compare: give another name, such as `compared.html`",
            file.display()
        ))),
    }
}

fn read(path: &Path) -> Result<Run, Failure> {
    let shown = path.display();
    let cannot = |error: std::io::Error| Failure::usage(format!("cannot read `{shown}`: {error}"));
    let length = std::fs::metadata(path).map_err(cannot)?.len();
    if length > LONGEST_FILE {
        return Err(Failure::usage(format!("`{shown}` is not a report of ltel: it is larger than a gigabyte")));
    }
    let bytes = std::fs::read(path).map_err(cannot)?;
    let help = format!("give JSON documents that `{} run --report FILE.json` has written", program::name());
    let text = String::from_utf8(bytes).map_err(|_| Failure::usage(format!("`{shown}` is not a text; {help}")))?;
    Run::read(shown.to_string(), &text).map_err(|error| {
        // It may quote the file.
        let error = error.to_string();
        Failure::usage(format!("cannot compare `{shown}`: {}; {help}", shortened(&error, 400)))
    })
}
