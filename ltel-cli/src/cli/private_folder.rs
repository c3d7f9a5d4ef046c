//! Folders of this user alone: for files that ltel creates once and executes often, such as the plugin and a virtual
//! environment (who can write there can run code as this user), and for telemetry, which may hold what a test sends.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use tempfile::TempDir;

/// Writable by the group or by all.
const WRITABLE: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// A new folder in this one that no other user can enter, whatever the umask is. It is removed when dropped.
pub(crate) fn temporary_folder_in(folder: &Path) -> io::Result<TempDir> {
    tempfile::Builder::new().prefix("ltel-").permissions(Permissions::from_mode(0o700)).tempdir_in(folder)
}

/// For what can be made again: `$XDG_CACHE_HOME/ltel`, by default `~/.cache/ltel`.
pub(crate) fn cache_folder() -> Result<PathBuf, String> {
    user_folder("XDG_CACHE_HOME", ".cache")
}

/// For what the user may want to read later: `$XDG_STATE_HOME/ltel`, by default `~/.local/state/ltel`.
pub(crate) fn state_folder() -> Result<PathBuf, String> {
    user_folder("XDG_STATE_HOME", ".local/state")
}

/// The first usable folder of those that the variable and the user's home say, and of the temporary folders.
fn user_folder(variable: &str, in_home: &str) -> Result<PathBuf, String> {
    let stated = |name| std::env::var_os(name).map(PathBuf::from);
    let caches = [stated(variable), stated("HOME").map(|home| home.join(in_home))];
    let user = geteuid().as_raw();
    let temporary =
        [std::env::temp_dir(), "/tmp".into(), "/var/tmp".into()].map(|folder| folder.join(format!("ltel-{user}")));
    first_of(caches.into_iter().flatten().map(|cache| cache.join("ltel")).chain(temporary), user, variable)
}

fn first_of(folders: impl Iterator<Item = PathBuf>, user: u32, variable: &str) -> Result<PathBuf, String> {
    let mut why = Vec::new();
    for folder in folders {
        match private(&folder, user) {
            Ok(()) => return Ok(folder),
            Err(error) => why.push(format!("  {}: {error}", folder.display())),
        }
    }
    why.dedup();
    Err(format!(
        "no usable folder for ltel's own files: set {variable} to a folder that only you can write to\n{}",
        why.join("\n")
    ))
}

/// Creates the folder if it does not exist. Fails if other users can write to it.
fn private(folder: &Path, user: u32) -> Result<(), String> {
    if !folder.is_absolute() {
        return Err("not an absolute path".to_owned());
    }
    let failed = |error: io::Error| error.to_string();
    let parent = folder.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(parent).map_err(failed)?;
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error.to_string()),
    }
    // Of the link itself, not of its target: the link's owner can change the target.
    let metadata = fs::symlink_metadata(folder).map_err(failed)?;
    if !metadata.is_dir() {
        return Err("not a folder".to_owned());
    }
    if metadata.uid() != user {
        return Err(format!("it belongs to another user ({})", metadata.uid()));
    }
    if metadata.mode() & WRITABLE != 0 {
        return Err(format!("other users can write to it (mode {:o}): remove it", metadata.mode() & 0o7777));
    }
    // Another user who owns the parent folder, or can rename files in it, could replace the folder.
    let above = fs::metadata(parent).map_err(failed)?;
    if above.uid() != user && above.uid() != 0 {
        return Err(format!("the folder it is in belongs to another user ({})", above.uid()));
    }
    if above.mode() & WRITABLE != 0 && above.mode() & STICKY == 0 {
        return Err(format!("other users can replace it (mode {:o} of the folder it is in)", above.mode() & 0o7777));
    }
    // The file system may be read-only, or full.
    tempfile::tempfile_in(folder).map(drop).map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn check(folders: &[PathBuf], user: u32, expected: Result<&Path, &str>) {
        match (first_of(folders.iter().cloned(), user, "XDG_CACHE_HOME"), expected) {
            (Ok(folder), Ok(expected)) => {
                assert_eq!(folder, expected);
                assert_eq!(fs::metadata(folder).expect("a folder").mode() & 0o7777, 0o700);
            }
            (Err(why), Err(part)) => assert!(why.contains(part), "{why}"),
            (folder, expected) => panic!("{folder:?} where {expected:?} was expected"),
        }
    }

    #[test]
    fn only_a_folder_of_ones_own_will_do() {
        let root = tempfile::tempdir().expect("a folder");
        let (user, path) = (geteuid().as_raw(), |name: &str| root.path().join(name));
        let mode = |name: &str, mode| {
            fs::create_dir_all(path(name)).expect("a folder");
            fs::set_permissions(path(name), Permissions::from_mode(mode)).expect("its owner");
        };
        let good = path("good/cache/ltel");
        let one = std::slice::from_ref;
        check(one(&good), user, Ok(&good));
        check(one(&good), user, Ok(&good));
        check(&[PathBuf::from("relative"), good.clone()], user, Ok(&good));
        check(one(&good), user + 1, Err("it belongs to another user"));
        mode("wide/ltel", 0o770);
        check(&[path("wide/ltel"), good.clone()], user, Ok(&good));
        check(&[path("wide/ltel")], user, Err("other users can write to it (mode 770)"));
        mode("shared", 0o777);
        check(&[path("shared/ltel")], user, Err("other users can replace it"));
        mode("sticky", 0o1777);
        check(&[path("sticky/ltel")], user, Ok(&path("sticky/ltel")));
        symlink(&good, path("link")).expect("a link");
        check(&[path("link")], user, Err("link: not a folder"));
        fs::write(path("file"), "").expect("a file");
        check(&[path("file/ltel")], user, Err("set XDG_CACHE_HOME to a folder"));
    }

    #[test]
    fn a_temporary_folder_is_the_users_alone() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = temporary_folder_in(root.path()).expect("a folder");
        assert_eq!(fs::metadata(folder.path()).expect("a folder").mode() & 0o7777, 0o700);
    }
}
