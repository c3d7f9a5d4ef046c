//! What rules do to names, and what is wrong with rules.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::event::Request;
use crate::recorder::{RecorderMemory, RunMemory};

/// The rules that are right, and each error as `the text: the message`.
fn read(toml: &str) -> (Rules, Vec<String>) {
    let (rules, errors) = Rules::read_all(toml);
    (rules, errors.into_iter().map(|error| format!("{}: {}", &toml[error.span], error.message)).collect())
}

fn rules(toml: &str) -> Rules {
    Rules::read(toml).unwrap_or_else(|errors| panic!("{toml}: {errors:?}"))
}

fn apply(rules: &Rules, method: &str, name: &str) -> String {
    rules.apply(method, name, |_| ()).map_or_else(|| "(dropped)".to_owned(), Cow::into_owned)
}

const LONG: &str = "[[names]]\nmatch = '^/(\\d+)/x+$'\nreplace = '/$1'";

fn memory(bytes: usize) -> Arc<RunMemory> {
    Arc::new(RecorderMemory::new(bytes, 0)).begin_run()
}

const SHOP: &str = r#"
[[names]]
cut_query = true
[[names]]
match   = '^/product/\d+$'
replace = "/product/{id}"
[[names]]
match  = '^/health$'
drop   = true
[[names]]
method  = "POST|PUT"
match   = '/user/(?P<user>\w+)/(\d+)'
replace = "/u/$2/${user}/$$1"
[[names]]
method  = "WS"
replace = "socket"
[[names]]
match   = '\d+'
replace = "{n}"
"#;

/// Guarantees: the first rule that matches wins; a cut goes on; `match` is found anywhere, and each of its matches is replaced; `method` is
/// the whole method; groups by number and by name.
#[test]
fn the_first_match_wins() {
    let rules = rules(SHOP);
    for (method, name, renamed) in [
        ("GET", "/product/17", "/product/{id}"),
        ("GET", "/product/17?page=2", "/product/{id}"),
        ("GET", "/product/17#top?x", "/product/{id}"),
        ("GET", "/product/all", "/product/all"),
        ("GET", "/search?q=1", "/search"),
        ("GET", "/health", "(dropped)"),
        ("GET", "/health?deep=1", "(dropped)"),
        ("GET", "/healthy", "/healthy"),
        ("PUT", "/user/ann/7", "/u/7/ann/$1"),
        ("PUTS", "/user/ann/7", "/user/ann/{n}"),
        ("WS", "/user/ann/7", "socket"),
        ("GET", "/a/1/b/22/c", "/a/{n}/b/{n}/c"),
        ("", "", ""),
        ("GET", "?", ""),
    ] {
        assert_eq!(apply(&rules, method, name), renamed, "{method} {name}");
    }
}

/// Guarantees: a name that a rule makes is not longer than one that arrives, and names that differ stay apart.
#[test]
fn a_long_name_is_cut() {
    let rules = rules("[[names]]\nmatch = 'x'\nreplace = '0123456789abcdef'");
    let [a, b] = ["a", "b"].map(|end| apply(&rules, "GET", &("x".repeat(500) + end)));
    assert!(a.len() <= 1_024 && a != b && a.contains('…'), "{a}");
}

