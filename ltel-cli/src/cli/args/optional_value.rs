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

/// An address or a URL, right or wrong. No program has a `:` in its name, and a path to one is not so before its first `/`.
fn looks_like_an_address(word: &OsStr) -> bool {
    let Some(word) = word.to_str() else { return false };
    let host = word.split('/').next().unwrap_or_default();
    let is_plain =
        |text: &str| text.bytes().all(|byte| byte == b'.' || byte.is_ascii_digit()) && text.bytes().any(|b| b != b'.');
    host.contains(':') || (host == word && (word == "localhost" || is_plain(word)))
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
        for program in ["./locust:1", "/opt/a:1/locust", "bin/locust", "localhost.sh", "2026/locust", "./7"] {
            check(&format!("ltel run --page {program} -f x.py"), &format!("ltel run --page= {program} -f x.py"));
        }
        for address in [
            "127.0.0.1:4329",
            "[::1]:4329",
            ":4329",
            "localhost:4329",
            "4329",
            "127.0.0.1",
            "1.2.3.4:99999",
            "localhost",
            "localhost:port",
            "http://localhost:9464/metrics",
            "https://collector",
            "127.0.0.1:9464/metrics",
        ] {
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
