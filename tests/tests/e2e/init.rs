//! `ltel-cli init`: a configuration to begin with.

use std::fs;
use std::os::unix::net::UnixListener;

use ltel_tests::Scene;

/// Scenario: `init` in an empty folder, then `check` and `run` with its file; `init` with a name, and for stdout.
/// Guarantees: the file is valid as it is; what comes next is said; a file is replaced only with `--force`.
#[apply(e2e)]
fn a_file_to_begin_with() {
    let scene = Scene::new();
    let said = |args: &[&str], code: i32| {
        let output = scene.ltel(args).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (out, next) = said(&["init"], 0);
    assert!(out.is_empty() && next.contains("Created `telemetry.toml`"), "{next}");
    for line in ["ltel-cli check telemetry.toml", "ltel-cli run --config telemetry.toml locust -f locustfile.py"] {
        assert!(next.contains(line), "{next}");
    }
    let (shown, warnings) = said(&["check", "telemetry.toml"], 0);
    assert!(shown.contains("telemetry.jsonl") && warnings.is_empty(), "{shown}{warnings}");
    said(&["run", "--config", "telemetry.toml", "true"], 0);

    fs::write(scene.path("telemetry.toml"), "mine").unwrap();
    let (_, refused) = said(&["init"], 2);
    assert!(
        refused.contains("`telemetry.toml` already exists: give another name, or `--force` to replace it"),
        "{refused}"
    );
    assert_eq!(fs::read_to_string(scene.path("telemetry.toml")).unwrap(), "mine");
    assert!(said(&["init", "--force"], 0).1.contains("Replaced `telemetry.toml`"));
    let (printed, nothing) = said(&["init", "-"], 0);
    assert_eq!((printed, nothing.as_str()), (fs::read_to_string(scene.path("telemetry.toml")).unwrap(), ""));
    said(&["init", "other.toml"], 0);
    assert!(scene.path("other.toml").is_file());
    let (_, next) = said(&["init", "it's mine.toml"], 0);
    let check = next.lines().find(|line| line.contains("ltel-cli check ")).unwrap().trim();
    let as_typed = check.replace("ltel-cli", "printf '%s\n'");
    let typed = std::process::Command::new("sh").args(["-c", &as_typed]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&typed.stdout), "check\nit's mine.toml\n", "{next}");
}

/// Scenario: `init` for a place where no file can be. Guarantees: an error says why; nothing is written, with `--force` too.
#[apply(e2e)]
fn places_where_no_file_can_be() {
    let scene = Scene::new();
    fs::create_dir(scene.path("folder.toml")).unwrap();
    fs::write(scene.path("file"), "").unwrap();
    let _socket = UnixListener::bind(scene.path("socket.toml")).unwrap();
    std::os::unix::fs::symlink("nowhere.toml", scene.path("link.toml")).unwrap();
    for (file, told) in [
        ("folder.toml", "`folder.toml` is a folder: give the name of a file, such as `folder.toml/telemetry.toml`"),
        (
            "none/telemetry.toml",
            "cannot write `none/telemetry.toml`: `none` does not exist: create it first, with `mkdir -p`",
        ),
        (
            "none/",
            "`none/` is a folder: give the name of a file, such as `none/telemetry.toml`, after `mkdir -p none/`",
        ),
        ("a b/c/", "such as `a b/c/telemetry.toml`, after `mkdir -p 'a b/c/'`"),
        ("folder.toml/", "`folder.toml/` is a folder: give the name of a file, such as `folder.toml/telemetry.toml`"),
        ("file/", "cannot write `file/`: `file` is not a folder"),
        ("file/telemetry.toml", "cannot write `file/telemetry.toml`: `file` is not a folder"),
        ("socket.toml", "`socket.toml` is not a regular file: give another name"),
        ("", "a value is required"),
    ] {
        for force in [&[][..], &["--force"]] {
            let output = scene.ltel([&["init", file], force].concat()).output().unwrap();
            assert_eq!(output.status.code(), Some(2), "{file}: {output:?}");
            assert!(String::from_utf8_lossy(&output.stderr).contains(told), "{file}: {output:?}");
        }
    }
    // A link to nothing is there, too.
    let output = scene.ltel(["init", "link.toml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(!scene.path("nowhere.toml").exists());
}