/// Guarantees: each mistake is reported, at its own text.
#[test]
fn mistakes_have_their_place() {
    for (table, errors) in [
        ("match = '/a(b'\ndrop = true", &["(: invalid regular expression in `match`: unclosed group"][..]),
        (
            "match = \"/\\\\d+\\\\\"\ndrop = true",
            &[
                "\\\\: invalid regular expression in `match`: incomplete escape sequence, reached end of pattern prematurely",
            ],
        ),
        (
            "match = 'a'\nmethod = 'GET|POST)'\ndrop = true",
            &["): invalid regular expression in `method`: unopened group"],
        ),
        (
            "match = '(?=a)'\ndrop = true",
            &[
                "(?=: invalid regular expression in `match`: look-around, including look-ahead and look-behind, is not supported",
            ],
        ),
        (
            "match = '\\w{1000}{1000}'\ndrop = true",
            &["\\w{1000}{1000}: invalid regular expression in `match`: it takes more than 10 MiB of memory"],
        ),
        (
            "match = '(\\d+)'\nreplace = '/$2/${id}/$1x'",
            &["$2: `match` has no group `2`", "${id}: `match` has no group `id`", "$1x: `match` has no group `1x`"],
        ),
        ("match = 'a'\nreplace = '/${id'", &["${id: `${` without `}`"]),
        ("method = 'GET'\nreplace = '$0/$1'", &["$1: `match` has no group `1`"]),
        (
            "match = 'a'\nreplace = 'b'\ndrop = true",
            &["true: `drop` and `replace` in one rule: a request that is dropped has no name"],
        ),
        (
            "cut_query = true\ndrop = true",
            &["true: `drop` and `cut_query` in one rule: a request that is dropped has no name"],
        ),
        ("cut_query = true\nreplace = 'b'", &["'b': `replace` and `cut_query` in one rule"]),
        ("match = 'a'", &["[[names]]: a rule that does nothing"]),
        ("match = 'a'\ndrop = false", &["[[names]]: a rule that does nothing"]),
        ("replace = 'a'", &["[[names]]: a rule without `match` and `method`"]),
        ("drop = true", &["[[names]]: a rule without `match` and `method`"]),
    ] {
        let (rules, found) = read(&format!("[[names]]\n{table}"));
        assert_eq!(found, errors, "{table}");
        assert!(rules.is_empty());
    }
}

/// Guarantees: a rule that is never used is an error, and one that may be used is not.
#[test]
fn rules_that_are_never_used() {
    let all = [
        "match = ''",
        "match = '.*'",
        "match = '^.*$'",
        "match = '(?s)^(.*)'",
        "match = 'a*$'",
        "match = '^[^x]*'",
        "method = '.*'",
        "match = '.*'\nmethod = '(.*)'",
    ];
    for all in all {
        let (_, errors) = read(&format!("[[names]]\n{all}\nreplace = 'a'\n[[names]]\nmatch = 'b'\ndrop = true"));
        assert_eq!(errors, ["[[names]]: this rule is never used: the one in line 1 matches every request"], "{all}");
    }
    let some = [
        "match = '.+'",
        "match = '^$'",
        "match = '^a*$'",
        "match = '^[^x]*$'",
        "match = '\\ba*'",
        "match = '.*'\nmethod = 'GET'",
        "method = 'G*'",
        "match = 'b'\nmethod = '.*'",
    ];
    for some in some {
        let (rules, errors) = read(&format!("[[names]]\n{some}\nreplace = 'a'\n[[names]]\nmatch = 'b'\ndrop = true"));
        assert_eq!((rules.len(), errors), (2, Vec::new()), "{some}");
    }
    let twice = |first: &str, second: &str| {
        read(&format!("[[names]]\nmatch = 'a'\n{first}\n[[names]]\nmatch = 'a'\n{second}")).1
    };
    assert_eq!(
        twice("drop = true", "replace = 'b'"),
        ["[[names]]: this rule is never used: the one in line 1 matches the same requests"]
    );
    assert_eq!(twice("cut_query = true", "replace = 'b'"), [""; 0]);
    assert_eq!(
        twice("cut_query = true", "cut_query = true"),
        ["[[names]]: this rule is never used: the one in line 1 has cut all names that it could cut"]
    );
    // Once it is cut, a name may be the first one's.
    rules(
        "[[names]]\nmatch = '^/a$'\nreplace = 'b'\n[[names]]\ncut_query = true\n[[names]]\nmatch = '^/a$'\ndrop = true",
    );
}

/// What a rule says, for the reference.
#[derive(Clone, Debug)]
enum Written {
    Cut,
    Drop(Option<&'static str>, Option<&'static str>),
    Replace(Option<&'static str>, Option<&'static str>, &'static str),
}

impl Written {
    fn toml(&self) -> String {
        let key = |key: &str, text: Option<&str>| text.map_or(String::new(), |text| format!("{key} = '{text}'\n"));
        let what = match self {
            Self::Cut => "cut_query = true\n".to_owned(),
            Self::Drop(pattern, method) => format!("{}{}drop = true\n", key("match", *pattern), key("method", *method)),
            Self::Replace(pattern, method, to) => {
                format!("{}{}replace = '{to}'\n", key("match", *pattern), key("method", *method))
            }
        };
        format!("[[names]]\n{what}")
    }

