"""Traces: the ids that a row tells are those that the system under test was sent."""

from __future__ import annotations

import ast
import atexit
import copy
import os
import random
import threading
import time
import unittest
import unittest.mock
from collections import Counter, defaultdict
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import gevent
from locust.env import Environment

from ltel_locust import propagate, trace, w3c
from ltel_locust.address import Address
from ltel_locust.current import TASK
from ltel_locust.outbox import FRAME_LIMIT, Outbox
from ltel_locust.session import Session
from ltel_locust.trace import Tracer

from .receiver import Receiver
from .test_rows import taken
from .test_runs import HERE, RunTest, free_port

GIVEN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ALL = {"ratio": 1.0, "propagate": True, "tasks": False, "keep_failures": False}


class Target(BaseHTTPRequestHandler):
    """Remembers the `traceparent` headers of each numbered request, hop by hop."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[dict[str, list[list[str]]]] = defaultdict(list)

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.seen[parse_qs(url.query)["n"][0]].append(self.headers.get_all("traceparent") or [])
        self.rfile.read(int(self.headers.get("content-length") or 0))
        if url.path == "/slow":
            time.sleep(0.06)
        self.send_response({"/missing": 404, "/redirect": 302}.get(url.path, 200))
        if url.path == "/redirect":
            self.send_header("Location", f"/landed?{url.query}")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_POST = do_GET

    def log_message(self, *_arguments: Any) -> None:
        pass

    def handle(self) -> None:
        with suppress(ConnectionError):
            super().handle()


class Traced(RunTest):
    """Runs of both clients against the target."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = ThreadingHTTPServer(("127.0.0.1", 0), Target)
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()

    def run_with(
        self, features: dict[str, Any] | None, user: str, off: bool = False
    ) -> tuple[list[list[Any]], list[list[Any]], Receiver]:
        """Rows of requests and of tasks, once the account and the event have been checked."""
        Target.seen.clear()
        wishes = {"context": True, "url": True, "trace": features}
        with Receiver(features=wishes) as receiver:
            log = self.locust(
                *("-f", str(HERE / "locustfile_traces.py"), user, "--headless", "-u", "2"),
                *("-r", "2", "-t", "3s", "-H", f"http://127.0.0.1:{self.server.server_port}"),
                *("--only-summary", "--json-file", "out"),
                address=receiver.address,
                CLOSED=str(free_port()),
                **({"AT_ONCE": "1"} if off else {}),
            ).end()
            client = receiver.only("local")
        self.assertEqual(receiver.table(), self.locusts_table(), log)
        self.assertGreater(len(client.rows), 30, log)
        self.assertNotIn("Uncaught exception in event handler", log)
        self.assertNotIn("ltel: cannot", log)
        self.check_account(client)
        tasks = client.tasks
        # A row from before the welcome has no extra; only a run without traces waits for none.
        told = [row for row in client.rows if row[7]]
        if not off:
            self.assertEqual(len(told), len(client.rows))
        spans = [row[7]["span_id"] for row in told if "span_id" in row[7]]
        spans += [row[5] for row in tasks]
        self.assertEqual(len(set(spans)), len(spans), "each span id once")
        return told, tasks, receiver

    def sent(self, row: list[Any]) -> str | None:
        """The one header that all hops of a row's request carried; None for none."""
        number = parse_qs(urlsplit(row[7]["url"]).query)["n"][0]
        hops = Target.seen[number]
        self.assertEqual(len(hops), 2 if row[7]["context"]["kind"] == "redirect" else 1, row)
        self.assertTrue(all(hop == hops[0] and len(hop) <= 1 for hop in hops), hops)
        return hops[0][0] if hops[0] else None

    def check_row(self, row: list[Any]) -> str:
        """That a row's ids and what was sent agree; the kind of row it is."""
        extra = row[7]
        kind, given = extra["context"]["kind"], extra["context"].get("given")
        mine = f"00-{extra['trace_id']}-{extra['span_id']}-0{extra['sampled']:d}"
        self.assertEqual(extra["user_class"] in ("Slow", "Fast"), True)
        self.assertNotIn("ltel", str(extra["context"]))
        if kind == "hand":
            self.assertNotIn("url", extra)
        elif kind == "handed out":
            self.assertEqual(mine, given)
        elif kind == "handed over":
            self.assertEqual(self.sent(row), given)
            self.assertEqual(extra["trace_id"], given.split("-")[1])
            if extra["span_id"] != given.split("-")[2]:
                self.assertEqual(extra["parent_span_id"], given.split("-")[2])
                return "handed over twice"
        elif kind == "bad":
            self.assertEqual(self.sent(row), "00-mine-01")
        elif kind == "none":
            self.assertIsNone(self.sent(row))
        elif kind in ("given", "default"):
            self.assertEqual(self.sent(row), given)
            _, trace_id, span_id, flags = given.split("-")
            self.assertEqual(extra["trace_id"], trace_id)
            self.assertEqual(extra["sampled"], flags == "01")
            if extra["span_id"] == span_id:
                self.assertEqual(kind, "given")
                self.assertNotIn("parent_span_id", extra)
                return "adopted"
            self.assertEqual(extra["parent_span_id"], span_id)
        elif kind != "broken":
            self.assertEqual(self.sent(row), mine)
        return kind

    def test_each_row_has_the_ids_that_were_sent(self) -> None:
        for user in ("Slow", "Fast"):
            with self.subTest(user):
                rows, tasks, receiver = self.run_with(ALL | {"keep_failures": True}, user)
                self.assertEqual(tasks, [])
                # All of them, those too whose client says "not sampled".
                kinds = Counter(map(self.check_row, rows))
                flags = {
                    row[7]["sampled"] for row in rows if row[7]["context"]["kind"] == "default"
                }
                self.assertEqual(flags, {False, True} if user == "Slow" else {False})
                own = ("plain", "redirect", "caught", "bad", "broken", "hand", "spawned")
                own += ("handed out", "handed over", "handed over twice")
                for kind in (*own, "adopted", "given", *(("none",) if user == "Slow" else ())):
                    self.assertGreater(kinds[kind], 0, kind)
                # Retries: two more for each that was adopted, but for a user killed amid them.
                self.assertAlmostEqual(kinds["given"], 2 * kinds["adopted"], delta=4)
                traces = [row[7] for row in rows if "given" not in row[7]["context"]]
                self.assertEqual(len({extra["trace_id"] for extra in traces}), len(traces))
                self.assertFalse([extra for extra in traces if "parent_span_id" in extra])
                told = {extra["trace_id"] for extra in traces}
                for custom in receiver.only("local").of("custom"):
                    self.assertIn(custom["attributes"]["trace"], told)

    def test_ratio(self) -> None:
        for ratio, low, high in ((0.0, 0.0, 0.0), (0.3, 0.1, 0.5)):
            with self.subTest(ratio):
                rows, _, _ = self.run_with(ALL | {"ratio": ratio}, "Fast")
                own = [row for row in rows if "given" not in row[7]["context"]]
                sampled = 0
                for row in own:
                    if "trace_id" in row[7]:
                        sampled += 1
                        self.check_row(row)
                    elif row[7]["context"]["kind"] not in ("hand", "broken", "bad", "none"):
                        self.assertRegex(self.sent(row) or "", "^00-[0-9a-f]{32}-[0-9a-f]{16}-00$")
                self.assertTrue(low <= sampled / len(own) <= high, (sampled, len(own)))

    def test_keep(self) -> None:
        features = {"ratio": 0.0, "keep_failures": True, "keep_slower_than_ms": 50, "tasks": True}
        rows, tasks, _ = self.run_with(ALL | features, "Fast")
        for row in rows:
            if row[7]["context"]["kind"] != "given":  # which says "sampled"
                kept = row[6] is not None or row[3] > 50
                self.assertEqual("trace_id" in row[7], kept, row)
                self.assertEqual(row[7].get("sampled", False), False)
        # The parents of those that are kept, and the tasks that failed. One that outlives its task,
        # and is slow on a busy machine, is too late for it.
        parents = {
            row[7]["parent_span_id"]: row[7]["context"]["kind"]
            for row in rows
            if "trace_id" in row[7] and "given" not in row[7]["context"]
        }
        told = {row[5] for row in tasks}
        without = {kind for span, kind in parents.items() if span not in told}
        self.assertLessEqual(without, {"outlives"})
        # A task is above all requests of its trace, also one that is sent with a header that was
        # handed out, and one that is sent with it again.
        kept = {row[7].get("trace_id") for row in rows}
        for row in tasks:
            self.assertTrue(row[7] or row[4] in kept, row)
            self.assertFalse(row[6])

    def test_tasks(self) -> None:
        for user in ("Slow", "Fast"):
            with self.subTest(user):
                rows, tasks, receiver = self.run_with(ALL | {"tasks": True}, user)
                by_span = {row[5]: row for row in tasks}
                names = {
                    "in raises": {"raises"},
                    "in read": {"Forum.read"},
                    "redirect": {"redirected"},
                    "broken": {"broken"},
                    "spawned": {"spawns"},
                    "outlives": {"spawns"},
                    "hand": {"by_hand", "caught", "handed_out"},
                    "handed out": {"handed_out"},
                    "handed over": {"handed_out"},
                }
                for row in rows:
                    extra = row[7]
                    kind = self.check_row(row)
                    if kind in ("given", "adopted", "default", "handed over twice"):
                        continue  # below what the user named
                    start, took, user_class, name, trace_id, _, sampled, _ = by_span[
                        extra["parent_span_id"]
                    ]
                    self.assertEqual((trace_id, sampled), (extra["trace_id"], True))
                    self.assertEqual(user_class, user)
                    self.assertLessEqual(start, row[0] + 0.05)
                    if kind != "outlives":
                        self.assertLessEqual(row[0], start + took / 1000 + 0.05)
                    if kind in names:
                        self.assertIn(name, names[kind])
                self.assertEqual({row[3] for row in tasks} & {"Forum"}, set())
                errors = {row[3]: row[7] for row in tasks if row[7]}
                self.assertEqual(
                    errors, {"raises": ["RuntimeError", "RuntimeError('a task failed')"]}
                )
                failed = {(row[4], row[5]) for row in tasks if row[7]}
                told = receiver.only("local").of("user_error")
                self.assertEqual({(e["trace_id"], e["span_id"]) for e in told}, failed)
                by_trace = {row[4]: row for row in tasks}
                for custom in receiver.only("local").of("custom"):
                    self.assertEqual(by_trace[custom["attributes"]["trace"]][3], "plain")

    def test_off(self) -> None:
        rows, tasks, receiver = self.run_with(None, "Null", off=True)
        self.assertEqual(tasks, [])
        self.assertEqual({"trace_id"} & {key for row in rows for key in row[7]}, set())
        for row in rows:
            if row[7]["context"]["kind"] not in ("hand", "given", "default", "broken", "bad"):
                self.assertIsNone(self.sent(row))
        looks = receiver.only("local").of("custom")
        (found,) = {str(look["attributes"]) for look in looks if look["name"] == "functions"}
        self.assertEqual(
            ast.literal_eval(found),
            {
                "http": "locust.clients",
                "fast": "locust.contrib.fasthttp",
                "tasks": "locust.user.task",
                "trace": None,
                "header": None,
            },
        )

    def test_from_the_first_request_on(self) -> None:
        path = f"{self.folder}/ltel.sock"
        for where in ({}, {"path": path}):
            for _ in range(3):
                with self.subTest(**where), Receiver(features={"trace": ALL}, **where) as receiver:
                    Target.seen.clear()
                    log = self.locust(
                        *("-f", str(HERE / "locustfile_traces.py"), "Fast", "--headless", "-t1s"),
                        *("-H", f"http://127.0.0.1:{self.server.server_port}"),
                        address=receiver.address,
                        AT_ONCE="1",
                        CLOSED=str(free_port()),
                    ).end()
                    client = receiver.only("local")
                    self.assertEqual(len(client.hellos), 1, log)
                with suppress(FileNotFoundError):
                    os.unlink(path)
                self.assertGreater(len(client.rows), 5, log)
                self.assertEqual([row for row in client.rows if not row[7]], [], log)
                self.assertEqual([hops for hops in Target.seen.values() if [] in hops], [], log)

    def test_without_propagation(self) -> None:
        rows, _, _ = self.run_with(ALL | {"propagate": False}, "Fast")
        for row in rows:
            self.assertIn("trace_id", row[7])
            if row[7]["context"]["kind"] in ("plain", "redirect", "caught"):
                self.assertIsNone(self.sent(row))


