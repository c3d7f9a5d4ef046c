//! What people write who know Python, JavaScript or SQL, and what it is in CEL.

use super::syntax::Literal;

/// Names of values: what to write, and what it means.
pub(super) fn literal(name: &str) -> Option<(&'static str, Literal)> {
    Some(match name {
        "True" | "TRUE" => ("true", Literal::Bool(true)),
        "False" | "FALSE" => ("false", Literal::Bool(false)),
        "None" | "Null" | "NULL" | "nil" | "undefined" => ("null", Literal::Null),
        _ => return None,
    })
}

/// Help for a sign or word where it cannot stand.
pub(super) fn sign(word: &str) -> Option<&'static str> {
    Some(match word {
        "=~" => "write `name.matches(\"...\")`",
        "!~" => "write `!name.matches(\"...\")`",
        "**" => "CEL has no powers: multiply",
        "++" | "--" => "write `+ 1` or `- 1`",
        "/" => "write texts in quotes: `\"/path\"`",
        "like" | "LIKE" => "write `name.contains(\"...\")` or `name.matches(\"...\")`",
        "matches" | "startsWith" | "endsWith" | "contains" => {
            "call it with a `.` and brackets: `name.contains(\"...\")`"
        }
        "between" | "BETWEEN" => "write `value >= low && value <= high`",
        "then" | "else" => "write `condition ? value : other`",
        "{" => "a message cannot be made here",
        _ => return None,
    })
}

/// Help for a sign that directly follows a `?`.
pub(super) fn after_question_mark(word: &str) -> Option<&'static str> {
    Some(match word {
        "?" => "write `value != null ? value : \"other\"`, and for a key `has(context.key) ? context.key : \"other\"`",
        "." | "[" => {
            "write `context.key`: where there is no such key, the expression has no value; test it with `has(context.key)`"
        }
        _ => return None,
    })
}

/// Help for a function that CEL does not have. `target` is what it is called on.
pub(super) fn function(name: &str) -> Option<&'static str> {
    Some(match name {
        "startswith" | "starts_with" | "hasPrefix" | "beginsWith" | "has_prefix" => "did you mean `startsWith`?",
        "endswith" | "ends_with" | "hasSuffix" | "has_suffix" => "did you mean `endsWith`?",
        "includes" | "include" | "find" | "index" | "indexOf" => "did you mean `contains`?",
        "match" | "search" | "fullmatch" | "regex" | "re_match" | "test" | "like" => {
            "did you mean `matches`? It is true if the regex matches anywhere; `^` and `$` bind it to the ends"
        }
        "len" | "length" | "count" => "did you mean `size`?",
        "str" | "text" | "toString" | "to_string" | "format" | "repr" => "did you mean `string`?",
        "float" | "number" | "toDouble" | "parseFloat" | "Number" => "did you mean `double`?",
        "round" | "floor" | "ceil" | "trunc" | "toInt" | "parseInt" | "integer" | "long" => {
            "`int(value)` cuts the fraction off"
        }
        "any" | "some" => "write `list.exists(item, condition)`",
        "every" | "forall" => "write `list.all(item, condition)`",
        "lower" | "upper" | "toLowerCase" | "toUpperCase" | "lowerAscii" | "upperAscii" | "casefold" | "iequals" => {
            "to ignore case, write `name.matches(\"(?i)^text$\")`"
        }
        "exists" | "hasattr" | "defined" | "contains_key" | "containsKey" | "has_key" => {
            "write `has(context.key)`, or `\"key\" in context`"
        }
        "get" | "getOrDefault" => "write `context.key`, and test with `has(context.key)`",
        "isnull" | "isNull" | "is_null" | "isNone" | "coalesce" | "ifnull" => "write `value == null`",
        "isinstance" | "typeof" => "write `type(value) == string`",
        _ => return None,
    })
}