    /// By the functions of the crate `regex`: the name, and whether the search ends.
    fn apply(&self, method: &str, name: String) -> (Option<String>, bool) {
        let regex = |text: &str| regex::Regex::new(text).expect("valid");
        let is_for = |pattern: Option<&str>, of: Option<&str>| {
            pattern.is_none_or(|pattern| regex(pattern).is_match(&name))
                && of.is_none_or(|of| regex(of).find(method).is_some_and(|found| found.as_str() == method))
        };
        match self {
            Self::Cut => (Some(name.split(['?', '#']).next().unwrap_or_default().to_owned()), false),
            Self::Drop(pattern, of) if is_for(*pattern, *of) => (None, true),
            Self::Replace(pattern, of, to) if is_for(*pattern, *of) => {
                let pattern = regex(pattern.unwrap_or("(?s)^.*$"));
                (Some(pattern.replace_all(&name, *to).into_owned()), true)
            }
            _ => (Some(name), false),
        }
    }
}

fn written() -> impl Strategy<Value = Written> {
    let pattern = prop::sample::select(vec![
        r"^/a/(\d+)$",
        r"/(?P<x>\w+)/(\d)",
        r"\d+",
        r"a?",
        r"(b)|(c)",
        r"é",
        r"^/health",
        "",
    ]);
    let method = prop::option::of(prop::sample::select(vec!["GET", "POST|PUT", "G.."]));
    let to = prop::sample::select(vec!["/a/{id}", "", "$0$0", "$$1", "-$-", "x${0}y", "a$"]);
    prop_oneof![
        1 => Just(Written::Cut),
        2 => (pattern.clone(), method.clone()).prop_map(|(pattern, method)| Written::Drop(Some(pattern), method)),
        6 => (pattern, method.clone(), to.clone()).prop_map(|(pattern, method, to)| Written::Replace(Some(pattern), method, to)),
        1 => (method, to).prop_map(|(method, to)| Written::Replace(None, method.or(Some("PUT")), to)),
        2 => Just(Written::Replace(Some(r"/(?P<x>\w+)/(\d)"), None, "$2-${x}-$1")),
        2 => Just(Written::Replace(Some("(b)|(c)"), None, "[$1$2]")),
    ]
}

fn request() -> impl Strategy<Value = (String, String)> {
    (
        prop::sample::select(vec!["GET", "POST", "PUT", "GETS", ""]).prop_map(str::to_owned),
        "(/a|/b|/health|é|[?#&=]|/[0-9]|\\PC){0,6}",
    )
}

proptest! {
    // Patterns are compiled in each, which takes its time in a build without optimization.
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Guarantees: rules do to each name what the crate `regex` does by its own functions; a renamer does the same to batches.
    #[test]
    fn rules_are_what_regex_says(written in prop::collection::vec(written(), 0..6), requests in prop::collection::vec(request(), 0..40)) {
        let toml: String = written.iter().map(Written::toml).collect();
        let (rules, errors) = Rules::read_all(if toml.is_empty() { "names = []" } else { &toml });
        // A rule that is never used changes nothing: the others are compared all the same.
        for error in errors {
            prop_assert!(error.message.starts_with("this rule is never used"), "{}", error.message);
        }
        let expected: Vec<_> = requests.iter().filter_map(|(method, name)| {
            let mut name = name.clone();
            for rule in &written {
                let (renamed, ends) = rule.apply(method, name);
                name = renamed?;
                if ends {
                    break;
                }
            }
            Some((method.as_str(), name))
        }).collect();
        let mut renamer = Renamer::new(Arc::new(rules), memory(usize::MAX));
        for _ in 0..2 {
            let rows: Vec<_> = requests.iter().map(|(method, name)| Request {
                method: method.as_str().into(), name: name.as_str().into(), ..Request::default()
            }).collect();
            let (rows, dropped) = renamer.apply(rows);
            let found: Vec<_> = rows.iter().map(|row| (&*row.method, row.name.clone().into_owned())).collect();
            prop_assert_eq!(&found, &expected);
            prop_assert_eq!(dropped, (requests.len() - expected.len()) as u64);
        }
    }
}

/// Scenario: fifteen thousand long names. Guarantees: what is kept of them is bounded,
/// and all get the right name.
#[test]
fn what_is_kept_is_bounded() {
    let mut renamer = Renamer::new(Arc::new(rules(LONG)), memory(usize::MAX));
    let tail = "x".repeat(900);
    for batch in 0..150 {
        let names: Vec<_> = (0..100).map(|n| format!("/{}/{tail}", batch * 100 + n)).collect();
        let rows: Vec<_> =
            names.iter().map(|name| Request { name: name.as_str().into(), ..Request::default() }).collect();
        let (rows, dropped) = renamer.apply(rows);
        assert!(
            dropped == 0
                && rows.iter().zip(&names).all(|(row, name)| name.starts_with(&*row.name) && row.name.len() < 9)
        );
    }
    assert!(renamer.known() < 5_000, "{}", renamer.known());
}

/// Scenario: more names than there is memory for, which recorders then need too. Guarantees: all are renamed; some are kept, within what
/// the run has to spare; all of it is free again when the run is over.
#[test]
fn names_take_from_the_memory_of_recorders() {
    let memory = memory(100_000);
    let mut renamer = Renamer::new(Arc::new(rules(LONG)), Arc::clone(&memory));
    let mut batch = || {
        let names: Vec<_> = (0..1_000).map(|n| format!("/{n}/x")).collect();
        let rows: Vec<_> =
            names.iter().map(|name| Request { name: name.as_str().into(), ..Request::default() }).collect();
        let (rows, _) = renamer.apply(rows);
        assert!(rows.iter().zip(&names).all(|(row, name)| *name == format!("{}/x", row.name)));
        renamer.known()
    };
    let known = batch();
    assert!((100..400).contains(&known), "{known}");
    assert!(memory.take(50_000), "half is left");
    let less = batch();
    assert!(less < known, "{less}");
    drop(renamer);
    assert!(memory.take(50_000) && !memory.take(1));
}

/// Guarantees: the rules that nothing has matched are known by their lines.
#[test]
fn rules_without_a_match_are_known() {
    let mut renamer = Renamer::new(Arc::new(rules(SHOP)), memory(usize::MAX));
    let rows = ["/product/1?a", "/health"].map(|name| Request { name: name.into(), ..Request::default() });
    renamer.apply(rows.into());
    assert_eq!(renamer.unused().collect::<Vec<_>>(), [10, 14, 17]);
}

/// Guarantees: names that differ in their ids get rules, which are valid and leave one name of each form; other names get none. What
/// cannot be pasted is left out.
#[test]
fn rules_are_suggested() {
    let many = |form: &str| (1..=20).map(|n| form.replace("{n}", &n.to_string())).collect::<Vec<_>>();
    let words = ["ann", "bob", "cid", "dan", "eve", "fay", "gus", "hal", "ida", "jim", "kai", "lou"];
    let users: Vec<_> = words.iter().map(|word| format!("/users/{word}/cart")).collect();
    for (names, rules, left) in [
        (many("/product/{n}"), r#"names = [{ match = '^/product/\d+$', replace = "/product/{id}" }]"#, 1),
        (
            many("/api/v1/{n}/b{n}.html"),
            r#"names = [{ match = '^/api/v1/\d+/b\d+\.html$', replace = "/api/v1/{id}/b{id2}.html" }]"#,
            1,
        ),
        (many("/o/a{n}-0f"), r#"names = [{ match = '^/o/[0-9a-fA-F-]+$', replace = "/o/{id}" }]"#, 1),
        (many("room-{n}"), r#"names = [{ match = '^room\-\d+$', replace = "room-{id}" }]"#, 1),
        (many("/search?q={n}"), "names = [{ cut_query = true }]", 1),
        (
            many("/a.b/{n}?q={n}"),
            r#"names = [{ cut_query = true }, { match = '^/a\.b/\d+$', replace = "/a.b/{id}" }]"#,
            1,
        ),
        (users, r#"names = [{ match = '^/users/[^/]+/cart$', replace = "/users/{id}/cart" }]"#, 1),
        (many("/$x/{n}"), r#"names = [{ match = '^/\$x/\d+$', replace = "/$$x/{id}" }]"#, 1),
        (many("{n}"), "", 20),
        (many("/'\u{1b}[31m/{n}"), "", 20),
        (vec!["/".to_owned(), "/a".to_owned(), "/b".to_owned()], "", 3),
    ] {
        let found = suggestion(names.iter().map(String::as_str)).unwrap_or_default();
        assert_eq!(found, rules);
        let rules = if found.is_empty() { Rules::default() } else { self::rules(&found) };
        let names: std::collections::BTreeSet<_> = names.iter().map(|name| apply(&rules, "GET", name)).collect();
        assert_eq!(names.len(), left, "{names:?}");
    }
}