class Headers(unittest.TestCase):
    def test_form(self) -> None:
        parent = w3c.parse(GIVEN)
        assert parent is not None
        self.assertEqual(len(parent), 25)
        self.assertEqual(w3c.render(parent), GIVEN)
        self.assertEqual(w3c.parse(f" {GIVEN}\t"), parent)
        self.assertEqual(w3c.parse("cc" + GIVEN[2:] + "-more"), parent)
        self.assertEqual(w3c.parse(GIVEN[:-2] + "03"), parent)
        self.assertEqual(w3c.parse(GIVEN[:-2] + "02"), parent[:24] + b"\0")
        self.assertEqual(w3c.render(parent[:24] + b"\0"), GIVEN[:-2] + "00")
        self.assertEqual(w3c.render(parent + b"12345678"), GIVEN, "without the parent")
        for bad in (
            "",
            GIVEN[:-1],
            GIVEN + "-more",
            "ff" + GIVEN[2:],
            GIVEN.upper(),
            GIVEN.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32),
            GIVEN.replace("b7ad6b7169203331", "0" * 16),
        ):
            self.assertIsNone(w3c.parse(bad), bad)


class TracerTest(unittest.TestCase):
    def tracer(self, **features: Any) -> Tracer:
        tracer = Tracer(lambda _row: None)
        tracer.configure(features)
        return tracer

    def test_features_as_odd_as_they_come(self) -> None:
        for features in (None, False, 1, "on", []):
            tracer = Tracer(lambda _row: None)
            tracer.configure(features)
            self.assertFalse(tracer.on or tracer.propagates or tracer.tasks)
        for ratio, share in ((1, 1.0), (0, 0.0), (7, 1.0), (-1, 0.0), ("x", 1.0), (None, 1.0)):
            tracer = self.tracer(ratio=ratio)
            sampled = sum(w3c.sampled(tracer.begin()) for _ in range(100))
            self.assertEqual(sampled, share * 100, ratio)
            # An event fired by hand, whose ids are told only where its trace is sampled.
            ids = tracer.chooser()
            told = sum(ids(None, None, 1.0, None) is not None for _ in range(100))
            self.assertEqual(told, share * 100, ratio)

    def test_the_lower_bits_decide(self) -> None:
        tracer = self.tracer(ratio=0.1)

        def fired() -> bytes:
            tracer.chooser()(None, None, 1.0, None)
            last = tracer.current()
            assert last is not None
            return last

        for make in (tracer.begin, fired):
            found = [make() for _ in range(20_000)]
            self.assertEqual({len(ids) for ids in found}, {25})
            self.assertEqual(len({ids[:16] for ids in found}), 20_000)
            self.assertEqual(len({ids[16:24] for ids in found}), 20_000)
            self.assertAlmostEqual(sum(map(w3c.sampled, found)) / 20_000, 0.1, delta=0.015)
            for ids in found:
                lower = int.from_bytes(ids[8:16], "big")
                self.assertEqual(w3c.sampled(ids), lower / 2**64 < 0.1)

    def test_ids_are_random_in_each_process(self) -> None:
        tracer = self.tracer()
        random.seed(1)
        here = tracer.begin()[:16]
        random.seed(1)
        self.assertNotEqual(tracer.begin()[:16], here)
        found = set()
        for _ in range(2):
            reading, writing = os.pipe()
            if not (child := os.fork()):
                os.write(writing, tracer.begin()[:16])
                os._exit(0)
            os.waitpid(child, 0)
            found.add(os.read(reading, 99))
            os.close(reading)
            os.close(writing)
        self.assertEqual(len(found | {tracer.begin()[:16]}), 3)

    def test_what_is_adopted_is_remembered_and_bounded(self) -> None:
        tracer = self.tracer()
        for number in range(1, trace.ADOPTED + 100):
            given = bytes(15) + b"\1" + number.to_bytes(8, "big") + b"\1"
            self.assertEqual(tracer.adopt(given), given)
        again = tracer.adopt(given)
        self.assertEqual((again[:16], again[24:]), (given[:16], b"\1" + given[16:24]))
        self.assertNotEqual(again[16:24], given[16:24])
        self.assertLessEqual(len(tracer._adopted), trace.ADOPTED)

    def test_a_response_gives_its_ids_to_one_row(self) -> None:
        tracer = self.tracer(propagate=True)
        ids = tracer.chooser()
        response = type("Response", (), {})()
        response.ltel_ids = [carried := tracer.begin()]
        same = copy.copy(response)
        rows = [
            ids(response, None, 1.0, None),
            ids(response, "http://host/", 1.0, None),
            ids(response, "http://host/", 1.0, None),
            ids(same, "http://host/", 1.0, None),
        ]
        self.assertEqual(rows.index(carried), 1)
        self.assertEqual(len(set(rows)), 4)

    def test_odd_events(self) -> None:
        tracer = self.tracer(ratio=0.0, propagate=True, keep_slower_than_ms=100)
        raising = type("R", (), {"__getattr__": lambda *_: 1 / 0, "status_code": 200})()
        mock = unittest.mock.MagicMock()
        for response in (raising, mock, None, 3):
            for time_ms, kept in ((None, False), (100, False), (101, True), ("x", False)):
                found = tracer.chooser()(response, "url", time_ms, None)
                self.assertEqual(found is not None, kept)
        self.assertIsNone(tracer.chooser()(None, None, 1.0, ("A", "b")))

    def test_every_row_has_ids_where_every_trace_is_sampled(self) -> None:
        for ratio, told in ((None, True), (1, True), (7, True), (0.999, False), (0, False)):
            tracer = self.tracer(ratio=ratio, propagate=True)
            response = type("Response", (), {})()
            response.ltel_ids = [given := tracer.adopt(bytes(range(24)) + b"\0")]
            found = tracer.chooser()(response, "http://host/", 1.0, None)
            self.assertEqual(found, given if told else None, ratio)

    def test_the_greenlets_own(self) -> None:
        gevent.spawn(self._the_greenlets_own).get()

    def _the_greenlets_own(self) -> None:
        tracer = self.tracer()
        self.assertIsNone(tracer.current())
        tracer.chooser()(None, None, 1.0, None)
        last = tracer.current()
        assert last is not None
        self.assertIsNone(gevent.spawn(tracer.current).get())
        self.assertIs(tracer.current(), last)
        handed_out = tracer.hand_out()
        self.assertIs(tracer.current(), handed_out)
        self.assertIsNot(gevent.spawn(tracer.hand_out).get(), handed_out)

    def test_what_is_handed_out_is_taken_once(self) -> None:
        for features in ({}, {"propagate": True}, {"ratio": 0.0, "keep_failures": True}):
            gevent.spawn(self._handed_out, self.tracer(**features)).get()

    def _handed_out(self, tracer: Tracer) -> None:
        def told() -> bytes | None:
            return tracer.chooser()(None, None, 1.0, ("A", "b"))

        ids = tracer.hand_out()
        self.assertIs(tracer.hand_out(), ids)
        self.assertEqual(told(), ids)
        self.assertNotEqual(told(), ids)
        # Sent once more, it is another request.
        self.assertEqual(tracer.adopt(ids[:24] + b"\1")[25:], ids[16:24])
        other = tracer.hand_out()
        self.assertNotEqual(other, ids)
        given = other[:24] + b"\1"
        self.assertIs(tracer.adopt(given), other)
        self.assertEqual(tracer.adopt(given)[25:], other[16:24])
        self.assertNotIn(told(), (None, ids, other))

    def test_what_is_handed_out_is_of_its_task(self) -> None:
        gevent.spawn(self._handed_out_in_tasks, self.tracer(tasks=True)).get()

    def _handed_out_in_tasks(self, tracer: Tracer) -> None:
        outside = tracer.hand_out()
        task = tracer.begin_task()
        TASK.set(task)
        self.assertIs(tracer.current(), task.ids)
        ids = tracer.hand_out()
        self.assertEqual((ids[:16], ids[25:]), (task.ids[:16], task.ids[16:24]))
        self.assertIs(tracer.current(), ids)
        self.assertIs(tracer.hand_out(), ids)
        task = tracer.begin_task()
        TASK.set(task)
        found = tracer.chooser()(None, None, 1.0, None)
        assert found
        self.assertNotIn(found, (ids, outside))
        self.assertEqual(found[25:], task.ids[16:24])

    def test_a_kept_request_keeps_its_task_until_that_has_ended(self) -> None:
        gevent.spawn(self._kept).get()

    def _kept(self) -> None:
        tracer = self.tracer(ratio=0.0, tasks=True, keep_failures=True)
        for error, kept in ((None, False), (("A", "b"), True)):
            task = tracer.begin_task()
            TASK.set(task)
            found = tracer.chooser()(None, None, 1.0, error)
            self.assertEqual((found is not None, task.kept), (kept, kept))
            tracer.end_task(task)
        self.assertEqual(tracer._running, {})


