//! Options whose value may be left out, such as `run --page`. For clap, the command behind such an option would be its value.

use std::ffi::{OsStr, OsString};

use clap::{Arg, Command};

/// Writes each such option as one word, `--page=ADDRESS` or `--page=`. The next word is its value if it looks like an address.
pub(super) fn join(args: impl IntoIterator<Item = OsString>, cli: &Command) -> Vec<OsString> {
    let mut cli = cli.clone();
    cli.build();
    let (mut args, mut command) = (args.into_iter().peekable(), &cli);
    let mut out: Vec<_> = args.next().into_iter().collect();
    while let Some(arg) = args.next() {
        let text = arg.to_string_lossy();
        if text == "--" {
            out.push(arg);
            break;
        }
        if !text.starts_with('-') || text == "-" {
            let inner = command.find_subcommand(&*text);
            out.push(arg);
            match inner {
                Some(inner) => command = inner,
                // The command of `run`, whose options are its own.
                None => break,
            }
            continue;
        }
        let Some(option) = that_takes_the_next_word(command, &text) else {
            out.push(arg);
            continue;
        };
        if option.get_num_args().is_some_and(|count| count.min_values() == 0) {
            let value = args.next_if(|next| looks_like_an_address(next)).unwrap_or_default();
            let mut word = arg;
            word.push("=");
            word.push(value);
            out.push(word);
        } else {
            out.push(arg);
            out.extend(args.next());
        }
    }
    out.extend(args);
    out
}

fn that_takes_the_next_word<'a>(command: &'a Command, text: &str) -> Option<&'a Arg> {
    let takes_values = |arg: &&Arg| arg.get_num_args().is_some_and(|count| count.takes_values());
    if let Some(long) = text.strip_prefix("--") {
        return command.get_arguments().find(|arg| arg.get_long() == Some(long)).filter(takes_values);
    }
    // Of several letters, the first that takes a value has the rest as its value.
    let mut letters = text.chars().skip(1);
    let option = letters
        .by_ref()
        .find_map(|letter| command.get_arguments().find(|arg| arg.get_short() == Some(letter)).filter(takes_values));
    option.filter(|_| letters.next().is_none())
}

/// An address, right or wrong: what ends in a number, without a `/` that a program's path would have.
fn looks_like_an_address(word: &OsStr) -> bool {
    let Some(word) = word.to_str() else { return false };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let has_port = word.rsplit_once(':').is_some_and(|(_, port)| is_number(port));
    let is_plain = word.bytes().all(|byte| byte.is_ascii_digit() || b".:[]".contains(&byte));
    !word.is_empty() && !word.contains('/') && (has_port || is_plain)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::args::Cli;

    fn check(line: &str, expected: &str) {
        let args = line.split(' ').map(OsString::from);
        let joined = join(args, &Cli::command());
        assert_eq!(joined.join(OsStr::new(" ")), expected, "{line}");
    }

    /// Guarantees: the word behind `--page` is its value only if it looks like an address, even a wrong one; what stands behind
    /// the command of `run` stays as it is.
    #[test]
    fn the_command_is_not_a_value() {
        check("ltel run --page locust -f x.py", "ltel run --page= locust -f x.py");
        check("ltel run --page -- locust", "ltel run --page= -- locust");
        check("ltel run --page", "ltel run --page=");
        check("ltel run --page --strict locust", "ltel run --page= --strict locust");
        check("ltel run --page ./locust:1 -f x.py", "ltel run --page= ./locust:1 -f x.py");
        for address in ["127.0.0.1:4329", "[::1]:4329", ":4329", "localhost:4329", "4329", "127.0.0.1", "1.2.3.4:99999"]
        {
            check(&format!("ltel run --page {address} locust"), &format!("ltel run --page={address} locust"));
            check(&format!("ltel run --page={address} locust"), &format!("ltel run --page={address} locust"));
        }
        check("ltel run locust --page x", "ltel run locust --page x");
        check("ltel run -- locust --page x", "ltel run -- locust --page x");
    }

    /// Guarantees: values of other options are no commands, wherever they stand.
    #[test]
    fn values_of_other_options() {
        check("ltel --config run run --page locust", "ltel --config run run --page= locust");
        check("ltel -c - run -c f.toml --page locust", "ltel -c - run -c f.toml --page= locust");
        check("ltel run -cf.toml --page locust --page x", "ltel run -cf.toml --page= locust --page x");
        check("ltel run --config=x --label a=b --page locust", "ltel run --config=x --label a=b --page= locust");
    }
}
