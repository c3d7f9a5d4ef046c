//! The plugin's own tests, which are written in Python.

use std::path::Path;
use std::process::Command;

use ltel_tests::{Turn, locust_venv};

/// Scenario: the plugin's unit tests, and real Locust runs against a receiver written in Python. Guarantees: they pass.
#[apply(e2e)]
fn the_plugins_own_tests_pass() {
    let _turn = Turn::shared();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ltel-cli/python");
    // What hangs in Python is to fail with what it does.
    let within = "import faulthandler, unittest; faulthandler.dump_traceback_later(900, exit=True); \
                  unittest.main(None, argv=['unittest', 'discover'])";
    let output = Command::new(locust_venv().join("python"))
        .args(["-c", within])
        .current_dir(folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
