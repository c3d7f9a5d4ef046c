"""TLS without a network: what the environment says of certificates, and how much is held."""

from __future__ import annotations

import os
import socket
import ssl
import tempfile
import unittest
import unittest.mock
from pathlib import Path
from unittest import mock

from ltel_locust import tls
from ltel_locust.address import Address


class Context(unittest.TestCase):
    def check(self, expected: str, **environment: str) -> None:
        without = mock.patch.dict(os.environ, environment, clear=True)
        with without, self.assertRaises(tls.TlsError) as raised:
            tls.context()
        self.assertIn(expected, str(raised.exception))

    def test_files_that_cannot_be_used(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            empty = Path(folder) / "empty.pem"
            empty.write_text("")
            self.check("LTEL_CA_FILE: cannot read", LTEL_CA_FILE="/no/such/ca.pem")
            self.check("LTEL_CA_FILE: cannot read", LTEL_CA_FILE=str(empty))
            self.check("LTEL_CERT_FILE is not", LTEL_KEY_FILE="/no/such/key.pem")
            self.check("cannot use the client's certificate", LTEL_CERT_FILE=str(empty))
            self.check(
                "LTEL_KEY_FILE `/no/such/key.pem`",
                LTEL_CERT_FILE="/no/such/cert.pem",
                LTEL_KEY_FILE="/no/such/key.pem",
            )

    def test_names_and_certificates_are_checked(self) -> None:
        made = tls.context()
        self.assertTrue(made.check_hostname)
        self.assertEqual(made.verify_mode, ssl.CERT_REQUIRED)


class Handshake(unittest.TestCase):
    def setUp(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.addCleanup(self.ours.close)
        self.addCleanup(self.theirs.close)
        self.ours.setblocking(False)
        self.tls = tls.TlsSocket(
            self.ours, Address(host="ltel.example", port=1, tls=True), tls.context()
        )

    def test_nothing_blocks_and_nothing_spins(self) -> None:
        with self.assertRaises(BlockingIOError):
            self.tls.recv(10)
        with self.assertRaises(BlockingIOError):
            self.tls.send(memoryview(b"data"))
        self.assertEqual(self.theirs.recv(65_536)[:2], b"\x16\x03")
        # There is room in the socket all the time: to wait for that would be to go round and round.
        self.assertFalse(self.tls.wants_write(True))

    def test_what_had_no_room_is_sent_though_nothing_follows(self) -> None:
        self.tls._is_through = True
        self.tls._tls = unittest.mock.Mock()
        self.tls._tls.read.side_effect = ssl.SSLWantReadError
        self.tls._unsent = memoryview(b"the end of a record")
        self.assertTrue(self.tls.wants_write(False))
        with self.assertRaises(BlockingIOError):
            self.tls.recv(10)
        self.assertEqual(self.theirs.recv(100), b"the end of a record")
        self.assertFalse(self.tls.wants_write(False))

    def test_what_is_no_tls_is_said(self) -> None:
        self.theirs.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with self.assertRaisesRegex(tls.TlsError, "does not speak TLS"):
            self.tls.recv(10)

    def test_an_end_is_said(self) -> None:
        with self.assertRaises(BlockingIOError):
            self.tls.recv(10)
        self.theirs.shutdown(socket.SHUT_WR)
        with self.assertRaisesRegex(tls.TlsError, "check that it listens with TLS"):
            self.tls.recv(10)


if __name__ == "__main__":
    unittest.main()
