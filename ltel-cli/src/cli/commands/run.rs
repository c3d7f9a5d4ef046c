//! `ltel-cli run locust ...`: a test with telemetry, without changes to the locustfile.

use std::sync::Arc;

use ltel_core::backend::{Backend, Claims};
use ltel_core::registry::Registry;
use ltel_core::text::printable;

use super::private_socket::PrivateSocket;
use super::{Failure, load_again, load_config, locust};
use crate::cli::args::{Address, RunArgs, SummaryFormat};
use crate::cli::signals::Signals;
use crate::cli::table::Look;
use crate::cli::telemetry_file::TelemetryFile;
use crate::cli::terminal::{self, LocustOutput, Progress};
use crate::cli::{losses, print, table};
use crate::config::{BackendConfig, Config};
use crate::deliver::page::{Page, PageUrl};
use crate::deliver::report::{self, Report, ReportFile};
use crate::pipeline::Ended;
use crate::report::{Document, Format};

/// The option that adds a backend `page`.
const PAGE: &str = "--page";

/// The name of the backend that the option adds.
const REPORT: &str = "--report";

/// Exits with 99 if a threshold is broken, else with Locust's exit code. If that is 0: with 1 if a part of ltel failed, or a report of
/// `--report` was not written, or, with `--strict`, if telemetry was lost.
pub(crate) async fn run(args: &RunArgs, registry: &Registry) -> Result<u8, Failure> {
    let summary_to_stdout = matches!(args.summary, SummaryFormat::Markdown | SummaryFormat::Json);
    let (mut config, file) = configuration(args, summary_to_stdout, registry)?;
    let page = add_page(&mut config, args.page)?;
    add_report(&mut config, &args.report)?;
    let grace = config.grace;
    let socket = PrivateSocket::create()?;
    let mut signals = Signals::catch().map_err(|error| Failure::failed(format!("signals: {error}")))?;
    let output = if args.progress.is_live() {
        let terminal = LocustOutput::open().map_err(|error| Failure::failed(format!("a pseudoterminal: {error}")))?;
        locust::LocustOutput::Above(terminal)
    } else {
        locust::LocustOutput::Through
    };
    print::stderr(&file.as_ref().map(TelemetryFile::place).unwrap_or_default());
    let (mut locust, mut pipeline) = locust::start(config, &socket, &args.command, output, summary_to_stdout).await?;
    pipeline.reload_at(signals.reopens(), reader(args, summary_to_stdout, registry));
    if let Some(url) = page.get() {
        print::stderr(&format!("ltel: the test is shown at {url}\n"));
    }
    let progress = Progress::begin(args.progress, Arc::clone(&pipeline.summary), pipeline.status.clone(), None);
    let exit = locust.wait(&pipeline, &mut signals).await?;
    progress.wait_for_data(grace);
    locust.drain(exit, &pipeline, &mut signals, grace).await;
    locust.end_output().await;
    drop(progress);
    let ended = pipeline.end(signals.interruption()).await;
    let code = locust::exit_code(exit);
    summarize(args.summary, &ended)?;
    if let Some(why) = locust::no_run(&ended, code) {
        print::stderr(&why);
        let unwritten = report::without_run(ended.backends.iter().map(|(backend, _)| backend));
        print::stderr(&unwritten.map(|unwritten| format!("ltel: {unwritten}\n")).unwrap_or_default());
    }
    print::stderr(&file.as_ref().map(|file| format!("\n{}", file.place())).unwrap_or_default());
    let losses = losses::of_test(&ended);
    let lost = if args.strict && !losses.is_empty() {
        Some(format!("--strict: telemetry was lost: {}", losses.join("; ")))
    } else {
        // Whether loss is a failure is for `--strict` to decide. A broken part of ltel always is, and a report that was asked
        // for here.
        let failures: Vec<_> = ended.failures.iter().cloned().chain(unwritten(&ended)).collect();
        (!failures.is_empty()).then(|| failures.join("; "))
    };
    // A test that should have been judged and was not must not pass.
    let recorded_none = ended.outcome.ended == 0;
    let unjudged = recorded_none && ended.verdict.is_expected() && code == 0 && ended.failures.is_empty();
    let unjudged = unjudged.then(|| "no test was recorded, so no threshold was judged".to_owned());
    let passed = ended.verdict.passed();
    match (ended.verdict.broken().or(unjudged), lost) {
        (None, None) => {
            // Those who read no more than the last line must not take it for the whole truth.
            if let Some(passed) = passed.filter(|_| !losses.is_empty()) {
                print::stderr(&format!("ltel-cli: {passed}, but telemetry was lost: {}\n", losses.join("; ")));
            }
            Ok(code)
        }
        (None, Some(lost)) => {
            let message = match passed {
                Some(passed) => format!("{passed}, but {lost}"),
                None => lost,
            };
            Err(Failure { code: code.max(1), message })
        }
        (Some(broken), None) => Err(Failure::broken(broken)),
        (Some(broken), Some(lost)) => Err(Failure::broken(format!("{broken}; {lost}"))),
    }
}

