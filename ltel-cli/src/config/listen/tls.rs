//! `[listen] tls`: the server's certificate, and the authorities of clients' certificates. All files are read and checked
//! before anything starts.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use ltel_core::backend::ConfigError;
use ltel_core::schemars::{self, JsonSchema};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde::Deserialize;
use toml::Spanned;

/// Certificates in PEM files.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "ServerTls")]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_field_names)] // named after the keys
pub(crate) struct RawTls {
    /// The server's certificate, then the intermediate ones.
    #[schemars(with = "String")]
    cert_file: Option<Spanned<String>>,
    /// The private key of `cert_file`.
    #[schemars(with = "String")]
    key_file: Option<Spanned<String>>,
    /// The authorities that sign the certificates of clients. With it, each client needs a certificate.
    #[schemars(with = "Option<String>")]
    client_ca_file: Option<Spanned<String>>,
}

impl RawTls {
    /// Whether a client must present a certificate.
    pub(crate) const fn asks_for_certificates(&self) -> bool {
        self.client_ca_file.is_some()
    }
}

/// The server's certificate and key, and what clients must present.
#[derive(Clone)]
pub struct ServerTls(pub(crate) Arc<ServerConfig>);

// Shows nothing: it holds the private key.
impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerTls(..)")
    }
}

const CERTIFICATES: &str =
    "use a PEM file with the server's certificate first, followed by the intermediate certificates";
const AUTHORITIES: &str = "use a PEM file with the certificates of the authorities that sign clients' certificates";
const KEY: &str = "use a PEM file with the certificate's private key, unencrypted";

/// Reads and checks the files of a server's `tls`.
pub(crate) fn read(raw: &RawTls, span: Range<usize>, errors: &mut Vec<ConfigError>) -> Option<ServerTls> {
    let before = errors.len();
    let mut keep = |result: Result<_, ConfigError>| result.map_err(|error| errors.push(error)).ok();
    let clients = raw.client_ca_file.as_ref().map(|file| keep(verifier(file)));
    let mut missing = |key: &str| {
        let error = ConfigError::new(format!("`tls` has no `{key}`"), span.clone());
        errors.push(error.help("write `tls = { cert_file = \"server.pem\", key_file = \"server.key\" }`"));
    };
    let (certificate, key) = match (&raw.cert_file, &raw.key_file) {
        (Some(certificate), Some(key)) => (certificate, key),
        (certificate, key) => {
            certificate.is_none().then(|| missing("cert_file"));
            key.is_none().then(|| missing("key_file"));
            return None;
        }
    };
    let chain = certificates(certificate, CERTIFICATES).map_err(|error| errors.push(error)).ok();
    let private = private_key(key).map_err(|error| errors.push(error)).ok();
    if errors.len() > before {
        return None;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    let builder = match clients.flatten() {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    match builder.with_single_cert(chain?, private?) {
        Ok(config) => Some(ServerTls(Arc::new(config))),
        Err(error) => {
            let message =
                format!("`{}` is not the key of the certificate `{}`: {error}", key.get_ref(), certificate.get_ref());
            errors.push(ConfigError::new(message, key.span()).help(KEY));
            None
        }
    }
}

fn pem(file: &Spanned<String>, help: &str) -> Result<Vec<u8>, ConfigError> {
    let path = file.get_ref();
    std::fs::read(path)
        .map_err(|error| ConfigError::new(format!("cannot read `{path}`: {error}"), file.span()).help(help))
}

fn certificates(file: &Spanned<String>, help: &str) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let pem = pem(file, help)?;
    let path = file.get_ref();
    let why = match CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>() {
        Ok(certificates) if !certificates.is_empty() => return Ok(certificates),
        Ok(_) => format!("`{path}` contains no certificate"),
        Err(error) => format!("`{path}` is not a valid PEM file: {error}"),
    };
    Err(ConfigError::new(why, file.span()).help(help))
}

fn private_key(file: &Spanned<String>) -> Result<PrivateKeyDer<'static>, ConfigError> {
    let pem = pem(file, KEY)?;
    PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|_| ConfigError::new(format!("`{}` contains no private key", file.get_ref()), file.span()).help(KEY))
}

fn verifier(file: &Spanned<String>) -> Result<Arc<dyn ClientCertVerifier>, ConfigError> {
    let wrong = |why: String| {
        ConfigError::new(format!("`{}` contains an invalid certificate: {why}", file.get_ref()), file.span())
            .help(AUTHORITIES)
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file, AUTHORITIES)? {
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    verifier.build().map_err(|error| wrong(error.to_string()))
}
