//! The headers of a signal's requests.

use std::collections::BTreeMap;
use std::ops::Range;

use http::{HeaderMap, HeaderName, HeaderValue};
use ltel_core::backend::ConfigError;
use opentelemetry_otlp::OTEL_EXPORTER_OTLP_HEADERS;
use toml::Spanned;

use super::inputs::SignalInputs;
use crate::config::values::{Secret, secret_is_plain};

pub(super) type RawHeaders = BTreeMap<Spanned<String>, Spanned<Secret>>;

/// The headers of the file, else the environment's if they are meant for this receiver.
pub(super) fn resolve(stated: Option<&RawHeaders>, inputs: &mut SignalInputs<'_, '_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(stated) = stated {
        for (name, secret) in stated {
            if let Err(error) = secret_is_plain(name.get_ref(), secret) {
                inputs.cx.error(error);
                continue;
            }
            match secret.get_ref().resolve(inputs.cx.env) {
                Ok(value) => add(&mut headers, name.get_ref(), &value, name.span(), inputs),
                Err(why) => inputs.cx.error(ConfigError::new(why, secret.span())),
            }
        }
    } else if let Some(variable) = inputs.variable_of_endpoint(OTEL_EXPORTER_OTLP_HEADERS) {
        match variable.pairs() {
            Ok(pairs) => {
                for (name, value) in pairs {
                    add(&mut headers, &name, &value, inputs.cx.header(), inputs);
                }
            }
            Err(why) => inputs.cx.variable_error(why),
        }
    }
    headers
}

fn add(headers: &mut HeaderMap, name: &str, value: &str, span: Range<usize>, inputs: &mut SignalInputs<'_, '_>) {
    if value.trim().is_empty() {
        let message = format!("the value of header `{name}` is empty");
        inputs.cx.error(ConfigError::new(message, span).help("give it a value, or remove the header"));
        return;
    }
    match (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
        (Ok(name), Ok(mut value)) => {
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        (Err(_), _) => inputs.cx.error(
            ConfigError::new(format!("`{name}` is not a valid header name"), span)
                .help("use letters, digits and `-`, such as `api-key`"),
        ),
        (_, Err(_)) => {
            let message = format!("the value of header `{name}` has characters that a header cannot have");
            let help = "use visible ASCII characters, without line breaks";
            inputs.cx.error(ConfigError::new(message, span).help(help));
        }
    }
}
