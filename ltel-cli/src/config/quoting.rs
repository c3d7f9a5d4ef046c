//! What people forget about quotes in TOML. Its parser says what it did not expect; here it is said what to write.

/// Help for a line that is not TOML, if its quotes are why.
pub(super) fn help(line: &str) -> Option<String> {
    let (key, value) = line.split_once('=')?;
    let (key, value) = (key.trim(), value.trim());
    if let Some(text) = value.strip_prefix('"') {
        return in_double_quotes(key, text);
    }
    if value.starts_with(['{', '[']) {
        return within(value);
    }
    None
}

/// What is wrong with a value for which there is [`help`].
pub(super) fn message(value: &str) -> String {
    let text = value.trim_start_matches('"');
    let is_escape = end(text).is_some_and(|end| has_wrong_escape(&text[..end]))
        || (value.starts_with(['{', '[']) && value.contains('\\'));
    let behind = end(text).map_or("", |end| text[end + 1..].trim_start());
    if value.starts_with('"') && behind.starts_with(',') {
        "two keys stand on one line".to_owned()
    } else if is_escape {
        "`\\` begins an escape that TOML does not have".to_owned()
    } else {
        "a text ends before its end".to_owned()
    }
}

/// Of a text after its first quote.
fn in_double_quotes(key: &str, text: &str) -> Option<String> {
    let (end, last) = (end(text)?, text.rfind('"')?);
    let whole = &text[..last];
    let in_single = |why: &str| {
        let write = if whole.contains('\'') { String::new() } else { format!(": `{key} = '{whole}'`") };
        format!("{why}{write}")
    };
    if let Some(more) = text[end + 1..].trim_start().strip_prefix(',')
        && more
            .split_once('=')
            .is_some_and(|(key, _)| key.trim().chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)))
    {
        return Some("write each key on a line of its own, without commas".to_owned());
    }
    if last > end && !text[end + 1..].trim_start().starts_with('#') {
        return Some(in_single("a text with `\"` in it stands in single quotes"));
    }
    has_wrong_escape(&text[..end]).then(|| in_single("in single quotes, TOML leaves `\\` as it is"))
}

/// Of a list or a table on one line.
fn within(value: &str) -> Option<String> {
    let mut rest = value;
    while let Some((_, text)) = rest.split_once('"') {
        let end = end(text)?;
        if has_wrong_escape(&text[..end]) {
            let text = &text[..end];
            let write = if text.contains('\'') { String::new() } else { format!(": `'{text}'`") };
            return Some(format!("in single quotes, TOML leaves `\\` as it is{write}"));
        }
        rest = &text[end + 1..];
        if !rest.trim_start().starts_with([',', '}', ']', '=', '.']) && !rest.trim().is_empty() {
            return Some("a text with `\"` in it stands in single quotes: `'name == \"/checkout\"'`".to_owned());
        }
    }
    None
}

/// Where a text in double quotes ends.
fn end(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

fn has_wrong_escape(text: &str) -> bool {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\\' && !chars.next().is_some_and(|next| "btnfre\"\\uUx".contains(next)) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_wrong_about_quotes() {
        for (line, help) in [
            (
                r#"when = "name.startsWith("/x")""#,
                Some(r#"a text with `"` in it stands in single quotes: `when = 'name.startsWith("/x")'`"#),
            ),
            (r#"match = "\d+""#, Some(r"in single quotes, TOML leaves `\` as it is: `match = '\d+'`")),
            (r#"match = "\d+'s""#, Some(r"in single quotes, TOML leaves `\` as it is")),
            ("region = eu # here", None),
            (
                r#"a = { counter = true, when = "name == "/x"" }"#,
                Some(r#"a text with `"` in it stands in single quotes: `'name == "/checkout"'`"#),
            ),
            (r#"a = { match = "\d" }"#, Some(r"in single quotes, TOML leaves `\` as it is: `'\d'`")),
            (r#"a = { b = "\"", c = "d" "#, None),
            (r#"a = "b" # "c""#, None),
            (r#"grace = "10s"#, None),
            ("interval = 3s", None),
            ("[recorders.stats", None),
        ] {
            assert_eq!(super::help(line).as_deref(), help, "{line}");
        }
    }
}
