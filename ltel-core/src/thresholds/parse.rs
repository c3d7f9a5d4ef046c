//! Reads checks. Each mistake is found at its place in the text.

use std::ops::Range;

use super::check::range;
use super::{Check, Limit, Operator, Quantity, Unit};
use crate::text::did_you_mean;

/// What is wrong with a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckError {
    /// What is wrong.
    pub message: String,
    /// Where, in bytes of the check.
    pub span: Range<usize>,
    /// What would be right.
    pub help: String,
}

const EXAMPLES: &str = "write a check such as `p95 < 500ms`, `failure_ratio < 1%` or `rps > 100`";
const QUANTITIES: &str = "quantities: `p50`, `p95`, `p99.9` and so on, `avg`, `min`, `max`, `requests`, `failures`, \
                          `failure_ratio`, `rps`; of all generators `cpu` and `dropped`";
const OPERATORS: &str = "operators: `<`, `<=`, `>`, `>=`, and `==` for counts";

// What others call them.
const ALIASES: [(&str, &str); 16] = [
    ("median", "p50"),
    ("med", "p50"),
    ("mean", "avg"),
    ("average", "avg"),
    ("minimum", "min"),
    ("maximum", "max"),
    ("count", "requests"),
    ("reqs", "requests"),
    ("rate", "rps"),
    ("errors", "failures"),
    ("fails", "failures"),
    ("error_rate", "failure_ratio"),
    ("error_ratio", "failure_ratio"),
    ("fail_ratio", "failure_ratio"),
    ("failure_rate", "failure_ratio"),
    ("cpu_percent", "cpu"),
];

impl Check {
    /// Reads a check, such as `p95 < 500ms`.
    pub fn parse(text: &str) -> Result<Self, CheckError> {
        let mut rest = Rest { text, at: 0 };
        let (quantity, quantity_span) = rest.quantity()?;
        let (operator, operator_span) = rest.operator(quantity)?;
        let limit_from = rest.skip_space();
        let limit = match rest.word() {
            ("baseline", _) => rest.change(quantity)?,
            _ => {
                rest.at = limit_from;
                Limit::Value(rest.value(quantity, &format!("{quantity} {}", operator.as_str()))?)
            }
        };
        rest.end()?;
        let check = Self { text: text.trim().to_owned(), quantity, operator, limit };
        check.makes_sense(quantity_span, operator_span, limit_from..text.trim_end().len())?;
        Ok(check)
    }

    /// The same, whatever the baseline's figure is.
    fn beside_baseline_makes_sense(&self, span: Range<usize>) -> Result<(), CheckError> {
        let Limit::Baseline { factor, plus } = self.limit else { return Ok(()) };
        let (least, most) = range(self.quantity);
        // 0 % of what has no end is 0.
        let at = |figure: f64| plus + if factor == 0.0 { 0.0 } else { factor * figure };
        // Of a baseline of 0 all shares are 0. Another one tells what a negative share means.
        let least_before = if factor < 0.0 { f64::MIN_POSITIVE } else { least };
        let (low, high) = (at(least_before).min(at(most)), at(least_before).max(at(most)));
        // The limit that is easiest to keep and the one that is hardest, each with the figure that tries.
        let (best, worst, easy, hard) =
            if self.operator.wants_more() { (most, least, low, high) } else { (least, most, high, low) };
        let (what, help) = if !self.operator.holds(best, easy) {
            ("can never hold", "can be met")
        } else if self.operator.holds(worst, hard) {
            ("always holds", "can be broken")
        } else {
            return Ok(());
        };
        let of = match self.quantity.unit() {
            Unit::Ratio => format!("`{}` is from 0 to 100 %", self.quantity),
            unit => format!("`{}` is never below {}", self.quantity, unit.shown(0.0)),
        };
        let message = format!("`{}` {what}: {of}", self.text);
        Err(CheckError { message, span, help: format!("write a limit that {help}, such as `baseline + 10%`") })
    }

