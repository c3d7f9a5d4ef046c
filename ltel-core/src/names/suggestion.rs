//! Rules for names that differ only in their ids, made from such names.

use std::collections::{BTreeMap, BTreeSet};

// More would not be read.
const RULES: usize = 3;

// Names in a group that deserves a rule.
const FEW: usize = 10;

/// Rules, as a line of a configuration, that give one name to many of these; `None` if they have too little in common.
///
/// Names may be anything that a client sent: only those that are plain text are looked at, so the line can be shown and pasted.
#[must_use]
pub fn suggestion<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let rules = suggestions(names);
    (!rules.is_empty()).then(|| format!("names = [{}]", rules.join(", ")))
}

/// Likewise, each rule as an inline table.
#[must_use]
pub fn suggestions<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let plain = |name: &&str| {
        name.len() <= 200 && name.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\'' | b'"' | b'\\'))
    };
    let names: BTreeSet<&str> = names.into_iter().filter(plain).collect();
    let cut: BTreeSet<&str> = names.iter().map(|name| name.split(['?', '#']).next().unwrap_or_default()).collect();
    let mut rules = Vec::new();
    if names.iter().filter(|name| name.contains(['?', '#'])).count() >= FEW {
        rules.push("{ cut_query = true }".to_owned());
    }
    let by_ids = groups(&cut, |_, segment| Some(segment).filter(|segment| is_id(segment)).map(form_of_id));
    let mut groups = if by_ids.is_empty() { by_any_segment(&cut) } else { by_ids };
    groups.sort_by_key(|group| std::cmp::Reverse(group.names));
    rules.extend(groups.iter().filter_map(Group::rule).take(RULES));
    rules
}

/// Names of one form.
struct Group<'a> {
    // By segment: the values that were seen.
    segments: Vec<BTreeSet<&'a str>>,
    names: usize,
}

/// Names that are the same but for the segments that vary: `form` gives these a form by their position and text.
fn groups<'a>(
    names: &BTreeSet<&'a str>,
    form: impl Fn(usize, &'a str) -> Option<(&'a str, &'a str)>,
) -> Vec<Group<'a>> {
    let mut groups = BTreeMap::new();
    for name in names {
        let segments: Vec<_> = name.split('/').collect();
        let forms = segments.iter().enumerate().map(|(at, segment)| form(at, segment).ok_or(*segment));
        let new = || Group { segments: vec![BTreeSet::new(); segments.len()], names: 0 };
        let group = groups.entry(forms.collect::<Vec<_>>()).or_insert_with(new);
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
    let all = (2..most)
        .map(|position| groups(names, |at, segment| (at == position && !segment.is_empty()).then_some(("", ""))));
    all.max_by_key(|groups| groups.iter().map(|group| group.names - 1).sum::<usize>()).unwrap_or_default()
}

impl Group<'_> {
    /// A rule for these names; `None` if it would be for all others too.
    fn rule(&self) -> Option<String> {
        let (mut pattern, mut name, mut ids, mut is_special) = (Vec::new(), Vec::new(), 0, false);
        for values in &self.segments {
            let text = values.first().copied().unwrap_or_default();
            if values.len() == 1 {
                is_special |= !text.is_empty();
                pattern.push(regex::escape(text));
                name.push(text.replace('$', "$$"));
                continue;
            }
            ids += 1;
            let (before, after) = values
                .iter()
                .map(|value| form_of_id(value))
                .reduce(|all, one| if all == one { all } else { ("", "") })
                .unwrap_or_default();
            is_special |= !before.is_empty() || !after.is_empty();
            let class = class(&values.iter().map(|value| &value[before.len()..value.len() - after.len()]));
            pattern.push(format!("{}{class}{}", regex::escape(before), regex::escape(after)));
            let id = if ids == 1 { "{id}".to_owned() } else { format!("{{id{ids}}}") };
            name.push(format!("{}{id}{}", before.replace('$', "$$"), after.replace('$', "$$")));
        }
        is_special.then(|| format!("{{ match = '^{}$', replace = \"{}\" }}", pattern.join("/"), name.join("/")))
    }
}

/// Whether a segment looks like an id: it has a digit.
fn is_id(segment: &str) -> bool {
    segment.bytes().any(|byte| byte.is_ascii_digit())
}

/// What is before and after the digits of an id with one number in it, such as `room-17.html`; nothing of others.
fn form_of_id(segment: &str) -> (&str, &str) {
    let is_digit = |c: char| c.is_ascii_digit();
    let from = segment.find(is_digit).unwrap_or(0);
    let until = segment.rfind(is_digit).map_or(0, |at| at + 1);
    if segment[from..until].chars().all(is_digit) { (&segment[..from], &segment[until..]) } else { ("", "") }
}

/// What all values are.
fn class<'a>(values: &(impl Iterator<Item = &'a str> + Clone)) -> &'static str {
    let all =
        |is: fn(&u8) -> bool| values.clone().all(|value| !value.is_empty() && value.bytes().all(|byte| is(&byte)));
    if all(u8::is_ascii_digit) {
        r"\d+"
    } else if all(|byte| byte.is_ascii_hexdigit() || *byte == b'-') {
        "[0-9a-fA-F-]+"
    } else {
        "[^/]+"
    }
}
