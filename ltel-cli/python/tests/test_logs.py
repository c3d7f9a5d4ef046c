"""Log messages: each arrives once, with what it is about; logging is left as it was."""

from __future__ import annotations

import logging
import sys
import unittest
from typing import Any

from ltel_locust import logs
from ltel_locust.logs import Messages
from ltel_locust.trace import Tracer

from .receiver import Receiver
from .test_runs import HERE, Locust, RunTest, processes

FILE = str(HERE / "locustfile_logs.py")


class Unformatted(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Taking(unittest.TestCase):
    def setUp(self) -> None:
        for other in logs._listeners.copy():
            other.end()  # it has listened since the import, or is of another test
        self.before = logging.Logger.callHandlers
        self.messages = Messages(Tracer(lambda _row: None))
        self.addCleanup(self.messages.end)
        self.log = logging.getLogger("taking")
        self.log.propagate = False
        self.log.setLevel("DEBUG")
        self.log.addHandler(logging.NullHandler())

    def test_only_from_the_level_on(self) -> None:
        self.messages.want(30)
        for level in (10, 29, 30, 50):
            self.log.log(level, "at %d", level)
        self.messages.want(50)
        self.log.error("no more")
        self.messages.want(None)
        self.log.critical("off")
        self.assertEqual([row["message"] for row in self.messages.rows], ["at 30", "at 50"])

    def test_until_the_receiver_answers_warnings_are_kept(self) -> None:
        before = Messages(None)
        before.keep()
        self.log.info("not kept")
        self.log.warning("before the session")
        self.messages.take_over(before)
        self.log.warning("before the answer")
        self.log.error("bad")
        self.assertEqual((before.rows, len(self.messages.rows)), ([], 3))
        self.assertFalse(self.messages.go(ending=False))
        self.messages.want(40)
        self.assertTrue(self.messages.go(ending=False))
        self.log.error("worse")
        self.assertEqual([row["message"] for row in self.messages.rows], ["bad", "worse"])

    def test_what_came_before_the_answer_is_bounded_and_forgotten_if_unwanted(self) -> None:
        self.messages.keep()
        for number in range(logs.LIMIT + 7):
            self.log.warning("%d", number)
        self.assertEqual(len(self.messages.rows), logs.LIMIT)
        self.assertEqual(self.messages.rows[-1]["message"], str(logs.LIMIT + 6))
        self.messages.want(None)
        self.log.critical("off")
        self.assertEqual((self.messages.rows, self.messages.tell_dropped()), ([], None))
        self.assertIs(logging.Logger.callHandlers, self.before)

    def test_logging_is_left_as_it_was(self) -> None:
        self.messages.want(30)
        self.messages.want(30)
        self.assertIsNot(logging.Logger.callHandlers, self.before)
        self.messages.want(None)
        self.assertIs(logging.Logger.callHandlers, self.before)
        self.messages.want(30)
        self.log.warning("again")
        self.assertEqual(len(self.messages.rows), 1)

    def test_wrapped_by_another(self) -> None:
        self.messages.want(30)
        ours = logging.Logger.callHandlers

        def others(log: logging.Logger, record: logging.LogRecord) -> Any:
            return ours(log, record)

        logging.Logger.callHandlers = others  # type: ignore[method-assign]
        try:
            self.messages.end()
            self.log.warning("idle")
            self.assertIs(logging.Logger.callHandlers, others)
            self.messages.want(30)
            self.log.warning("once")
        finally:
            self.messages.end()
            logging.Logger.callHandlers = ours  # type: ignore[method-assign]
            logs._uninstall()
        self.assertEqual([row["message"] for row in self.messages.rows], ["once"])
        self.assertIs(logging.Logger.callHandlers, self.before)

    def test_the_plugin_and_locusts_tables_are_left_out(self) -> None:
        self.messages.want(0)
        for name in ("ltel_locust", "ltel_locust.sender", "locust.stats_logger"):
            logging.getLogger(name).critical("left out (a test)")
        with self.assertLogs("ltel_locusts", "WARNING"):
            logging.getLogger("ltel_locusts").warning("kept")
        self.assertEqual([row["logger"] for row in self.messages.rows], ["ltel_locusts"])

    def test_too_many_are_dropped_and_counted(self) -> None:
        self.messages.want(30)
        for number in range(logs.LIMIT + 7):
            self.log.warning("%d", number)
        self.assertEqual(len(self.messages.rows), logs.LIMIT)
        self.assertEqual(self.messages.take_dropped(), 7)
        self.assertEqual(self.messages.take_dropped(), 0)
        self.assertEqual(self.messages.tell_dropped(), 7)
        self.assertIsNone(self.messages.tell_dropped())

    def test_before_a_run_the_newest_are_kept(self) -> None:
        self.messages.want(30)
        for number in range(logs.LIMIT):
            self.log.warning("%d", number)
        self.messages.bound()
        self.assertEqual(self.messages.rows[-1]["message"], str(logs.LIMIT - 1))
        kept = len(self.messages.rows)
        self.assertEqual(kept + (self.messages.tell_dropped() or 0), logs.LIMIT)
        self.assertEqual(kept + self.messages.take_dropped(), logs.LIMIT)
        self.assertEqual(self.messages.take_dropped(), 0)

    def test_what_no_run_has_is_counted_at_the_end(self) -> None:
        self.messages.keep()
        self.log.warning("nobody knows whether it is wanted")
        self.assertEqual((self.messages.close(), self.messages.rows), (0, []))
        self.messages.want(30)
        for number in range(logs.LIMIT + 7):
            self.log.warning("%d", number)
        self.messages.bound()
        self.assertEqual(self.messages.close(), logs.LIMIT + 7)
        self.assertEqual((self.messages.close(), self.messages.rows), (0, []))
        self.assertIs(logging.Logger.callHandlers, self.before)

    def test_dropped_before_the_answer_are_those_that_it_wants(self) -> None:
        for level, dropped in ((30, 7), (40, 4), (None, 0)):
            before, messages = Messages(None), Messages(None)
            self.addCleanup(messages.end)
            before.keep()
            for number in range(logs.LIMIT + 3):
                self.log.log(30 if number < 3 else 40, "%d", number)
            messages.take_over(before)
            for number in range(4):
                self.log.error("%d", number)
            messages.want(level)
            self.assertEqual(messages.take_dropped(), dropped, level)
            self.assertEqual(messages.tell_dropped(), dropped or None, level)
            messages.end()

    def test_long_tracebacks_keep_their_end(self) -> None:
        self.messages.want(30)
        try:
            raise ValueError("x" * 5_000) from KeyError("y" * 20_000)
        except ValueError:
            self.log.exception("long")
        kept = self.messages.rows[0]["traceback"]
        self.assertLess(len(kept), logs.TRACEBACK_LIMIT + 100)
        self.assertTrue(kept.startswith("Traceback (most recent call last):\n  [...]\n"), kept[:99])
        self.assertIn("\nValueError: xxx", kept)

    def test_odd_records(self) -> None:
        self.messages.want(30)
        try:
            raise Unformatted
        except Unformatted:
            self.log.warning("odd", exc_info=True)
        self.log.warning("", exc_info=(None, None, None))
        self.log.warning("%s", Unformatted())
        self.log.warning("%s %s", 1)
        record = logging.LogRecord("taking", 30, "\udc80", 1, "\udc80" * 9_999, (), sys.exc_info())
        record.levelname, record.funcName = None, None  # type: ignore[assignment]
        self.log.handle(record)
        odd, empty, raises, short, last = (row["message"] for row in self.messages.rows)
        self.assertEqual((odd, empty), ("odd", ""))
        self.assertEqual(raises, "%s (cannot be formatted: RuntimeError)")
        self.assertEqual(short, "%s %s (cannot be formatted: TypeError)")
        self.assertEqual(len(last), logs.MESSAGE_LIMIT)
        self.assertIn("Unformatted", self.messages.rows[0]["traceback"])


class Runs(RunTest):
    def talks(self, receiver: Receiver, *arguments: str, **environment: str) -> Locust:
        given = ("-f", FILE, "--headless", "-u", "3", "-r", "3", "-t", "2s", "--only-summary")
        return self.locust(*given, *arguments, address=receiver.address, **environment)

    def test_messages_arrive_once(self) -> None:
        features = {"users_interval": 0.3, "logs": 30}
        with Receiver(features=features) as receiver:
            log = self.talks(receiver).end()
        frames = receiver.only("local").of("log")
        shop = [frame for frame in frames if frame["logger"] in ("shop", "alone")]
        expected = [
            ("WARNING", 30, "shop", "low on stock"),
            ("ERROR", 40, "alone", "alone"),
            ("ERROR", 40, "shop", "a fault"),
            ("WARNING", 30, "shop", "odd talkative"),
            ("WARNING", 30, "shop", "from a greenlet"),
            ("CRITICAL", 50, "shop", "after a reconfiguration"),
        ]
        keys = ("level", "level_number", "logger", "message")
        self.assertEqual([tuple(frame[key] for key in keys) for frame in shop], expected, log)
        early = [frame["message"] for frame in frames if frame["logger"] == "early"]
        self.assertEqual(early, ["at the import"])
        first, fault = shop[0], shop[2]
        self.assertEqual((first["file"], first["function"]), (FILE, "talk"))
        self.assertEqual({frame["user_class"] for frame in shop}, {"Talker"})
        self.assertGreater(first["line"], 1)
        self.assertTrue(fault["traceback"].endswith("KeyError: 'id'\n"), fault)
        self.assertNotIn("traceback", first)
        # Locust's own: a task has failed.
        failed = [frame for frame in frames if frame["logger"] == "locust.user.task"]
        self.assertEqual(sum("last words" in frame["message"] for frame in failed), 1, log)
        self.assertFalse([frame for frame in frames if frame["logger"].startswith("ltel")])

    def test_a_flood_is_bounded_and_counted(self) -> None:
        features = {"users_interval": 0.3, "logs": 40}
        with Receiver(features=features) as receiver:
            log = self.talks(receiver, "Talker", FLOOD="1").end()
        client = receiver.only("local")
        flood = [f for f in client.of("log") if f["message"].startswith("flood")]
        dropped = sum(frame.get("dropped", 0) for frame in client.of("log"))
        self.assertLess(len(flood), 5_000, log)
        # Four before the flood, and Locust's after it.
        self.assertEqual(len(client.of("log")) + dropped, 5_005, log)
        self.assertEqual(client.of("done")[-1]["dropped_events"], dropped)

    def test_ids_of_the_running_task(self) -> None:
        trace = {"ratio": 1.0, "tasks": True}
        features = {"users_interval": 0.3, "logs": 30, "trace": trace}
        with Receiver(features=features) as receiver:
            log = self.talks(receiver).end()
        client = receiver.only("local")
        tasks = {row[5]: row for row in client.tasks}
        shop = [frame for frame in client.of("log") if frame["logger"] == "shop"]
        self.assertEqual(len({frame["span_id"] for frame in shop}), 1, log)
        row = tasks[shop[0]["span_id"]]
        self.assertEqual((row[2], row[3], row[4]), ("Talker", "talk", shop[0]["trace_id"]))
        self.assertTrue(shop[0]["sampled"])

    def test_workers_report_their_own(self) -> None:
        features = {"users_interval": 0.3, "logs": 30}
        with Receiver(features=features) as receiver:
            log = self.talks(receiver, *processes(2)).end()
        found = [
            (client.kind, frame["message"])
            for client in receiver.clients.values()
            for frame in client.of("log")
            if frame["logger"] == "shop"
        ]
        self.assertEqual(found.count(("worker", "low on stock")), 1, log)
        self.assertEqual({kind for kind, _ in found}, {"worker"})
