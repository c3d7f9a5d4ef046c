//! `ltel-cli man`: the pages, as the formatter of manual pages takes them.

use std::process::Command;

use ltel_tests::{Scene, program};

/// Scenario: all pages are written, and formatted with every warning on.
/// Guarantees: there is a page for each command, none of them causes a warning, and each says what it is of.
#[apply(e2e)]
fn pages_of_all_commands() {
    let scene = Scene::new();
    let folder = scene.path("man1");
    let output = scene.ltel(["man", "--out"]).arg(&folder).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let pages = String::from_utf8(output.stdout).unwrap();
    for command in ["", "-run", "-check", "-compare", "-completions", "-man"] {
        assert!(folder.join(format!("ltel-cli{command}.1")).is_file(), "{command}: {pages}");
    }
    let groff = program("groff");
    for page in pages.lines() {
        let formatted = Command::new(&groff).args(["-man", "-ww", "-Tutf8", "-P-cbou", page]).output().unwrap();
        let text = String::from_utf8(formatted.stdout).unwrap();
        assert!(formatted.status.success() && formatted.stderr.is_empty(), "{page}: {:?}", formatted.stderr);
        for part in ["NAME", "SYNOPSIS", "ltel-cli", env!("CARGO_PKG_VERSION")] {
            assert!(text.contains(part), "{page} lacks `{part}`: {text}");
        }
    }
}

/// Scenario: no folder is given. Guarantees: stdout has the page of the program, which names the pages of its commands.
#[apply(e2e)]
fn the_page_of_the_program() {
    let scene = Scene::new();
    let output = scene.ltel(["man"]).output().unwrap();
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && page.contains("\n.TH ltel-cli 1 \"\" \"ltel "), "{page}");
    assert!(page.contains("ltel\\-cli\\-run(1)"), "{page}");
    assert!(!page.contains(".SH VERSION"), "the footer has it: {page}");
}
