//! Rules for names that differ only in their ids, made from such names.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

// More would not be read.
const RULES: usize = 3;

// Names in a group that deserves a rule.
const FEW: usize = 10;

/// Rules, as text of a configuration, that give one name to many of these; `None` if they have too little in common.
///
/// Names may be anything that a client sent: only those that are plain text are looked at, so the text can be shown and pasted.
#[must_use]
pub fn suggestion<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let plain = |name: &&str| {
        name.len() <= 200 && name.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\'' | b'"' | b'\\'))
    };
    let names: BTreeSet<&str> = names.into_iter().filter(plain).collect();
    let cut: BTreeSet<&str> = names.iter().map(|name| name.split(['?', '#']).next().unwrap_or_default()).collect();
    let mut rules = String::new();
    if names.iter().filter(|name| name.contains(['?', '#'])).count() >= FEW {
        rules.push_str("[[names]]\ncut_query = true\n");
    }
    let by_ids = groups(&cut, |_, segment| is_id(segment));
    let mut groups = if by_ids.is_empty() { by_any_segment(&cut) } else { by_ids };
    groups.sort_by_key(|group| std::cmp::Reverse(group.names));
    for group in groups.iter().take(RULES) {
        group.write(&mut rules);
    }
    (!rules.is_empty()).then_some(rules)
}

/// Names of one form.
struct Group<'a> {
    // By segment: the values that were seen.
    segments: Vec<BTreeSet<&'a str>>,
    names: usize,
}

/// Names that are the same but for the segments that vary, by their position and text.
fn groups<'a>(names: &BTreeSet<&'a str>, varies: impl Fn(usize, &str) -> bool) -> Vec<Group<'a>> {
    let mut groups: BTreeMap<Vec<Option<&str>>, Group<'a>> = BTreeMap::new();
    for name in names {
        let segments: Vec<_> = name.split('/').collect();
        let form =
            segments.iter().enumerate().map(|(at, &segment)| (!varies(at, segment)).then_some(segment)).collect();
        let new = || Group { segments: vec![BTreeSet::new(); segments.len()], names: 0 };
        let group = groups.entry(form).or_insert_with(new);
        group.names += 1;
        for (have, segment) in group.segments.iter_mut().zip(segments) {
            have.insert(segment);
        }
    }
    groups.into_values().filter(|group| group.names >= FEW).collect()
}

/// For names whose ids look like words: the position at which the fewest rules are for the most names.
fn by_any_segment<'a>(names: &BTreeSet<&'a str>) -> Vec<Group<'a>> {
    let most = names.iter().map(|name| name.split('/').count()).max().unwrap_or(0);
    // Not the first one after the `/`: those are the parts of a site.
    let all = (2..most).map(|position| groups(names, |at, segment| at == position && !segment.is_empty()));
    all.max_by_key(|groups| groups.iter().map(|group| group.names - 1).sum::<usize>()).unwrap_or_default()
}

impl Group<'_> {
    fn write(&self, out: &mut String) {
        let (mut pattern, mut name, mut ids) = (Vec::new(), Vec::new(), 0);
        for values in &self.segments {
            match values.first() {
                Some(&only) if values.len() == 1 => {
                    pattern.push(regex::escape(only));
                    name.push(only.replace('$', "$$"));
                }
                _ => {
                    ids += 1;
                    pattern.push(class(values).to_owned());
                    name.push(if ids == 1 { "{id}".to_owned() } else { format!("{{id{ids}}}") });
                }
            }
        }
        let _ = write!(out, "[[names]]\nmatch   = '^{}$'\nreplace = \"{}\"\n", pattern.join("/"), name.join("/"));
    }
}

/// Whether a segment looks like an id: it has a digit.
fn is_id(segment: &str) -> bool {
    segment.bytes().any(|byte| byte.is_ascii_digit())
}

/// What all values are.
fn class(values: &BTreeSet<&str>) -> &'static str {
    let all = |is: fn(&u8) -> bool| values.iter().all(|value| !value.is_empty() && value.bytes().all(|byte| is(&byte)));
    if all(u8::is_ascii_digit) {
        r"\d+"
    } else if all(|byte| byte.is_ascii_hexdigit() || *byte == b'-') {
        "[0-9a-fA-F-]+"
    } else {
        "[^/]+"
    }
}
