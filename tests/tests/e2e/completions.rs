//! `ltel-cli completions`: the scripts in the shells that they are for.

use std::process::Command;

use ltel_tests::{Scene, program};

/// The script for a shell.
fn script(scene: &Scene, shell: &str) -> String {
    let output = scene.ltel(["completions", shell]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Scenario: bash loads the script; a person types the beginning of a command, of an option and of a value.
/// Guarantees: it completes them.
#[apply(e2e)]
fn bash_completes() {
    let scene = Scene::new();
    let file = scene.write("ltel.bash", &script(&scene, "bash"));
    let ask = "source \"$0\" || exit; name=$(complete -p | sed -n 's/.* -F \\([^ ]*\\) .*/\\1/p'); program=$1; shift
        COMP_WORDS=(\"$program\" \"$@\"); COMP_CWORD=$#; \"$name\" \"$program\" \"${@: -1}\" \"${@: -2:1}\"; echo \"${COMPREPLY[*]}\"";
    for (typed, expected) in [
        (&["che"][..], "check"),
        (&["check", "--for"], "--format"),
        (&["check", "--format", ""], "text json"),
        (&["completions", ""], "bash zsh fish"),
    ] {
        let mut bash = Command::new("bash");
        let replies = output(bash.args(["--norc", "-c", ask]).arg(&file).arg("ltel-cli").args(typed));
        let replies: Vec<_> = replies.split_whitespace().collect();
        for word in expected.split(' ') {
            assert!(replies.contains(&word), "{typed:?}: {replies:?}");
        }
    }
}

/// Scenario: zsh and fish load their scripts. Guarantees: no error; fish completes a command.
#[apply(e2e)]
fn zsh_and_fish_load_theirs() {
    let scene = Scene::new();
    let (zsh, fish) = (program("zsh"), program("fish"));
    let file = scene.write("_ltel-cli", &script(&scene, "zsh"));
    output(Command::new(zsh).args(["-fc", "autoload -Uz compinit; compinit -D -u; source $1", "zsh"]).arg(file));
    let file = scene.write("ltel.fish", &script(&scene, "fish"));
    let ask = format!("source {}; complete -C 'ltel-cli che'", file.display());
    let replies = output(Command::new(fish).args(["--no-config", "-c", &ask]));
    assert!(replies.contains("check"), "{replies}");
}
