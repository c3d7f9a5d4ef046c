"""Real Locust against a real receiver: each request row arrives once, as Locust counts it."""

from __future__ import annotations

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from .receiver import Client, Receiver

HERE = Path(__file__).parent
PACKAGE = HERE.parent
LOCUSTFILE = HERE / "locustfile_odd.py"


class Target(BaseHTTPRequestHandler):
    """The system under test."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/ok" else 404)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_arguments: Any) -> None:
        pass

    def handle(self) -> None:
        with suppress(ConnectionError):  # of a user that was killed
            super().handle()


def _heeds_interrupts() -> None:
    # A shell's background job ignores SIGINT, and so would what it starts.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Locust:
    """A Locust process."""

    def __init__(self, folder: str, *arguments: str, **environment: str) -> None:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("LTEL_")}
        self.log = Path(folder) / f"{len(os.listdir(folder))}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "locust", *arguments],
                cwd=folder,
                env={**kept, "PYTHONPATH": str(PACKAGE), **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=_heeds_interrupts,
            )

    def end(self) -> str:
        """Await its end; its log."""
        try:
            self.process.wait(40)
        finally:
            self.process.kill()
            self.process.wait()
        return self.log.read_text()


class RunTest(unittest.TestCase):
    server: ClassVar[ThreadingHTTPServer]

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = ThreadingHTTPServer(("127.0.0.1", 0), Target)
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.server.shutdown()
        cls.server.server_close()

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def locust(self, *arguments: str, address: str = "", **environment: str) -> Locust:
        if address:
            environment["LTEL_ADDRESS"] = address
        locust = Locust(self.folder, *arguments, **environment)
        self.addCleanup(locust.process.kill)
        return locust

    def headless(self, *arguments: str, seconds: str = "2s", **environment: str) -> Locust:
        return self.locust(
            *("-f", str(LOCUSTFILE), "--headless", "-u", "3", "-r", "3", "-t", seconds),
            *("-H", f"http://127.0.0.1:{self.server.server_port}"),
            *("--only-summary", "--json-file", "out", *arguments),
            **environment,
        )

    def locusts_table(self) -> Counter[tuple[str, str, bool]]:
        """Locust's own figures, in the shape of Receiver.table()."""
        table: Counter[tuple[str, str, bool]] = Counter()
        for entry in json.loads((Path(self.folder) / "out.json").read_text()):
            key = entry["method"], entry["name"]
            table[(*key, True)] = entry["num_failures"]
            table[(*key, False)] = entry["num_requests"] - entry["num_failures"]
        return +table

    def check_account(self, client: Client) -> None:
        """The last `done` accounts for every row, and nothing follows it."""
        done = client.of("done")[-1]
        self.assertEqual(done["sent"], len(client.rows) + done["dropped"])
        self.assertEqual(client.kinds[-1], "done")
        self.assertIn("test_stop", client.kinds[: client.kinds.index("done")])
        seqs = [frame["seq"] for frame in client.frames]
        self.assertEqual(seqs, sorted(set(seqs)))


