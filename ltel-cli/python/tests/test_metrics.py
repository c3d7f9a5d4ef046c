"""Metrics of the locustfile: each value arrives once, whatever it is and wherever it comes from."""

from __future__ import annotations

import json
import threading
import time
import unittest
import unittest.mock
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import ltel_locust
from ltel_locust import measurements, metrics, values
from ltel_locust.outbox import FRAME_LIMIT, Outbox
from ltel_locust.run import Run

from .receiver import Client, Receiver
from .test_rows import Endless, Refuses, Unprintable, dead, taken
from .test_runs import HERE, RunTest, processes

WANTED = {"users_interval": 0.3, "measurements": True}


def packed(rows: list[metrics.Row]) -> tuple[list[dict[str, Any]], list[Any]]:
    """The metrics and rows that these values arrive as."""
    outbox = Outbox(1 << 30)
    outbox.run = Run(None, None, None)
    outbox.put_measurements(rows, 5.0)
    (frame,) = taken(outbox)
    assert (frame["type"], frame["time"]) == ("measurements", 5.0)
    return frame["metrics"], frame["rows"]


class Packing(unittest.TestCase):
    def test_each_metric_is_described_once(self) -> None:
        first = metrics.Counter("a", "1", "what it is")
        second = metrics.Gauge("b", "", "")
        described, rows = packed([(first, 1, {}), (second, 2.5, {"x": "y"}), (first, 3, {})])
        expected = [
            {"name": "a", "kind": "counter", "unit": "1", "description": "what it is"},
            {"name": "b", "kind": "gauge"},
        ]
        self.assertEqual(described, expected)
        self.assertEqual(rows, [[0, 1, None], [1, 2.5, {"x": "y"}], [0, 3, None]])

    def test_any_value(self) -> None:
        infinity = float("inf")
        for value, expected in [
            (0, 0),
            (-1, -1),
            (2**63 - 1, 2**63 - 1),
            (2**80, float(2**80)),
            (10**400, None),
            (1.5, 1.5),
            (float("nan"), None),
            (infinity, None),
            (-infinity, None),
            (True, 1.0),
            (Decimal("0.5"), 0.5),
            ("7", None),
            (None, None),
            (b"7", None),
            (Unprintable(), None),
            (Refuses(), None),
            (dead(), None),
        ]:
            with self.subTest(type(value).__name__):
                _, rows = packed([(metrics.Counter("a", "", ""), value, {})])
                self.assertEqual(rows, [[0, expected, None]])

    def test_any_label(self) -> None:
        long = "x" * 5_000
        given = {
            "text": "a",
            "whole": 3,
            "part": 0.5,
            "flag": True,
            "none": None,
            "decimal": Decimal("0.5"),
            "nan": float("nan"),
            "huge": 2**80,
            "long": long,
            "surrogate": "\udc80",
            "unprintable": Unprintable(),
        }
        _, rows = packed([(metrics.Counter("a", "", ""), 1, given)])
        expected = {
            "text": "a",
            "whole": 3,
            "part": 0.5,
            "flag": True,
            "decimal": "0.5",
            "nan": "nan",
            "huge": str(2**80),
            "long": long[: values.NAME_LIMIT],
            "surrogate": "\\udc80",
            "unprintable": "<unprintable Unprintable>",
        }
        self.assertEqual(rows, [[0, 1, expected]])

    def test_too_many_labels_are_cut(self) -> None:
        given = {f"label{number}": "x" for number in range(100)}
        _, rows = packed([(metrics.Counter("a", "", ""), 1, given)])
        self.assertEqual(len(rows[0][2]), values.ENTRIES)

    def test_a_batch_that_is_too_large_becomes_several_frames(self) -> None:
        outbox = Outbox(1 << 30)
        labels = {f"label{number}": "x" * 1_000 for number in range(30)}
        counter = metrics.Counter("a", "", "")
        outbox.put_measurements([(counter, number, labels) for number in range(100)], 5.0)
        frames = taken(outbox)
        self.assertGreater(len(frames), 1)
        self.assertEqual([row[1] for frame in frames for row in frame["rows"]], list(range(100)))
        self.assertLess(max(len(str(frame)) for frame in frames), FRAME_LIMIT)

    def test_what_a_full_outbox_drops_is_in_the_account(self) -> None:
        run = Run(None, None, None)
        outbox = Outbox(5_000)
        outbox.run = run
        counter = metrics.Counter("a", "", "")
        for _ in range(100):
            outbox.put_measurements([(counter, 1, {})] * 10, 5.0)
        kept = sum(len(frame["rows"]) for frame in taken(outbox))
        self.assertGreater(run.dropped_events, 0)
        self.assertEqual(kept + run.dropped_events, 1_000)
        self.assertEqual((run.sent, run.dropped), (0, 0))


