//! `ltel-cli schema`.

pub(super) const EXAMPLES: &str = "\
Examples:
  ltel-cli schema > ltel.schema.json
  sed -i '1i #:schema ./ltel.schema.json' telemetry.toml";