/// Reads the configuration file again, if there is one.
fn reader(
    args: &RunArgs,
    summary_to_stdout: bool,
    registry: &Registry,
) -> Option<impl Fn() -> Option<Config> + Send + 'static> {
    args.config.config.as_ref()?;
    let (arg, registry) = (args.config.clone(), registry.clone());
    Some(move || {
        let config = load_again(&arg, &registry)?;
        match not_both_to_stdout(&config, summary_to_stdout) {
            Ok(()) => Some(config),
            Err(Failure { message, .. }) => {
                print::stderr(&format!("ltel-cli: {message}\n"));
                None
            }
        }
    })
}

/// Adds the page that the command line asks for. Returns where it is, once it has started.
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
                claims.address(address, PAGE);
            }
            let page = BackendConfig::new("page", Page::of_command_line(address, &url)).claiming(claims);
            let added = config.add_backend(page);
            added.map_err(|message| Failure::usage(format!("{PAGE}: {message}")))?;
        }
    }
    Ok(url)
}

/// Adds a backend that writes these files.
fn add_report(config: &mut Config, files: &[String]) -> Result<(), Failure> {
    let (mut checked, mut given, before) = (Vec::new(), Claims::default(), config.claims.clone());
    for text in files {
        let file = ReportFile::parse(text)
            .map_err(|(message, help)| Failure::usage(format!("--report: {message}; {help}")))?;
        if given.file(&file.path).is_err() {
            return Err(Failure::usage(format!("--report: `{text}` is given twice")));
        }
        config.claims.file(&file.path).map_err(|message| Failure::usage(format!("--report: {message}")))?;
        checked.push(file);
    }
    if !checked.is_empty() {
        let report = BackendConfig::new(REPORT, Report::of(checked)).claiming(config.claims.since(&before));
        return config.add_backend(report).map_err(|message| Failure::usage(format!("{REPORT}: {message}")));
    }
    Ok(())
}

/// Why the command line's reports were not written, if one was not.
fn unwritten(ended: &Ended) -> Option<String> {
    let (_, delivered) = ended.backends.iter().find(|(backend, _)| backend.name == REPORT)?;
    let why = delivered.last_error.as_deref().unwrap_or("see the log");
    (delivered.lost_reports > 0).then(|| format!("{REPORT}: not written: {}", printable(why)))
}

fn summarize(summary: SummaryFormat, ended: &Ended) -> Result<(), Failure> {
    let format = match summary {
        SummaryFormat::Off => return Ok(()),
        SummaryFormat::Table => {
            print::stderr(&table::render(ended, Look::of_stderr(true)));
            return Ok(());
        }
        SummaryFormat::Markdown => Format::Markdown,
        SummaryFormat::Json => Format::Json,
    };
    for run in &ended.outcome.runs {
        if let Some(figures) = ended.summary.figures(&run.info) {
            let text = format.write(&Document::of(&run.info, &figures), None);
            print::stdout(&text).map_err(|error| Failure::failed(format!("the summary: {error}")))?;
        }
    }
    Ok(())
}

/// The configuration; without a file, telemetry goes to stdout, unless that is a terminal or the summary's.
fn configuration(
    args: &RunArgs,
    summary_to_stdout: bool,
    registry: &Registry,
) -> Result<(Config, Option<TelemetryFile>), Failure> {
    let mut config = load_config(&args.config, registry)?;
    if args.config.config.is_none() && (summary_to_stdout || terminal::is_at_stdout()) {
        let file = TelemetryFile::create("run").map_err(Failure::failed)?;
        config.backends = vec![file.backend()];
        return Ok((config, Some(file)));
    }
    not_both_to_stdout(&config, summary_to_stdout)?;
    Ok((config, None))
}

/// The summary and a backend cannot share stdout.
fn not_both_to_stdout(config: &Config, summary_to_stdout: bool) -> Result<(), Failure> {
    match config.backends.iter().find(|backend| backend.backend.writes_to_stdout()) {
        Some(backend) if summary_to_stdout => Err(Failure::usage(format!(
            "the summary and the backend `{}` would both go to stdout: give the backend a file, such as `output = \
             \"telemetry.jsonl\"`",
            backend.name
        ))),
        _ => Ok(()),
    }
}