class Instruments(unittest.TestCase):
    def test_the_same_name_is_the_same_instrument(self) -> None:
        first = ltel_locust.counter("same")
        self.assertIs(ltel_locust.counter("same"), first)
        self.assertIs(ltel_locust.counter("same", unit="1", description="of it"), first)
        self.assertEqual((first.unit, first.description), ("1", "of it"))
        self.assertIs(ltel_locust.counter("same"), first)

    def test_another_kind_or_unit_is_another_instrument(self) -> None:
        first = ltel_locust.counter("other", unit="1")
        with self.assertLogs("ltel_locust", "WARNING") as log:
            gauge = ltel_locust.gauge("other")
            seconds = ltel_locust.counter("other", unit="s")
        self.assertEqual(len(log.output), 1)
        self.assertIn("uses the metric `other` as a gauge and as a counter in `1`", log.output[0])
        self.assertEqual((type(gauge), seconds.unit, first.unit), (metrics.Gauge, "s", "1"))
        self.assertIs(ltel_locust.gauge("other"), gauge)

    def test_nothing_raises(self) -> None:
        for odd in (None, 7, b"x", Unprintable(), Refuses(), dead(), Endless()):
            made = ltel_locust.histogram(odd, unit=odd, description=odd)  # type: ignore[arg-type]
            made.record(odd, label=odd)  # type: ignore[arg-type]
            made.record(1, **{"http.method": "GET", "self": 1, "value": 2})

    def test_a_wrong_call_does_not_raise_and_is_a_value_that_is_none(self) -> None:
        kept = measurements.Values(1_000, lambda: None)
        self.addCleanup(kept.end)
        counter: Any = ltel_locust.counter("called.wrongly")
        gauge: Any = ltel_locust.gauge("set.wrongly", "1", "said", "more", labels=["tenant"])
        histogram: Any = ltel_locust.histogram("recorded.wrongly")
        nameless: Any = ltel_locust.up_down_counter
        with self.assertLogs("ltel_locust") as logged:
            for _ in range(3):
                counter.add()
                counter.add(value=1)
                gauge.set(1, {"a": 1})
                histogram.record(1, 2, tenant="blue")
                nameless().add()
            described, rows = packed(kept.rows)
        self.assertEqual(len(rows), 15)
        self.assertEqual([row[1] for row in rows], [None] * 15)
        self.assertEqual(described[2]["name"], "recorded.wrongly")
        self.assertEqual(rows[3][2], {"tenant": "blue"})
        for name in ("called", "set", "recorded"):
            said = [line for line in logged.output if f"{name}.wrongly` " in line]
            self.assertEqual(len(said), 1, logged.output)

    def test_names_without_an_end_are_bounded(self) -> None:
        with unittest.mock.patch.object(metrics, "LIMIT", len(metrics._made) + 5):
            made = [ltel_locust.counter(f"endless.{number}") for number in range(7)]
        # The receiver counts values without a name as invalid.
        self.assertEqual([len(instrument.name) for instrument in made], [9] * 5 + [0] * 2)


class Waiting(unittest.TestCase):
    def test_values_before_the_receivers_answer_are_bounded_and_counted(self) -> None:
        full: list[int] = []
        kept = measurements.Values(1_000, lambda: full.append(1))
        self.addCleanup(kept.end)
        counter = ltel_locust.counter("waiting")
        for _ in range(metrics.EARLY + 5):
            counter.add(1)
        kept.bound()
        self.assertTrue(full)
        self.assertLessEqual(len(kept.rows), metrics.EARLY)
        self.assertEqual(len(kept.rows) + kept.dropped, metrics.EARLY + 5)

    def test_nothing_is_kept_that_nobody_asked_for(self) -> None:
        kept = measurements.Values(1_000, lambda: None)
        self.addCleanup(kept.end)
        counter = ltel_locust.counter("unwanted")
        counter.add(1)
        kept.want(False)
        counter.add(1)
        self.assertEqual(kept.rows, [])
        kept.want(True)
        counter.add(1)
        self.assertEqual(len(kept.rows), 1)


def sums(clients: list[Client]) -> Counter[str]:
    """Of `cart.items`, by the label `place`."""
    found: Counter[str] = Counter()
    for client in clients:
        for frame in client.of("measurements"):
            for place, value, labels in frame["rows"]:
                metric = frame["metrics"][place]
                if (metric["name"], metric["kind"]) == ("cart.items", "counter"):
                    found[labels["place"]] += value
    return found