class Local(RunTest):
    def test_everything_arrives(self) -> None:
        with Receiver(path=f"{self.folder}/ltel.sock") as receiver:
            locust = self.headless("--testplan", "plan", address=receiver.address)
            log = locust.end()
            client = receiver.only("local")
        self.assertEqual(locust.process.returncode, 1, log)  # as failures make it
        self.assertEqual(receiver.table(), self.locusts_table())
        self.check_account(client)
        self.assertNotIn("/before", {row[2] for row in client.rows})
        self.assertNotIn("not delivered", log)

        (start,) = client.of("test_start")
        self.assertRegex(start["run_id"], "^[0-9a-f]{8}$")
        expected = {
            "testplan": "plan",
            "users": 3,
            "spawn_rate": 3.0,
            "run_time": 2.0,
            "user_classes": ["Visitor"],
            "locustfile": "locustfile_odd",
            "locust_version": version("locust"),
            "host": f"http://127.0.0.1:{self.server.server_port}",
        }
        self.assertEqual({key: start[key] for key in expected}, expected)
        self.assertEqual(client.of("spawning_complete")[0]["user_count"], 3)
        self.assertIn({"Visitor": 3}, [frame["counts"] for frame in client.of("users")])
        self.assertEqual(client.of("users")[-1]["counts"], {"Visitor": 0})
        custom = client.of("custom")[0]
        self.assertEqual(
            (custom["name"], custom["value"], custom["attributes"]),
            ("visit", 2.5, {"user": "Visitor"}),
        )
        error = client.of("user_error")[0]
        self.assertEqual(error["user"], "Visitor")
        self.assertEqual(error["error"], "RuntimeError: a task failed")
        self.assertIn("in fail", error["traceback"])
        self.assertEqual(client.of("usage"), [])

        statuses = {row[2]: row[5] for row in client.rows if row[1] == "GET"}
        self.assertEqual(statuses, {"/ok": 200, "/missing": 404, "/marked": 200})
        errors = {row[2]: row[6] for row in client.rows if row[6]}
        self.assertEqual(errors["/marked"], ["CatchResponseError", "CatchResponseError('marked')"])
        self.assertEqual(errors["/odd error"], ["str", "a text"])
        self.assertEqual(errors["/missing"][0], "HTTPError")

    def test_features_and_the_option(self) -> None:
        features = {"url": True, "user_class": True, "context": True, "usage_interval": 0.3}
        with Receiver(features=features) as receiver:
            log = self.headless("--ltel-address", receiver.address).end()
            client = receiver.only("local")
        self.assertEqual(receiver.table(), self.locusts_table(), log)
        # The first rows may be older than the welcome; the last ones are those of killed users.
        url = f"http://127.0.0.1:{self.server.server_port}/missing"
        extras = [row[7] for row in client.rows if row[2] == "/missing"]
        self.assertEqual(extras[-1], {"url": url, "user_class": "Visitor"})
        spawned = [row[7] for row in client.rows if row[2] == "/spawned"]
        self.assertEqual(spawned[-1], {"user_class": "Visitor", "context": {"id": 7}})
        usage = client.of("usage")[-1]
        self.assertGreater(usage["memory_bytes"], 1 << 20)
        self.assertGreaterEqual(usage["cpu_percent"], 0)

    def test_the_host_is_that_of_the_user_classes(self) -> None:
        target = f"http://127.0.0.1:{self.server.server_port}"
        with Receiver() as receiver:
            self.locust(
                *("-f", str(LOCUSTFILE), "--headless", "-u", "1", "-t", "1s"),
                address=receiver.address,
                TARGET=target,
            ).end()
            (start,) = receiver.only("local").of("test_start")
        self.assertEqual(start["host"], target)

    def test_reset_stats_marks_its_place(self) -> None:
        with Receiver() as receiver:
            log = self.headless("--reset-stats", address=receiver.address).end()
            client = receiver.only("local")
        place = client.kinds.index("reset_stats")
        del client.frames[:place]
        self.assertEqual(receiver.table(), self.locusts_table(), log)

    def test_interrupts(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number):
                # SIGINT is an exception at any point: where that is an event, some of its
                # listeners have seen the request and others have not.
                self.assertTrue(any(self._interrupted(number) for _ in range(5)))

    def _interrupted(self, number: int) -> bool:
        with Receiver() as receiver:
            locust = self.headless(seconds="60s", address=receiver.address)
            receiver.wait(lambda: "/ok" in {r[1] for r in receiver.table()})
            locust.process.send_signal(number)
            log = locust.end()
            if ", in fire\n" in log:
                return False
            self.assertEqual(receiver.table(), self.locusts_table(), log)
            self.assertEqual(locust.process.returncode, 1, log)
            self.check_account(receiver.only("local"))
        return True

    def test_two_runs_from_the_web_ui(self) -> None:
        port = str(free_port())
        with Receiver() as receiver:
            locust = self.locust(
                *("-f", str(LOCUSTFILE), "-H", f"http://127.0.0.1:{self.server.server_port}"),
                *("--web-host", "127.0.0.1", "--web-port", port),
                address=receiver.address,
            )
            receiver.wait(lambda: receiver.of_kind("local"))
            client = receiver.only("local")
            for number, plan in enumerate(("one", "two")):
                form = {"user_count": 2, "spawn_rate": 2, "testplan": plan}
                post(port, "/swarm", **form)
                before = len(client.rows)
                receiver.wait(lambda before=before: len(client.rows) > before + 50)
                post(port, "/stop")
                # Not /stats/requests, which Locust keeps for two seconds.
                table = csv.DictReader(
                    post(port, "/stats/requests/csv", "GET").decode().splitlines()
                )
                total = next(int(x["Request Count"]) for x in table if x["Name"] == "Aggregated")
                start = client.of("test_start")[number]
                self.assertEqual(start["testplan"], plan)
                account = (start["run_id"], total)
                receiver.wait(
                    lambda account=account: (
                        account in {(done["run_id"], done["sent"]) for done in client.of("done")}
                    )
                )
            locust.process.terminate()
            log = locust.end()
        self.assertEqual(len({start["run_id"] for start in client.of("test_start")}), 2, log)
        sent = {done["run_id"]: done["sent"] for done in client.of("done")}
        self.assertEqual(sum(sent.values()), len(client.rows))

    def test_autoload(self) -> None:
        folder = Path(self.folder)
        hidden = folder / "hidden"
        hidden.mkdir()
        (hidden / "sitecustomize.py").write_text("import sys; sys.hidden_one_ran = True\n")
        (folder / "plain.py").write_text(
            "import sys\n"
            "assert sys.hidden_one_ran\n"
            "from locust import User, task, constant, events\n"
            "@events.init.add_listener\n"
            "def init(**kw): __import__('gevent').get_hub().loop.update_now()\n"
            "@events.init_command_line_parser.add_listener\n"
            "def options(parser, **kw): parser.add_argument('--testplan', default='theirs')\n"
            "class Plain(User):\n"
            "    wait_time = constant(0.1)\n"
            "    @task\n"
            "    def fire(self):\n"
            "        self.environment.events.request.fire(request_type='X', name='x',"
            " response_time=1, response_length=0)\n"
        )
        path = os.pathsep.join(map(str, (PACKAGE / "ltel_locust/autoload", PACKAGE, hidden)))
        with Receiver() as receiver:
            locust = self.locust(
                *("-f", "plain.py", "--headless", "-t", "1s", "--json-file", "out"),
                address=receiver.address,
                PYTHONPATH=path,
            )
            log = locust.end()
            self.assertEqual(receiver.table(), self.locusts_table(), log)
            start = receiver.only("local").of("test_start")[0]
        self.assertEqual(locust.process.returncode, 0, log)
        self.assertEqual(start["testplan"], "theirs")
        found = subprocess.run(
            [sys.executable, "-c", "import sys; print('locust' in sys.modules)"],
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=True,
        )
        self.assertEqual(found.stdout.strip(), "False")

    def test_library_use_without_quit(self) -> None:
        program = Path(self.folder) / "program.py"
        program.write_text(
            "import locust, gevent, ltel_locust\n"
            "from locust.env import Environment\n"
            "environment = Environment()\n"
            "environment.create_local_runner()\n"
            "ltel_locust.attach(environment)\n"
            "ltel_locust.attach(environment)\n"
            "environment.events.test_start.fire(environment=environment)\n"
            "for _ in range(2500):\n"
            "    environment.events.request.fire(request_type='X', name='x',"
            " response_time=1, response_length=0)\n"
            "gevent.sleep(0.5)\n"
        )
        with Receiver() as receiver:
            environment = {"PYTHONPATH": str(PACKAGE), "LTEL_ADDRESS": receiver.address}
            process = subprocess.run(
                [sys.executable, str(program)], env={**os.environ, **environment}, timeout=30
            )
            client = receiver.only("local")
        self.assertEqual(process.returncode, 0)
        self.assertEqual(len(client.rows), 2500)
        self.assertEqual(client.of("done")[-1]["sent"], 2500)


