//! `ltel-cli demo`.

use clap::Args;

use super::BackendArgs;

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    #[command(flatten)]
    pub(crate) backends: BackendArgs,
}
