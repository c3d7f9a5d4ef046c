//! Where an option listens.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

/// An address to listen on, if one is given. Without a host it is this machine's own, which others cannot reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address(pub(crate) Option<SocketAddr>);

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let port = match text.strip_prefix("localhost").unwrap_or(text) {
            "" if text.is_empty() => return Ok(Self(None)),
            rest => rest.strip_prefix(':').or((rest == text).then_some(text)),
        };
        let local =
            port.and_then(|port| port.parse().ok()).map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
        let address = local.or_else(|| text.parse().ok());
        address.map(|address| Self(Some(address))).ok_or(if text.contains('/') {
            "write no URL, but an IP address and a port, such as 0.0.0.0:9000, or only a port, such as :9000, for this machine alone"
        } else {
            "write an IP address and a port, such as 0.0.0.0:9000, or only a port, such as :9000, for this machine alone"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_of_this_machine() {
        for (text, address) in [
            (":9000", "127.0.0.1:9000"),
            ("9000", "127.0.0.1:9000"),
            ("localhost:9000", "127.0.0.1:9000"),
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("0.0.0.0:9000", "0.0.0.0:9000"),
            ("[::]:9000", "[::]:9000"),
        ] {
            assert_eq!(text.parse(), Ok(Address(Some(address.parse().expect("an address")))), "{text}");
        }
        assert_eq!("".parse(), Ok(Address(None)));
        for wrong in [":", "localhost", "127.0.0.1", "locust", ":99999", "host:9000", "-1", ":9000 "] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
    }
}