    /// Finds what can never hold, and what always does.
    fn makes_sense(
        &self,
        quantity: Range<usize>,
        operator: Range<usize>,
        limit: Range<usize>,
    ) -> Result<(), CheckError> {
        let is_count = self.quantity.unit() == Unit::Count;
        if self.operator == Operator::Equal && (!is_count || self.limit.needs_baseline()) {
            let message = format!("`==` compares counts, and `{}` is measured", self.quantity);
            let message = if is_count { "`==` does not go with a baseline".to_owned() } else { message };
            return Err(CheckError { message, span: operator, help: "use `<`, `<=`, `>` or `>=`".to_owned() });
        }
        let Limit::Value(value) = self.limit else {
            return if self.quantity.is_of_generators() {
                let message = format!("`{}` is not compared with a baseline: it is about this run only", self.quantity);
                Err(CheckError { message, span: quantity, help: format!("write `{} < ` and a value", self.quantity) })
            } else {
                self.beside_baseline_makes_sense(limit)
            };
        };
        if is_count && value.fract() != 0.0 {
            let message = format!("`{}` is a count, which is a whole number", self.quantity);
            let help = format!("write `{} {} {}`", self.quantity, self.operator.as_str(), value.ceil());
            return Err(CheckError { message, span: limit, help });
        }
        let (least, most) = range(self.quantity);
        let ends = [least, most].map(|end| self.operator.holds(end, value));
        let within = least <= value && value <= most;
        let unit = self.quantity.unit();
        let of = match unit {
            Unit::Ratio => format!("`{}` is from 0 to 100 %", self.quantity),
            _ => format!("`{}` is never below {}", self.quantity, unit.shown(0.0)),
        };
        let (what, help) = match (self.operator, ends) {
            (Operator::Equal, _) if within => return Ok(()),
            // The best value does not hold, so none does.
            (_, [false, false]) => ("can never hold", "can be met"),
            (_, [true, true]) => ("always holds", "can be broken"),
            _ => return Ok(()),
        };
        Err(CheckError {
            message: format!("`{}` {what}: {of}", self.text),
            span: limit.clone(),
            help: match (self.operator, within) {
                (Operator::Below, true) if unit != Unit::Milliseconds => {
                    let limit = &self.text[self.text.len() - limit.len()..];
                    format!("write a limit that {help}, or `{} <= {limit}` for none at all", self.quantity)
                }
                _ => format!("write a limit that {help}"),
            },
        })
    }
}

