//! The outputs of lines: stdout, a file, or a named pipe.

use std::io::{self, ErrorKind};
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;
use std::time::Duration;

use ltel_core::backend::{Ending, Start, StartError};
use nix::errno::Errno;
use tokio::io::{AsyncWriteExt, Stdout};
use tokio::net::unix::pipe;
use tokio::sync::Mutex;
use tokio::time::sleep;

use super::config::{Destination, FileOutput};
use super::file::LogFile;
use super::stdout;
use super::written::{Written, whole_lines};

/// Who writes to stdout writes whole lines.
static STDOUT: Mutex<()> = Mutex::const_new(());

/// How often a named pipe without a reader is tried again: the system does not tell when a reader comes.
const ASK: Duration = Duration::from_millis(100);

/// An open output.
pub(super) enum LineWriter {
    Stdout(Stdout),
    /// Absent while a blocking thread writes it.
    File(Option<LogFile>),
    NamedPipe(NamedPipe),
    /// Stdout, after its reader has gone. This is not an error.
    Closed,
}

impl LineWriter {
    pub(super) fn open(output: &Destination, cx: &Start) -> Result<Self, StartError> {
        let Destination::File(FileOutput { path, max_bytes, keep }) = output else {
            return Ok(Self::Stdout(tokio::io::stdout()));
        };
        if path.metadata().is_ok_and(|metadata| metadata.file_type().is_fifo()) {
            return Ok(Self::NamedPipe(NamedPipe::new(path.clone(), cx)));
        }
        let file = LogFile::open(&cx.name, path, max_bytes.map(std::num::NonZeroU64::get), *keep);
        let file = file.map_err(|error| StartError::Open { path: path.display().to_string(), error })?;
        Ok(Self::File(Some(file)))
    }

    /// A file that is opened when the first line is written to it.
    pub(super) fn when_written(file: &FileOutput, backend: &str) -> Self {
        let FileOutput { path, max_bytes, keep } = file;
        Self::File(Some(LogFile::when_written(backend, path, max_bytes.map(std::num::NonZeroU64::get), *keep)))
    }

    /// Its name in messages.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Stdout(_) | Self::Closed => "stdout".to_owned(),
            Self::File(file) => file.as_ref().map_or_else(String::new, |file| file.path().display().to_string()),
            Self::NamedPipe(pipe) => pipe.path.display().to_string(),
        }
    }

    /// Writes whole lines.
    pub(super) async fn write(&mut self, lines: &[u8]) -> Written {
        match self {
            Self::Stdout(stdout) => {
                // While one configuration takes over from another, two backends may write here.
                let _turn = STDOUT.lock().await;
                let result = async { stdout.write_all(lines).await.and(stdout.flush().await) }.await;
                if result.as_ref().is_err_and(is_closed) {
                    *self = Self::Closed;
                    stdout::closed();
                }
                Written::new(if result.is_ok() { lines.len() } else { 0 }, result)
            }
            Self::File(slot) => {
                let lines = lines.to_vec();
                on_a_thread(slot, move |file| file.write(&lines))
                    .await
                    .unwrap_or_else(|error| Written { bytes: 0, error: Some(error) })
            }
            Self::NamedPipe(pipe) => pipe.write(lines).await,
            Self::Closed => Written { bytes: 0, error: Some(ErrorKind::BrokenPipe.into()) },
        }
    }

    /// Reopens a file if it was deleted; if `told` to, also if its path now leads to another file.
    pub(super) async fn reopen(&mut self, told: bool) {
        if let Self::File(slot) = self {
            // An error means that there is no file; the next write reports it.
            let _ = on_a_thread(slot, move |file| file.reopen(told)).await;
        }
    }
}

/// Writes files on a blocking thread.
async fn on_a_thread<T: Send + 'static>(
    slot: &mut Option<LogFile>,
    work: impl FnOnce(&mut LogFile) -> T + Send + 'static,
) -> io::Result<T> {
    let Some(mut file) = slot.take() else { return Err(io::Error::other("an earlier write did not end")) };
    let worked = tokio::task::spawn_blocking(move || {
        let result = work(&mut file);
        (file, result)
    });
    let (file, result) = worked.await.map_err(io::Error::other)?;
    *slot = Some(file);
    Ok(result)
}

/// Whether the reader of a pipe has gone.
pub(super) fn is_closed(error: &io::Error) -> bool {
    error.kind() == ErrorKind::BrokenPipe
}

/// A named pipe. It is written when it has a reader; until then lines wait, and the queue before them is bounded.
pub(super) struct NamedPipe {
    backend: String,
    path: PathBuf,
    sender: Option<pipe::Sender>,
    ending: Ending,
    told: bool,
}

impl NamedPipe {
    fn new(path: PathBuf, cx: &Start) -> Self {
        let mut pipe = Self { backend: cx.name.clone(), path, sender: None, ending: cx.ending.clone(), told: false };
        // The next write reports an error.
        let _ = pipe.open();
        pipe
    }

    /// Opens it, if it has a reader.
    fn open(&mut self) -> io::Result<bool> {
        match pipe::OpenOptions::new().open_sender(&self.path) {
            Ok(sender) => {
                self.sender = Some(sender);
                self.told = false;
                Ok(true)
            }
            // There is no reader.
            Err(error) if error.raw_os_error() == Some(Errno::ENXIO as i32) => {
                if !self.told {
                    self.told = true;
                    let (backend, path) = (&self.backend, self.path.display());
                    tracing::warn!(
                        "backend `{backend}`: nothing reads the named pipe `{path}`: lines wait for a reader"
                    );
                }
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    async fn write(&mut self, lines: &[u8]) -> Written {
        let mut written = 0;
        while written < lines.len() {
            if self.sender.is_none() {
                match self.open() {
                    Ok(true) => {}
                    Ok(false) if self.ending.is_near() => {
                        let error = io::Error::new(ErrorKind::NotConnected, "nothing reads the named pipe");
                        return Written::new(whole_lines(lines, written), Err(error));
                    }
                    Ok(false) => {
                        sleep(ASK).await;
                        continue;
                    }
                    Err(error) => return Written::new(whole_lines(lines, written), Err(error)),
                }
                // A new reader gets whole lines.
                written = whole_lines(lines, written);
            }
            let Some(sender) = &mut self.sender else { continue };
            match sender.write(&lines[written..]).await {
                Ok(bytes) => written += bytes,
                // The reader has gone; another one may come.
                Err(error) if is_closed(&error) => self.sender = None,
                Err(error) => return Written::new(whole_lines(lines, written), Err(error)),
            }
        }
        Written::new(written, Ok(()))
    }
}
