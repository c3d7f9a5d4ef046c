//! `ltel-cli dashboards`: writes Grafana dashboards and Prometheus alert rules.

use std::fmt::Write as _;

use ltel_core::registry::Registry;

use super::Failure;
use crate::cli::args::DashboardsArgs;
use crate::cli::print;
use crate::dashboards;

pub(crate) fn dashboards(args: &DashboardsArgs, registry: &Registry) -> Result<(), Failure> {
    let files = dashboards::files(registry).map_err(|unknown| {
        Failure::failed(format!("this ltel does not have what the dashboards show: {}", unknown.join(", ")))
    })?;
    let failed = |path: &std::path::Path, error| Failure::failed(format!("cannot write `{}`: {error}", path.display()));
    std::fs::create_dir_all(&args.out).map_err(|error| failed(&args.out, error))?;
    let mut written = String::new();
    for file in files {
        let path = args.out.join(file.name);
        std::fs::write(&path, file.content).map_err(|error| failed(&path, error))?;
        let _ = writeln!(written, "{}  {}", path.display(), file.description);
    }
    print::stdout(&written).map_err(|error| Failure::failed(error.to_string()))
}
