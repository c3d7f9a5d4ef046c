"""A small receiver of protocol v2, on a real socket."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgpack

FEATURES = {"users_interval": 0.3}


@dataclass
class Client:
    """What one Locust process sent: each frame once, in the order of `seq`."""

    hellos: list[dict[str, Any]] = field(default_factory=list)
    frames: list[dict[str, Any]] = field(default_factory=list)
    last_seq: int = 0

    @property
    def kind(self) -> str:
        return self.hellos[0]["source"]["kind"]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame["type"] == kind]

    @property
    def kinds(self) -> list[str]:
        return [frame["type"] for frame in self.frames]

    @property
    def rows(self) -> list[list[Any]]:
        """Rows of requests; what they have beyond seven fields as one map, the eighth."""
        rows = [row for frame in self.of("requests") for row in frame["rows"]]
        return [[*row[:7], extra(row)] for row in rows]

    @property
    def tasks(self) -> list[list[Any]]:
        """Rows of tasks; trace_id, span_id and sampled in place of the ids."""
        found = []
        for row in (row for frame in self.of("tasks") for row in frame["rows"]):
            *known, ids, error = row
            told = named(ids) if ids is not None else {}
            assert "parent_span_id" not in told
            found.append([*known, *map(told.get, ("trace_id", "span_id", "sampled")), error])
        return found


def extra(row: list[Any]) -> dict[str, Any] | None:
    """The fields of a row beyond seven, by name."""
    ids, *others = row[7:] or [None]
    assert len(row) == 7 or row[-1] is not None, "no fields that are absent at the end"
    names = ("user_class", "url", "request_length", "context")
    found = {name: value for name, value in zip(names, others, strict=False) if value is not None}
    return (found | named(ids) if ids is not None else found) or None


def named(ids: bytes) -> dict[str, Any]:
    """Ids as hexadecimal digits, by name."""
    assert type(ids) is bytes and len(ids) in (25, 33) and ids[24] in (0, 1), ids
    told = {"trace_id": ids[:16].hex(), "span_id": ids[16:24].hex(), "sampled": ids[24] == 1}
    return told | ({"parent_span_id": ids[25:].hex()} if len(ids) > 25 else {})


class Receiver:
    """Listens, answers and keeps what comes; with `reads=False` it accepts and does nothing.

    It answers once `answers` is set, if that is given.
    """

    def __init__(
        self,
        *,
        path: str | None = None,
        port: int = 0,
        features: dict[str, Any] | None = None,
        reads: bool = True,
        acknowledges: bool = True,
        hang_up_after: int = 0,
        refuse: str | None = None,
        answers: threading.Event | None = None,
    ) -> None:
        self.clients: dict[str, Client] = {}
        self.connections = 0
        self._features = FEATURES if features is None else features
        self._reads = reads
        self._acknowledges = acknowledges
        self._hang_up_after = hang_up_after
        self._refuse = refuse
        self._answers = answers
        self._changed = threading.Condition()
        self._sockets: list[socket.socket] = []
        if path:
            self._server = socket.socket(socket.AF_UNIX)
            self._server.bind(path)
            self.address = f"unix:{path}"
        else:
            self._server = socket.socket()
            self._server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._server.bind(("127.0.0.1", port))
            self.address = f"tcp://127.0.0.1:{self._server.getsockname()[1]}"
        self._server.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *_exception: object) -> None:
        for sock in [self._server, *self._sockets]:
            # Wakes the thread that waits on it.
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def wait(self, condition: Any, timeout: float = 20.0) -> None:
        with self._changed:
            if not self._changed.wait_for(condition, timeout):
                raise AssertionError(f"not in {timeout} s; clients: {self.clients.keys()}")

    def send(self, message: dict[str, Any]) -> None:
        """Send this to all that are connected."""
        for sock in self._sockets:
            with suppress(OSError):
                _send(sock, message)

    def of_kind(self, kind: str) -> list[Client]:
        return [client for client in self.clients.values() if client.kind == kind]

    def only(self, kind: str) -> Client:
        (client,) = self.of_kind(kind)
        return client

    def table(self) -> Counter[tuple[str, str, bool]]:
        """Rows by type, name, and whether they failed."""
        rows = [row for client in self.clients.values() for row in client.rows]
        return Counter((row[1], row[2], row[6] is not None) for row in rows)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._server.accept()
            except OSError:
                return
            self._sockets.append(sock)
            self.connections += 1
            if self._reads:
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        reader = sock.makefile("rb")
        try:
            self._converse(sock, reader)
        except OSError:
            pass
        finally:
            reader.close()
            sock.close()

    def _converse(self, sock: socket.socket, reader: Any) -> None:
        hello = _receive(reader)
        if hello is None:
            return
        if self._refuse:
            _send(sock, {"type": "error", "message": self._refuse})
            return
        with self._changed:
            client = self.clients.setdefault(hello["client_id"], Client())
            client.hellos.append(hello)
            self._changed.notify_all()
        if self._answers is not None:
            self._answers.wait()
        _send(sock, {"type": "welcome", "last_seq": client.last_seq, "features": self._features})
        taken = 0
        while (frame := _receive(reader)) is not None:
            if frame["type"] == "heartbeat":
                continue  # without a number
            taken += 1
            if taken == self._hang_up_after and len(client.hellos) == 1:
                return  # the frame is lost, and must come again
            with self._changed:
                if frame["seq"] > client.last_seq:
                    client.last_seq = frame["seq"]
                    client.frames.append({**frame, "received": time.time()})
                self._changed.notify_all()
            if self._acknowledges:
                _send(sock, {"type": "ack", "seq": frame["seq"]})


def decode(data: bytes) -> dict[str, Any]:
    """One whole frame."""
    assert int.from_bytes(data[:4], "big") == len(data) - 4
    return msgpack.unpackb(data[4:])


def _send(sock: socket.socket, message: dict[str, Any]) -> None:
    body = msgpack.packb(message)
    sock.sendall(len(body).to_bytes(4, "big") + body)


def _receive(reader: Any) -> dict[str, Any] | None:
    head = reader.read(4)
    if len(head) < 4:
        return None
    size = int.from_bytes(head, "big")
    body = reader.read(size)
    if size >= 1 << 20:
        raise AssertionError(f"a frame of {size} bytes")
    return msgpack.unpackb(body) if len(body) == size else None
