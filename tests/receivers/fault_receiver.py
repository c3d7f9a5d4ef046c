"""An OTLP receiver, over gRPC and HTTP, that fails on command, and keeps what it received.

Prints the ports it listens on as one line of JSON. By its control port:
- `POST /fault` with a form: `kind` (see `Fault`), `times`, `signal`, `seconds`, `items`, `message`
- `GET /requests`: all requests so far, as JSON
"""

from __future__ import annotations

import argparse
import base64
import gzip
import hashlib
import json
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.json_format import MessageToDict, ParseDict
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace

from demands import Demands, items

LOOPBACK = "127.0.0.1"
#: what a gRPC server takes by default
LIMIT = 4 * 1024 * 1024

MESSAGES = {
    "metrics": (metrics.ExportMetricsServiceRequest, metrics.ExportMetricsServiceResponse),
    "traces": (trace.ExportTraceServiceRequest, trace.ExportTraceServiceResponse),
    "logs": (logs.ExportLogsServiceRequest, logs.ExportLogsServiceResponse),
}
SERVICES = {
    "metrics": "opentelemetry.proto.collector.metrics.v1.MetricsService",
    "traces": "opentelemetry.proto.collector.trace.v1.TraceService",
    "logs": "opentelemetry.proto.collector.logs.v1.LogsService",
}
REJECTED = {
    "metrics": "rejected_data_points",
    "traces": "rejected_spans",
    "logs": "rejected_log_records",
}
HTTP_STATUS = {"throttle": 429, "unavailable": 503, "reject": 400, "too_large": 413}
PROTOBUF = "application/x-protobuf"
JSON = "application/json"
GRPC_STATUS = {
    "throttle": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "unavailable": grpc.StatusCode.UNAVAILABLE,
    "reject": grpc.StatusCode.INVALID_ARGUMENT,
}


@dataclass
class Fault:
    """What is done to the next requests, instead of accepting them.

    kind: `throttle` (429, RESOURCE_EXHAUSTED), `unavailable` (503, UNAVAILABLE), `reject` (400,
    INVALID_ARGUMENT), `close` (the connection, without an answer), `partial` (accepted but for
    `items` of it), `slow` (accepted, and answered after `seconds`).
    """

    kind: str
    times: int = 1
    #: of any signal, if empty
    signal: str = ""
    #: how long a client is told to wait before it tries again, if at all; for `slow` the delay
    seconds: float = 0.0
    items: int = 0
    message: str = ""

    @classmethod
    def of_form(cls, form: dict[str, str]) -> Fault:
        known: dict[str, Callable[[str], Any]] = {
            "kind": str,
            "times": int,
            "signal": str,
            "seconds": float,
            "items": int,
            "message": str,
        }
        return cls(**{key: known[key](value) for key, value in form.items()})


@dataclass
class Taken:
    """A request as it came, and what was done to it."""

    signal: str
    protocol: str
    #: seconds since the epoch
    time: float
    headers: dict[str, str]
    encoding: str
    #: bytes, not compressed
    size: int
    #: the same for a request that is sent again
    digest: str
    items: int
    message: dict[str, Any]
    #: the fault's kind, or `accept`
    answer: str
    violations: list[str] = field(default_factory=list)


