//! The OpenTelemetry exporters, set up as the configuration says and as nothing else says: they would read `OTEL_*`
//! variables of their own accord, and send one backend's headers to another.

use std::sync::Arc;

use opentelemetry_otlp::tonic_types::transport::{Certificate, ClientTlsConfig};
use opentelemetry_otlp::{
    Compression, ExporterBuildError, MetricExporter, Protocol, WithExportConfig, WithHttpConfig, WithTonicConfig,
};
use opentelemetry_sdk::metrics::Temporality;
use thiserror::Error;
use tonic::metadata::MetadataMap;

use super::client::{self, Failure, HttpClient};
use crate::config::{OtlpConfig, OtlpProtocol};

/// Why an exporter cannot be set up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(super) enum SetupError {
    #[error("{0}")]
    Exporter(#[from] ExporterBuildError),
    #[error("{0}")]
    Client(#[from] client::SetupError),
}

/// The exporter of metrics, which leaves in `failure` why a request failed on its way. To be called within a tokio runtime.
pub(super) fn metrics(
    config: &OtlpConfig,
    temporality: Temporality,
    failure: &Arc<Failure>,
) -> Result<MetricExporter, SetupError> {
    let endpoint = config.endpoint.to_string();
    match config.protocol {
        OtlpProtocol::Grpc => {
            let metadata = MetadataMap::from_headers(config.headers.clone());
            let mut builder = MetricExporter::builder()
                .with_tonic()
                .with_temporality(temporality)
                .with_endpoint(endpoint)
                .with_timeout(config.timeout)
                // Called after the exporter has put in the environment's headers: takes them out again.
                .with_interceptor(move |mut request: tonic::Request<()>| {
                    *request.metadata_mut() = metadata.clone();
                    Ok(request)
                });
            if config.gzip {
                builder = builder.with_compression(Compression::Gzip);
            }
            if config.endpoint.scheme_str() == Some("https") {
                let tls = ClientTlsConfig::new();
                builder = builder.with_tls_config(match &config.ca {
                    Some(pem) => tls.ca_certificate(Certificate::from_pem(pem)),
                    None => tls.with_enabled_roots(),
                });
            }
            Ok(builder.build()?)
        }
        OtlpProtocol::HttpProtobuf => {
            let mut builder = MetricExporter::builder()
                .with_http()
                .with_temporality(temporality)
                .with_protocol(Protocol::HttpBinary)
                .with_endpoint(endpoint)
                .with_timeout(config.timeout)
                .with_http_client(HttpClient::new(config, Arc::clone(failure))?);
            if config.gzip {
                builder = builder.with_compression(Compression::Gzip);
            }
            Ok(builder.build()?)
        }
    }
}
