//! Types of configuration values: durations, sizes, addresses, secrets.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytesize::ByteSize;
use ltel_core::backend::ConfigError;
use ltel_core::schema;
use ltel_core::schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::SecretString;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use toml::Spanned;

use super::Environment;
use super::kind::schema_of;
use super::variables::Reference;

/// Longer durations are mistakes, and clocks cannot add them.
pub(crate) const MAX_DURATION: Duration = Duration::from_hours(100 * 365 * 24);

/// A duration as people write it: `3s`, `500ms`, `1m 30s`. Never zero, and never longer than 100 years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval(pub Duration);

impl<'de> Deserialize<'de> for Interval {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(DurationText { may_be_zero: false }).map(Self)
    }
}

/// A duration like an [`Interval`], which may be zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delay(pub Duration);

impl<'de> Deserialize<'de> for Delay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(DurationText { may_be_zero: true }).map(Self)
    }
}

impl JsonSchema for Interval {
    fn schema_name() -> Cow<'static, str> {
        schema::Duration::schema_name()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schema::Duration::json_schema(generator)
    }
}

struct DurationText {
    may_be_zero: bool,
}

impl Visitor<'_> for DurationText {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration with its unit, such as \"3s\", \"500ms\" or \"1m 30s\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        match humantime::parse_duration(text) {
            // To humantime a month is `M`; who writes `5M` means minutes.
            Ok(_) if text.contains('M') => {
                Err(E::custom(format!("\"{text}\" is not a duration: minutes are `m`, and units are in lower case")))
            }
            Ok(duration) if duration.is_zero() && !self.may_be_zero => {
                Err(E::custom("a duration must be longer than zero"))
            }
            Ok(duration) if duration > MAX_DURATION => {
                Err(E::custom(format!("\"{text}\" is too long: a duration may be 100 years at most")))
            }
            Err(humantime::DurationError::NumberOverflow) => {
                Err(E::custom(format!("\"{text}\" is too long: a duration may be 100 years at most")))
            }
            Ok(duration) => Ok(duration),
            Err(_) => Err(E::custom(not_a_duration(text))),
        }
    }
}

/// Why a text is not a duration, and what to write.
fn not_a_duration(text: &str) -> String {
    let trimmed = text.trim();
    if trimmed.parse::<f64>().is_ok_and(|number| number >= 0.0) {
        return format!("\"{text}\" has no unit: write \"{trimmed}s\" for seconds, or \"{trimmed}m\" for minutes");
    }
    if trimmed.starts_with('-') {
        return format!("\"{text}\" is negative: a duration cannot be");
    }
    let lower = trimmed.to_ascii_lowercase();
    let write = match humantime::parse_duration(&lower) {
        Ok(_) => format!("\"{lower}\""),
        Err(_) => "\"3s\", \"500ms\" or \"1m 30s\"".to_owned(),
    };
    format!("\"{text}\" is not a duration: write a number and its unit, such as {write}")
}

/// A number of bytes: `8MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(u64);

impl Size {
    /// In bytes.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// In bytes, of memory.
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// A number without a unit below this is meant in a unit.
const LEAST_WITHOUT_UNIT: u64 = 1_024;

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SizeText;
        impl Visitor<'_> for SizeText {
            type Value = Size;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size, a number and its unit, such as \"8MiB\" or \"500kB\"")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Size, E> {
                let Ok(bytes) = u64::try_from(number) else {
                    return Err(E::custom(format!("`{number}` is negative: a size cannot be")));
                };
                if bytes > 0 && bytes < LEAST_WITHOUT_UNIT {
                    return Err(E::custom(format!(
                        "`{bytes}` is a size of {bytes} bytes: write its unit, such as \"{bytes}MiB\", or \"{bytes}B\" for bytes"
                    )));
                }
                Ok(Size(bytes))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Size, E> {
                if let Ok(number) = text.trim().parse::<i64>() {
                    return self.visit_i64(number);
                }
                text.trim().parse::<ByteSize>().map(|size| Size(size.as_u64())).map_err(|_| {
                    E::custom(format!(
                        "\"{text}\" is not a size: write a number and its unit, such as \"8MiB\" or \"500kB\""
                    ))
                })
            }
        }
        deserializer.deserialize_any(SizeText)
    }
}