/// The text, and how much of it is read.
struct Rest<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Rest<'a> {
    fn left(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Skips white space, and returns where the next token begins.
    fn skip_space(&mut self) -> usize {
        self.at += self.left().len() - self.left().trim_start().len();
        self.at
    }

    /// Takes as long as characters are such.
    fn take(&mut self, is_such: impl Fn(char) -> bool) -> (&'a str, Range<usize>) {
        let from = self.skip_space();
        let left = self.left();
        let length = left.find(|c| !is_such(c)).unwrap_or(left.len());
        self.at += length;
        (&left[..length], from..self.at)
    }

    fn word(&mut self) -> (&'a str, Range<usize>) {
        self.take(|c| c.is_alphanumeric() || matches!(c, '_' | '.'))
    }

    /// The next token, to be shown as what is wrong; at the end of the text, the last character before it.
    fn here(&mut self) -> Range<usize> {
        let from = self.skip_space();
        let length = self.left().find(char::is_whitespace).unwrap_or(self.left().len());
        if length > 0 {
            return from..from + length;
        }
        let end = self.text.trim_end().len();
        let last = self.text[..end].chars().next_back().map_or(0, char::len_utf8);
        end - last..end
    }

    fn quantity(&mut self) -> Result<(Quantity, Range<usize>), CheckError> {
        let (word, span) = self.word();
        if word.is_empty() {
            let what = if self.left().trim().is_empty() { "the check is empty" } else { "expected a quantity" };
            return Err(CheckError { message: what.to_owned(), span: self.here(), help: EXAMPLES.to_owned() });
        }
        if let Some((_, quantity)) = Quantity::NAMES.iter().find(|(name, _)| *name == word) {
            return Ok((*quantity, span));
        }
        let digits = word.strip_prefix('p');
        if let Some(digits) = digits.filter(|digits| digits.starts_with(|c: char| c.is_ascii_digit())) {
            return match decimal(digits).and_then(|digits| digits.parse::<f64>().ok()) {
                Some(percent) if percent <= 100.0 => Ok((Quantity::Percentile(percent), span)),
                Some(_) => Err(CheckError {
                    message: format!("`{word}` does not exist: percentiles are from `p0` to `p100`"),
                    span,
                    help: "write `p99`, or `p99.9`".to_owned(),
                }),
                None => Err(CheckError {
                    message: format!("`{word}` is not a percentile"),
                    span,
                    help: "write `p` and a number from 0 to 100, such as `p95` or `p99.9`".to_owned(),
                }),
            };
        }
        // As k6 writes it.
        if word == "p"
            && let Some((number, _)) = self.left().strip_prefix('(').and_then(|left| left.split_once(')'))
        {
            let span = span.start..self.at + number.len() + 2;
            let help = format!("write `p{}`", number.trim());
            return Err(CheckError { message: format!("unknown quantity `p({number})`"), span, help });
        }
        let lower = word.to_lowercase();
        if lower.strip_prefix('p').and_then(decimal).is_some() {
            let help = format!("write `{lower}`");
            return Err(CheckError { message: format!("unknown quantity `{word}`"), span, help });
        }
        let alias = ALIASES.iter().find(|(alias, _)| *alias == lower).map(|(_, name)| *name);
        let known = Quantity::NAMES.iter().map(|(name, _)| *name);
        let near = alias.or_else(|| did_you_mean(&lower, known));
        let help = near.map_or_else(|| QUANTITIES.to_owned(), |near| format!("did you mean `{near}`? {QUANTITIES}"));
        Err(CheckError { message: format!("unknown quantity `{word}`"), span, help })
    }

    fn operator(&mut self, quantity: Quantity) -> Result<(Operator, Range<usize>), CheckError> {
        let (written, span) = self.take(|c| matches!(c, '<' | '>' | '=' | '!' | '≤' | '≥' | '≠' | '~'));
        if let Some(operator) = Operator::parse(written) {
            return Ok((operator, span));
        }
        let near = match written {
            "" => {
                let message = format!("expected an operator after `{quantity}`");
                return Err(CheckError { message, span: self.here(), help: OPERATORS.to_owned() });
            }
            "=<" | "≤" => Some("<="),
            "=>" | "≥" => Some(">="),
            "=" | "===" if quantity.unit() == Unit::Count => Some("=="),
            _ => None,
        };
        let help = near.map_or_else(|| OPERATORS.to_owned(), |near| format!("did you mean `{near}`? {OPERATORS}"));
        Err(CheckError { message: format!("unknown operator `{written}`"), span, help })
    }

    /// What stands after `baseline`.
    fn change(&mut self, quantity: Quantity) -> Result<Limit, CheckError> {
        let (sign, span) = self.take(|c| matches!(c, '+' | '-' | '*' | '/' | '−'));
        let sign: f64 = match sign {
            "" => return Ok(Limit::Baseline { factor: 1.0, plus: 0.0 }),
            "+" => 1.0,
            "-" | "−" => -1.0,
            other => {
                return Err(CheckError {
                    message: format!("`{other}` is not possible after `baseline`"),
                    span,
                    help: "write `baseline`, `baseline + 10%` or `baseline - 10%`".to_owned(),
                });
            }
        };
        let from = self.skip_space();
        let (_, amount) = self.take(|c| !c.is_whitespace());
        let is_percent = self.text[amount].ends_with('%');
        self.at = from;
        // Of a ratio, `%` are its own unit: a share of 0 % would be nothing.
        if is_percent && !matches!(quantity.unit(), Unit::Ratio | Unit::Percent) {
            let value = self.value(Quantity::FailureRatio, "baseline +")?;
            return Ok(Limit::Baseline { factor: sign.mul_add(value, 1.0), plus: 0.0 });
        }
        let value = self.value(quantity, "baseline +")?;
        Ok(Limit::Baseline { factor: 1.0, plus: sign * value })
    }

    /// A number and its unit, as a value in the quantity's unit. `before` is what stands before it.
    fn value(&mut self, quantity: Quantity, before: &str) -> Result<f64, CheckError> {
        let unit = quantity.unit();
        let example = match unit {
            Unit::Milliseconds => format!("{before} 500ms"),
            Unit::Ratio => format!("{before} 1%"),
            Unit::Percent => format!("{before} 90%"),
            Unit::Count | Unit::PerSecond => format!("{before} 100"),
        };
        let (number, span) = self.take(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | '_' | ','));
        if number.is_empty() {
            let here = self.here();
            let message = match &self.text[here.clone()] {
                _ if self.left().trim().is_empty() => format!("expected a value after `{before}`"),
                found => format!("`{found}` is not a value"),
            };
            return Err(CheckError { message, span: here, help: format!("write, for example, `{example}`") });
        }
        let Some(digits) = decimal(number) else {
            return Err(CheckError {
                message: format!("`{number}` is not a number"),
                span,
                help: format!("write digits, with a point where there is a fraction: `{example}`"),
            });
        };
        let (written, unit_span) = self.take(|c| c.is_alphabetic() || matches!(c, '%' | '/' | '‰'));
        // `1k` or `1e3`: what to write instead is not the number before it.
        let is_scaled = matches!(written, "k" | "K" | "m" | "M" | "e" | "E");
        let in_digits = || format!("write the number in digits, such as `{before} 1000`");
        // Decimal places are moved in the text: so 0.7 % is exactly the ratio 0.007.
        let (exponent, factor) = match (unit, written) {
            (Unit::Count | Unit::PerSecond, "") | (Unit::Milliseconds, "ms") | (Unit::Percent, "%") => (0, 1.0),
            (Unit::Milliseconds, "us" | "µs" | "μs") => (-3, 1.0),
            (Unit::Milliseconds, "s") => (3, 1.0),
            (Unit::Milliseconds, "m") => (0, 60_000.0),
            (Unit::Ratio, "%") => (-2, 1.0),
            _ => {
                let name = quantity;
                let (message, span, help) = match (unit, written) {
                    (Unit::Milliseconds, "") => (
                        format!("`{name}` is a time: `{number}` needs a unit"),
                        span,
                        format!("write `{number}ms`, or with another unit of `us`, `ms`, `s` and `m`"),
                    ),
                    (Unit::Ratio, "") => {
                        let percent = number.parse::<f64>().unwrap_or_default() * 100.0;
                        let percent = Unit::Percent.shown(percent).replace(' ', "");
                        (
                            format!("`{name}` is in percent: `{number}` needs its `%`"),
                            span,
                            format!("write `{number}%`; or `{percent}`, if you mean {number} of all requests"),
                        )
                    }
                    (Unit::Percent, "") => (
                        format!("`{name}` is in percent of one core: `{number}` needs its `%`"),
                        span,
                        format!("write `{number}%`"),
                    ),
                    (Unit::Milliseconds, _) => (
                        format!("`{written}` is not a unit of time"),
                        unit_span,
                        if written == "%" {
                            format!(
                                "units: `us`, `ms`, `s` and `m`; `baseline + {number}%` compares with an earlier run"
                            )
                        } else {
                            "units: `us`, `ms`, `s` and `m`".to_owned()
                        },
                    ),
                    (Unit::Ratio | Unit::Percent, _) => {
                        (format!("`{name}` is in percent, not in `{written}`"), unit_span, format!("write `{number}%`"))
                    }
                    (Unit::Count, _) => (
                        format!("`{name}` is a count, without a unit"),
                        unit_span,
                        if is_scaled {
                            in_digits()
                        } else if written == "%" && quantity == Quantity::Failures {
                            format!("write `failure_ratio < {number}%`, or `{before} {number}`")
                        } else {
                            format!("write `{before} {number}`")
                        },
                    ),
                    (Unit::PerSecond, _) => (
                        format!("`{name}` is requests per second, without a unit"),
                        unit_span,
                        if is_scaled { in_digits() } else { format!("write `{before} {number}`") },
                    ),
                };
                return Err(CheckError { message, span, help });
            }
        };
        let value = format!("{digits}e{exponent}").parse::<f64>().unwrap_or(f64::INFINITY) * factor;
        if value.is_finite() {
            Ok(value)
        } else {
            let message = format!("`{number}` is too large");
            Err(CheckError { message, span, help: format!("write, for example, `{example}`") })
        }
    }

    fn end(&mut self) -> Result<(), CheckError> {
        let from = self.skip_space();
        if self.left().is_empty() {
            return Ok(());
        }
        let found = self.left().trim_end();
        Err(CheckError {
            message: format!("expected nothing after the limit, found `{found}`"),
            span: from..from + found.len(),
            help: "write one comparison in each check, and several checks as a list".to_owned(),
        })
    }
}

/// A number without an exponent: digits, and a point between digits.
fn decimal(text: &str) -> Option<&str> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    (all_digits(whole) && all_digits(fraction)).then_some(text)
}
