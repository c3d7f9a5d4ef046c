//! A pseudoterminal for Locust's output: Locust writes as to the terminal itself, and what it writes goes above the live line.
//! Its input, its signals and its controlling terminal stay the real ones.

use std::fs::File;
use std::io::{self, IsTerminal, Read, stderr};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, fstat, open};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, OutputModes, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::AbortHandle;

use super::screen;

/// A line that comes in pieces is held for so long, so that nothing is written into it.
const PIECES: Timespec = Timespec { tv_sec: 0, tv_nsec: 30_000_000 };

/// How long there may be nothing to read, before the reader looks whether it is to end.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// How long to read on after Locust's end, if a process that it has left behind writes on and on.
const REST: Duration = Duration::from_secs(1);

/// The pseudoterminal, and the thread that passes on what is written to it.
#[derive(Debug)]
pub(crate) struct LocustOutput {
    // Taken by the process.
    terminal: OwnedFd,
    reader: JoinHandle<()>,
    ended: Arc<AtomicBool>,
    resize: AbortHandle,
}

/// What is left of it while Locust runs.
#[derive(Debug)]
pub(crate) struct Passing {
    reader: JoinHandle<()>,
    ended: Arc<AtomicBool>,
    resize: AbortHandle,
}

impl LocustOutput {
    /// Opens one with the terminal's size and settings.
    pub(crate) fn open() -> io::Result<Self> {
        // CLOEXEC: Locust must not hold our end open.
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        fcntl_setfd(&ours, FdFlags::CLOEXEC)?;
        grantpt(&ours)?;
        unlockpt(&ours)?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let terminal = open(ptsname(&ours, Vec::new())?, flags, Mode::empty())?;
        // What is written is passed on as it is; the real terminal makes of it what it always does.
        let mut settings = tcgetattr(stderr())?;
        settings.output_modes.remove(OutputModes::OPOST);
        tcsetattr(&terminal, OptionalActions::Now, &settings)?;
        let copy = ours.try_clone()?;
        copy_size(&copy);
        let mut resized = signal(SignalKind::window_change())?;
        let resize = tokio::spawn(async move {
            while resized.recv().await.is_some() {
                copy_size(&copy);
            }
        });
        let ended = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&ended);
        let reader = std::thread::Builder::new().name("locust-output".to_owned());
        let reader = reader.spawn(move || pass_on(File::from(ours), &until))?;
        Ok(Self { terminal, reader, ended, resize: resize.abort_handle() })
    }

    /// Locust's stderr; and its stdout, if that would be the same terminal or is not to be ltel's.
    pub(crate) fn stdio(&self, stdout_is_data: bool) -> io::Result<(Stdio, Option<Stdio>)> {
        let also = (stdout_is_data || is_same_terminal()).then(|| self.terminal.try_clone()).transpose()?;
        Ok((self.terminal.try_clone()?.into(), also.map(Into::into)))
    }

    /// Locust has been started, and has its copies.
    pub(crate) fn begun(self) -> Passing {
        Passing { reader: self.reader, ended: self.ended, resize: self.resize }
    }
}

impl Passing {
    /// Waits until everything that Locust has written is passed on. Call it after Locust's end.
    pub(crate) async fn end(self) {
        self.ended.store(true, Ordering::Relaxed);
        let reader = tokio::task::spawn_blocking(|| self.reader.join());
        let _ = tokio::time::timeout(REST, reader).await;
        self.resize.abort();
    }
}

fn copy_size(to: impl AsFd) {
    // Fails only if a terminal is gone.
    if let Ok(size) = tcgetwinsize(stderr()) {
        let _ = tcsetwinsize(to, size);
    }
}

fn is_same_terminal() -> bool {
    let device = |of: io::Result<rustix::fs::Stat>| of.ok().map(|stat| stat.st_rdev);
    let of = |fd| fstat(fd).map_err(io::Error::from);
    io::stdout().is_terminal() && device(of(io::stdout().as_fd())) == device(of(stderr().as_fd()))
}

/// Passes on whole lines at once, and what is left of a line if no more of it comes.
fn pass_on(mut from: File, ended: &AtomicBool) {
    let mut bytes = vec![0; 64 << 10];
    let mut line = Vec::new();
    loop {
        let patience = if line.is_empty() { LOOK } else { PIECES };
        let ready = poll(&mut [PollFd::new(&from, PollFlags::IN)], Some(&patience));
        match ready {
            Ok(0) if !line.is_empty() => screen::pass_on(&std::mem::take(&mut line)),
            Ok(0) if ended.load(Ordering::Relaxed) => return,
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => match from.read(&mut bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Linux says EIO, others the end of the file, when no process has the terminal open any more.
                Ok(0) | Err(_) => return screen::pass_on(&line),
                Ok(count) => {
                    line.extend_from_slice(&bytes[..count]);
                    let whole = line.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
                    // Bounded: a line without an end is passed on in pieces.
                    let whole = if line.len() - whole > bytes.len() { line.len() } else { whole };
                    if whole > 0 {
                        screen::pass_on(&line[..whole]);
                        line.drain(..whole);
                    }
                }
            },
            Err(_) => return screen::pass_on(&line),
        }
    }
}
