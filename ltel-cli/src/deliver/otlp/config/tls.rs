//! The files of TLS: trusted authorities, and the client certificate. They are read and checked before anything starts.

use std::ops::Range;

use ltel_core::backend::ConfigError;
use ltel_core::schemars::{self, JsonSchema};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use serde::Deserialize;
use toml::Spanned;

use super::inputs::SignalInputs;
use super::{Identity, Tls};

/// Certificates in PEM files.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "ClientTls")]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_field_names)] // named after the keys
pub(super) struct RawTls {
    /// The authorities to trust; default: the system's.
    #[schemars(with = "Option<String>")]
    ca_file: Option<Spanned<String>>,
    /// The certificate of ltel, for receivers that ask for one.
    #[schemars(with = "Option<String>")]
    cert_file: Option<Spanned<String>>,
    /// The private key of `cert_file`.
    #[schemars(with = "Option<String>")]
    key_file: Option<Spanned<String>>,
}

/// A file that a key or a variable names.
struct NamedFile {
    /// The key or variable that names it.
    by: String,
    path: String,
    span: Range<usize>,
}

const CERTIFICATES: &str = "a PEM file of certificates";
const KEY: &str = "the PEM file of the certificate's private key, not encrypted";

/// The file's settings, else the environment's if they are meant for this receiver.
pub(super) fn resolve(stated: Option<&RawTls>, inputs: &mut SignalInputs<'_, '_>) -> Tls {
    let key = |by: &str, path: &Option<Spanned<String>>| {
        let path = path.as_ref()?;
        Some(NamedFile { by: by.to_owned(), path: path.get_ref().clone(), span: path.span() })
    };
    let variable = |name: &str, inputs: &SignalInputs<'_, '_>| {
        let variable = inputs.variable_of_endpoint(name)?;
        Some(NamedFile { by: variable.name, path: variable.value, span: inputs.cx.header() })
    };
    let ca = stated
        .and_then(|tls| key("ca_file", &tls.ca_file))
        .or_else(|| variable("OTEL_EXPORTER_OTLP_CERTIFICATE", inputs));
    let stated_pair = stated.map(|tls| (key("cert_file", &tls.cert_file), key("key_file", &tls.key_file)));
    // A certificate and its key belong together: the file's are not mixed with the environment's.
    let pair = stated_pair.filter(|(certificate, key)| certificate.is_some() || key.is_some());
    let pair = pair.unwrap_or_else(|| {
        (variable("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", inputs), variable("OTEL_EXPORTER_OTLP_CLIENT_KEY", inputs))
    });
    let ca = ca.and_then(|named| authorities(&named).map_err(|error| inputs.cx.error(error)).ok());
    let identity = match pair {
        (None, None) => None,
        (Some(certificate), Some(key)) => identity(&certificate, &key, inputs),
        (Some(certificate), None) => {
            inputs.cx.error(alone(&certificate, "private key", "key_file"));
            None
        }
        (None, Some(key)) => {
            inputs.cx.error(alone(&key, "certificate", "cert_file"));
            None
        }
    };
    Tls { ca, identity }
}

fn alone(named: &NamedFile, without: &str, other: &str) -> ConfigError {
    let other = match named.by.strip_suffix("CLIENT_CERTIFICATE").map(|prefix| (prefix, "CLIENT_KEY")) {
        Some((prefix, name)) => format!("{prefix}{name}"),
        None => match named.by.strip_suffix("CLIENT_KEY") {
            Some(prefix) => format!("{prefix}CLIENT_CERTIFICATE"),
            None => other.to_owned(),
        },
    };
    ConfigError::new(format!("`{}` is set without its {without}", named.by), named.span.clone())
        .help(format!("a client certificate (mTLS) needs both: add `{other}`"))
}

fn read(named: &NamedFile, what: &str) -> Result<Vec<u8>, ConfigError> {
    std::fs::read(&named.path).map_err(|error| wrong(named, &format!("cannot read `{}`: {error}", named.path), what))
}

fn wrong(named: &NamedFile, message: &str, what: &str) -> ConfigError {
    let message = if named.by.starts_with("OTEL_") { format!("{}: {message}", named.by) } else { message.to_owned() };
    ConfigError::new(message, named.span.clone()).help(format!("`{}` is {what}", named.by))
}

fn certificates(named: &NamedFile, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(wrong(named, &format!("`{}` contains no certificate", named.path), CERTIFICATES)),
        Err(error) => Err(wrong(named, &format!("`{}` is not a PEM file: {error}", named.path), CERTIFICATES)),
    }
}

fn authorities(named: &NamedFile) -> Result<Vec<u8>, ConfigError> {
    let pem = read(named, CERTIFICATES)?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates(named, &pem)? {
        roots.add(certificate).map_err(|error| {
            wrong(named, &format!("`{}` holds a certificate that is not valid: {error}", named.path), CERTIFICATES)
        })?;
    }
    Ok(pem)
}

fn identity(certificate: &NamedFile, key: &NamedFile, inputs: &mut SignalInputs<'_, '_>) -> Option<Identity> {
    let certificates = read(certificate, CERTIFICATES)
        .and_then(|pem| certificates(certificate, &pem).map(|certificates| (pem, certificates)));
    let private = read(key, KEY).and_then(|pem| match PrivateKeyDer::from_pem_slice(&pem) {
        Ok(private) => Ok((pem, private)),
        Err(_) => Err(wrong(key, &format!("`{}` contains no private key", key.path), KEY)),
    });
    match (certificates, private) {
        (Ok((certificates, chain)), Ok((pem, private))) => {
            match CertifiedKey::from_der(chain, private, &rustls::crypto::ring::default_provider()) {
                Ok(_) => return Some(Identity { certificates, key: pem }),
                Err(error) => {
                    let message = format!("`{}` is not the key of `{}`: {error}", key.path, certificate.path);
                    inputs.cx.error(wrong(key, &message, KEY));
                }
            }
        }
        (certificates, private) => {
            for error in [certificates.err(), private.err()].into_iter().flatten() {
                inputs.cx.error(error);
            }
        }
    }
    None
}
