//! `ltel-cli new`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// The crate's folder. Its last part is the crate's name, such as `shop-telemetry`.
    #[arg(value_name = "NAME")]
    pub(crate) path: PathBuf,
    /// Depend on ltel's crates in this checkout. Default: the crates that this binary was built from.
    #[arg(long, value_name = "FOLDER", conflicts_with = "git")]
    pub(crate) ltel: Option<PathBuf>,
    /// Depend on ltel's crates in this git repository.
    #[arg(long, value_name = "URL")]
    pub(crate) git: Option<String>,
}