class Outgoing(unittest.TestCase):
    def check(self, headers: Any, defaults: Any, parent: str | None, sent: str | None) -> None:
        tracer = Tracer(lambda _row: None)
        tracer.configure(ALL)
        arguments = {"headers": headers}
        with self.subTest(headers=headers, defaults=defaults):
            ids, header = propagate._prepare(tracer, arguments, defaults)
            if sent is None:
                assert ids is not None
                self.assertEqual(header, w3c.render(ids))
                self.assertEqual(arguments["headers"], {**(headers or {}), w3c.NAME: header})
            else:
                self.assertIs(arguments["headers"], headers)
                self.assertEqual(header, sent)
                self.assertEqual(ids and w3c.render(ids), parent)

    def test_what_the_user_has_set_stays(self) -> None:
        self.check(None, {}, None, None)
        self.check({"a": "b", b"c": b"d"}, {"User-Agent": "x"}, None, None)
        self.check({"tRaceparent": GIVEN}, {}, GIVEN, GIVEN)
        self.check({b"Traceparent": GIVEN.encode()}, {}, GIVEN, GIVEN)
        self.check({"traceparent": "mine"}, {"traceparent": GIVEN}, None, "mine")

    def test_the_first_hop_counts(self) -> None:
        hops = [
            SimpleNamespace(history=[], request=SimpleNamespace(headers={w3c.NAME: number}))
            for number in (1, 2)
        ]
        hops[1].history = hops[:1]
        self.assertEqual([propagate._seen(hop) for hop in hops], [1, 1])
        self.assertIsNone(propagate._seen(SimpleNamespace(history=[], request=None)))


