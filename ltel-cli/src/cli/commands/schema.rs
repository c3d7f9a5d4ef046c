//! `ltel-cli schema`: the JSON Schema of the configuration file.

use ltel_core::registry::Registry;

use super::Failure;
use crate::cli::print;
use crate::config;

pub(crate) fn schema(registry: &Registry) -> Result<(), Failure> {
    let text =
        serde_json::to_string_pretty(&config::schema(registry)).map_err(|error| Failure::failed(error.to_string()))?;
    print::stdout(&(text + "\n")).map_err(|error| Failure::failed(error.to_string()))
}
