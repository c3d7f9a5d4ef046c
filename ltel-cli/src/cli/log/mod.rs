//! The log on stderr, one line per event. Text from outside can neither add lines nor control the terminal.

mod json;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::Write;
use std::panic::PanicHookInfo;
use std::sync::OnceLock;

use ltel_core::text::printable;
use serde_json::{Map, Value};
use tracing::Level;
use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::args::{LogArgs, LogFormat};
use super::terminal;
use json::JsonLines;

static ARGS: OnceLock<LogArgs> = OnceLock::new();

/// Whether only warnings and errors are wanted.
pub(super) fn is_quiet() -> bool {
    ARGS.get().is_some_and(|args| args.quiet)
}

/// Whether all lines are JSON.
pub(super) fn is_json() -> bool {
    ARGS.get().is_some_and(|args| args.log_format == LogFormat::Json)
}

/// Writes an error as a line of JSON, whatever `RUST_LOG` says.
pub(super) fn json_error(message: &str, fields: Map<String, Value>) {
    json::write(Level::ERROR, message, fields);
}

/// Starts logging. Options say what, else `RUST_LOG`; colours depend on `NO_COLOR` and on whether stderr is a terminal.
pub(super) fn start(args: LogArgs) {
    let _ = ARGS.set(args);
    let text = (args.log_format == LogFormat::Text).then(|| {
        tracing_subscriber::fmt::layer()
            .with_writer(|| terminal::Writer)
            .with_target(false)
            .with_ansi(terminal::has_colors())
            .fmt_fields(debug_fn(field))
    });
    let json = (args.log_format == LogFormat::Json).then_some(JsonLines);
    let log = tracing_subscriber::registry().with(filter(args)).with(text).with(json);
    // Fails only if the program that embeds ltel has set up its own logging.
    if log.try_init().is_ok() {
        std::panic::set_hook(Box::new(panicked));
    }
}

fn filter(args: LogArgs) -> EnvFilter {
    const OURS: [&str; 3] = ["ltel_cli", "ltel_core", "ltel_recorders"];
    let ours =
        |others: &str, level: &str| EnvFilter::new(OURS.map(|of| format!("{of}={level}")).join(",") + "," + others);
    match args {
        LogArgs { quiet: true, .. } => EnvFilter::new("warn"),
        LogArgs { verbose: 1, .. } => ours("info", "debug"),
        LogArgs { verbose: 2.., .. } => ours("debug", "trace"),
        _ => EnvFilter::try_from_default_env().unwrap_or_else(|_| ours("warn", "info")),
    }
}

fn field(writer: &mut Writer<'_>, field: &Field, value: &dyn std::fmt::Debug) -> std::fmt::Result {
    let text = format!("{value:?}");
    match field.name() {
        "message" => write!(writer, "{}", printable(&text)),
        name => write!(writer, " {name}={}", printable(&text)),
    }
}

// Like the standard library's, but made printable: the message may hold what a client sent.
fn panicked(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("no message");
    let place = panic.location().map_or_else(String::new, |location| format!(" at {location}"));
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    if is_json() {
        let backtrace = Backtrace::capture();
        let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string().into());
        let fields = backtrace.map(|backtrace| ("backtrace".to_owned(), backtrace)).into_iter().collect();
        let text = json::line_now(Level::ERROR, &format!("thread '{thread}' panicked{place}: {message}"), fields);
        let _ = writeln!(std::io::stderr().lock(), "{text}");
        return;
    }
    // Past the live line: its lock may be held by what panicked.
    let mut stderr = std::io::stderr().lock();
    let _ = writeln!(stderr, "thread '{thread}' panicked{place}: {}", printable(message));
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        let _ = writeln!(stderr, "{backtrace}");
    }
}