class Runs(RunTest):
    def witness(self) -> Counter[str]:
        total: Counter[str] = Counter()
        for file in Path(self.folder).glob("witness-*.json"):
            total.update(json.loads(file.read_text()))
        return total

    def test_all_values_arrive(self) -> None:
        with Receiver(features=WANTED) as receiver:
            file = str(HERE / "locustfile_metrics.py")
            arguments = ("-f", file, "--headless", "-u", "3", "-r", "3", "-t", "2s")
            locust = self.locust(*arguments, "--only-summary", address=receiver.address)
            log = locust.end()
        self.assertEqual(locust.process.returncode, 0, log)
        client = receiver.only("local")
        places = {"import", "test_start", "thread", "task", "greenlet", "test_stop", "quitting"}
        self.assertEqual(set(self.witness()), places)
        self.assertEqual(sums([client]), self.witness())
        self.check_account(client)
        self.assertEqual(client.kinds[-1], "done", client.kinds)
        self.assertEqual(client.of("custom"), [])
        self.assertIn("came after the end of the test", log)
        self.assertNotIn("not delivered", log)
        self.assertEqual(log.count("not a finite number"), 1, log)
        self.assertEqual(log.count("its text is sent"), 1, log)
        self.assertEqual(log.count("uses the metric `cart.items` as a gauge"), 1, log)
        values = [
            (value, labels)
            for frame in client.of("measurements")
            for place, value, labels in frame["rows"]
            if frame["metrics"][place]["name"] == "cart.value"
        ]
        self.assertIn((42.5, {"currency": "EUR", "vip": True, "tier": 2}), values)
        self.assertIn((None, None), values)

    def test_forked_workers_report_what_they_did_themselves(self) -> None:
        with Receiver(features=WANTED) as receiver:
            file = str(HERE / "locustfile_metrics.py")
            arguments = ("-f", file, "--headless", "-u", "4", "-r", "4", "-t", "3s")
            locust = self.locust(*arguments, *processes(2), address=receiver.address)
            log = locust.end()
        self.assertEqual(locust.process.returncode, 0, log)
        workers = receiver.of_kind("worker")
        self.assertEqual(len(workers), 2)
        found = sums([*workers, receiver.only("master")])
        # The import happened once, before the fork.
        self.assertEqual(found["import"], 1)
        for place in ("task", "greenlet", "test_start", "thread", "test_stop"):
            self.assertEqual(found[place], self.witness()[place], place)

    def test_a_receiver_that_does_not_ask_gets_none(self) -> None:
        with Receiver() as receiver:
            file = str(HERE / "locustfile_metrics.py")
            arguments = ("-f", file, "--headless", "-u", "1", "-t", "1s")
            log = self.locust(*arguments, address=receiver.address).end()
        self.assertEqual(receiver.only("local").of("measurements"), [], log)
        self.assertNotIn("not delivered", log)

    def test_values_of_a_run_come_before_its_end(self) -> None:
        answers = threading.Event()
        with Receiver(features=WANTED, answers=answers) as receiver:
            file = str(HERE / "locustfile_metrics.py")
            arguments = ("-f", file, "--headless", "-u", "1", "-t", "1s")
            locust = self.locust(*arguments, "--only-summary", address=receiver.address)
            # The run is over before the receiver says what it wants.
            receiver.wait(lambda: receiver.of_kind("local"))
            while not self.witness() and locust.process.poll() is None:
                time.sleep(0.05)
            answers.set()
            log = locust.end()
        client = receiver.only("local")
        self.assertEqual(sums([client]), self.witness(), log)
        kinds = client.kinds
        last = len(kinds) - 1 - kinds[::-1].index("measurements")
        self.assertLess(last, kinds.index("done"), kinds)
        self.check_account(client)

    def test_a_receiver_that_asks_later_gets_them(self) -> None:
        with Receiver() as before:
            port = int(before.address.rsplit(":", 1)[1])
            file = str(HERE / "locustfile_metrics.py")
            arguments = ("-f", file, "--headless", "-u", "1", "-t", "5s")
            locust = self.locust(*arguments, address=before.address)
            before.wait(lambda: before.of_kind("local") and before.only("local").of("users"))
        with Receiver(port=port, features=WANTED) as after:
            log = locust.end()
        client = after.only("local")
        self.assertGreater(sums([client])["task"], 0, log)
        self.assertEqual(before.only("local").of("measurements"), [])
