//! Lines that end at a space, and never within code in backticks: what is to be typed stays in one piece.

use textwrap::core::Word;
use textwrap::{Options, WordSeparator, WordSplitter};

/// How lines of this width are broken.
pub(crate) fn options<'a>(width: usize) -> Options<'a> {
    Options::new(width).word_separator(separator()).word_splitter(splitter()).break_words(false)
}

/// Where a line can end.
pub(crate) const fn separator() -> WordSeparator {
    WordSeparator::Custom(words)
}

/// Words are not split.
pub(crate) const fn splitter() -> WordSplitter {
    WordSplitter::NoHyphenation
}

fn words(line: &str) -> Box<dyn Iterator<Item = Word<'_>> + '_> {
    // A backtick without another one begins no code.
    let mut pairs = line.matches('`').count() / 2 * 2;
    let (mut words, mut begin, mut in_code, mut after_space) = (Vec::new(), 0, false, false);
    for (at, c) in line.char_indices() {
        if after_space && c != ' ' && !in_code {
            words.push(Word::from(&line[begin..at]));
            begin = at;
        }
        if c == '`' && pairs > 0 {
            (in_code, pairs) = (!in_code, pairs - 1);
        }
        after_space = c == ' ';
    }
    words.push(Word::from(&line[begin..]));
    Box::new(words.into_iter())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_outside_of_code() {
        let fill = |text: &str| textwrap::fill(text, options(20));
        assert_eq!(fill("see `ltel-cli help config` for it"), "see\n`ltel-cli help config`\nfor it");
        assert_eq!(
            fill("answers at /healthz and/or at `/readyz`, say"),
            "answers at /healthz\nand/or at `/readyz`,\nsay"
        );
        assert_eq!(fill("a `--enable-feature=x`"), "a\n`--enable-feature=x`");
        assert_eq!(fill("one ` alone, and text that goes on"), "one ` alone, and\ntext that goes on");
        assert_eq!(fill(""), "");
    }
}
