//! The Python plugin is embedded in this binary, and unpacked where Python can import it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use super::private_folder::cache_folder;

/// The plugin's files, from `python/ltel_locust`.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/plugin_files.rs"));

/// The folder that holds `ltel_locust`, for PYTHONPATH. Unpacked once per version, in the user's cache folder.
pub(crate) fn plugin_folder() -> Result<PathBuf, String> {
    let mut hasher = DefaultHasher::new();
    FILES.hash(&mut hasher);
    let folder = cache_folder()?.join(format!("plugin-{}-{:016x}", env!("CARGO_PKG_VERSION"), hasher.finish()));
    let intact = |folder: &Path| {
        FILES.iter().all(|(name, text)| std::fs::read_to_string(folder.join(name)).is_ok_and(|have| have == *text))
    };
    if intact(&folder) {
        return Ok(folder);
    }
    // Renamed into place when complete: another ltel may start at the same moment.
    let failed = |error: std::io::Error| format!("cannot unpack the plugin to `{}`: {error}", folder.display());
    let parts = folder.with_extension(format!("part-{}", std::process::id()));
    for (name, text) in FILES {
        let path = parts.join(name);
        path.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(failed)?;
        std::fs::write(path, text).map_err(failed)?;
    }
    if std::fs::rename(&parts, &folder).is_err() {
        if intact(&folder) {
            std::fs::remove_dir_all(&parts).map_err(failed)?;
        } else {
            std::fs::remove_dir_all(&folder).map_err(failed)?;
            std::fs::rename(&parts, &folder).map_err(failed)?;
        }
    }
    Ok(folder)
}

/// The value of PYTHONPATH with which Locust loads the plugin.
pub(crate) fn python_path(plugin: &Path) -> Result<std::ffi::OsString, String> {
    let ours = [plugin.join("ltel_locust").join("autoload"), plugin.to_owned()];
    let theirs = std::env::var_os("PYTHONPATH").unwrap_or_default();
    let all = ours.into_iter().chain(std::env::split_paths(&theirs).filter(|path| !path.as_os_str().is_empty()));
    std::env::join_paths(all).map_err(|error| format!("PYTHONPATH: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guarantees: the plugin says the version of the crate that it is released with.
    #[test]
    fn the_plugin_has_the_version_of_the_crate() {
        let (_, text) = FILES.iter().find(|(name, _)| *name == "ltel_locust/__init__.py").unwrap();
        let expected = format!("__version__ = \"{}\"", env!("CARGO_PKG_VERSION"));
        assert!(text.lines().any(|line| line == expected), "ltel_locust/__init__.py wants the line `{expected}`");
    }
}
