"""Lengths of requests' bodies, as Locust's own HTTP clients leave them in their responses."""

from __future__ import annotations

import io
import threading
import unittest
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any, ClassVar

from locust import FastHttpUser, HttpUser
from locust.env import Environment

from ltel_locust import rows

from .receiver import extra


class Target(BaseHTTPRequestHandler):
    """Answers 404 to `/missing`, sends `/moved` elsewhere."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status = {"/missing": 404, "/moved": 303}.get(self.path, 200)
        self.send_response(status)
        if status == 303:
            self.send_header("Location", "/ok")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    do_GET = do_POST

    def log_message(self, *_arguments: Any) -> None:
        pass


class Lengths(unittest.TestCase):
    server: ClassVar[ThreadingHTTPServer]

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = ThreadingHTTPServer(("127.0.0.1", 0), Target)
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.server.shutdown()
        cls.server.server_close()

    def extra_of(self, user: type[Any], method: str, path: str, **arguments: Any) -> Any:
        """What the row of a request carries that one of Locust's clients makes."""
        collected: list[rows.Row] = []
        host = f"http://127.0.0.1:{self.server.server_port}"
        environment = Environment(user_classes=[type("User", (user,), {"host": host})])
        listener, want = rows.listener(collected, 9, lambda: None)
        want(["request_length"])
        environment.events.request.add_listener(listener)
        client = environment.user_classes[0](environment).client
        client.request(method, path, **arguments)
        (client if user is HttpUser else client.client).close()
        return extra(list(collected[0]))

    def test_what_the_clients_send(self) -> None:
        for user in (HttpUser, FastHttpUser):
            for method, path, arguments, expected in (
                ("GET", "/ok", {}, 0),
                ("POST", "/ok", {"data": b"12345"}, 5),
                ("POST", "/ok", {"data": "\u00e9t\u00e9"}, 5),
                ("POST", "/ok", {"data": {"a": "b"}}, 3),
                ("POST", "/ok", {"json": {"a": 1}}, 8),
                ("POST", "/missing", {"data": b"12345"}, 5),
                # Nobody listens at this port.
                ("POST", "http://127.0.0.1:1/", {"data": b"12345"}, 5),
            ):
                with self.subTest(user=user.__name__, method=method, path=path, **arguments):
                    found = self.extra_of(user, method, path, **arguments)
                    self.assertEqual(found, {"request_length": expected})

    def test_what_is_read_as_it_is_sent(self) -> None:
        found = self.extra_of(HttpUser, "POST", "/ok", data=io.BytesIO(b"12345"))
        self.assertEqual(found, {"request_length": 5})
        self.assertIsNone(self.extra_of(HttpUser, "POST", "/ok", data=self.parts()))
        self.assertIsNone(self.extra_of(FastHttpUser, "POST", "/ok", data=io.BytesIO(b"12345")))

    def parts(self) -> Iterator[bytes]:
        yield b"12"
        yield b"345"

    def test_a_redirect_counts_as_the_request_that_was_redirected(self) -> None:
        found = self.extra_of(HttpUser, "POST", "/moved", data=b"12345")
        self.assertEqual(found, {"request_length": 5})
        self.assertIsNone(self.extra_of(FastHttpUser, "POST", "/moved", data=b"12345"))

    def test_what_is_no_response_of_theirs(self) -> None:
        def answered(**request: Any) -> SimpleNamespace:
            return SimpleNamespace(history=[], request=SimpleNamespace(**request))

        for response in (
            None,
            object(),
            answered(),
            answered(body=7, headers={}),
            answered(body="\ud800", headers={}),
            answered(body=[], headers={"Content-Length": "many"}),
            answered(body=[], headers={"Content-Length": "-1"}),
            answered(body=[], headers={"Content-Length": str(2**64)}),
        ):
            self.assertIsNone(rows.request_length(response))
