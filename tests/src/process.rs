//! A child process that ends with its test, and shows its output when the test fails.

use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use ltel_core::clock::Clock;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::need::need_file;
use crate::wait::until;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// With this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, signal) => Self::Signal(signal.unwrap_or_default()),
        }
    }
}

/// A running child. When it is dropped it is ended by its process id, with the children it has left.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
    exit: Option<Exit>,
}

impl Process {
    /// Starts the command; its output goes to `<name>.out` and `<name>.err` in `folder`, unless the
    /// command says where its standard output goes by `keep_stdout`.
    pub(crate) fn start(name: &str, mut command: Command, folder: &std::path::Path, keep_stdout: bool) -> Self {
        let (stdout, stderr) = (folder.join(format!("{name}.out")), folder.join(format!("{name}.err")));
        if !keep_stdout {
            command.stdout(File::create(&stdout).expect("a file for the output"));
        }
        command.stderr(File::create(&stderr).expect("a file for the errors"));
        // A group of its own, so that its children end with it.
        command.process_group(0);
        let child = command.spawn().unwrap_or_else(|e| panic!("{name} does not start: {e}: {command:?}"));
        Self { name: name.to_owned(), child, stdout, stderr, exit: None }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A figure of its memory from proc(5), such as `VmRSS`, in KiB; absent once it has ended. A test that asks for one needs Linux.
    pub fn status(&self, key: &str) -> Option<u64> {
        need_file("/proc/self/status", "Linux");
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let value = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        value.trim().strip_suffix(" kB")?.parse().ok()
    }

    /// How many files and sockets it has open. A test that asks for them needs Linux.
    pub fn open_files(&self) -> usize {
        need_file("/proc/self/fd", "Linux");
        fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("a process that has not ended").count()
    }

    /// The child itself, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Sends a signal to this process alone.
    pub fn signal(&self, signal: Signal) {
        kill_process(pid(self.child.id()), signal).unwrap_or_else(|e| panic!("no signal to {}: {e}", self.name));
    }

    /// Whether it has ended, and how.
    pub fn exit(&mut self) -> Option<Exit> {
        if self.exit.is_none() {
            self.exit = self.child.try_wait().expect("a child to wait for").map(Exit::from);
        }
        self.exit
    }

    /// Waits for its end.
    pub fn wait(&mut self, patience: Duration) -> Exit {
        let what = format!("the end of {}", self.name);
        until(&what, patience, || self.exit())
    }

    /// What it has written to standard output.
    pub fn stdout(&self) -> String {
        text(&self.stdout)
    }

    /// What it has written to standard error.
    pub fn stderr(&self) -> String {
        text(&self.stderr)
    }

    /// Waits until standard error contains `text`; fails at once if the process ends without it.
    pub fn says(&mut self, text: &str, patience: Duration) {
        let what = format!("`{text}` from {}", self.name);
        until(&what, patience, || {
            let ended = self.exit();
            if self.stderr().contains(text) {
                return Some(());
            }
            assert_eq!(ended, None, "{} ended without `{text}`", self.name);
            None
        });
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let ended = self.exit().is_some();
        if !ended && thread::panicking() {
            // What it has started in groups of their own, as `run` starts Locust, ends with it only if it is asked to.
            let _ = kill_process(pid(self.child.id()), Signal::TERM);
            let end = Clock::System.now() + Duration::from_secs(5);
            while self.exit().is_none() && Clock::System.now() < end {
                thread::sleep(Duration::from_millis(20));
            }
        }
        let ended = self.exit().is_some();
        if !ended || thread::panicking() {
            let _ = kill_process_group(pid(self.child.id()), Signal::KILL);
        }
        if !ended {
            let _ = self.child.wait();
        }
        if thread::panicking() {
            self.show();
        }
    }
}

impl Process {
    #[allow(clippy::print_stderr)] // the failing test's own output
    fn show(&self) {
        for (stream, text) in [("stdout", self.stdout()), ("stderr", self.stderr())] {
            let shown = tail(&text, 6_000);
            if !shown.is_empty() {
                eprintln!("---- {} ({:?}): {stream}\n{shown}", self.name, self.exit);
            }
        }
    }
}

pub(crate) fn pid(raw: u32) -> Pid {
    i32::try_from(raw).ok().and_then(Pid::from_raw).expect("a process id")
}

pub(crate) fn detached(command: &mut Command) {
    command.stdin(Stdio::null());
}

fn text(path: &PathBuf) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

fn tail(text: &str, limit: usize) -> &str {
    let mut from = text.len().saturating_sub(limit);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text[from..].trim_end()
}
