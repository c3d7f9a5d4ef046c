//! `ltel-cli demo`.

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Also send the telemetry to an OTLP receiver, such as <http://127.0.0.1:4317>.
    #[arg(long, value_name = "URL")]
    pub(crate) otlp: Option<String>,
    /// The receiver's protocol. Default: grpc for port 4317, http/protobuf for other ports.
    #[arg(long, value_name = "PROTOCOL", requires = "otlp", value_parser = ["grpc", "http/protobuf", "http/json"])]
    pub(crate) otlp_protocol: Option<String>,
}