/// An address to listen on, or what is wrong with it and what would be right.
pub(crate) fn address(text: &str, default: SocketAddr) -> Result<SocketAddr, (String, String)> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let (ip, port) = (default.ip(), default.port());
    if let Some(("localhost", port)) = text.rsplit_once(':')
        && let Ok(port) = port.parse()
    {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    let wrong = |help: String| Err((format!("`{text}` is not an IP address with a port"), help));
    if let Some((rest, without)) = without_url(text) {
        return wrong(match address(rest, default) {
            Ok(_) => format!("write the address without {without}: `{rest}`"),
            Err((_, help)) => format!("write the address without {without}; {help}"),
        });
    }
    if let Some(whole) = ipv6_with_port(text) {
        return wrong(format!("write an IPv6 address in brackets: `{whole}`"));
    }
    if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return wrong(format!("write the port too: `{}`", SocketAddr::new(ip, port)));
    }
    let last = text.rsplit(':').next().unwrap_or_default();
    let is_number = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    let host = text.strip_suffix(last).unwrap_or_default().trim_end_matches(':');
    if is_number && last.parse::<u16>().is_err() && (host.is_empty() || text.contains(':')) {
        return wrong(format!("a port is a number up to 65535, such as `{default}`"));
    }
    if is_number && ["", "*", "0"].contains(&host) {
        return wrong(format!("write `{ip}:{last}` for this machine alone, or `0.0.0.0:{last}` for all its addresses"));
    }
    if text == "localhost" {
        return wrong(format!("write the port too: `{text}:{port}`"));
    }
    if is_number && host.bytes().any(|byte| byte.is_ascii_alphabetic()) {
        return wrong(format!(
            "a name can have several addresses: write `{ip}:{last}` for this machine alone, or `0.0.0.0:{last}` for all its addresses"
        ));
    }
    wrong(format!("write an IP address and a port, such as `{default}` or `[::1]:{port}`"))
}

/// What remains of an address that is written as a URL, and what has to go.
fn without_url(text: &str) -> Option<(&str, String)> {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (Some(format!("`{scheme}://`")), rest),
        None => (None, text),
    };
    let (rest, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    // A path of a file is none of a URL.
    if rest.is_empty() {
        return None;
    }
    let path = (path.len() > 1 || (scheme.is_none() && !path.is_empty())).then(|| format!("`{path}`"));
    let parts: Vec<_> = scheme.into_iter().chain(path).collect();
    (!parts.is_empty()).then(|| (rest, parts.join(" and ")))
}

/// An IPv6 address and a port, written without brackets. What could be an address as a whole counts if it ends as ports do.
fn ipv6_with_port(text: &str) -> Option<SocketAddr> {
    let (host, last) = text.rsplit_once(':')?;
    let port = last.parse().ok().filter(|port| *port >= 1_000)?;
    // `::9464` is the port of `::`.
    let host = if host == ":" { "::" } else { host };
    host.parse().ok().map(|ip| SocketAddr::new(IpAddr::V6(ip), port))
}

/// Text that may be secret: the text itself, or where to find it.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// The text.
    Plain(String),
    /// In this environment variable.
    Env(String),
    /// In this file.
    File(String),
}

impl Secret {
    /// The text itself, or why it is not available.
    pub fn resolve(&self, env: &Environment) -> Result<String, String> {
        match self {
            Self::Plain(text) => Ok(text.clone()),
            Self::Env(name) => env.get(name).ok_or_else(|| format!("the environment variable `{name}` is not set")),
            Self::File(path) => std::fs::read_to_string(path)
                .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
                .map_err(|error| format!("cannot read `{path}`: {error}")),
        }
    }
}

/// A token that clients must send, or what is wrong with it.
pub(crate) fn token(secret: &Spanned<Secret>, env: &Environment) -> Result<SecretString, ConfigError> {
    secret_is_plain("token", secret)?;
    let token = secret.get_ref().resolve(env).map_err(|why| ConfigError::new(why, secret.span()))?;
    if token.trim().is_empty() {
        let from = match secret.get_ref() {
            Secret::Plain(_) => String::new(),
            Secret::Env(name) => format!(": the environment variable `{name}` is empty"),
            Secret::File(path) => format!(": `{path}` is empty"),
        };
        return Err(ConfigError::new(format!("the token is empty{from}"), secret.span())
            .help("use a random token, such as the output of `openssl rand -hex 16`; or remove `token`"));
    }
    Ok(token.into())
}

/// Refuses a text such as `env:NAME`: it would be the secret itself.
pub(crate) fn secret_is_plain(key: &str, secret: &Spanned<Secret>) -> Result<(), ConfigError> {
    let Secret::Plain(text) = secret.get_ref() else { return Ok(()) };
    let Some(reference) = Reference::in_secret(text) else { return Ok(()) };
    Err(reference.error(key, &format!("`{key}`"), Some(&schema_of(Secret::json_schema)), secret.span()))
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let at = |key: &str, what: &str, example: &str| {
            json_schema!({
                "type": "object",
                "properties": { key: { "type": "string", "description": what, "examples": [example] } },
                "required": [key],
                "additionalProperties": false,
            })
        };
        json_schema!({
            "description": "Text that may be secret: the text itself, `{ env = \"NAME\" }` or `{ file = \"/path\" }`.",
            "anyOf": [
                { "type": "string" },
                at("env", "The environment variable that holds the text.", "NAME"),
                at("file", "The file that holds the text.", "/path"),
            ],
        })
    }
}

