"""Addresses: their forms, and which one is taken."""

from __future__ import annotations

import os
import socket
import tempfile
import unittest
from unittest import mock

from ltel_locust import address


class Parse(unittest.TestCase):
    def test_forms(self) -> None:
        for text, expected in (
            ("unix:/run/ltel.sock", "unix:/run/ltel.sock"),
            ("unix:///run/ltel.sock", "unix:/run/ltel.sock"),
            ("tcp://localhost:4327", "tcp://localhost:4327"),
            (" tcp://127.0.0.1:1/ ", "tcp://127.0.0.1:1"),
            ("tcp://[::1]:4327", "tcp://[::1]:4327"),
            ("tls://ltel.example:4327/", "tls://ltel.example:4327"),
            ("tls://[::1]:4327", "tls://[::1]:4327"),
        ):
            with self.subTest(text):
                self.assertEqual(str(address.parse(text)), expected)

    def test_malformed(self) -> None:
        for text in (
            "localhost:4327",
            "http://localhost:4327",
            "tcp://localhost",
            "tcp://:4327",
            "tcp://localhost:0",
            "tcp://localhost:65536",
            "tcp://localhost:٣",
            "tls://localhost",
            "tls://::1:4327",
            "tcp://::1:4327",
            "unix:relative.sock",
            "unix:",
        ):
            with self.subTest(text), self.assertRaises(address.AddressError):
                address.parse(text)


class Choose(unittest.TestCase):
    def check(self, expected: str, option: str | None = None, **environment: str) -> None:
        with mock.patch.dict(os.environ, environment, clear=True):
            self.assertEqual(str(address.choose(option)), expected)

    def test_precedence(self) -> None:
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as server:
            self.check("tcp://127.0.0.1:4327")
            self.check("tcp://127.0.0.1:4327", XDG_RUNTIME_DIR=folder)
            server.bind(f"{folder}/ltel.sock")
            self.check(f"unix:{folder}/ltel.sock", XDG_RUNTIME_DIR=folder)
            self.check("tcp://a:1", "tcp://a:1", XDG_RUNTIME_DIR=folder)
            self.check("tcp://b:2", "tcp://a:1", LTEL_ADDRESS="tcp://b:2")
