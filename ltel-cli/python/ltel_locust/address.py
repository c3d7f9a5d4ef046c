"""Where the receiver listens: `unix:/path`, `tcp://host:port` or `tls://host:port`."""

from __future__ import annotations

import os
import socket
import stat
from dataclasses import dataclass

DEFAULT = "tcp://127.0.0.1:4327"


class AddressError(ValueError):
    """An invalid address; the message says how to fix it."""


@dataclass(frozen=True)
class Address:
    """A Unix socket (`path`), or a TCP endpoint (`host`, `port`), which may speak TLS."""

    path: str = ""
    host: str = ""
    port: int = 0
    tls: bool = False

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'tls' if self.tls else 'tcp'}://{host}:{self.port}"


def choose(option: str | None) -> Address:
    """LTEL_ADDRESS, else the command line option, else the user's socket, else local TCP."""
    # The environment comes first: `ltel-cli run` puts its private socket there, and it must win
    # over an address in a locust.conf.
    text = os.environ.get("LTEL_ADDRESS") or option
    return parse(text) if text else parse(_user_socket() or DEFAULT)


def parse(text: str) -> Address:
    """Parse an address; raises AddressError."""
    text = text.strip()
    if text.startswith("unix:"):
        return _parse_unix(text)
    if text.startswith(("tcp://", "tls://")):
        return _parse_tcp(text)
    raise AddressError(
        f"`{text}` is not a valid address: write unix:/path, tcp://host:port or tls://host:port"
    )


def _parse_unix(text: str) -> Address:
    path = text.removeprefix("unix:")
    if path.startswith("///"):
        path = path[2:]  # the form of a URL: unix:///run/ltel.sock
    if not path.startswith("/") or "\0" in path:
        raise AddressError(f"`{text}` needs an absolute path: write unix:/path")
    if not hasattr(socket, "AF_UNIX"):
        raise AddressError(f"`{text}`: this system has no Unix sockets: use tcp://host:port")
    return Address(path=path)


def _parse_tcp(text: str) -> Address:
    scheme, rest = text[:3], text[6:]
    host, colon, digits = rest.rstrip("/").rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise AddressError(f"`{text}`: put the IPv6 address in brackets: {scheme}://[::1]:4327")
    port = int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 5 else 0
    if not (colon and host and 0 < port < 65536):
        raise AddressError(f"`{text}` needs a host and a port: write {scheme}://host:port")
    return Address(host=host, port=port, tls=scheme == "tls")


def _user_socket() -> str | None:
    folder = os.environ.get("XDG_RUNTIME_DIR")
    if not folder or not hasattr(socket, "AF_UNIX"):
        return None
    path = os.path.join(folder, "ltel.sock")
    try:
        is_socket = stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return None
    return f"unix:{path}" if is_socket else None
