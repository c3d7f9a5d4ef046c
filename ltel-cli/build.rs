//! Lists the files of the Python plugin, so that the binary can carry them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("python");
    println!("cargo::rerun-if-changed=python/ltel_locust");
    let mut files = Vec::new();
    collect(&root.join("ltel_locust"), &mut files)?;
    files.sort();
    let mut list = "&[\n".to_owned();
    for path in files {
        let name = path.strip_prefix(&root)?.to_string_lossy().into_owned();
        writeln!(list, "    ({name:?}, include_str!({:?})),", path.to_string_lossy())?;
    }
    list += "]\n";
    std::fs::write(PathBuf::from(std::env::var("OUT_DIR")?).join("plugin_files.rs"), list)?;
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "__pycache__") {
                collect(&path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "py" || extension == "typed") {
            files.push(path);
        }
    }
    Ok(())
}
