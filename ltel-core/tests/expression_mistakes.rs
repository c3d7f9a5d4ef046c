//! Mistakes in expressions: what is said about each, and where it points.
#![allow(missing_docs)]

use std::fmt::Write;

use ltel_core::event::EventKind::{self, Log, Request, TestStart, Users};
use ltel_core::event::{Event, TestStop};
use ltel_core::expression::{Expression, Purpose};

/// The mistakes, as a compiler shows them.
fn shown(text: &str, on: EventKind, purpose: Purpose) -> String {
    let mut shown = String::new();
    let errors = Expression::compile(text, on, purpose).expect_err(text);
    for error in errors {
        let _ = writeln!(shown, "{}", text.escape_debug());
        // In characters, as a terminal shows them.
        let before = text[..error.span.start].escape_debug().count();
        let marked = text[error.span].escape_debug().count().max(1);
        let _ = writeln!(shown, "{}{} {}", " ".repeat(before), "^".repeat(marked), error.message);
        let _ = writeln!(shown, "  help: {}", error.help.as_deref().unwrap_or("-"));
    }
    shown + "\n"
}

fn check(name: &str, mistakes: &[(EventKind, Purpose, &[&str])]) {
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(name, all(mistakes)) });
}

fn all(mistakes: &[(EventKind, Purpose, &[&str])]) -> String {
    let mut all = String::new();
    for (on, purpose, texts) in mistakes {
        texts.iter().for_each(|text| all += &shown(text, *on, *purpose));
    }
    all
}

/// Guarantees: help is about what was meant, and not about any short name.
#[test]
fn habits() {
    let texts = &[
        "min(response_time, 5.0) > 1.0",
        "foo()",
        "itn(name) == 1",
        "response_time > 1e400",
        "response_time > 99999999999999999999",
        "int(\"a\") == 1",
        "context?.t == 1",
        "name ?? \"x\" == \"x\"",
    ];
    check("habits", &[(Request, Purpose::Condition, texts)]);
}

#[test]
fn names() {
    check(
        "names",
        &[
            (
                Request,
                Purpose::Condition,
                &[
                    "nmae == \"a\"",
                    "statuscode == 404",
                    "duration > 5.0",
                    "request.name == \"/\"",
                    "event.name == \"/\"",
                    "request == null",
                    "method == GET",
                    "tenant == \"a\" && color == 5",
                    "error.message == \"x\"",
                    "error.clas == \"x\"",
                    "name.size > 3",
                    "name.first == \"a\"",
                    "name.length == 5",
                    "startsWith",
                    "user_clas.startsWith(nmae)",
                ],
            ),
            (Users, Purpose::Number, &["totl", "counts.Buyer + name"]),
            (Log, Purpose::Condition, &["lvl == \"INFO\""]),
        ],
    );
}

#[test]
fn functions() {
    check(
        "functions",
        &[(
            Request,
            Purpose::Condition,
            &[
                "name.startswith(\"/a\")",
                "name.StartsWith(\"/a\")",
                "name.starts_with(\"/a\")",
                "startsWith(name, \"/a\")",
                "contains(\"a\" + name, \"/a\")",
                "len(name) > 3",
                "name.len() > 3",
                "name.lower() == \"a\"",
                "re.match(\"a\", name)",
                "math.floor(response_time) > 3",
                "response_time.int() > 3",
                "str(status_code) == \"404\"",
                "status_code.startsWith(\"4\")",
                "error.startsWith(\"4\")",
                "name.startsWith(\"a\", \"b\")",
                "name.startsWith()",
                "name.startsWith(5)",
                "name.startsWith([\"/a\", \"/b\"])",
                "name.startsWith(/checkout)",
                "size(status_code) > 1",
                "size() > 1",
                "int(error) > 1",
                "has(name)",
                "has(context)",
                "has(context[\"a\"])",
                "has(error.foo)",
                "name.matches(\"(\")",
                "name.matches(\"(?=a)b\")",
                "name.matches(\"*.html\")",
                "name.matches(\"a{1000}{1000}{1000}\")",
                "name.matches(url)",
                "matches(name, \"[a\")",
                "name.foo(\"a\")",
                "foo(name)",
                "context.foo.bar(1)",
                "name.exists(c, c == \"a\")",
                "[1, 2].all(x)",
                "[1, 2].all(x + 1, x > 1)",
                "[1, 2].all(x, x)",
                "[1, 2].all(x, [1].all(y, y == x))",
                "exists([1, 2], x, x > 1)",
                "any([1, 2])",
            ],
        )],
    );
}

