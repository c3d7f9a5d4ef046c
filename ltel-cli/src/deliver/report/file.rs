//! Writing a file so that it is there as a whole or not at all.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use ltel_core::text::printable;
use tempfile::{Builder, NamedTempFile};

use super::config::{RUN_ID, folder};

// In characters: a name with it is below the 255 bytes that file systems allow.
const LONGEST_RUN_ID: usize = 64;

/// Replaces a file, or creates it. Readers see the old one or the new one; except where a file can only be written in place.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    // A link stays, and what it leads to is replaced.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    match replace_whole(&path, text) {
        Err(error) if must_stay(&path, &error) => {
            tracing::warn!(
                "`{}` cannot be replaced ({error}), so it is written in place: readers may see a part of it",
                printable(&path.display().to_string())
            );
            fs::write(&path, text)
        }
        replaced => replaced,
    }
}

fn replace_whole(path: &Path, text: &str) -> io::Result<()> {
    let mut file = temporary(path)?;
    file.write_all(text.as_bytes())?;
    if let Ok(before) = fs::metadata(path) {
        file.as_file().set_permissions(before.permissions())?;
    }
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Whether the file is there, and its folder is what cannot be changed: it is mounted by itself, or others own the folder. With
/// other errors, such as a full disk, the old file is better than a part of the new one.
fn must_stay(path: &Path, error: &io::Error) -> bool {
    use io::ErrorKind::{CrossesDevices, PermissionDenied, ReadOnlyFilesystem, ResourceBusy};
    matches!(error.kind(), CrossesDevices | PermissionDenied | ReadOnlyFilesystem | ResourceBusy) && path.is_file()
}

/// Whether this file can be made, or written.
pub(super) fn can_be_written(path: &Path) -> io::Result<()> {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    match temporary(&path).and_then(NamedTempFile::close) {
        Err(error) if must_stay(&path, &error) => OpenOptions::new().write(true).open(&path).map(drop),
        tried => tried,
    }
}

fn temporary(path: &Path) -> io::Result<NamedTempFile> {
    // As open to others as the user wants files to be (umask), unlike most temporary files.
    Builder::new().prefix(".ltel-").suffix(".tmp").permissions(Permissions::from_mode(0o666)).tempfile_in(folder(path))
}

/// The path for this run.
pub(super) fn path_of(path: &Path, run_id: &str) -> PathBuf {
    match path.file_name().and_then(|name| name.to_str()) {
        Some(name) if name.contains(RUN_ID) => path.with_file_name(name.replace(RUN_ID, &file_name_part(run_id))),
        _ => path.to_owned(),
    }
}

/// A run's id as a part of a file's name: without what has a meaning there. One that had to be changed gets a hash, so that two
/// ids remain two.
fn file_name_part(run_id: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !run_id.is_empty() && run_id.len() <= LONGEST_RUN_ID && run_id.chars().all(is_plain) {
        return run_id.to_owned();
    }
    let mut name: String =
        run_id.chars().take(LONGEST_RUN_ID).map(|c| if is_plain(c) { c } else { '_' }).chain(['-']).collect();
    let hash = ring::digest::digest(&ring::digest::SHA256, run_id.as_bytes());
    for byte in &hash.as_ref()[..6] {
        let _ = write!(name, "{byte:02x}");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::HOSTILE;

    #[test]
    fn a_run_id_is_a_part_of_a_name_and_no_more() {
        let of = |run_id: &str| path_of(Path::new("out/r-{run_id}.html"), run_id).display().to_string();
        assert_eq!(of("7c1f-A_b"), "out/r-7c1f-A_b.html");
        assert_eq!(path_of(Path::new("out/report.html"), "7c1f"), Path::new("out/report.html"));
        let mut seen = std::collections::HashSet::new();
        let long = "x".repeat(1_000);
        for run_id in ["../../etc/passwd", "..", ".", "", "a/b", "a_b/", "a\0b", HOSTILE, "{run_id}", &long, &long[1..]]
        {
            let path = of(run_id);
            let name = path.strip_prefix("out/r-").and_then(|name| name.strip_suffix(".html")).expect(&path);
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)), "{name}");
            assert!(name.len() < 100 && seen.insert(name.to_owned()), "{name}");
        }
    }

    /// Scenario: a file is written where none is, over one with a mode of its own, and through a link. Guarantees: it is whole, no
    /// other file stays, the mode and the link stay; a folder that takes no file is an error.
    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, link) = (folder.path().join("report.md"), folder.path().join("latest.md"));
        replace(&file, "one").expect("a new file");
        fs::set_permissions(&file, Permissions::from_mode(0o640)).expect("its mode");
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        replace(&link, "two").expect("a file again");
        assert_eq!(fs::read_to_string(&file).expect("the file"), "two");
        assert_eq!(fs::metadata(&file).expect("the file").permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).expect("the link").is_symlink());
        assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 2);
        let none = folder.path().join("none/report.md");
        assert_eq!(can_be_written(&none).expect_err("no folder").kind(), io::ErrorKind::NotFound);
        assert!(replace(&none, "three").is_err());
    }

    /// Scenario: a folder whose files cannot be replaced, but written: for some users by its mode. Guarantees: a file that is there
    /// is written in place, and is as short as its new text; for a full disk and the like the old file stays.
    #[test]
    fn a_file_that_cannot_be_replaced_is_written_in_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("report.md");
        fs::write(&file, "before").expect("a file");
        fs::set_permissions(folder.path(), Permissions::from_mode(0o555)).expect("a mode");
        can_be_written(&file).expect("can be written");
        replace(&file, "two").expect("written");
        assert_eq!(fs::read_to_string(&file).expect("the file"), "two");
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("a mode");
        for (kind, path, stays) in [
            (io::ErrorKind::ResourceBusy, &file, true),
            (io::ErrorKind::PermissionDenied, &file, true),
            (io::ErrorKind::StorageFull, &file, false),
            (io::ErrorKind::ResourceBusy, &folder.path().to_owned(), false),
            (io::ErrorKind::ResourceBusy, &folder.path().join("none"), false),
        ] {
            assert_eq!(must_stay(path, &kind.into()), stays, "{kind} of {}", path.display());
        }
    }
}
