//! A key or a table that stands twice.

use std::ops::Range;

use ltel_core::backend::ConfigError;

/// The error of what TOML calls a duplicate key.
pub(super) fn error(text: &str, span: Range<usize>) -> ConfigError {
    let line_from = text[..span.start].rfind('\n').map_or(0, |end| end + 1);
    let line = text[line_from..].lines().next().unwrap_or_default().trim();
    let before = || text[..line_from].lines().enumerate();
    if let Some(name) = header(line) {
        let title = line.split('#').next().unwrap_or_default().trim();
        // The same table, or one of a list in the place of a table.
        let same = before().find(|(_, line)| header(line).as_ref() == Some(&name));
        let Some((first, earlier)) = same else {
            let message = format!("{title} has been written already, as a key or within a table above");
            return ConfigError::new(message, span).help("write it once, in one of the two ways");
        };
        let is_list = |line: &str| line.trim().starts_with("[[");
        if is_list(earlier) != is_list(line) {
            let message = format!("`{name}` is written as `[{name}]` and as `[[{name}]]`, first at line {}", first + 1);
            return ConfigError::new(message, span)
                .help(format!("write all of them as `[[{name}]]`, or all as `[{name}]`"));
        }
        let message = format!("{title} stands twice, first at line {}", first + 1);
        return ConfigError::new(message, span).help(match name.split_once('.') {
            Some((kind @ ("recorders" | "backends"), own)) if !own.contains('.') => format!(
                "merge the two tables; or give the second a name of its own, and its type: `[{kind}.{own}2]` with `type = \"{own}\"`"
            ),
            _ => "merge the two tables".to_owned(),
        });
    }
    let key = text.get(span.clone()).unwrap_or_default();
    let table = before().filter_map(|(at, line)| Some((at, header(line)?))).last();
    let from = table.as_ref().map_or(0, |(at, _)| at + 1);
    let title = table.map_or(String::new(), |(_, name)| format!(" in [{name}]"));
    let is_it = |line: &str| line.split_once('=').is_some_and(|(have, _)| have.trim() == key);
    let first = before().skip(from).find(|(_, line)| is_it(line));
    let first = first.map_or(String::new(), |(at, _)| format!(", first at line {}", at + 1));
    ConfigError::new(format!("`{key}` stands twice{title}{first}"), span).help("remove one of the two")
}

/// The name of a table, if a line begins one.
fn header(line: &str) -> Option<String> {
    let line = line.split('#').next().unwrap_or_default().trim();
    let name = line.strip_prefix('[')?.strip_suffix(']')?;
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    Some(name.split('.').map(|part| part.trim().trim_matches(['"', '\''])).collect::<Vec<_>>().join("."))
}

#[cfg(test)]
mod tests {
    #[test]
    fn where_it_stood_first() {
        for (text, expected) in [
            ("[a]\nb = 1\nb = 2\n", "`b` stands twice in [a], first at line 2"),
            ("b = 1\nb = 2\n", "`b` stands twice, first at line 1"),
            ("[a]\nb = { c = 1, c = 2 }\n", "`c` stands twice in [a]"),
            (
                "[recorders.stats]\n[backends.json]\n[recorders.stats] # again\n",
                "[recorders.stats] stands twice, first at line 1",
            ),
            ("[names]\n[[names]]\n", "`names` is written as `[names]` and as `[[names]]`, first at line 1"),
            ("a.b = 1\n[a]\n", "[a] has been written already, as a key or within a table above"),
        ] {
            let (_, errors) = toml::de::DeTable::parse_recoverable(text);
            let span =
                errors.iter().find(|error| error.message().starts_with("duplicate key")).expect(text).span().unwrap();
            assert_eq!(super::error(text, span).message, expected, "{text}");
        }
    }
}
