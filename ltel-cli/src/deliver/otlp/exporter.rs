//! The OpenTelemetry exporters, set up from the configuration only: by themselves they would read `OTEL_*` variables, and
//! send one backend's headers to another.
//! They retry temporary refusals: over gRPC the codes that the OTLP specification names, over HTTP 429, 502, 503, 504 and
//! connections without an answer, after the time that the receiver asks for (`RetryInfo`, `Retry-After`) or else
//! 0.1 s, doubled up to 1.6 s.

use opentelemetry_otlp::tonic_types::transport::{Certificate, ClientTlsConfig, Identity};
use opentelemetry_otlp::{
    Compression, ExporterBuildError, LogExporter, MetricExporter, Protocol, RetryPolicy, SpanExporter,
    WithExportConfig, WithHttpConfig, WithTonicConfig,
};
use opentelemetry_sdk::metrics::Temporality;
use thiserror::Error;
use tonic::metadata::MetadataMap;

use super::client::{self, HttpClient};
use super::config::{OtlpProtocol, SignalConfig, Tls};

/// Why an exporter cannot be set up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(super) enum SetupError {
    #[error("{0}")]
    Exporter(#[from] ExporterBuildError),
    #[error("{0}")]
    Client(#[from] client::SetupError),
}

/// The exporter of metrics. Call it within a tokio runtime.
pub(super) fn metrics(config: &SignalConfig, temporality: Temporality) -> Result<MetricExporter, SetupError> {
    // The next export repeats cumulative figures, but not deltas.
    let retry = if temporality == Temporality::Cumulative { RetryPolicy::recommended() } else { until_the_timeout() };
    let builder = MetricExporter::builder().with_temporality(temporality);
    Ok(match config.protocol {
        OtlpProtocol::Grpc => grpc(builder.with_tonic(), config, retry).build()?,
        OtlpProtocol::HttpProtobuf => http(builder.with_http(), config, retry)?.build()?,
    })
}

/// The exporter of spans; as [`metrics`].
pub(super) fn spans(config: &SignalConfig) -> Result<SpanExporter, SetupError> {
    let builder = SpanExporter::builder();
    Ok(match config.protocol {
        OtlpProtocol::Grpc => grpc(builder.with_tonic(), config, until_the_timeout()).build()?,
        OtlpProtocol::HttpProtobuf => http(builder.with_http(), config, until_the_timeout())?.build()?,
    })
}

/// The exporter of log records; as [`metrics`].
pub(super) fn logs(config: &SignalConfig) -> Result<LogExporter, SetupError> {
    let builder = LogExporter::builder();
    Ok(match config.protocol {
        OtlpProtocol::Grpc => grpc(builder.with_tonic(), config, until_the_timeout()).build()?,
        OtlpProtocol::HttpProtobuf => http(builder.with_http(), config, until_the_timeout())?.build()?,
    })
}

/// Data that would be lost is retried until the timeout, which covers all attempts.
fn until_the_timeout() -> RetryPolicy {
    RetryPolicy::recommended().with_max_retries(usize::MAX)
}

fn grpc<B: WithExportConfig + WithTonicConfig>(builder: B, config: &SignalConfig, retry: RetryPolicy) -> B {
    let metadata = MetadataMap::from_headers(config.headers.clone());
    let mut builder = builder
        .with_endpoint(config.endpoint.to_string())
        .with_timeout(config.timeout)
        .with_retry_policy(retry)
        // Called after the exporter has added the environment's headers: removes them.
        .with_interceptor(move |mut request: tonic::Request<()>| {
            *request.metadata_mut() = metadata.clone();
            Ok(request)
        });
    if config.gzip {
        builder = builder.with_compression(Compression::Gzip);
    }
    if config.endpoint.scheme_str() == Some("https") {
        builder = builder.with_tls_config(grpc_tls(&config.tls));
    }
    builder
}

fn grpc_tls(tls: &Tls) -> ClientTlsConfig {
    let config = match &tls.ca {
        Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
        None => ClientTlsConfig::new().with_enabled_roots(),
    };
    match &tls.identity {
        Some(identity) => config.identity(Identity::from_pem(&identity.certificates, &identity.key)),
        None => config,
    }
}

fn http<B: WithExportConfig + WithHttpConfig>(
    builder: B,
    config: &SignalConfig,
    retry: RetryPolicy,
) -> Result<B, SetupError> {
    let builder = builder
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(config.endpoint.to_string())
        .with_timeout(config.timeout)
        .with_retry_policy(retry)
        .with_http_client(HttpClient::new(config)?);
    Ok(if config.gzip { builder.with_compression(Compression::Gzip) } else { builder })
}
