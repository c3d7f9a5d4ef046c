//! What the binary carries: the files of the Python plugin, and the library that draws charts in browsers.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("plugin_files.rs"), plugin_files()?)?;
    std::fs::write(out.join("plotly.js.gz"), plotly()?)?;
    Ok(())
}

/// plotly.js, compressed. The crate has it in a script element, with others that are of no use here.
fn plotly() -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let elements = plotly::Plot::offline_js_sources();
    let script = elements.split_once('>').and_then(|(_, rest)| rest.split_once("</script>"));
    let (script, _) = script.filter(|(script, _)| script.contains("plotly.js v")).ok_or("no plotly.js")?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(script.as_bytes())?;
    Ok(encoder.finish()?)
}

fn plugin_files() -> Result<String, Box<dyn std::error::Error>> {
    let here = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    // In a source distribution of Python, maturin has put the folder beside that of the crate.
    let root =
        here.ancestors().take(2).map(|folder| folder.join("python")).find(|root| root.join("ltel_locust").is_dir());
    let root = root.ok_or("the folder `python/ltel_locust` is missing")?;
    println!("cargo::rerun-if-changed={}", root.join("ltel_locust").display());
    let mut files = Vec::new();
    collect(&root.join("ltel_locust"), &mut files)?;
    files.sort();
    let mut list = "&[\n".to_owned();
    for path in files {
        let name = path.strip_prefix(&root)?.to_string_lossy().into_owned();
        writeln!(list, "    ({name:?}, include_str!({:?})),", path.to_string_lossy())?;
    }
    list += "]\n";
    Ok(list)
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
