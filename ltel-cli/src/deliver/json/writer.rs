//! Where lines are written: stdout, or a file that is replaced when it is large enough.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use tokio::fs::File;
use tokio::io::{AsyncWriteExt, Stdout};

use ltel_core::backend::StartError;

use super::config::Output;
use super::stdout;

/// An open output.
pub(super) enum LineWriter {
    Stdout(Stdout),
    File(LogFile),
    /// Stdout, after its reader has gone. That is the reader's right.
    Closed,
}

impl LineWriter {
    pub(super) fn open(config: &Output) -> Result<Self, StartError> {
        match config {
            Output::Stdout => Ok(Self::Stdout(tokio::io::stdout())),
            Output::File { path, max_bytes, keep } => {
                let file = open(path).map_err(|error| StartError::Open { path: path.display().to_string(), error })?;
                let size = file.metadata().map_or(0, |metadata| metadata.len());
                let file = File::from_std(file);
                Ok(Self::File(LogFile {
                    file,
                    path: path.clone(),
                    size,
                    max_bytes: max_bytes.map(std::num::NonZeroU64::get),
                    keep: *keep,
                }))
            }
        }
    }

    /// Writes whole lines.
    pub(super) async fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let result = match self {
            Self::Stdout(stdout) => async { stdout.write_all(lines).await.and(stdout.flush().await) }.await,
            Self::File(file) => file.write(lines).await,
            Self::Closed => Err(ErrorKind::BrokenPipe.into()),
        };
        if matches!(self, Self::Stdout(_)) && result.as_ref().is_err_and(is_closed) {
            *self = Self::Closed;
            stdout::closed();
        }
        result
    }
}

/// Whether the reader of a pipe has gone.
pub(super) fn is_closed(error: &io::Error) -> bool {
    error.kind() == ErrorKind::BrokenPipe
}

/// A file of lines, and those that went before it: `path.1` is the newest of them.
pub(super) struct LogFile {
    file: File,
    path: PathBuf,
    size: u64,
    max_bytes: Option<u64>,
    keep: u32,
}

impl LogFile {
    async fn write(&mut self, mut lines: &[u8]) -> io::Result<()> {
        while !lines.is_empty() {
            let part = match self.max_bytes {
                Some(max) => &lines[..fitting(lines, max.saturating_sub(self.size))],
                None => lines,
            };
            if part.is_empty() && self.size > 0 {
                self.rotate().await?;
                continue;
            }
            // A line longer than a whole file has one to itself.
            let part = if part.is_empty() { &lines[..first_line(lines)] } else { part };
            self.file.write_all(part).await?;
            self.size += part.len() as u64;
            lines = &lines[part.len()..];
        }
        self.file.flush().await
    }

    async fn rotate(&mut self) -> io::Result<()> {
        self.file.flush().await?;
        let numbered = |n: u32| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{n}"));
            PathBuf::from(name)
        };
        if self.keep == 0 {
            std::fs::remove_file(&self.path)?;
        } else {
            for n in (1..self.keep).rev() {
                match std::fs::rename(numbered(n), numbered(n + 1)) {
                    Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            std::fs::rename(&self.path, numbered(1))?;
        }
        self.file = File::from_std(open(&self.path)?);
        self.size = 0;
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<std::fs::File> {
    std::fs::OpenOptions::new().create(true).append(true).open(path)
}

/// How many bytes of whole lines fit into `room`.
fn fitting(lines: &[u8], room: u64) -> usize {
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    if lines.len() <= room {
        return lines.len();
    }
    lines[..room].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1)
}

fn first_line(lines: &[u8]) -> usize {
    lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_lines_fit() {
        for (lines, room, expected) in
            [("ab\ncd\n", 6, 6), ("ab\ncd\n", 5, 3), ("ab\ncd\n", 2, 0), ("ab\n", 0, 0), ("", 0, 0)]
        {
            assert_eq!(fitting(lines.as_bytes(), room), expected, "{lines:?} into {room}");
        }
    }
}
