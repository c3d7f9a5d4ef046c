"""TLS over a socket that never blocks: `tls://host:port`.

TLS runs in memory and the socket is our own: so it does not matter whether gevent has replaced
Python's `ssl`, and nothing here yields or waits.
"""

from __future__ import annotations

import os
import ssl
from socket import socket

from .address import Address

CA_FILE = "LTEL_CA_FILE"
CERT_FILE = "LTEL_CERT_FILE"
KEY_FILE = "LTEL_KEY_FILE"

#: bytes that are encrypted at a time, so that a slow receiver does not make us hold more
_CHUNK = 65_536

# Alerts that are about our certificate.
_OF_CERTIFICATES = ("CERT", "UNKNOWN_CA", "DECRYPT_ERROR", "ACCESS_DENIED")


class TlsError(OSError):
    """Why TLS failed, as text for people."""


def context() -> ssl.SSLContext:
    """The certificates that the environment sets; raises TlsError."""
    ca, cert, key = (os.environ.get(name) for name in (CA_FILE, CERT_FILE, KEY_FILE))
    try:
        made = ssl.create_default_context(cafile=ca or None)
    except (OSError, ValueError) as error:
        raise TlsError(f"{CA_FILE}: cannot read certificates from `{ca}`: {_why(error)}") from None
    if not (cert or key):
        return made
    if not cert:
        raise TlsError(f"{KEY_FILE} is set but {CERT_FILE} is not: set both")
    try:
        # Never ask for a password: a load test has no terminal.
        made.load_cert_chain(cert, key or None, password=lambda: "")
    except (OSError, ValueError) as error:
        files = f"{CERT_FILE} `{cert}`" + (f", {KEY_FILE} `{key}`" if key else "")
        raise TlsError(f"cannot use the client's certificate ({files}): {_why(error)}") from None
    return made


class TlsSocket:
    """A connected socket that speaks TLS; like a socket that does not block."""

    def __init__(self, sock: socket, address: Address, made: ssl.SSLContext) -> None:
        self._sock = sock
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = made.wrap_bio(self._incoming, self._outgoing, server_hostname=address.host)
        self._unsent = memoryview(b"")
        self._is_through = False

    def fileno(self) -> int:
        return self._sock.fileno()

    def shutdown(self, how: int) -> None:
        self._sock.shutdown(how)

    def close(self) -> None:
        self._sock.close()

    def wants_write(self, has_data: bool) -> bool:
        """Whether to wait for room in the socket, if its user has data to send."""
        return bool(self._unsent) or self._outgoing.pending > 0 or (has_data and self._is_through)

    def send(self, data: memoryview) -> int:
        """Send some of it; raises BlockingIOError if nothing can be sent now."""
        self._shake_hands()
        self._flush()
        try:
            written = self._tls.write(data[:_CHUNK])
        except ssl.SSLWantReadError:
            raise BlockingIOError from None
        except ssl.SSLError as error:
            raise _explained(error) from None
        try:
            self._flush()
        except BlockingIOError:
            pass  # it is sent before anything else
        return written

    def recv(self, size: int) -> bytes:
        """Receive some; nothing at the end, and BlockingIOError if there is nothing yet."""
        self._shake_hands()
        try:
            self._flush()  # what `send` had no room for, even if nothing else is to be sent
        except (BlockingIOError, InterruptedError):
            pass
        while True:
            try:
                return self._tls.read(size)
            except ssl.SSLWantReadError:
                self._fill()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""
            except ssl.SSLError as error:
                raise _explained(error) from None

    def _shake_hands(self) -> None:
        while not self._is_through:
            try:
                self._tls.do_handshake()
                self._is_through = True
            except ssl.SSLWantReadError:
                self._flush()
                self._fill()
            except ssl.SSLEOFError:
                raise TlsError("closed by the receiver: check that it listens with TLS") from None
            except ssl.SSLError as error:
                self._say_goodbye()
                raise _explained(error) from None

    def _fill(self) -> None:
        data = self._sock.recv(_CHUNK)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _flush(self) -> None:
        while self._unsent or self._outgoing.pending:
            if not self._unsent:
                self._unsent = memoryview(self._outgoing.read())
            self._unsent = self._unsent[self._sock.send(self._unsent) :]

    def _say_goodbye(self) -> None:
        """Send the receiver an alert, if that is possible without waiting."""
        try:
            self._flush()
        except OSError:
            pass


def _explained(error: ssl.SSLError) -> TlsError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return TlsError(
            f"the receiver's certificate is not accepted: {error.verify_message}. Set {CA_FILE} to "
            "the CA that signed it, and connect to a name that is in the certificate"
        )
    why, reason = _why(error), error.reason or ""
    if "ALERT" in reason and any(part in reason for part in _OF_CERTIFICATES):
        return TlsError(
            f"the receiver does not accept the client's certificate: {why}. Set {CERT_FILE} and "
            f"{KEY_FILE} to a certificate that it trusts"
        )
    if reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        return TlsError("the server does not speak TLS: use tcp://, or configure `tls` in ltel")
    return TlsError(f"TLS failed: {why}")


def _why(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    if isinstance(reason, str):
        return reason.replace("_", " ").lower()
    return getattr(error, "strerror", None) or str(error)
