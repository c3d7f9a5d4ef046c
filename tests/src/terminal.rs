//! A terminal with a program in it, as a person sees it.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use vt100::Parser;

use crate::process::{Exit, Process};
use crate::scene::Scene;
use crate::setup::program;
use crate::wait::until;

/// Of a common terminal.
const ROWS: u16 = 24;
const COLUMNS: u16 = 80;

/// A program in a terminal of its own, whose foreground group it is in.
#[derive(Debug)]
pub struct Terminal {
    process: Process,
}

impl Terminal {
    /// Starts a command of the scene.
    pub fn start(scene: &Scene, command: &Command) -> Self {
        // Python has what the standard library lacks; the shell gives the terminal its size.
        let mut program = scene.program(&program("python3"));
        program.args(["-c", "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"]);
        program.args(["sh", "-c", &format!("stty rows {ROWS} cols {COLUMNS}; exec \"$@\""), "sh"]);
        program.arg(command.get_program()).args(command.get_args()).env("TERM", "xterm-256color");
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => program.env(name, value),
                None => program.env_remove(name),
            };
        }
        program.stdin(Stdio::piped());
        Self { process: scene.start("terminal", program) }
    }

    /// Types this.
    pub fn types(&mut self, keys: &str) {
        let keyboard = self.process.child().stdin.as_mut().expect("a keyboard");
        keyboard.write_all(keys.as_bytes()).and_then(|()| keyboard.flush()).expect("a terminal");
    }

    /// Waits for the program's end.
    pub fn wait(&mut self, patience: Duration) -> Exit {
        self.process.wait(patience)
    }

    /// Everything that was written to the terminal, with its control sequences.
    pub fn written(&self) -> String {
        self.process.stdout()
    }

    /// The last line of the screen that is not empty, as it is now.
    pub fn last_line(&self) -> String {
        let mut parser = Parser::new(ROWS, COLUMNS, 0);
        parser.process(self.written().as_bytes());
        let lines = parser.screen().rows(0, COLUMNS).collect::<Vec<_>>();
        lines.into_iter().rev().find(|line| !line.is_empty()).unwrap_or_default()
    }

    /// Waits until the last line is as wished, and gives it.
    pub fn shows(&self, what: &str, patience: Duration, wished: impl Fn(&str) -> bool) -> String {
        until(what, patience, || Some(self.last_line()).filter(|line| wished(line)))
    }

    /// What one reads in it after the end, from the beginning, with lines that the terminal has wrapped as one.
    pub fn text(&self) -> String {
        const ALL: u16 = 20_000;
        // As tall as everything, so that nothing scrolls out.
        let mut parser = Parser::new(ALL, COLUMNS, 0);
        parser.process(self.written().as_bytes());
        let screen = parser.screen();
        let mut text = String::new();
        for (row, line) in screen.rows(0, COLUMNS).enumerate() {
            text.push_str(&line);
            if !screen.row_wrapped(row.try_into().unwrap_or(ALL)) {
                text.push('\n');
            }
        }
        text.trim_end().to_owned()
    }
}