// Secrets are never shown.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(_) => f.write_str("Plain(..)"),
            Self::Env(name) => write!(f, "Env({name})"),
            Self::File(path) => write!(f, "File({path})"),
        }
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrTable;
        impl<'de> Visitor<'de> for TextOrTable {
            type Value = Secret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, `{ env = \"NAME\" }` or `{ file = \"/path\" }`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Secret, E> {
                Ok(Secret::Plain(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
                let wrong = || A::Error::custom("write a text, `{ env = \"NAME\" }` or `{ file = \"/path\" }`");
                let secret = match map.next_key::<String>()?.as_deref() {
                    Some("env") => Secret::Env(map.next_value()?),
                    Some("file") => Secret::File(map.next_value()?),
                    _ => return Err(wrong()),
                };
                if map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() { Err(wrong()) } else { Ok(secret) }
            }
        }
        deserializer.deserialize_any(TextOrTable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guarantees: what is nearly a duration is said with what to write.
    #[test]
    fn durations_that_are_not_written_right() {
        let read = |text: &str| DurationText { may_be_zero: false }.visit_str::<serde::de::value::Error>(text);
        for right in ["10 sec", "5min", "1m 30s", "2 days", "500ms", "0.5s"] {
            assert!(read(right).is_ok(), "{right}");
        }
        for (wrong, part) in [
            ("10", "write \"10s\" for seconds"),
            ("5M", "minutes are `m`"),
            ("10S", "such as \"10s\""),
            ("-1s", "is negative"),
            ("soon", "such as \"3s\""),
            ("", "such as \"3s\""),
        ] {
            let said = read(wrong).expect_err(wrong).to_string();
            assert!(said.contains(part), "{wrong}: {said}");
        }
    }

    /// Guarantees: an address that is nearly right is said with what to write; `localhost` is this machine.
    #[test]
    fn addresses_that_are_not_written_right() {
        let default: SocketAddr = "127.0.0.1:9464".parse().unwrap();
        let read = |text: &str| address(text, default);
        assert_eq!(read("localhost:1"), Ok("127.0.0.1:1".parse().unwrap()));
        assert_eq!(read("[::]:9464"), Ok("[::]:9464".parse().unwrap()));
        for (wrong, part) in [
            (":9464", "`127.0.0.1:9464` for this machine alone, or `0.0.0.0:9464`"),
            ("9465", "`127.0.0.1:9465` for this machine alone"),
            ("*:9464", "`0.0.0.0:9464`"),
            ("127.0.0.1", "write the port too: `127.0.0.1:9464`"),
            ("::1", "write the port too: `[::1]:9464`"),
            ("localhost", "write the port too: `localhost:9464`"),
            ("127.0.0.1:99999", "a port is a number up to 65535"),
            ("99999", "a port is a number up to 65535"),
            ("http://127.0.0.1:9465/", "without `http://`: `127.0.0.1:9465`"),
            ("http://localhost:9999", "without `http://`: `localhost:9999`"),
            ("tcp://localhost:5000", "without `tcp://`: `localhost:5000`"),
            ("https://[::1]:5000/x?y=/z", "without `https://` and `/x?y=/z`: `[::1]:5000`"),
            ("0.0.0.0:9999/metrics", "without `/metrics`: `0.0.0.0:9999`"),
            ("127.0.0.1:9999/", "without `/`: `127.0.0.1:9999`"),
            ("http://127.0.0.1", "without `http://`; write the port too: `127.0.0.1:9464`"),
            ("http://collector:1234", "without `http://`; a name can have several addresses: write `127.0.0.1:1234`"),
            ("http://localhost:99999", "without `http://`; a port is a number up to 65535"),
            ("::1:9464", "in brackets: `[::1]:9464`"),
            ("::1:19464", "in brackets: `[::1]:19464`"),
            ("::9464", "in brackets: `[::]:9464`"),
            ("fe80::1", "write the port too: `[fe80::1]:9464`"),
            ("/run/ltel.sock", "write an IP address and a port"),
            ("collector:9464", "a name can have several addresses"),
            ("", "write an IP address and a port"),
        ] {
            let (_, help) = read(wrong).expect_err(wrong);
            assert!(help.contains(part), "{wrong}: {help}");
        }
    }
}
