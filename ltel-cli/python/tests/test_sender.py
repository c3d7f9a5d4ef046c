"""The sender in programs of their own, which use Locust as a library."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

from .receiver import Receiver
from .test_runs import PACKAGE

PROGRAM = """
import os, socket, sys, time
import gevent, psutil
import ltel_locust
from ltel_locust import propagate, tasks
from locust.env import Environment

# However slow the machine, the receiver is met, unless that is what is tested.
ltel_locust.session.MEET_TIMEOUT = float(os.environ.get("MEET", "20"))

environment = Environment()
environment.create_local_runner()

def attach():
    ltel_locust.attach(environment)
    return ltel_locust._sessions[environment]._sender

def begin():
    environment.events.test_start.fire(environment=environment)

def fire(count):
    for _ in range(count):
        environment.events.request.fire(
            request_type="X", name="x", response_time=1, response_length=0
        )
"""


class SenderTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def transports(self) -> list[dict[str, Any]]:
        return [{}, {"path": f"{self.folder}/ltel.sock"}]

    def check(self, program: str, address: str, **environment: str) -> str:
        """What a program says that must end well."""
        path = Path(self.folder) / "program.py"
        path.write_text(PROGRAM + program)
        process = subprocess.run(
            [sys.executable, str(path)],
            env={**os.environ, "PYTHONPATH": str(PACKAGE), "LTEL_ADDRESS": address, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=30,
        )
        self.assertEqual(process.returncode, 0, process.stdout)
        return process.stdout

    def test_meets_while_the_greenlet_connects(self) -> None:
        program = (
            "sender = attach()\n"
            "gevent.sleep(0)\n"
            "begin()\n"
            "assert sender.connected\n"
            "link = sender._link\n"
            "fire(10)\n"
            "gevent.sleep(0.5)\n"
            "assert sender._link is link\n"
            "fire(10)\n"
        )
        for where in self.transports():
            with self.subTest(**where), Receiver(**where) as receiver:
                said = self.check(program, receiver.address)
                client = receiver.only("local")
                self.assertEqual((len(client.hellos), len(client.rows)), (1, 20), said)
                self.assertEqual(said, "")

    def test_meets_nobody_in_time(self) -> None:
        # A full queue of connections, for which the next one has to wait.
        with socket.socket() as server, socket.socket() as first:
            server.bind(("127.0.0.1", 0))
            server.listen(0)
            first.connect(server.getsockname())
            said = self.check(
                "sender = attach()\n"
                "gevent.sleep(0)\n"
                "began = time.monotonic()\n"
                "begin()\n"
                "assert 0.2 < time.monotonic() - began < 1.5\n"
                "assert sender._link is None and not sender._next_attempt\n"
                "assert sender._waits_for is not None\n"
                # A child of now has nothing to close but its copy of what is waited for.
                "if not (child := os.fork()):\n"
                "    gevent.sleep(0.5)\n"
                "    os._exit(7)\n"
                "assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7\n"
                "sender.stop()\n"
                "waits_for = sender._waits_for\n"
                "gevent.sleep(0.1)\n"
                "assert waits_for.fileno() == -1\n",
                f"tcp://127.0.0.1:{server.getsockname()[1]}",
                LTEL_DRAIN_TIMEOUT="0",
                MEET="0.25",
            )
        self.assertNotIn("nowhere", said)

    def test_a_task_that_forks(self) -> None:
        program = (
            "sender = attach()\n"
            "begin()\n"
            "fire(10)\n"
            "gevent.sleep(0.3)\n"
            "assert sender.connected and ltel_locust.traceparent()\n"
            # While the greenlet waits for the connection, and while it does not.
            "for waits in (True, False):\n"
            "    while (sender._waits_for is not None) is not waits:\n"
            "        gevent.sleep(0)\n"
            "    if not (child := os.fork()):\n"
            "        fire(10)\n"
            "        begin()\n"
            "        gevent.sleep(0.6)\n"
            "        fire(10)\n"
            "        untraced = ltel_locust.traceparent() is ltel_locust.trace_id() is None\n"
            "        os._exit(7 if sender._greenlet.dead and untraced else 8)\n"
            "    fire(10)\n"
            "    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7\n"
            "fire(10)\n"
        )
        for where in self.transports():
            with self.subTest(**where), Receiver(features={"trace": {}}, **where) as receiver:
                said = self.check(program, receiver.address)
                client = receiver.only("local")
                self.assertEqual((len(client.hellos), len(client.rows)), (1, 40), said)
                self.assertEqual(said, "")

    def test_a_forked_child_holds_no_connection(self) -> None:
        with Receiver() as receiver:
            self.check(
                "sender = attach()\n"
                "begin()\n"
                "gevent.sleep(0.3)\n"
                "while sender._waits_for is None:\n"
                "    gevent.sleep(0.001)\n"
                "fd = sender._link.sock.fileno()\n"
                "there = os.path.realpath(f'/proc/self/fd/{fd}')\n"
                "if not os.fork():\n"
                "    folder = '/proc/self/fd/'\n"
                "    open_now = [os.path.realpath(folder + name) for name in os.listdir(folder)]\n"
                "    os._exit(7 if there in open_now else 0)\n"
                "assert os.wait()[1] == 0\n",
                receiver.address,
            )

    def test_what_fails_at_the_welcome_costs_no_run(self) -> None:
        program = (
            "def broken(*_):\n"
            "    raise RuntimeError('no such Locust')\n"
            "{0} = broken\n"
            "sender = attach()\n"
            "{1}"
            "begin()\n"
            "fire(10)\n"
            "gevent.sleep(0.6)\n"
            "assert sender.connected\n"
            "print('traced:', hasattr(environment.events.request, 'ltel_tracer'))\n"
            "fire(10)\n"
        )
        wishes = {"trace": {"propagate": True, "tasks": True}, "usage_interval": 0.1}
        for broken, its_log, usage, traced in (
            ("propagate.install", "no traces: ", True, False),
            ("tasks.install", "no traces: ", True, False),
            ("psutil.Process.cpu_percent", "cannot measure this process: ", False, True),
            ("psutil.net_io_counters", "cannot measure this process: ", False, True),
        ):
            for first in ("", "gevent.sleep(0.3)\n"):
                with self.subTest(broken, first=first), Receiver(features=wishes) as receiver:
                    said = self.check(program.format(broken, first), receiver.address)
                    client = receiver.only("local")
                    self.assertEqual((len(client.hellos), len(client.rows)), (1, 20), said)
                    self.assertEqual(said.count(f"{its_log}RuntimeError: no such Locust"), 1, said)
                    self.assertIn(f"traced: {traced}", said)
                    self.assertEqual(bool([row for row in client.rows if row[7]]), traced)
                    self.assertEqual(bool(client.of("usage")), usage, said)

    def test_to_meet_raises_nothing(self) -> None:
        with Receiver() as receiver:
            said = self.check(
                "def broken(*_):\n"
                "    raise RuntimeError('unheard of')\n"
                "sender = attach()\n"
                "sender._welcomed, welcomed = broken, sender._welcomed\n"
                "sender.meet(20)\n"
                "sender._welcomed = welcomed\n"
                "begin()\n"
                "fire(10)\n",
                receiver.address,
            )
            self.assertEqual(len(receiver.only("local").rows), 10)
            self.assertEqual(said.count("cannot reach the receiver: RuntimeError"), 1, said)
