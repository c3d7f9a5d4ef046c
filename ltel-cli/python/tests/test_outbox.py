"""The outbox: order, bounds, and an honest account of what it drops."""

from __future__ import annotations

import unittest

from ltel_locust.outbox import Outbox
from ltel_locust.run import Run

from .test_rows import taken

ROW = (1000.0, "GET", "/", 1.5, 7, 200, None)


def seqs(outbox: Outbox) -> list[int]:
    return [frame["seq"] for frame in taken(outbox)]


class OutboxTest(unittest.TestCase):
    def setUp(self) -> None:
        self.outbox = Outbox(1 << 20)
        self.run = Run("run", None, None)

    def test_the_first_frame_says_whose_it_is(self) -> None:
        first, second = Run("x", None, None), Run("y", None, None)
        self.assertIsNone(self.outbox.first_run())
        self.outbox.run = first
        self.outbox.put("test_start", {})
        self.outbox.put_rows([ROW], first, 0.0, 1.0)
        self.outbox.run = second
        self.outbox.put("test_start", {})
        for acknowledged, run in [(0, first), (1, first), (2, second), (3, None)]:
            self.outbox.acknowledge(acknowledged)
            self.assertIs(self.outbox.first_run(), run)

    def test_resends_what_the_receiver_does_not_have(self) -> None:
        for _ in range(5):
            self.outbox.put("test_stop", {})
        self.assertEqual(seqs(self.outbox), [1, 2, 3, 4, 5])
        self.outbox.acknowledge(2)
        self.outbox.resume(3)
        self.assertEqual(seqs(self.outbox), [4, 5])
        self.outbox.acknowledge(99)
        self.assertEqual(len(self.outbox), 0)
        self.outbox.put("test_stop", {})
        self.assertEqual(seqs(self.outbox), [6])

    def test_frames_stay_small(self) -> None:
        self.outbox = Outbox(1 << 30)
        long = (*ROW[:2], "n" * 9_000, *ROW[3:])
        self.outbox.put_rows([long] * 1_000, self.run, 1.0, 2.0)
        frames = taken(self.outbox)
        self.assertGreater(len(frames), 8)
        self.assertEqual(sum(len(frame["rows"]) for frame in frames), 1_000)
        self.assertEqual([frame["seq"] for frame in frames], list(range(1, len(frames) + 1)))

    def test_drops_the_oldest_requests_first_and_lifecycle_never(self) -> None:
        self.outbox = Outbox(4_000)
        self.outbox.put("test_start", {})
        self.outbox.put_event("users", {"counts": {}})
        for _ in range(20):
            self.outbox.put_rows([ROW] * 10, self.run, 1.0, 2.0)
        self.outbox.put("test_stop", {})
        kept = taken(self.outbox)
        kinds = [frame["type"] for frame in kept]
        self.assertEqual(kinds[:2] + kinds[-1:], ["test_start", "users", "test_stop"])
        self.assertEqual(set(kinds[2:-1]), {"requests"})
        self.assertEqual([f["seq"] for f in kept[2:]], list(range(25 - len(kept[2:]) - 1, 24)))
        self.assertEqual(self.run.dropped + 10 * kinds.count("requests"), 200)
        self.assertTrue(self.outbox.overflowed)

    def test_drops_events_when_no_requests_are_left(self) -> None:
        self.outbox = Outbox(4_000)
        self.outbox.put("test_start", {})
        for number in range(100):
            self.outbox.put_event("custom", {"value": number})
        kept = taken(self.outbox)
        self.assertEqual(kept[0]["type"], "test_start")
        self.assertEqual(kept[-1]["value"], 99)
        self.assertLess(len(kept), 20)

    def test_what_is_acknowledged_was_not_dropped(self) -> None:
        self.outbox = Outbox(1_500)
        self.outbox.put_rows([ROW] * 10, self.run, 1.0, 2.0)
        self.outbox.put_rows([ROW] * 10, self.run, 1.0, 2.0)
        self.assertEqual(seqs(self.outbox), [1, 2])  # on their way
        for _ in range(8):
            self.outbox.put_rows([ROW] * 10, self.run, 1.0, 2.0)
        self.assertGreaterEqual(self.run.dropped, 50)
        before = self.run.dropped
        self.outbox.acknowledge(1)
        self.assertEqual(self.run.dropped, before - 10)
        self.outbox.resume(1)  # the second never arrived
        self.outbox.acknowledge(99)
        self.assertEqual(self.run.dropped, before - 10)
