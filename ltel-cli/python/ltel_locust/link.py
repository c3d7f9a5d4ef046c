"""One connection to the receiver: the bytes of the protocol, on a socket that never blocks."""

from __future__ import annotations

from socket import SHUT_RDWR, socket
from time import monotonic
from typing import Any, NoReturn

import msgpack

from .outbox import Outbox, encode
from .tls import TlsSocket

#: seconds a new connection may take to say `welcome`
WELCOME_TIMEOUT = 5.0
#: seconds without an acknowledgement before a connection counts as dead; far more than a
#: receiver stands still for a pause of its machine
STALL_TIMEOUT = 15.0
#: bytes written before other greenlets run
WRITE_BUDGET = 1 << 20
#: seconds without data after which a heartbeat is sent: the receiver counts a silent process as
#: stopped, and does not let its run wait for it
HEARTBEAT = 2.0
#: bytes of one frame from the receiver
REPLY_LIMIT = 1 << 20

_ALIVE = encode({"type": "heartbeat"})


class LinkError(OSError):
    """The connection has failed."""


class Refused(LinkError):
    """The receiver closed the connection and gave a reason."""


class Link:
    """A connection; `pump` moves what it can without blocking."""

    def __init__(self, sock: socket | TlsSocket, outbox: Outbox, hello: bytes) -> None:
        self.sock = sock
        #: the receiver's `features`, from `welcome` on
        self.features: dict[str, Any] | None = None
        #: the receiver's order to stop a test, until it is taken
        self.stop: dict[str, Any] | None = None
        self._outbox = outbox
        self._writing = memoryview(hello)
        self._reading = bytearray()
        self._progress = monotonic()
        self._spoke = monotonic()

    def pump(self) -> None:
        """Read and write until the socket would block; raises OSError when it is at its end."""
        self._read()
        self._write()
        if self.features is None:
            if monotonic() - self._progress > WELCOME_TIMEOUT:
                raise LinkError(f"no welcome within {WELCOME_TIMEOUT:g} s")
        elif not len(self._outbox):
            self._progress = monotonic()  # nothing is outstanding
        elif monotonic() - self._progress > STALL_TIMEOUT:
            raise LinkError(f"no acknowledgement for {STALL_TIMEOUT:g} s")

    def wants_write(self) -> bool:
        """Whether to wait for room in the socket too."""
        has_data = bool(self._writing) or (self.features is not None and self._outbox.has_unsent())
        # Before a handshake is through, there is always room, and nothing to fill it with.
        return self.sock.wants_write(has_data) if isinstance(self.sock, TlsSocket) else has_data

    def end(self) -> None:
        """Shut down the connection, which wakes a waiting greenlet; the socket stays open."""
        try:
            self.sock.shutdown(SHUT_RDWR)
        except OSError:
            pass

    def close(self) -> None:
        """Close the socket."""
        self.sock.close()

    def _write(self) -> None:
        budget = WRITE_BUDGET
        while budget > 0:
            if not self._writing:
                # Only `welcome` says what the receiver already has.
                frame = self._next() if self.features is not None else None
                if frame is None:
                    return
                self._spoke = monotonic()
                self._writing = memoryview(frame)
            try:
                written = self.sock.send(self._writing)
            except (BlockingIOError, InterruptedError):
                return
            self._writing = self._writing[written:]
            budget -= written

    def _next(self) -> bytes | None:
        frame = self._outbox.take()
        if frame is None and monotonic() - self._spoke > HEARTBEAT:
            return _ALIVE
        return frame

    def _read(self) -> None:
        while True:
            try:
                data = self.sock.recv(65_536)
            except (BlockingIOError, InterruptedError):
                return
            if not data:
                raise LinkError("closed by the receiver")
            self._reading += data
            self._parse()

    def _parse(self) -> None:
        while len(self._reading) >= 4:
            size = int.from_bytes(self._reading[:4], "big")
            if size > REPLY_LIMIT:
                self._not_ltel()
            if len(self._reading) < 4 + size:
                return
            body = bytes(self._reading[4 : 4 + size])
            del self._reading[: 4 + size]
            try:
                message = msgpack.unpackb(body)
                self._handle(message["type"], message)
            except LinkError:
                raise
            except Exception:
                self._not_ltel()

    def _handle(self, kind: Any, message: dict[str, Any]) -> None:
        if kind == "ack":
            self._outbox.acknowledge(int(message["seq"]))
            self._progress = monotonic()
        elif kind == "welcome":
            self._outbox.resume(int(message.get("last_seq") or 0))
            self.features = dict(message.get("features") or {})
            self._progress = monotonic()
        elif kind == "stop":
            self.stop = message
        elif kind == "error":
            raise Refused(str(message.get("message")))

    def _not_ltel(self) -> NoReturn:
        raise LinkError("the server does not speak ltel's protocol")