class Receiver:
    """What both protocols have in common."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._demands = Demands()
        self.taken: list[Taken] = []

    def add_fault(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def take(self, signal: str, protocol: str, headers: dict[str, str], body: bytes) -> Fault:
        """Keeps a request, and says what is to be done to it."""
        now = time.time()
        compressed = body.startswith(b"\x1f\x8b")
        if compressed:
            body = gzip.decompress(body)
        message = MESSAGES[signal][0]()
        if headers.get("content-type") == JSON:
            ParseDict(_with_base64(json.loads(body)), message)
        else:
            message.MergeFromString(body)
        with self._lock:
            fault = self._next_fault(signal)
            if len(body) > self.limit:
                fault = Fault("too_large")
            taken = Taken(
                signal=signal,
                protocol=protocol,
                time=now,
                headers=headers,
                encoding="gzip" if compressed else "identity",
                size=len(body),
                digest=hashlib.sha256(body).hexdigest(),
                items=sum(1 for _ in items(signal, message)),
                message=MessageToDict(message, preserving_proto_field_name=True),
                answer=fault.kind,
            )
            if fault.kind in ("accept", "partial", "slow"):
                taken.violations = self._demands.violations(signal, message)
            if protocol == "http" and headers.get("content-encoding", "identity") != taken.encoding:
                taken.violations.append(f"{taken.encoding}, and the header says another")
            if len(body) > LIMIT:
                taken.violations.append(f"{len(body)} bytes: more than receivers take")
            self.taken.append(taken)
        if fault.kind == "slow":
            time.sleep(fault.seconds)
        return fault

    def _next_fault(self, signal: str) -> Fault:
        for fault in self._faults:
            if fault.signal in ("", signal) and fault.times > 0:
                fault.times -= 1
                return fault
        return Fault("accept")

    def answer(self, signal: str, fault: Fault, kind: str = PROTOBUF) -> bytes:
        answer = MESSAGES[signal][1]()
        if fault.kind == "partial":
            answer.partial_success.error_message = fault.message
            setattr(answer.partial_success, REJECTED[signal], fault.items)
        if kind == JSON:
            return json.dumps(MessageToDict(answer)).encode()
        return answer.SerializeToString()

    def requests(self) -> bytes:
        with self._lock:
            return json.dumps([asdict(taken) for taken in self.taken]).encode()


def _with_base64(tree: Any) -> Any:
    """OTLP's JSON has ids in hex, where protobuf's own has base64."""
    if isinstance(tree, list):
        return [_with_base64(each) for each in tree]
    if not isinstance(tree, dict):
        return tree
    ids = ("traceId", "spanId", "parentSpanId")
    return {
        key: base64.b64encode(bytes.fromhex(value)).decode() if key in ids else _with_base64(value)
        for key, value in tree.items()
    }


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    receiver: Receiver

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that does not trust us, or went away.
        print(f"{client_address}: {sys.exc_info()[1]!r}", file=sys.stderr)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def respond(self, status: int, kind: str, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


class Http(Handler):
    """OTLP over HTTP, with protobuf."""

    def do_POST(self) -> None:
        receiver = self.server.receiver
        signal = self.path.removeprefix("/v1/")
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.body()
        kind = headers.get("content-type")
        if signal not in MESSAGES or kind not in (PROTOBUF, JSON):
            self.respond(404 if signal not in MESSAGES else 415, "text/plain", b"")
            return
        fault = receiver.take(signal, "http", headers, body)
        if fault.kind == "close":
            self.close_connection = True
            reset(self.connection)
        elif fault.kind in HTTP_STATUS:
            status = Status(message=fault.message or fault.kind)
            wait = {"Retry_After": f"{fault.seconds:.0f}"} if fault.seconds else {}
            if kind == JSON:
                words = json.dumps({"message": status.message}).encode()
            else:
                words = status.SerializeToString()
            self.respond(HTTP_STATUS[fault.kind], kind, words, **wait)
        else:
            self.respond(200, kind, receiver.answer(signal, fault, kind))


class Control(Handler):
    """For the test."""

    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        self.respond(200, "application/json", self.server.receiver.requests())

    def do_POST(self) -> None:
        fault = Fault.of_form(dict(parse_qsl(self.body().decode())))
        self.server.receiver.add_fault(fault)
        self.respond(200, "text/plain", b"")


def reset(connection: socket.socket) -> None:
    """Closes a connection at once, so that the other side sees it broken."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class Relay:
    """In front of the gRPC server, which cannot close a connection by itself."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port: int = self._listener.getsockname()[1]
        #: connections of clients, by the port under which the server knows them
        self._clients: dict[int, socket.socket] = {}
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, peer: str) -> None:
        """Closes the connection of a peer as gRPC names it, `ipv4:127.0.0.1:port`."""
        client = self._clients.pop(int(peer.rpartition(":")[2]))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            server = socket.create_connection((LOOPBACK, self._target))
            self._clients[server.getsockname()[1]] = client
            for source, sink in ((client, server), (server, client)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=_pump, args=(source, sink), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        # One side is gone: so is the other.
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Grpc:
    """OTLP over gRPC."""

    def __init__(self, receiver: Receiver, credentials: grpc.ServerCredentials | None) -> None:
        self._receiver = receiver
        # The messages come as they were sent, so that it is seen whether they were compressed.
        options = [
            ("grpc.per_message_decompression", 0),
            ("grpc.max_receive_message_length", receiver.limit),
        ]
        server = grpc.server(ThreadPoolExecutor(32), options=options)
        for signal, service in SERVICES.items():
            export = grpc.unary_unary_rpc_method_handler(self._export(signal))
            handler = grpc.method_handlers_generic_handler(service, {"Export": export})
            server.add_generic_rpc_handlers((handler,))
        if credentials is None:
            port = server.add_insecure_port(f"{LOOPBACK}:0")
        else:
            port = server.add_secure_port(f"{LOOPBACK}:0", credentials)
        server.start()
        # Held: it ends when it is no longer referenced.
        self._server = server
        self._relay = Relay(port)
        self.port = self._relay.port

    def _export(self, signal: str) -> Callable[[bytes, grpc.ServicerContext], bytes]:
        def export(body: bytes, context: grpc.ServicerContext) -> bytes:
            headers = {str(key): str(value) for key, value in context.invocation_metadata()}
            fault = self._receiver.take(signal, "grpc", headers, body)
            if fault.kind == "close":
                self._relay.cut(context.peer())
                context.abort(grpc.StatusCode.CANCELLED, "the connection is closed")
            if fault.kind in GRPC_STATUS:
                context.abort_with_status(rpc_status.to_status(_status(fault)))
            return self._receiver.answer(signal, fault)

        return export


def _status(fault: Fault) -> Status:
    status = Status(code=GRPC_STATUS[fault.kind].value[0], message=fault.message or fault.kind)
    if fault.seconds:
        info = RetryInfo()
        info.retry_delay.FromNanoseconds(round(fault.seconds * 1e9))
        packed = Packed()
        packed.Pack(info)
        status.details.append(packed)
    return status


def serve_http(handler: type[Handler], receiver: Receiver, tls: ssl.SSLContext | None) -> int:
    server = Server((LOOPBACK, 0), handler)
    server.receiver = receiver
    if tls is not None:
        # The handshake is done by the thread of its connection.
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return int(server.server_address[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--certificate", type=Path, help="of the server, PEM: TLS from now on")
    parser.add_argument("--key", type=Path, help="of that certificate")
    parser.add_argument("--clients", type=Path, help="who signs clients' certificates: mTLS")
    parser.add_argument("--limit", type=int, default=LIMIT, help="bytes of a request")
    args = parser.parse_args()
    context = credentials = None
    if args.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(args.certificate, args.key)
        pair = (args.key.read_bytes(), args.certificate.read_bytes())
        clients = None
        if args.clients:
            clients = args.clients.read_bytes()
            context.load_verify_locations(args.clients)
            context.verify_mode = ssl.CERT_REQUIRED
        credentials = grpc.ssl_server_credentials([pair], clients, args.clients is not None)
    receiver = Receiver(args.limit)
    over_grpc = Grpc(receiver, credentials)
    ports = {
        "grpc": over_grpc.port,
        "http": serve_http(Http, receiver, context),
        "control": serve_http(Control, receiver, None),
    }
    print(json.dumps(ports), flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
