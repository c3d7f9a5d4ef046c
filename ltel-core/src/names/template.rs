//! What takes the place of a match: text, and the groups of the match as `$1`, `$name` or `${name}`.

use std::ops::Range;

use regex::{Captures, Regex};

/// A replacement, read once.
#[derive(Debug)]
pub(super) struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Group(usize),
}

/// A mistake in a template: what it is, where, and what to write.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TemplateError {
    pub(super) message: String,
    pub(super) span: Range<usize>,
    pub(super) help: String,
}

impl Template {
    /// Reads a template for the matches of a pattern; without one, the match is the whole name. Returns all errors.
    ///
    /// The syntax is that of the crate `regex`: `$$` is a `$`, and `$1x` is the group with the name `1x`.
    pub(super) fn read(template: &str, pattern: Option<&Regex>) -> Result<Self, Vec<TemplateError>> {
        let (mut parts, mut errors, mut at) = (Vec::new(), of_other_languages(template), 0);
        let text = |parts: &mut Vec<Part>, text: &str| match parts.last_mut() {
            Some(Part::Text(before)) => before.push_str(text),
            _ => parts.push(Part::Text(text.to_owned())),
        };
        while let Some(found) = template[at..].find('$') {
            if found > 0 {
                text(&mut parts, &template[at..at + found]);
            }
            at += found;
            let rest = &template[at + 1..];
            let name = match rest.as_bytes().first() {
                Some(b'$') => {
                    text(&mut parts, "$");
                    at += 2;
                    continue;
                }
                Some(b'{') => match rest.find('}') {
                    Some(end) => &rest[1..end],
                    None => {
                        errors.push(TemplateError {
                            message: "`${` without `}`".to_owned(),
                            span: at..template.len(),
                            help: "write a group as `${name}`, and a `$` as `$$`".to_owned(),
                        });
                        at = template.len();
                        break;
                    }
                },
                _ => {
                    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
                    let length = rest.bytes().take_while(|byte| is_name(byte)).count();
                    if length == 0 {
                        text(&mut parts, "$");
                        at += 1;
                        continue;
                    }
                    &rest[..length]
                }
            };
            let braces = if rest.starts_with('{') { 2 } else { 0 };
            let end = at + 1 + braces + name.len();
            match group(name, pattern) {
                Some(group) => parts.push(Part::Group(group)),
                None => errors.push(TemplateError {
                    message: format!("`match` has no group `{name}`"),
                    span: at..end,
                    help: help(name, braces > 0, pattern),
                }),
            }
            at = end;
        }
        if at < template.len() {
            text(&mut parts, &template[at..]);
        }
        if errors.is_empty() { Ok(Self { parts }) } else { Err(errors) }
    }

    /// Each match of the pattern within a text is replaced; `None` if there is none.
    pub(super) fn replace(&self, pattern: Option<&Regex>, text: &str) -> Option<String> {
        let Some(pattern) = pattern else {
            let mut all = String::new();
            self.write(&mut all, |_| text);
            return Some(all);
        };
        let (mut all, mut at, mut any) = (String::new(), 0, false);
        let mut put = |all: &mut String, found: Range<usize>, captures: Option<&Captures<'_>>| {
            all.push_str(&text[at..found.start]);
            self.write(all, |group| match captures {
                Some(captures) => captures.get(group).map_or("", |found| found.as_str()),
                None => &text[found.clone()],
            });
            (at, any) = (found.end, true);
        };
        // Without groups there is less to search.
        if self.parts.iter().all(|part| matches!(part, Part::Text(_) | Part::Group(0))) {
            pattern.find_iter(text).for_each(|found| put(&mut all, found.range(), None));
        } else {
            for captures in pattern.captures_iter(text) {
                if let Some(found) = captures.get(0) {
                    put(&mut all, found.range(), Some(&captures));
                }
            }
        }
        any.then(|| {
            all.push_str(&text[at..]);
            all
        })
    }

    fn write<'a>(&self, all: &mut String, group: impl Fn(usize) -> &'a str) {
        for part in &self.parts {
            match part {
                Part::Text(text) => all.push_str(text),
                Part::Group(index) => all.push_str(group(*index)),
            }
        }
    }
}

/// Groups as Python and others write them: `\1` and `\g<name>`.
fn of_other_languages(template: &str) -> Vec<TemplateError> {
    let found = template.match_indices('\\').filter_map(|(at, _)| {
        let rest = &template[at + 1..];
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (group, length) = match rest.strip_prefix("g<").and_then(|name| name.split_once('>')) {
            Some((name, _)) => (name, name.len() + 3),
            None if digits > 0 => (&rest[..digits], digits),
            None => return None,
        };
        let goes_on = rest[length..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let is_number = group.bytes().all(|byte| byte.is_ascii_digit());
        let write = if is_number && !goes_on { format!("${group}") } else { format!("${{{group}}}") };
        Some(TemplateError {
            message: format!("`\\{}` is not how a group is written here", &rest[..length]),
            span: at..at + 1 + length,
            help: format!("write `{write}`"),
        })
    });
    found.collect()
}

/// The index of a group, by its number or name.
fn group(name: &str, pattern: Option<&Regex>) -> Option<usize> {
    let groups = pattern.map_or(1, Regex::captures_len);
    match name.parse::<usize>() {
        Ok(number) => (number < groups).then_some(number),
        Err(_) => pattern?.capture_names().position(|have| have == Some(name)),
    }
}

fn help(name: &str, in_braces: bool, pattern: Option<&Regex>) -> String {
    let digits = name.bytes().take_while(u8::is_ascii_digit).count();
    if !in_braces && digits > 0 && digits < name.len() && group(&name[..digits], pattern).is_some() {
        return format!("put the group in braces: `${{{}}}{}`", &name[..digits], &name[digits..]);
    }
    let mut groups = Vec::new();
    if let Some(pattern) = pattern {
        for (number, name) in pattern.capture_names().enumerate().skip(1) {
            groups.push(name.map_or_else(|| format!("`${number}`"), |name| format!("`${{{name}}}`")));
        }
    }
    let which = match pattern {
        None => "there is no `match`: `$0` is the whole name".to_owned(),
        Some(_) if groups.is_empty() => "it has none: put a part of `match` in parentheses".to_owned(),
        Some(_) => format!("groups: {}", groups.join(", ")),
    };
    format!("{which}; a `$` is written as `$$`")
}
