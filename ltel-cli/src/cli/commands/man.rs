//! `ltel-cli man`: manual pages of the program and of each command.

use std::fmt::Write as _;
use std::path::Path;

use clap::Command;
use clap::builder::Resettable;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::Failure;
use crate::cli::args::{Cli, ManArgs};
use crate::cli::print;
use crate::program::Program;

/// The pages bear the name of this program: one with recorders of its own has another one.
pub(crate) fn man(args: &ManArgs, program: &'static Program) -> Result<(), Failure> {
    let name = program.name();
    let mut program = Cli::command_of(program).disable_help_subcommand(true).display_name(name).bin_name(name);
    program.build();
    let Some(folder) = &args.out else {
        return print::stdout(&page(&program, None).text).map_err(|error| Failure::failed(error.to_string()));
    };
    let mut pages = Vec::new();
    pages_of(&program, None, &mut pages);
    let failed = |path: &Path, error| Failure::failed(format!("cannot write `{}`: {error}", path.display()));
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    let mut written = String::new();
    for page in pages {
        let path = folder.join(page.file);
        std::fs::write(&path, page.text).map_err(|error| failed(&path, error))?;
        let _ = writeln!(written, "{}", path.display());
    }
    print::stdout(&written).map_err(|error| Failure::failed(error.to_string()))
}

/// A manual page.
struct Page {
    file: String,
    text: String,
}

/// The pages of a command and of all below it.
fn pages_of(command: &Command, above: Option<&Command>, pages: &mut Vec<Page>) {
    pages.push(page(command, above));
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        pages_of(below, Some(command), pages);
    }
}

/// The page of a command. What clap shows at the end of a help, its columns and examples, would run together in the page that
/// `clap_mangen` makes, so that part is written here.
fn page(command: &Command, above: Option<&Command>) -> Page {
    let name = |command: &Command| command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let ending = command.get_after_long_help().or_else(|| command.get_after_help()).map(ToString::to_string);
    let version = env!("CARGO_PKG_VERSION");
    let bare = command.clone().after_help(Resettable::Reset).after_long_help(Resettable::Reset);
    let man = Man::new(bare).source(format!("ltel {version}")).manual("ltel");
    let file = man.get_filename();
    let mut text = Vec::new();
    // Writes to memory do not fail.
    let _ = man.render(&mut text);
    let mut end = Roff::new();
    sections(&mut end, ending.as_deref().unwrap_or_default());
    if let Some(above) = above {
        end.control("SH", ["SEE ALSO"]);
        end.text([bold(name(above)), roman("(1)")]);
    }
    // Without a date, the version would stand in its place.
    let text = String::from_utf8_lossy(&text).replacen(" 1  ", " 1 \"\" ", 1);
    // The version is in the footer; a program of one's own has two, which is more than the section can show.
    let text = text.split_once(".SH VERSION\n").map_or(text.as_str(), |(before, _)| before).to_owned();
    let text = text + &end.render().replace(PREAMBLE, "");
    Page { file, text }
}

/// What every text of `roff` begins with; once is enough.
const PREAMBLE: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

/// The end of a help as sections of a page: `Examples:` begins one, a line with a gap has a term and its description, and a line that
/// is further in goes on with what was before.
fn sections(roff: &mut Roff, ending: &str) {
    let mut paragraph = Paragraph::default();
    let mut section = "";
    for line in ending.lines() {
        let text = line.trim();
        let indent = line.len() - line.trim_start().len();
        let gap = text.split_once("  ").filter(|_| indent > 0);
        if let Some((title, rest)) = title(text).filter(|_| indent == 0) {
            paragraph.end(roff);
            roff.control("SH", [title.to_uppercase().as_str()]);
            section = title;
            paragraph.text.extend((!rest.is_empty()).then(|| rest.to_owned()));
            paragraph.is_first = true;
        } else if text.is_empty() {
            paragraph.end(roff);
        } else if indent > 2 {
            paragraph.text.push(text.to_owned());
        } else if let Some((term, description)) = gap {
            paragraph.end(roff);
            roff.control("TP", []);
            roff.text([bold(term)]);
            paragraph.text.push(description.trim_start().to_owned());
            paragraph.is_of_term = true;
        } else if section == "Examples" && indent > 0 {
            // A command stays in one line, without hyphens of its own.
            paragraph.begin(roff);
            roff.control("nf", []);
            roff.text([bold(text)]);
            roff.control("fi", []);
        } else {
            if indent == 0 && paragraph.text.is_empty() && section != "Notes" {
                section = "Notes";
                roff.control("SH", ["NOTES"]);
                paragraph.is_first = true;
            }
            if paragraph.is_of_term || paragraph.text.is_empty() {
                paragraph.begin(roff);
            }
            paragraph.text.push(text.to_owned());
        }
    }
    paragraph.end(roff);
}

/// The lines of a paragraph that has begun.
#[derive(Default)]
struct Paragraph {
    text: Vec<String>,
    is_first: bool,
    is_of_term: bool,
}

impl Paragraph {
    fn begin(&mut self, roff: &mut Roff) {
        self.end(roff);
        if !std::mem::take(&mut self.is_first) {
            roff.control("PP", []);
        }
    }

    fn end(&mut self, roff: &mut Roff) {
        self.is_of_term = false;
        if !self.text.is_empty() {
            self.is_first = false;
            roff.text([roman(std::mem::take(&mut self.text).join(" "))]);
        }
    }
}

/// The title at the beginning of a line such as `Exit codes: the command's own`, and what follows it.
fn title(line: &str) -> Option<(&str, &str)> {
    let (title, rest) = line.split_once(':')?;
    let is_title = title.starts_with(|first: char| first.is_ascii_uppercase())
        && title.chars().all(|char| char.is_ascii_alphabetic() || char == ' ');
    // What goes on in the same line may as well be a sentence, such as `Messages go to stderr: all of them`.
    let is_short = rest.starts_with(' ') && title.split(' ').count() <= 2;
    (is_title && (rest.is_empty() || is_short)).then(|| (title, rest.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: an ending with all that endings have. Guarantees: each part is what it should be in a page.
    #[test]
    fn the_end_of_a_help_becomes_sections() {
        let ending = "\
Examples:
  ltel-cli run -- locust
  ltel-cli check --config f    show what would run

Exit codes: the command's own.
  1   failure: an address is in use,
      or no run began
  `run` exits with others;
  see its help.

How it is decided:
  By bounds.

Messages go to stderr: all of them.";
        let mut roff = Roff::new();
        sections(&mut roff, ending);
        insta::assert_snapshot!(roff.render().replace(PREAMBLE, ""), @r#"
        .SH EXAMPLES
        .nf
        \fBltel\-cli run \-\- locust\fR
        .fi
        .TP
        \fBltel\-cli check \-\-config f\fR
        show what would run
        .SH "EXIT CODES"
        the command\*(Aqs own.
        .TP
        \fB1\fR
        failure: an address is in use, or no run began
        .PP
        `run` exits with others; see its help.
        .SH "HOW IT IS DECIDED"
        By bounds.
        .SH NOTES
        Messages go to stderr: all of them.
        "#);
    }
}
