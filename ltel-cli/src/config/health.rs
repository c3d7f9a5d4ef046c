//! `[health]`: where probes ask whether ltel works.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ltel_core::backend::{Check, Claims, ConfigError};
use ltel_core::schema;
use ltel_core::schemars::{self, JsonSchema};
use serde::Deserialize;
use toml::Spanned;

use super::Environment;
use super::section::Section;
use super::values::address;

const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4328);

/// Where probes, such as those of Kubernetes, ask whether ltel works: over HTTP, at `/healthz` and `/readyz`.
///
/// `/healthz` answers 200 while every part of ltel works, and 503 when one has failed. `/readyz` answers 200 while Locust can connect, and 503
/// before that and once ltel ends.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Health", deny_unknown_fields)]
pub(super) struct RawHealth {
    /// An IP address and a port. It may be one that other machines reach, such as `0.0.0.0:4328` for a kubelet: the answers say nothing else.
    #[schemars(with = "Option<schema::Address>", extend("default" = "127.0.0.1:4328", "examples" = ["127.0.0.1:4328"]))]
    listen: Option<Spanned<String>>,
}

/// Reads and checks `[health]`: the address that answers probes.
pub(super) fn read(
    section: Section<'_>,
    env: &Environment,
    claims: &mut Claims,
    errors: &mut Vec<ConfigError>,
    warnings: &mut Vec<String>,
) -> Option<SocketAddr> {
    let place = section.place();
    let raw = section.read::<RawHealth>(&[], errors)?;
    let (address, span) = match raw.listen {
        None => (DEFAULT, place.header.clone()),
        Some(stated) => match address(stated.get_ref(), DEFAULT) {
            Ok(address) => (address, stated.span()),
            Err((message, help)) => {
                errors.push(ConfigError::new(message, stated.span()).help(help));
                return None;
            }
        },
    };
    let mut cx = Check {
        env,
        place: &place,
        temporality: None,
        internal_metrics: None,
        only_one: true,
        claims,
        errors,
        warnings,
    };
    cx.claim_address(address, span);
    Some(address)
}
