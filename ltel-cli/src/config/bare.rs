//! Values without quotes that are none of TOML's: what they can be meant as, the most likely first.

/// What a value without quotes can be.
pub(super) fn meant(value: &str) -> Vec<String> {
    if let Some(name) = variable(value) {
        return vec![format!("{{ env = \"{name}\" }}")];
    }
    let mut all = Vec::new();
    let inside = value.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(value);
    let parts: Vec<_> = inside.split(',').map(str::trim).collect();
    let is_list = parts.len() > 1 && parts.iter().all(|part| !part.is_empty());
    if is_list && parts.iter().all(|part| is_number(part)) {
        if !is_decimal_comma(value) {
            all.push(format!("[{}]", parts.join(", ")));
        }
        if !value.starts_with('(') {
            all.extend(numbers(value));
        }
        return all;
    }
    all.extend(numbers(value));
    all.extend(quoted(value));
    if is_list {
        let items: Option<Vec<_>> = parts.iter().map(|part| item(part)).collect();
        all.extend(items.map(|items| format!("[{}]", items.join(", "))));
    } else {
        all.extend(quoted(value).map(|value| format!("[{value}]")));
    }
    all
}

/// The numbers that a text can be meant as: `0,5`, `10%`, `10k`.
fn numbers(value: &str) -> Vec<String> {
    if let Some(percent) = value.strip_suffix('%').map(str::trim).filter(|percent| is_number(percent)) {
        let ratio = percent.parse::<f64>().map(|percent| percent / 100.0);
        return ratio.ok().into_iter().map(|ratio| ratio.to_string()).chain([percent.to_owned()]).collect();
    }
    let factor = match value.chars().next_back() {
        Some('k' | 'K') => 1_000,
        Some('M') => 1_000_000,
        _ => 1,
    };
    if factor > 1 {
        let number = value[..value.len() - 1].parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
        return number.into_iter().map(|number| number.to_string()).collect();
    }
    let shown = |text: &str| {
        let whole = text.parse::<i64>().map(|number| number.to_string());
        whole.or_else(|_| text.parse::<f64>().map(|number| number.to_string())).ok()
    };
    let plain = value.replace(['_', '\''], "");
    if !plain.bytes().all(|byte| byte.is_ascii_digit() || b".,+-".contains(&byte)) {
        return Vec::new();
    }
    let thousands = is_grouped(&plain).then(|| shown(&plain.replace(',', ""))).flatten();
    let decimal = (plain.matches(',').count() < 2 && !plain.contains(',') | !plain.contains('.'))
        .then(|| if plain.contains(',') { with_point(&plain) } else { shown(&plain) })
        .flatten();
    decimal.into_iter().chain(thousands.filter(|_| plain.contains(','))).collect()
}

/// A number with a comma for its point; as many digits as it has.
fn with_point(value: &str) -> Option<String> {
    let number = value.replace(',', ".");
    is_number(&number).then_some(number)
}

/// Whether groups of three digits follow the first comma.
fn is_grouped(value: &str) -> bool {
    let mut groups = value.split('.').next().unwrap_or_default().split(',');
    groups.next().is_some_and(|first| first != "0") && groups.all(|group| group.len() == 3)
}

fn is_decimal_comma(value: &str) -> bool {
    value.starts_with("0,") && value.matches(',').count() == 1 && !value.contains(' ')
}

fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(f64::is_finite) && !text.starts_with('.') && !text.ends_with('.')
}

fn item(text: &str) -> Option<String> {
    if is_number(text) || text.starts_with(['"', '\'']) { Some(text.to_owned()) } else { quoted(text) }
}

/// The name in `$NAME`, `${NAME}`, `env("NAME")` and their like.
pub(super) fn variable(value: &str) -> Option<&str> {
    let name = if let Some(inside) = value.strip_prefix("env(").and_then(|rest| rest.strip_suffix(')')) {
        inside.trim().trim_matches(['"', '\''])
    } else {
        let rest = value.strip_prefix('$')?;
        rest.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(rest)
    };
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then_some(name)
}

/// A text in the quotes that it needs.
pub(super) fn quoted(text: &str) -> Option<String> {
    match (text.contains(['"', '\\']), text.contains('\'')) {
        (false, _) => Some(format!("\"{text}\"")),
        (true, false) => Some(format!("'{text}'")),
        (true, true) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::meant;

    #[test]
    fn what_a_value_without_quotes_can_be() {
        for (value, expected) in [
            ("0,5", &["0.5"][..]),
            ("50, 95", &["[50, 95]"]),
            ("50,95", &["[50, 95]", "50.95"]),
            ("1,000", &["[1, 000]", "1.000", "1000"]),
            ("1,000,000", &["[1, 000, 000]", "1000000"]),
            ("(50, 95)", &["[50, 95]"]),
            (".5", &["0.5", "\".5\"", "[\".5\"]"]),
            ("08", &["8", "\"08\"", "[\"08\"]"]),
            ("10%", &["0.1", "10", "\"10%\"", "[\"10%\"]"]),
            ("10k", &["10000", "\"10k\"", "[\"10k\"]"]),
            ("10s", &["\"10s\"", "[\"10s\"]"]),
            ("json", &["\"json\"", "[\"json\"]"]),
            ("json, csv", &["\"json, csv\"", "[\"json\", \"csv\"]"]),
            ("$KEY", &["{ env = \"KEY\" }"]),
            ("${KEY}", &["{ env = \"KEY\" }"]),
            ("env(\"KEY\")", &["{ env = \"KEY\" }"]),
        ] {
            assert_eq!(meant(value), expected, "{value}");
        }
    }
}