#[test]
fn types() {
    check(
        "types",
        &[
            (
                Request,
                Purpose::Condition,
                &[
                    "name == 5",
                    "status_code == \"404\"",
                    "\"404\" < status_code",
                    "name > response_time",
                    "error == \"HTTPError\"",
                    "error == true",
                    "(status_code == 404) == 1",
                    "200 <= status_code < 300",
                    "error > 5",
                    "response_time > null",
                    "context > 5",
                    "status_code && name",
                    "!name",
                    "!error",
                    "error || status_code",
                    "status_code ? true : false",
                    "\"/a\" in name",
                    "status_code in [\"404\", \"500\"]",
                    "status_code in 404",
                    "5 in context",
                    "name - \"a\" == \"b\"",
                    "name + status_code == \"b\"",
                    "response_time * 2 > 5.0",
                    "response_length * 1.5 > 5.0",
                    "response_length * response_time > 5.0",
                    "response_time % 2.0 > 5.0",
                    "-name == \"a\"",
                    "context[5] == 1",
                    "name[0] == \"/\"",
                    "[1, 2][\"a\"] == 1",
                    "status_code",
                    "name",
                    "error",
                    "response_time",
                    "context",
                ],
            ),
            (
                Request,
                Purpose::Label,
                &["response_time", "error", "context", "status_code == 404 ? response_time : name"],
            ),
            (Request, Purpose::Number, &["name", "error", "error != null", "context", "null"]),
            (TestStart, Purpose::Number, &["user_classes"]),
            (Request, Purpose::Field, &["b\"a\"", "type(name)"]),
        ],
    );
}

#[test]
fn syntax() {
    check(
        "syntax",
        &[(
            Request,
            Purpose::Condition,
            &[
                "",
                "  ",
                "status_code = 404",
                "status_code === 404",
                "status_code <> 404",
                "status_code => 404",
                "name == \"a\" and method == \"GET\" or method == \"PUT\"",
                "name == \"a\" AND method == \"GET\"",
                "name == \"a\" & method == \"GET\"",
                "not name.startsWith(\"/a\")",
                "error is None",
                "error is not None",
                "error == None && True",
                "status_code not in [404]",
                "true if error == null else false",
                "name =~ \"^/a\"",
                "name like \"a%\"",
                "name startsWith \"/a\"",
                "name == “a”",
                "name == `a`",
                "name == 'a",
                "name == \"a\nb\"",
                "name == \"\"\"a",
                "name == \"\\d\"",
                "name == f\"a\"",
                "response_time > 200ms",
                "response_time > 1_000.0",
                "response_length > 99999999999999999999",
                "(name == \"a\"",
                "name == \"a\")",
                "[1, 2",
                "status_code in (404, 500)",
                "name ==",
                "== name",
                "name \"a\"",
                "name == \"a\" \"b\"",
                "name.",
                "name.startsWith(\"a\",)",
                "name[0:3] == \"a\"",
                "context.?a == \"b\"",
                "name == \"a\"; true",
                "name # comment",
                "status_code ≠ 404",
                "prénom == 1",
                "status_code ? true",
                "if == 1",
                "Foo{a: 1}",
                "$name == \"a\"",
            ],
        )],
    );
}

/// Scenario: texts that are long, deep or of random signs. Guarantees: an error, in reasonable time, with a place in the
/// text; no panic and no overflow of the stack, even on a thread with a small one.
#[test]
fn hostile_texts() {
    let texts = [
        "a".repeat(100_000),
        "(".repeat(8_000),
        "[".repeat(8_000),
        "{".repeat(8_000),
        "!".repeat(8_000),
        "-".repeat(8_000),
        "not ".repeat(2_000),
        "a.".repeat(4_000),
        "a[".repeat(4_000),
        "f(".repeat(4_000),
        "a?".repeat(4_000),
        "a?b:".repeat(2_000),
        "1+".repeat(4_000) + "1",
        "1+1*".repeat(2_000) + "1",
        "a<".repeat(4_000) + "a",
        "true&&".repeat(1_300),
        format!("{}true{}", "(".repeat(4_000), ")".repeat(4_000)),
        format!("name{}", ".a()".repeat(2_000)),
        format!("name == \"{}", "\\".repeat(8_000)),
    ];
    for text in texts {
        let errors = Expression::compile(&text, Request, Purpose::Condition).expect_err("a mistake");
        for error in errors {
            assert!(error.span.end <= text.len() && text.is_char_boundary(error.span.start), "{error:?}");
        }
    }
}

/// Scenario: expressions as long and as deep as they may be. Guarantees: both forms compile and evaluate them.
#[test]
fn at_the_limits() {
    let event = Event::TestStop(&TestStop { time: 1.0 });
    let names = |n: usize| (0..n).map(|n| format!("\"n{n:04}\"")).collect::<Vec<_>>().join(", ");
    let texts = [
        format!("{}time{}", "(".repeat(39), ")".repeat(39)),
        format!("time{}", " + 1.0".repeat(39)),
        format!("{}time{}", "size([".repeat(19), "])".repeat(19)),
        format!("{}1.0", "time > 5.0 ? 1.0 : ".repeat(37)),
        format!("string(time) in [{}]", names(850)),
        format!("[{}].filter(n, n == string(time))", names(850)),
        format!("true{}", " && time < 5.0".repeat(580)),
        format!("{}true{}", "!(".repeat(19), ")".repeat(19)),
        format!("string(time){}", ".matches(\"1\") && string(time)".repeat(30) + ".matches(\"1\")"),
    ];
    for text in texts {
        for make in [Expression::compile, Expression::interpret] {
            let expression = make(&text, EventKind::TestStop, Purpose::Field).expect(&text);
            assert!(expression.evaluate(&event).is_ok(), "{text}");
        }
    }
}