class TaskFrames(unittest.TestCase):
    row: ClassVar = (1.0, 2.0, "U" * 1_000, "t" * 1_000, bytes(24) + b"\1", ("E", "x" * 999))

    def test_are_split(self) -> None:
        outbox = Outbox(1 << 30)
        outbox.put_tasks([self.row] * 1_000)
        frames = taken(outbox)
        self.assertEqual({frame["type"] for frame in frames}, {"tasks"})
        self.assertEqual(sum(len(frame["rows"]) for frame in frames), 1_000)
        self.assertEqual([frame["seq"] for frame in frames], list(range(1, len(frames) + 1)))
        self.assertGreater(len(frames) * FRAME_LIMIT, 3_000_000)

    def test_are_dropped_like_events(self) -> None:
        outbox = Outbox(10_000)
        outbox.put("test_start", {})
        for _ in range(9):
            outbox.put_tasks([self.row])
        self.assertLess(len(outbox), 5)
        self.assertEqual(outbox.rows, 0)
        self.assertEqual(outbox.dropped_events + outbox.events, 9)
        self.assertGreater(outbox.events, 0)
        self.assertEqual(taken(outbox)[0]["type"], "test_start")

    def test_what_is_acknowledged_was_not_dropped(self) -> None:
        outbox = Outbox(10_000)
        outbox.put_tasks([self.row] * 2)
        self.assertIsNotNone(outbox.take())
        for _ in range(9):
            outbox.put_tasks([self.row])
        before = outbox.dropped_events
        self.assertGreaterEqual(before, 2)
        outbox.acknowledge(1)
        self.assertEqual(outbox.dropped_events, before - 2)
        outbox.acknowledge(99)
        self.assertEqual((outbox.dropped_events, outbox.events), (before - 2, 0))

    def test_the_log_counts_those_that_are_lost(self) -> None:
        environment = Environment()
        environment.create_local_runner()
        with unittest.mock.patch.dict(os.environ, LTEL_BUFFER_BYTES="9000", LTEL_DRAIN_TIMEOUT="0"):
            session = Session(environment, Address(host="127.0.0.1", port=free_port()))
            self.addCleanup(atexit.unregister, session.close)
            session._begin_run()
            for _ in range(9):
                session._on_task(self.row)
                session._flush()
            with self.assertLogs("ltel_locust") as logs:
                session.close()
        self.assertIn("0 of 0 requests", logs.output[-1])
        self.assertIn(", and 9 other events", logs.output[-1])
