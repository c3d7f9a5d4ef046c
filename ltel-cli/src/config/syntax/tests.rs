//! What people write in the place of TOML.

use super::*;

/// The first error of a file, and its help.
fn said(text: &str) -> String {
    let errors = errors(text, &|_| Vec::new());
    let error = errors.first().unwrap_or_else(|| panic!("no error: {text}"));
    format!("{} -> {}", error.message, error.help.as_deref().unwrap_or_default())
}

#[test]
fn what_people_write_in_place_of_toml() {
    let quotes =
        |key: &str, value: &str| format!("`{value}` has no quotes -> text needs quotes: `{key} = \"{value}\"`");
    for (key, value) in [
        ("tcp", "127.0.0.1:4327"),
        ("listen", ":9464"),
        ("endpoint", "http://localhost:4318"),
        ("output", "telemetry.jsonl"),
        ("output", "/tmp/telemetry.jsonl"),
        ("grace", "10s"),
        ("interval", "5m"),
        ("max_bytes", "8MiB"),
        ("max_bytes", "8 MiB"),
        ("level", "info"),
        ("testplan", "checkout test"),
        ("listen", "localhost:9464"),
        ("match", "^/item"),
    ] {
        assert_eq!(said(&format!("{key} = {value}\n")), quotes(key, value), "{value}");
        assert_eq!(said(&format!("[x]\r\n{key} = {value} # why\r\ny = 1\r\n")), quotes(key, value), "{value}");
    }
    for (text, expected) in [
        ("a = True", "`True` is not a value -> write `a = true`"),
        ("a = yes", "`yes` is not a value -> write `a = true`"),
        ("a = null", "TOML has no `null` -> remove the line: without it, the default applies"),
        ("a = 1,000", "`1,000` is not a number of TOML -> write `a = 1.000` or `a = 1000`"),
        ("a = 0,5", "`0,5` is not a number of TOML -> write `a = 0.5`"),
        ("a = 95%", "`95%` is not a number of TOML -> write `a = 0.95` or `a = 95`"),
        ("a = 50, 95", "`50, 95` is not a list of TOML -> write `a = [50, 95]`"),
        ("a = (50, 95)", "`(50, 95)` is not a list of TOML -> write `a = [50, 95]`"),
        ("a = [50 95]", "a comma is missing between two values of a list -> write `a = [50, 95]`"),
        ("a = $KEY", "ltel does not fill in `$KEY` -> write `a = { env = \"KEY\" }`"),
        ("a = { b: 1 }", "`:` stands where TOML has `=` -> write `a = { b = 1 }`"),
        ("a = { \"b\" }", "a table stands here, without keys -> write `a = [\"b\"]`"),
        ("a = \"\"\"x", "the closing `\"\"\"` is missing -> write `a = \"x\"`"),
        ("a = 'x\"", "a text that begins with `'` ends with `\"` -> write `a = 'x'`"),
        ("a = \"x\", b = \"y\"", "two keys stand on one line -> write each key on a line of its own, without commas"),
        ("[a]]", "there is a `]` too many -> write `[a]`"),
        ("= 1", "a key is missing before `=` -> a line is a key and its value: `key = \"value\"`"),
        ("\u{feff}a = b", "`b` has no quotes -> text needs quotes: `a = \"b\"`"),
        ("a = .5", "`.5` is not a number of TOML -> write `a = 0.5`"),
        ("a = 08", "`08` is not a number of TOML -> write `a = 8`"),
        ("a = \"10s", "the closing quote is missing -> write `a = \"10s\"`"),
        ("a = '10s", "the closing quote is missing -> write `a = '10s'`"),
        ("a = \u{201c}10s\u{201d}", "`\u{201c}` is not a quote of TOML -> write straight quotes: `a = \"10s\"`"),
        ("a\u{a0}= 1", "an invisible character stands here (U+00A0) -> delete it, or write a plain space"),
        ("[recorders.stats", "the closing `]` of a table is missing -> write `[recorders.stats]`"),
        ("[[names]", "the closing `]]` of a table is missing -> write `[[names]]`"),
        ("recorders.stats]", "the opening `[` of a table is missing -> write `[recorders.stats]`"),
        ("[recorders stats]", "`recorders stats` is not the name of a table -> write `[recorders.stats]`"),
        ("[recorders/stats]", "`recorders/stats` is not the name of a table -> write `[recorders.stats]`"),
        ("a: 1", "`:` stands where TOML has `=` -> write `a = 1`"),
        ("x = 1\noutput: stdout", "`:` stands where TOML has `=` -> write `output = \"stdout\"`"),
        ("a == 1", "`==` stands where TOML has `=` -> write `a = 1`"),
        ("a := b", "`:=` stands where TOML has `=` -> write `a = \"b\"`"),
        ("a 1", "`=` is missing behind `a` -> write `a = 1`"),
        ("a =", "`a` has no value -> write a value behind `=`, or remove the line: then the default applies"),
        ("a = # x", "`a` has no value -> write a value behind `=`, or remove the line: then the default applies"),
        ("x = 1\n- a", "`-` begins an entry in YAML, not in TOML -> write a list behind its key: `key = [\"a\"]`"),
        ("// why\na = 1", "`//` does not begin a comment -> comments begin with `#`"),
        ("; why\na = 1", "`;` does not begin a comment -> comments begin with `#`"),
        ("a = [x, y]", "the texts of a list have no quotes -> write `a = [\"x\", \"y\"]`"),
        ("a = { b = x }", "`x` has no quotes -> text needs quotes: `\"x\"`"),
        ("a = [\"x\" \"y\"]", "a comma is missing between two values of a list -> write `a = [\"x\", \"y\"]`"),
        ("a = [\"x\"", "the closing `]` of a list is missing -> write `a = [\"x\"]`"),
        ("a = { b = 1", "the closing `}` of a table is missing -> write `a = { b = 1 }`"),
        (
            "[a] b = 1",
            "`b = 1` stands behind the name of a table -> write the keys of a table on lines of their own, below its name",
        ),
    ] {
        assert_eq!(said(&format!("{text}\n")), expected, "{text}");
    }
    for (text, format) in [
        ("{\"backends\": {}}", "JSON"),
        ("\u{feff}{\"a\": 1}", "JSON"),
        ("a: 1s\nb:\n  c:\n", "YAML"),
        ("a: {b: {}}", "YAML"),
        ("backends:\n  json:\n", "YAML"),
        ("---\na: 1\n", "YAML"),
    ] {
        assert!(said(text).starts_with(&format!("this is {format}, and ltel's configuration is TOML")), "{text}");
    }
}

/// Guarantees: spaces, tabs, a byte order mark and line ends of Windows are no faults.
#[test]
fn what_is_toml() {
    for text in ["\ta\t=\t1\n", "a = 1\r\n[b]\r\nc = \"d\"\r\n", "\u{feff}a = 1\n", "a = \"\u{201c}\"\n"] {
        assert!(toml::de::DeTable::parse_recoverable(text).1.is_empty(), "{text}");
    }
}
