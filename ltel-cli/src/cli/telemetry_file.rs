//! The file for telemetry that nobody has said a place for: of `run` at a terminal, and of `demo`.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use bytesize::ByteSize;

use super::private_folder;
use crate::clock;
use crate::config::BackendConfig;
use crate::deliver::json::Json;

/// How many files stay. The oldest go.
const KEEP: usize = 20;

const ENDING: &str = ".jsonl";

/// A new file in the state folder, which only this user can read. It is removed if it stays empty.
#[derive(Debug)]
pub(crate) struct TelemetryFile(PathBuf);

impl TelemetryFile {
    /// Creates it, and removes old ones. `of` is the command.
    pub(crate) fn create(of: &str) -> Result<Self, String> {
        let folder = private_folder::state_folder()?;
        let path = create_in(&folder, of, &clock::now().to_string(), std::process::id());
        let path = path.map_err(|error| format!("cannot create a file in {}: {error}", folder.display()))?;
        prune(&folder, &path);
        Ok(Self(path))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The backend that writes it.
    pub(crate) fn backend(&self) -> BackendConfig {
        BackendConfig::new("file", Json::to_file(self.0.clone()))
    }

    /// Where it is, for people. Once telemetry is in it, also how much.
    pub(crate) fn place(&self) -> String {
        let size = match self.size() {
            0 => String::new(),
            size => format!(" ({})", ByteSize::b(size).display().si()),
        };
        format!("Telemetry as JSON lines: {}{size}\n", self.0.display())
    }

    fn size(&self) -> u64 {
        fs::metadata(&self.0).map_or(0, |metadata| metadata.len())
    }
}

impl Drop for TelemetryFile {
    fn drop(&mut self) {
        if self.size() == 0 {
            let _ = fs::remove_file(&self.0);
        }
    }
}

// Its name sorts by time, and says which command it is of. The process id keeps two of one moment apart.
fn create_in(folder: &Path, of: &str, time: &str, process: u32) -> io::Result<PathBuf> {
    let time: String = time.split('.').next().unwrap_or_default().chars().filter(|c| *c != '-' && *c != ':').collect();
    let path = folder.join(format!("{of}-{time}-{process}{ENDING}"));
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    Ok(path)
}

/// Removes all but the files that were written last. This one stays.
fn prune(folder: &Path, path: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut files: Vec<_> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|file| file != path && is_ours(file))
        .filter_map(|file| {
            Some((fs::symlink_metadata(&file).ok().filter(fs::Metadata::is_file)?.modified().ok()?, file))
        })
        .collect();
    files.sort();
    for (_, file) in files.iter().rev().skip(KEEP - 1) {
        // Another ltel may have removed it.
        let _ = fs::remove_file(file);
    }
}

fn is_ours(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    (name.starts_with("run-") || name.starts_with("demo-")) && name.ends_with(ENDING)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_last_ones_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        for other in ["notes.jsonl", "run-notes.txt"] {
            fs::write(folder.join(other), "").expect("a file");
        }
        let time = |second: u32| format!("2026-11-26T20:34:{second:02}.123Z");
        for second in 0..30 {
            let path = create_in(folder, "run", &time(second), 7).expect("a file");
            let modified = std::time::UNIX_EPOCH + std::time::Duration::from_secs(second.into());
            fs::File::open(&path).expect("the file").set_modified(modified).expect("its owner");
        }
        let last = create_in(folder, "demo", &time(1), 7).expect("a file");
        assert_eq!(last, folder.join("demo-20261126T203401-7.jsonl"));
        assert_eq!(fs::metadata(&last).expect("the file").permissions().mode() & 0o777, 0o600);
        assert!(create_in(folder, "demo", &time(1), 7).is_err(), "a file that exists is not written over");
        prune(folder, &last);
        let mut left: Vec<_> =
            fs::read_dir(folder).expect("the folder").map(|file| file.expect("a file").file_name()).collect();
        left.sort();
        assert_eq!(left.len(), KEEP + 2, "{left:?}");
        assert_eq!(left[0], "demo-20261126T203401-7.jsonl");
        assert_eq!(left[2], "run-20261126T203411-7.jsonl");
    }
}
