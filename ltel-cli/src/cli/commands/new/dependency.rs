//! Where a new crate gets ltel's crates from: by default, from where this binary was built.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cli::args::NewArgs;
use crate::cli::commands::Failure;

/// The folder this crate was compiled in.
const COMPILED_IN: &str = env!("CARGO_MANIFEST_DIR");
const CRATES: [(&str, &str); 3] =
    [("ltel-cli", "ltel-cli"), ("ltel-core", "ltel-core"), ("ltel-recorders", "recorders")];

/// Where the crates come from.
#[derive(Debug)]
pub(super) enum Dependency {
    /// A checkout of ltel.
    Path(PathBuf),
    /// A repository.
    Git { url: String, rev: Option<String> },
    /// A registry.
    Version,
}

impl Dependency {
    /// From the command line, else where this binary was built from.
    pub(super) fn find(args: &NewArgs) -> Result<Self, Failure> {
        if let Some(url) = &args.git {
            return Ok(Self::Git { url: url.clone(), rev: None });
        }
        if let Some(path) = &args.ltel {
            let root = path.canonicalize().ok().filter(|root| is_checkout(root));
            return root.map(Self::Path).ok_or_else(|| {
                Failure::usage(format!("`{}` is not a checkout of ltel: it has no folder `ltel-core`", path.display()))
            });
        }
        Ok(Self::of_binary(Path::new(COMPILED_IN)))
    }

    /// Where a binary that was compiled in this folder is from.
    fn of_binary(compiled_in: &Path) -> Self {
        let within = |folders: &[&str]| {
            let parts: Vec<_> = compiled_in.iter().filter_map(|part| part.to_str()).collect();
            parts.windows(folders.len()).any(|window| window == folders)
        };
        if within(&["registry", "src"]) {
            return Self::Version;
        }
        // `cargo install --git` builds in a temporary checkout, which it may delete.
        if within(&["git", "checkouts"])
            && let Some(url) = git(compiled_in, &["remote", "get-url", "origin"])
        {
            return Self::Git { url, rev: git(compiled_in, &["rev-parse", "HEAD"]) };
        }
        // A wheel, a package, or a binary that was copied from elsewhere has no sources here: it is of a release.
        let checkout = compiled_in.parent().filter(|root| is_checkout(root));
        checkout.map_or(Self::Version, |root| Self::Path(root.to_owned()))
    }

    /// The lines of the new crate's `[dependencies]`.
    pub(super) fn dependencies(&self) -> String {
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let lines = CRATES.map(|(name, folder)| match self {
            Self::Path(root) => format!("{name} = {{ path = {} }}", quoted(&root.join(folder).to_string_lossy())),
            Self::Git { url, rev: None } => format!("{name} = {{ git = {} }}", quoted(url)),
            Self::Git { url, rev: Some(rev) } => format!("{name} = {{ git = {}, rev = {} }}", quoted(url), quoted(rev)),
            Self::Version => format!("{name} = \"{}\"", env!("CARGO_PKG_VERSION")),
        });
        lines.join("\n")
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(root) => write!(f, "the checkout in `{}`", root.display()),
            Self::Git { url, .. } => write!(f, "{url}"),
            Self::Version => write!(f, "the registry, version {}", env!("CARGO_PKG_VERSION")),
        }
    }
}

fn is_checkout(root: &Path) -> bool {
    CRATES.iter().all(|(_, folder)| root.join(folder).join("Cargo.toml").is_file())
}

fn git(folder: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(folder).args(args).output().ok().filter(|o| o.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: a binary that cargo has built from a registry, one of a checkout, and one of a wheel, whose sources were
    /// elsewhere. Guarantees: the crates come from the registry, from the checkout, from the registry.
    #[test]
    fn the_crates_come_from_where_the_binary_is_from() {
        let of = |folder: &str| Dependency::of_binary(Path::new(folder));
        let version = format!("ltel-core = \"{}\"", env!("CARGO_PKG_VERSION"));
        let from_registry = of("/home/me/.cargo/registry/src/index-0a1b/ltel-cli-0.1.0");
        assert!(from_registry.dependencies().contains(&version), "{from_registry}");
        let from_wheel = of("/build/ltel-0.1.0/ltel-cli");
        assert!(from_wheel.dependencies().contains(&version), "{from_wheel}");
        let from_checkout = of(COMPILED_IN);
        let root = Path::new(COMPILED_IN).parent().unwrap();
        assert!(matches!(&from_checkout, Dependency::Path(path) if path == root), "{from_checkout}");
    }
}
