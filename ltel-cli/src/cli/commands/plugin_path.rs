//! `ltel-cli plugin-path`: where the Python plugin is.

use super::Failure;
use crate::cli::{print, python};

pub(crate) fn plugin_path() -> Result<(), Failure> {
    let folder = python::plugin_folder().map_err(Failure::failed)?;
    print::stdout(&format!("{}\n", folder.display())).map_err(|error| Failure::failed(error.to_string()))
}
