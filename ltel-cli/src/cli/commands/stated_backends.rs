//! Backends of the command line that show figures, such as `--page` and `--report`; and where telemetry goes, for people.

use ltel_core::backend::{Backend, Claims, Signal, Takes};
use ltel_core::text::printable;

use super::Failure;
use crate::cli::args::{Address, BackendArgs};
use crate::config::{BackendConfig, Config};
use crate::deliver::page::{Page, PageUrl};
use crate::deliver::report::{Report, ReportFile};
use crate::pipeline::Ended;
use crate::report::Format;

/// The option that adds a backend `page`.
const PAGE: &str = "--page";

/// The name of the backend that writes reports.
const REPORT: &str = "--report";

/// Adds the page and the reports that the command line asks for. Returns where the page is, once it has started.
pub(super) fn add(config: &mut Config, args: &BackendArgs) -> Result<PageUrl, Failure> {
    let url = add_page(config, args.page)?;
    add_reports(config, args)?;
    Ok(url)
}

fn add_page(config: &mut Config, asked: Option<Address>) -> Result<PageUrl, Failure> {
    let url = PageUrl::default();
    let Some(Address(address)) = asked else { return Ok(url) };
    let is_page = |backend: &&BackendConfig| backend.backend.spec().name == Page::SPEC.name;
    match (config.backends.iter().find(is_page), address) {
        // The log says where it is.
        (Some(_), None) => {}
        (Some(have), Some(_)) => {
            let (name, to) = (&have.name, have.backend.destination());
            return Err(Failure::usage(format!(
                "[backends.{name}] of the configuration is a page already, at {to}: write --page without an address, or \
                 change its `listen`"
            )));
        }
        (None, address) => {
            let mut claims = Claims::default();
            // Without one, it takes a port that is free.
            if let Some(address) = address {
                if let Some(have) = config.claims.owner(address) {
                    return Err(Failure::usage(format!("{have} and {PAGE} would both listen on {address}")));
                }
                config.claims.address(address, PAGE);
                claims.address(address, PAGE);
            }
            let page = BackendConfig::new("page", Page::of_command_line(address, &url)).claiming(claims);
            config.add_backend(page).map_err(Failure::usage)?;
        }
    }
    Ok(url)
}

/// Adds one backend that writes all files of `--report` and `--junit`.
fn add_reports(config: &mut Config, args: &BackendArgs) -> Result<(), Failure> {
    let (mut checked, mut given, before) = (Vec::new(), Claims::default(), config.claims.clone());
    let reports = args.report.iter().map(|text| (REPORT, text, ReportFile::parse(text)));
    let junit = args.junit.iter().map(|text| ("--junit", text, ReportFile::in_format(text, Format::Junit)));
    for (option, text, parsed) in reports.chain(junit) {
        let file = parsed.map_err(|(message, help)| Failure::usage(format!("{option}: {message}; {help}")))?;
        if given.file(&file.path).is_err() {
            return Err(Failure::usage(format!("{option}: `{text}` is given twice")));
        }
        config.claims.file(&file.path).map_err(|message| Failure::usage(format!("{option}: {message}")))?;
        checked.push(file);
    }
    if !checked.is_empty() {
        let report = BackendConfig::new(REPORT, Report::of(checked)).claiming(config.claims.since(&before));
        return config.add_backend(report).map_err(Failure::usage);
    }
    Ok(())
}

/// Why the command line's reports were not written, if one was not.
pub(super) fn unwritten(ended: &Ended) -> Option<String> {
    let (_, delivered) = ended.backends.iter().find(|(backend, _)| backend.name == REPORT)?;
    let why = delivered.last_error.as_deref().unwrap_or("see the log");
    (delivered.lost_reports > 0).then(|| format!("{REPORT}: not written: {}", printable(why)))
}

/// Where options send telemetry without a file, for people: a line, and another if something goes nowhere.
pub(super) fn places(config: &Config) -> String {
    let telemetry = || config.backends.iter().filter(|backend| backend.delivers());
    let to: Vec<_> = telemetry().map(|of| format!("{} {}", of.name, of.backend.destination())).collect();
    let takes_records = telemetry().any(|of| of.backend.takes(Signal::Logs) != Takes::No);
    let records = if takes_records {
        ""
    } else {
        "Records, such as failures and the final figures, go nowhere: Prometheus takes metrics only. `--json FILE` writes them.\n"
    };
    format!("Telemetry: {}\n{records}", to.join("; "))
}