class Distributed(RunTest):
    def check_run(self, receiver: Receiver, log: str) -> None:
        self.assertEqual(receiver.table(), self.locusts_table(), log)
        master, workers = receiver.only("master"), receiver.of_kind("worker")
        self.assertEqual(len(workers), 2)
        for client in (master, *workers):
            self.check_account(client)
        starts = [client.of("test_start")[0] for client in (master, *workers)]
        self.assertEqual(len({start["run_id"] for start in starts}), 1)
        self.assertEqual({start["testplan"] for start in starts}, {"plan"})
        self.assertEqual({start["locustfile"] for start in starts}, {"locustfile_odd"})
        sources = [worker.hellos[0]["source"] for worker in workers]
        self.assertEqual({source["worker_index"] for source in sources}, {0, 1})
        self.assertEqual(
            master.of("done")[-1]["sources"], sorted(source["id"] for source in sources)
        )
        self.assertIn({"Visitor": 3}, [frame["counts"] for frame in master.of("users")])

    def test_master_and_workers(self) -> None:
        port = str(free_port())
        with Receiver() as receiver:
            master = self.headless(
                *("--master", "--master-bind-port", port, "--expect-workers", "2"),
                *("--testplan", "plan"),
                seconds="3s",
                address=receiver.address,
            )
            workers = [
                self.locust(
                    *("--worker", "--master-port", port, "-f", str(LOCUSTFILE)),
                    address=receiver.address,
                )
                for _ in range(2)
            ]
            log = "".join(locust.end() for locust in (master, *workers))
            receiver.wait(lambda: ended(receiver))
            self.check_run(receiver, log)

    def test_processes(self) -> None:
        with Receiver() as receiver:
            log = self.headless(
                *("--processes", "2", "--testplan", "plan", "--master-bind-port"),
                *(port := str(free_port()), "--master-port", port),
                seconds="3s",
                address=receiver.address,
            ).end()
            # The workers may outlive their master.
            receiver.wait(lambda: ended(receiver))
            self.check_run(receiver, log)


