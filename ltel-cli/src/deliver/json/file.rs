//! A file of lines, which is rotated at a maximum size: `path.1` is the newest older file.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::written::{Written, whole_lines};

/// An open file of lines.
#[derive(Debug)]
pub(super) struct LogFile {
    backend: String,
    path: PathBuf,
    /// Absent if there is no writable file at the path.
    open: Option<OpenFile>,
    max_bytes: Option<u64>,
    keep: u32,
    /// Whether it is opened by a line alone, so that there is no empty file.
    when_written: bool,
    /// Whether a failure to rotate or reopen was already logged.
    told: bool,
}

#[derive(Debug)]
struct OpenFile {
    file: File,
    /// Its real path, without symbolic links: rotated files are next to it.
    path: PathBuf,
    size: u64,
    /// Devices are neither rotated nor reopened.
    is_regular: bool,
    /// Whether it ends in the middle of a line.
    is_torn: bool,
}

impl OpenFile {
    fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let metadata = file.metadata()?;
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let is_regular = metadata.is_file();
        // Left by an ltel that was killed while writing.
        let is_torn = is_regular && metadata.len() > 0 && !ends_with_newline(&path).unwrap_or(true);
        Ok(Self { file, path, size: if is_regular { metadata.len() } else { 0 }, is_regular, is_torn })
    }

    /// Whether a path leads to this file.
    fn is_at(&self, path: &Path) -> bool {
        let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        let here = self.file.metadata().map(identity).ok();
        here.is_some() && here == path.metadata().map(identity).ok()
    }

    /// Whether it was deleted: lines written to it are lost.
    fn is_deleted(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
    }

    /// Writes some of the lines. Returns how many bytes of whole lines were written.
    fn write(&mut self, lines: &[u8]) -> Written {
        if self.is_torn {
            if let Err(error) = self.file.write_all(b"\n") {
                return Written::new(0, Err(error));
            }
            (self.is_torn, self.size) = (false, self.size + 1);
        }
        let (mut written, mut result) = (0, Ok(()));
        while written < lines.len() && result.is_ok() {
            match self.file.write(&lines[written..]) {
                Ok(0) => result = Err(ErrorKind::WriteZero.into()),
                Ok(bytes) => written += bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => result = Err(error),
            }
        }
        self.size += written as u64;
        let whole = whole_lines(lines, written);
        self.is_torn = whole < written;
        Written::new(whole, result)
    }
}

