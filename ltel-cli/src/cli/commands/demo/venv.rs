//! Locust in its own virtual environment, created once.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use indicatif::ProgressBar;
use tokio::process::Command;

use crate::cli::{log, print, private_folder};

const LOCUST: &str = "locust==2.47.0";

/// Returns the environment's folder. Creates it if needed, and shows the progress.
pub(super) async fn locust() -> Result<PathBuf, String> {
    let folder = private_folder::cache_folder()?.join(LOCUST.replace("==", "-"));
    // Written last: an interrupted installation starts again.
    let complete = folder.join("ltel-complete");
    if complete.is_file() && works(&folder).await {
        return Ok(folder);
    }
    print::note(&format!("Installing {LOCUST} in {} (once)\n", folder.display()));
    let _ = std::fs::remove_dir_all(&folder);
    let python = ["-m", "venv"].map(Into::into).into_iter().chain([folder.clone().into_os_string()]);
    step("making a virtual environment", Command::new("python3").args(python)).await.map_err(|error| {
        format!(
            "{error}\nThe demo needs Python 3.10 or newer with its venv module (Debian: `apt install python3-venv`)."
        )
    })?;
    let pip = ["-m", "pip", "install", "--disable-pip-version-check", "--no-input", LOCUST];
    step("installing Locust from PyPI", Command::new(folder.join("bin/python")).args(pip)).await?;
    std::fs::write(&complete, "").map_err(|error| format!("cannot write `{}`: {error}", complete.display()))?;
    Ok(folder)
}

async fn works(folder: &Path) -> bool {
    let mut locust = Command::new(folder.join("bin/locust"));
    locust.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    locust.status().await.is_ok_and(|status| status.success())
}

async fn step(what: &'static str, command: &mut Command) -> Result<(), String> {
    let spinner = if log::is_quiet() || log::is_json() { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    let spinner = spinner.with_message(what);
    spinner.enable_steady_tick(Duration::from_millis(120));
    if spinner.is_hidden() {
        print::note(&format!("  {what}\n"));
    }
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
    spinner.finish_and_clear();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
            Err(format!("{said}{what} failed ({})", output.status))
        }
        Err(error) => Err(format!("{what} failed: {error}")),
    }
}