class Trouble(RunTest):
    def test_no_receiver(self) -> None:
        locust = self.headless(address=f"tcp://127.0.0.1:{free_port()}")
        log = locust.end()
        self.assertEqual(log.count("cannot send telemetry"), 1, log)
        total = self.locusts_table().total()
        self.assertIn(f"not delivered: {total} of {total} requests", log)
        self.assertEqual(locust.process.returncode, 1)

    def test_malformed_address(self) -> None:
        log = self.headless(address="localhost:4327").end()
        self.assertEqual(log.count("ltel: no telemetry"), 1, log)
        self.assertGreater(self.locusts_table().total(), 0)

    def test_receiver_that_comes_late(self) -> None:
        port = free_port()
        locust = self.headless(seconds="4s", address=f"tcp://127.0.0.1:{port}")
        until = time.monotonic() + 20
        while "cannot send telemetry" not in locust.log.read_text():
            self.assertLess(time.monotonic(), until)
            time.sleep(0.05)
        with Receiver(port=port) as receiver:
            log = locust.end()
            self.assertEqual(receiver.table(), self.locusts_table(), log)
            self.check_account(receiver.only("local"))

    def test_receiver_that_hangs_up(self) -> None:
        with Receiver(hang_up_after=5) as receiver:
            log = self.headless(address=receiver.address).end()
            client = receiver.only("local")
            self.assertEqual(len(client.hellos), 2)
            self.assertEqual(client.hellos[1]["run_id"], client.of("test_start")[0]["run_id"])
            self.assertEqual(receiver.table(), self.locusts_table(), log)
            self.check_account(client)

    def test_receiver_that_refuses(self) -> None:
        with Receiver(refuse="wrong token") as receiver:
            locust = self.headless(address=receiver.address)
            log = locust.end()
            self.assertGreater(receiver.connections, 2)
        self.assertEqual(log.count("wrong token"), 1, log)
        self.assertEqual(locust.process.returncode, 1)

    def test_receiver_that_never_reads_or_acknowledges(self) -> None:
        for settings in ({"reads": False}, {"acknowledges": False}):
            with self.subTest(**settings), Receiver(**settings) as receiver:
                began = time.monotonic()
                log = self.headless(
                    address=receiver.address,
                    FLOOD="2000",
                    LTEL_BUFFER_BYTES="300000",
                    LTEL_DRAIN_TIMEOUT="1",
                ).end()
                self.assertLess(time.monotonic() - began, 20)
                total = self.locusts_table().total()
                self.assertGreater(total, 10_000)
                self.assertRegex(log, f"not delivered: [0-9]+ of {total} requests")
                self.assertEqual(log.count("the buffer is full (LTEL_BUFFER_BYTES)"), 1, log)


def ended(receiver: Receiver) -> bool:
    """Whether a master and two workers have delivered all they had."""

    def has(client: Client) -> bool:
        done = client.of("done")
        return client.kinds[-1:] == ["done"] and done[-1]["sent"] == (
            len(client.rows) + done[-1]["dropped"]
        )

    clients = list(receiver.clients.values())
    return len(clients) == 3 and all(map(has, clients))


def post(port: str, path: str, method: str = "POST", **form: Any) -> bytes:
    """Ask Locust's web UI, which may still be starting."""
    data = urlencode(form).encode() if form else None
    request = Request(f"http://127.0.0.1:{port}{path}", data, method=method)
    until = time.monotonic() + 20
    while True:
        try:
            with urlopen(request, timeout=10) as response:
                return response.read()
        except URLError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def processes(number: int) -> tuple[str, ...]:
    """The options for a master with so many forked workers, on a port of their own."""
    port = str(free_port())
    return "--processes", str(number), "--master-bind-port", port, "--master-port", port


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]
