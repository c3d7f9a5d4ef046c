//! The log on stderr, one line per event. Text from outside can neither add lines nor control the terminal.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::Write;
use std::panic::PanicHookInfo;

use ltel_core::text::printable;
use tracing::field::Field;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use super::terminal;

/// Starts logging. `RUST_LOG` says what; colours depend on `NO_COLOR` and on whether stderr is a terminal.
pub(super) fn start() {
    let usual = || EnvFilter::new("warn,ltel_cli=info");
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| usual());
    let log = tracing_subscriber::fmt::layer()
        .with_writer(|| terminal::Writer)
        .with_target(false)
        .with_ansi(terminal::has_colors())
        .fmt_fields(debug_fn(field));
    let log = tracing_subscriber::registry().with(log.with_filter(filter));
    // Fails only if the program that embeds ltel has set up its own logging.
    if log.try_init().is_ok() {
        std::panic::set_hook(Box::new(panicked));
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
    // Past the live line: its lock may be held by what panicked.
    let mut stderr = std::io::stderr().lock();
    let _ = writeln!(stderr, "thread '{thread}' panicked{place}: {}", printable(message));
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        let _ = writeln!(stderr, "{backtrace}");
    }
}