fn ends_with_newline(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

impl LogFile {
    pub(super) fn open(backend: &str, path: &Path, max_bytes: Option<u64>, keep: u32) -> io::Result<Self> {
        let open = Some(OpenFile::open(path)?);
        Ok(Self { open, when_written: false, ..Self::when_written(backend, path, max_bytes, keep) })
    }

    /// A file that is opened when something is written.
    pub(super) fn when_written(backend: &str, path: &Path, max_bytes: Option<u64>, keep: u32) -> Self {
        let (backend, path) = (backend.to_owned(), path.to_owned());
        Self { backend, path, open: None, max_bytes, keep, when_written: true, told: false }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes whole lines.
    pub(super) fn write(&mut self, lines: &[u8]) -> Written {
        let mut written = 0;
        // At most once per write: a file that cannot be rotated grows.
        let mut may_rotate = true;
        while written < lines.len() {
            let rest = &lines[written..];
            let Some(open) = &mut self.open else {
                let error = self.open_again().err();
                if error.is_some() {
                    return Written { bytes: written, error };
                }
                continue;
            };
            let fitting = match self.max_bytes.filter(|_| open.is_regular && may_rotate) {
                Some(max) => fitting(rest, max.saturating_sub(open.size)),
                None => rest.len(),
            };
            if fitting == 0 && open.size > 0 {
                may_rotate = self.rotate();
                continue;
            }
            // A line longer than `max_bytes` gets its own file.
            let part = if fitting == 0 { first_line(rest) } else { fitting };
            let result = open.write(&rest[..part]);
            written += result.bytes;
            if result.error.is_some() {
                return Written { bytes: written, error: result.error };
            }
        }
        Written::new(written, Ok(()))
    }

    /// Opens the file again if what is written to it is lost; if it is `told` to, also if its path leads to another one by now. A file
    /// that was moved away is still written until a signal says that it was rotated.
    pub(super) fn reopen(&mut self, told: bool) {
        match &self.open {
            Some(open) => {
                let is_left = open.is_regular && !open.is_at(&self.path) && (told || open.is_deleted());
                if !is_left {
                    return;
                }
            }
            None if self.when_written => return,
            None => {}
        }
        let backend = self.backend.clone();
        let path = self.path.display().to_string();
        if self.when_written && !told {
            self.open = None;
            tracing::warn!("backend `{backend}`: `{path}` was deleted, so the next line begins a new file");
            return;
        }
        match self.open_again() {
            Ok(()) if told => {}
            Ok(()) => tracing::warn!("backend `{backend}`: `{path}` was deleted, so a new file is written"),
            Err(error) => {
                let is_lost = self.open.as_ref().is_none_or(OpenFile::is_deleted);
                if is_lost {
                    self.open = None;
                }
                if !std::mem::replace(&mut self.told, true) {
                    let what = if is_lost { "lines are lost until it can be" } else { "still writing the moved file" };
                    tracing::error!("backend `{backend}`: cannot reopen `{path}`: {error}; {what}");
                }
            }
        }
    }

    fn open_again(&mut self) -> io::Result<()> {
        self.open = Some(OpenFile::open(&self.path)?);
        self.told = false;
        Ok(())
    }

    /// Begins a new file. Returns whether that succeeded; if not, the old file is still written.
    fn rotate(&mut self) -> bool {
        let Some(open) = &self.open else { return false };
        match replaced(open, self.keep) {
            Ok(new) => {
                self.open = Some(new);
                self.told = false;
                true
            }
            Err(error) => {
                if !std::mem::replace(&mut self.told, true) {
                    let (backend, path) = (&self.backend, self.path.display());
                    tracing::error!(
                        "backend `{backend}`: `{path}` has reached `max_bytes` but cannot be rotated: {error}; \
                         it grows until it can"
                    );
                }
                false
            }
        }
    }
}

/// Replaces a file by a new one. The new one is opened before anything is moved, so a failure changes nothing.
fn replaced(open: &OpenFile, keep: u32) -> io::Result<OpenFile> {
    let path = &open.path;
    // It was moved or deleted: there is nothing to shift, and a file that is at the path now belongs to another writer.
    if !open.is_at(path) {
        return OpenFile::open(path);
    }
    let new = beside(path, "new");
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = OpenOptions::new().create_new(true).append(true).open(&new)?;
    if let Ok(metadata) = open.file.metadata() {
        // The new file gets the permissions of the old one. Not all file systems have permissions.
        let _ = file.set_permissions(metadata.permissions());
    }
    let shifted = if keep > 0 { shift(path, keep) } else { Ok(()) };
    match shifted.and_then(|()| std::fs::rename(&new, path)) {
        Ok(()) => Ok(OpenFile { file, path: path.clone(), size: 0, is_regular: true, is_torn: false }),
        Err(error) => {
            let _ = std::fs::remove_file(&new);
            Err(error)
        }
    }
}

/// Moves a file to `path.1`, after shifting the older files. They shift only up to the first gap, so one rotation shifts
/// each file once, even if it is retried.
fn shift(path: &Path, keep: u32) -> io::Result<()> {
    let numbered = |n: u32| beside(path, &n.to_string());
    let last = (1..keep).find(|n| !exists(&numbered(*n))).unwrap_or(keep);
    for n in (1..last).rev() {
        std::fs::rename(numbered(n), numbered(n + 1))?;
    }
    std::fs::rename(path, numbered(1))
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(format!(".{suffix}"));
    PathBuf::from(name)
}

/// How many bytes of whole lines fit into `room`.
fn fitting(lines: &[u8], room: u64) -> usize {
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    if lines.len() <= room { lines.len() } else { whole_lines(lines, room) }
}

fn first_line(lines: &[u8]) -> usize {
    lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |end| end + 1)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_whole_lines_fit() {
        for (lines, room, expected) in
            [("ab\ncd\n", 6, 6), ("ab\ncd\n", 5, 3), ("ab\ncd\n", 2, 0), ("ab\n", 0, 0), ("", 0, 0)]
        {
            assert_eq!(fitting(lines.as_bytes(), room), expected, "{lines:?} into {room}");
        }
    }

    /// A folder with a file of lines that is rotated after each line.
    struct Scene {
        folder: tempfile::TempDir,
        file: LogFile,
    }

    impl Scene {
        fn new(max_bytes: Option<u64>) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let file = LogFile::open("file", &folder.path().join("log"), max_bytes, 3).unwrap();
            Self { folder, file }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn write(&mut self, lines: &str) {
            let written = self.file.write(lines.as_bytes());
            assert!(written.error.is_none() && written.bytes == lines.len(), "{written:?}");
        }

        /// Each file of the folder and its content.
        fn check(&self, expected: &[(&str, &str)]) {
            let files = std::fs::read_dir(self.folder.path()).unwrap().map(|file| file.unwrap().path());
            let mut files: Vec<_> = files.filter(|path| path.is_file()).collect();
            files.sort();
            let have: Vec<_> = files
                .iter()
                .map(|path| {
                    (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(path).unwrap())
                })
                .collect();
            let have: Vec<_> = have.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
            assert_eq!(have, expected);
        }
    }

    #[test]
    fn a_full_file_is_replaced() {
        let mut scene = Scene::new(Some(4));
        scene.write("1\n2\n3\n");
        scene.check(&[("log", "3\n"), ("log.1", "1\n2\n")]);
        scene.write("4\n5\n6\n7\n8\n9\n");
        scene.check(&[("log", "9\n"), ("log.1", "7\n8\n"), ("log.2", "5\n6\n"), ("log.3", "3\n4\n")]);
    }

    /// Scenario: one of the older files, or the current one, was deleted. Guarantees: the others stay, none is shifted
    /// twice, and lines are still written.
    #[test]
    fn a_rotated_file_that_was_deleted() {
        let mut scene = Scene::new(Some(2));
        scene.write("1\n2\n3\n4\n");
        std::fs::remove_file(scene.path("log.2")).unwrap();
        scene.write("5\n");
        scene.check(&[("log", "5\n"), ("log.1", "4\n"), ("log.2", "3\n"), ("log.3", "1\n")]);
        std::fs::remove_file(scene.path("log")).unwrap();
        scene.write("6\n");
        scene.check(&[("log", "6\n"), ("log.1", "4\n"), ("log.2", "3\n"), ("log.3", "1\n")]);
    }

    /// Scenario: another ltel writes and rotates the same file. Guarantees: neither loses a line of the other.
    #[test]
    fn a_file_of_two_writers() {
        let mut scene = Scene::new(Some(4));
        let mut other = LogFile::open("other", &scene.path("log"), Some(2), 3).unwrap();
        scene.write("1\n2\n");
        scene.write("3\n");
        assert!(other.write(b"a\n").error.is_none());
        scene.write("4\n");
        assert!(other.write(b"b\n").error.is_none());
        let all = ["log", "log.1", "log.2", "log.3"].map(|name| std::fs::read_to_string(scene.path(name)));
        let mut lines: Vec<_> = all.iter().flatten().flat_map(|text| text.lines()).collect();
        lines.sort_unstable();
        assert_eq!(lines, ["1", "2", "3", "4", "a", "b"]);
    }

    /// Scenario: no new file can be created. Guarantees: the file grows, nothing is shifted, no line is lost; once it is
    /// possible again, each file has moved by one.
    #[test]
    fn a_file_that_cannot_be_replaced_grows() {
        let mut scene = Scene::new(Some(2));
        scene.write("1\n2\n3\n");
        std::fs::create_dir(scene.path("log.new")).unwrap();
        scene.write("4\n");
        scene.write("5\n6\n");
        scene.check(&[("log", "3\n4\n5\n6\n"), ("log.1", "2\n"), ("log.2", "1\n")]);
        std::fs::remove_dir(scene.path("log.new")).unwrap();
        scene.write("7\n");
        scene.check(&[("log", "7\n"), ("log.1", "3\n4\n5\n6\n"), ("log.2", "2\n"), ("log.3", "1\n")]);
    }

    /// Scenario: the file ends in the middle of a line, after a kill or a full disk. Guarantees: the next record begins a
    /// new line.
    #[test]
    fn a_torn_line_is_ended() {
        let mut scene = Scene::new(None);
        scene.write("1\n");
        std::fs::write(scene.path("log"), "1\n{\"torn").unwrap();
        scene.file = LogFile::open("file", &scene.path("log"), None, 3).unwrap();
        scene.write("2\n");
        scene.file.open.as_mut().unwrap().is_torn = true;
        scene.write("3\n");
        scene.check(&[("log", "1\n{\"torn\n2\n\n3\n")]);
    }

    /// Scenario: the file is moved away, then deleted, then in its place is a folder, then nothing. Guarantees: lines go to
    /// the file at the path; while there is none, they have failed.
    #[test]
    fn what_the_path_leads_to_is_written() {
        let mut scene = Scene::new(None);
        scene.write("1\n");
        std::fs::rename(scene.path("log"), scene.path("moved")).unwrap();
        scene.write("2\n");
        scene.file.reopen(true);
        scene.write("3\n");
        scene.check(&[("log", "3\n"), ("moved", "1\n2\n")]);
        std::fs::remove_file(scene.path("log")).unwrap();
        scene.file.reopen(false);
        scene.write("4\n");
        std::fs::remove_file(scene.path("log")).unwrap();
        std::fs::create_dir(scene.path("log")).unwrap();
        scene.file.reopen(false);
        let written = scene.file.write(b"5\n");
        assert!(written.error.is_some() && written.bytes == 0, "{written:?}");
        std::fs::remove_dir(scene.path("log")).unwrap();
        scene.write("6\n");
        scene.check(&[("log", "6\n"), ("moved", "1\n2\n")]);
    }

    /// Scenario: a file that is opened by its first line is reopened before that, after it was deleted, and after it was moved away.
    /// Guarantees: no empty file, except where a moved one was; a warning when it was deleted, once, and never before it was there.
    #[test]
    fn a_file_that_is_opened_by_a_line() {
        let mut scene = Scene::new(None);
        std::fs::remove_file(scene.path("log")).unwrap();
        scene.file = LogFile::when_written("file", &scene.path("log"), None, 3);
        let log: Logged = Logged::default();
        let _guard = tracing::subscriber::set_default(
            tracing_subscriber::fmt().with_ansi(false).with_writer(log.clone()).finish(),
        );
        for told in [false, true] {
            scene.file.reopen(told);
            scene.check(&[]);
        }
        assert_eq!(log.text(), "");
        scene.write("1\n");
        scene.file.reopen(false);
        assert_eq!(log.text(), "");
        std::fs::remove_file(scene.path("log")).unwrap();
        for _ in 0..2 {
            scene.file.reopen(false);
            scene.check(&[]);
        }
        assert_eq!(log.text().lines().count(), 1, "{}", log.text());
        assert!(log.text().contains("was deleted, so the next line begins a new file"), "{}", log.text());
        scene.write("2\n");
        std::fs::rename(scene.path("log"), scene.path("moved")).unwrap();
        scene.file.reopen(true);
        scene.write("3\n");
        scene.check(&[("log", "3\n"), ("moved", "2\n")]);
        assert_eq!(log.text().lines().count(), 1, "{}", log.text());
    }

    /// What was logged.
    #[derive(Clone, Default)]
    struct Logged(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

    impl Logged {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Logged {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl tracing_subscriber::fmt::MakeWriter<'_> for Logged {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    /// Scenario: the path is a symbolic link. Guarantees: it stays one, and older files are next to its target.
    #[test]
    fn a_symbolic_link_stays_one() {
        let mut scene = Scene::new(Some(2));
        std::fs::create_dir(scene.path("data")).unwrap();
        std::fs::remove_file(scene.path("log")).unwrap();
        symlink("data/real", scene.path("log")).unwrap();
        scene.file = LogFile::open("file", &scene.path("log"), Some(2), 3).unwrap();
        scene.write("1\n2\n");
        assert_eq!(std::fs::read_to_string(scene.path("data/real.1")).unwrap(), "1\n");
        assert!(scene.path("log").is_symlink());
        scene.check(&[("log", "2\n")]);
    }

    /// Scenario: a device, with a limit that each line exceeds. Guarantees: it is not moved; a full device is an error.
    #[cfg(target_os = "linux")] // it has a disk that is full
    #[test]
    fn a_device_is_not_replaced() {
        let mut full = LogFile::open("file", Path::new("/dev/full"), Some(1), 3).unwrap();
        let written = full.write(b"1\n");
        assert_eq!((written.bytes, written.error.map(|error| error.kind())), (0, Some(ErrorKind::StorageFull)));
        let mut null = LogFile::open("file", Path::new("/dev/null"), Some(1), 3).unwrap();
        assert_eq!(null.write(b"1\n2\n").bytes, 4);
        null.reopen(true);
        assert!(!exists(Path::new("/dev/null.1")) && exists(Path::new("/dev/null")));
    }
}
