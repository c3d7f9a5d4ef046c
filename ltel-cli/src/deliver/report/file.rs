//! Writing a file so that it is there as a whole or not at all.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use ltel_core::text::printable;
use tempfile::{Builder, NamedTempFile};

use crate::deliver::run_file::folder;

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
pub(crate) fn can_be_written(path: &Path) -> io::Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
