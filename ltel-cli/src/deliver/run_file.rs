//! Files of one run: `{run_id}` in a name stands for its id.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What stands for the run's id in the name of a file.
pub(crate) const RUN_ID: &str = "{run_id}";

/// In place of the id, for what belongs to no run: the metrics of ltel itself. A run with this id gets another name.
const OF_NO_RUN: &str = "ltel";

// In characters: a name with it is below the 255 bytes that file systems allow.
const LONGEST_RUN_ID: usize = 64;

/// The path for this run.
pub(crate) fn path_of(path: &Path, run_id: &str) -> PathBuf {
    filled(path, &file_name_part(run_id))
}

/// The path for what belongs to no run.
pub(crate) fn path_of_no_run(path: &Path) -> PathBuf {
    filled(path, OF_NO_RUN)
}

fn filled(path: &Path, id: &str) -> PathBuf {
    match path.file_name().and_then(|name| name.to_str()) {
        Some(name) if name.contains(RUN_ID) => path.with_file_name(name.replace(RUN_ID, id)),
        _ => path.to_owned(),
    }
}

/// A run's id as a part of a file's name: without what has a meaning there. One that had to be changed gets a hash, so that two
/// ids remain two.
fn file_name_part(run_id: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let is_free = !run_id.is_empty() && run_id != OF_NO_RUN;
    if is_free && run_id.len() <= LONGEST_RUN_ID && run_id.chars().all(is_plain) {
        return run_id.to_owned();
    }
    let mut name: String =
        run_id.chars().take(LONGEST_RUN_ID).map(|c| if is_plain(c) { c } else { '_' }).chain(['-']).collect();
    let hash = ring::digest::digest(&ring::digest::SHA256, run_id.as_bytes());
    for byte in &hash.as_ref()[..6] {
        let _ = write!(name, "{byte:02x}");
    }
    name
}

/// What is wrong with what a path leaves to be filled in, and what would be right.
pub(crate) fn check(text: &str) -> Result<(), (String, &'static str)> {
    if let Some(unknown) = unknown_place(&text.replace(RUN_ID, "")) {
        return Err((
            format!("`{unknown}` in `{text}` stands for nothing"),
            "only `{run_id}` does: for the id of the run",
        ));
    }
    if folder(Path::new(text)).to_str().is_none_or(|folder| folder.contains(RUN_ID)) {
        return Err((format!("the folder of `{text}` depends on the run"), "use `{run_id}` in the file's name only"));
    }
    Ok(())
}

/// What is in braces or in angle brackets, `run_id` in another form, or a date as `strftime` has it, as if something were to be put there.
fn unknown_place(text: &str) -> Option<&str> {
    for (open, close) in [('{', '}'), ('<', '>')] {
        if let Some(from) = text.find(open)
            && let Some(length) = text[from..].find(close)
        {
            return Some(&text[from..=from + length]);
        }
    }
    let name = RUN_ID.trim_matches(['{', '}']);
    let in_another_form = |(at, _): (usize, &str)| {
        let from = text[..at].trim_end_matches(['{', '<', '[', '(', '$', '%', ':']).len();
        let rest = &text[at + name.len()..];
        let to = text.len() - rest.trim_start_matches(['}', '>', ']', ')', '%']).len();
        (from < at || to > at + name.len()).then(|| &text[from..to])
    };
    if let Some(place) = text.match_indices(name).find_map(in_another_form) {
        return Some(place);
    }
    // A letter that goes on is a word: `load%done`.
    let dates = |(at, _): &(usize, &str)| {
        let mut after = text[at + 1..].chars();
        after.next().is_some_and(|c| "YmdFHMSsTj".contains(c)) && !after.next().is_some_and(char::is_alphanumeric)
    };
    text.match_indices('%').find(dates).map(|(at, _)| &text[at..at + 2])
}

/// The folder of a file.
pub(crate) fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::HOSTILE;

    #[test]
    fn a_run_id_is_a_part_of_a_name_and_no_more() {
        let of = |run_id: &str| path_of(Path::new("out/r-{run_id}.html"), run_id).display().to_string();
        assert_eq!(of("7c1f-A_b"), "out/r-7c1f-A_b.html");
        assert_eq!(path_of(Path::new("out/report.html"), "7c1f"), Path::new("out/report.html"));
        let mut seen = std::collections::HashSet::from(["ltel".to_owned()]);
        assert_eq!(path_of_no_run(Path::new("out/r-{run_id}.html")), Path::new("out/r-ltel.html"));
        let long = "x".repeat(1_000);
        for run_id in
            ["../../etc/passwd", "..", ".", "", "ltel", "a/b", "a_b/", "a\0b", HOSTILE, "{run_id}", &long, &long[1..]]
        {
            let path = of(run_id);
            let name = path.strip_prefix("out/r-").and_then(|name| name.strip_suffix(".html")).expect(&path);
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)), "{name}");
            assert!(name.len() < 100 && seen.insert(name.to_owned()), "{name}");
        }
    }

    #[test]
    fn only_the_id_of_a_run_is_filled_in() {
        for right in [
            "telemetry.jsonl",
            "out/{run_id}.jsonl",
            "a-{run_id}-b.html",
            "100%.jsonl",
            "a}b{",
            "load%done.jsonl",
            "by_run_id.jsonl",
            "a<b.html",
        ] {
            assert_eq!(check(right), Ok(()), "{right}");
        }
        for (wrong, part) in [
            ("{run}.jsonl", "`{run}` in"),
            ("{testplan}-{run_id}.jsonl", "`{testplan}` in"),
            ("{date}/report.html", "`{date}` in"),
            ("telemetry-%Y%m%d.jsonl", "`%Y` in"),
            ("{run_id.jsonl", "`{run_id` in"),
            ("run_id}.jsonl", "`run_id}` in"),
            ("<run_id>.jsonl", "`<run_id>` in"),
            ("out/%run_id%.jsonl", "`%run_id%` in"),
            ("$run_id.jsonl", "`$run_id` in"),
            ("[run_id].jsonl", "`[run_id]` in"),
            ("{run_id}-<date>.jsonl", "`<date>` in"),
            ("at-%H%M.jsonl", "`%H` in"),
            ("{run_id}/telemetry.jsonl", "depends on the run"),
        ] {
            let (said, _) = check(wrong).expect_err(wrong);
            assert!(said.contains(part), "{wrong}: {said}");
        }
    }
}
