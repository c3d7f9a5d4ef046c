//! `ltel-cli run locust ...`: a test with telemetry, without changes to the locustfile.

use std::sync::Arc;

use ltel_core::registry::Registry;

use super::private_socket::PrivateSocket;
use super::{Failure, load_again, load_config, locust, misplaced, say_origin, stated_backends};
use crate::cli::args::{RunArgs, SummaryFormat};
use crate::cli::signals::Signals;
use crate::cli::table::Look;
use crate::cli::telemetry_file::TelemetryFile;
use crate::cli::terminal::{self, LocustOutput, Progress, ProgressMode};
use crate::cli::{log, losses, print, table};
use crate::config::Config;
use crate::deliver::report;
use crate::pipeline::Ended;
use crate::report::{Document, Format};

/// Exits with 99 if a threshold is broken, else with Locust's exit code. If that is 0: with 1 if a part of ltel failed, or a report of
/// `--report` was not written, or, with `--strict`, if telemetry was lost.
pub(crate) async fn run(args: &RunArgs, registry: &Registry) -> Result<u8, Failure> {
    let is_calm = log::is_quiet() || log::is_json();
    let summary = args.summary.unwrap_or(if is_calm { SummaryFormat::Off } else { SummaryFormat::Table });
    let progress = args.progress.unwrap_or(match (log::is_quiet(), log::is_json()) {
        (true, _) => ProgressMode::Off,
        (false, true) => ProgressMode::Plain,
        (false, false) => ProgressMode::Auto,
    });
    let summary_to_stdout = matches!(summary, SummaryFormat::Markdown | SummaryFormat::Json);
    misplaced::check(args)?;
    let (mut config, file) = configuration(args, summary_to_stdout, registry)?;
    say_origin(&args.config);
    if args.config.config.is_none() && !args.backends.telemetry().is_empty() {
        print::note(&stated_backends::places(&config));
    }
    let page = stated_backends::add(&mut config, &args.backends)?;
    let grace = config.grace;
    let socket = PrivateSocket::create()?;
    let mut signals = Signals::catch().map_err(|error| Failure::failed(format!("signals: {error}")))?;
    let output = if progress.is_live() {
        let terminal = LocustOutput::open().map_err(|error| Failure::failed(format!("a pseudoterminal: {error}")))?;
        locust::LocustOutput::Above(terminal)
    } else {
        locust::LocustOutput::Through
    };
    print::note(&file.as_ref().map(TelemetryFile::place).unwrap_or_default());
    let (mut locust, mut pipeline) = locust::start(config, &socket, &args.command, output, summary_to_stdout).await?;
    pipeline.reload_at(signals.reopens(), reader(args, summary_to_stdout, registry));
    if let Some(url) = page.get() {
        // With its token it is nowhere else: it is said with `-q` too.
        print::warning(&format!("ltel: the test is shown at {url}\n"));
    }
    let progress = Progress::begin(progress, Arc::clone(&pipeline.summary), pipeline.status.clone(), None);
    let exit = locust.wait(&pipeline, &mut signals).await?;
    progress.wait_for_data(grace);
    locust.drain(exit, &pipeline, &mut signals, grace).await;
    locust.end_output().await;
    drop(progress);
    let ended = pipeline.end(signals.interruption()).await;
    let code = locust::exit_code(exit);
    summarize(summary, &ended)?;
    if let Some(why) = locust::no_run(&ended, code) {
        print::warning(&why);
        print::warning(&misplaced::refused(&args.command, code).unwrap_or_default());
        let unwritten = report::without_run(ended.backends.iter().map(|(backend, _)| backend));
        print::warning(&unwritten.map(|unwritten| format!("ltel: {unwritten}\n")).unwrap_or_default());
    }
    print::note(&file.as_ref().map(|file| format!("\n{}", file.place())).unwrap_or_default());
    let losses = losses::of_test(&ended);
    let lost = if args.strict && !losses.is_empty() {
        Some(format!("--strict: telemetry was lost: {}", losses.join("; ")))
    } else {
        // Whether loss is a failure is for `--strict` to decide. A broken part of ltel always is, and a report that was asked
        // for here.
        let failures: Vec<_> = ended.failures.iter().cloned().chain(stated_backends::unwritten(&ended)).collect();
        (!failures.is_empty()).then(|| failures.join("; "))
    };
    // A test that should have been judged and was not must not pass.
    let recorded_none = ended.outcome.ended == 0;
    let unjudged = recorded_none && ended.verdict.is_expected() && code == 0 && ended.failures.is_empty();
    let unjudged = unjudged.then(|| "no test was recorded, so no threshold was judged".to_owned());
    let passed = ended.verdict.passed();
    let broken = ended.verdict.broken().or(unjudged);
    // The table has them, `--strict` fails with them, and a threshold that is met is not said without them.
    let is_told = matches!(summary, SummaryFormat::Table)
        || args.strict
        || (broken.is_none() && passed.is_some() && lost.is_none());
    if !is_told {
        losses::say(&ended);
    }
    match (broken, lost) {
        (None, None) => {
            // Those who read no more than the last line must not take it for the whole truth.
            if let Some(passed) = passed.filter(|_| !losses.is_empty()) {
                print::error(&format!("{passed}, but telemetry was lost: {}", losses.join("; ")));
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
    let (arg, backends, registry) = (args.config.clone(), args.backends.telemetry(), registry.clone());
    Some(move || {
        let config = load_again(&arg, backends.clone(), &registry)?;
        match not_both_to_stdout(&config, summary_to_stdout) {
            Ok(()) => Some(config),
            Err(Failure { message, .. }) => {
                print::error(&message);
                None
            }
        }
    })
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

/// The configuration; without a file and options, telemetry goes to stdout, unless that is a terminal or the summary's.
fn configuration(
    args: &RunArgs,
    summary_to_stdout: bool,
    registry: &Registry,
) -> Result<(Config, Option<TelemetryFile>), Failure> {
    let backends = args.backends.telemetry();
    let has_place = args.config.config.is_some() || !backends.is_empty();
    let mut config = load_config(&args.config, backends, registry)?;
    if !has_place && (summary_to_stdout || terminal::is_at_stdout()) {
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
             \"telemetry.jsonl\"` or `--json telemetry.jsonl`",
            backend.name
        ))),
        _ => Ok(()),
    }
}
