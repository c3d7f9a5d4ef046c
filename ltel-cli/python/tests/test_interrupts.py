"""Ctrl-C, which is an exception at any point of the code that happens to run."""

from __future__ import annotations

import atexit
import sys
import unittest
import unittest.mock
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from greenlet import greenlet
from locust.env import Environment

import ltel_locust
from ltel_locust import metrics
from ltel_locust import session as session_module
from ltel_locust.address import Address
from ltel_locust.session import Session

from .test_rows import taken
from .test_runs import free_port

OURS = str(Path(ltel_locust.__file__).parent)


def interrupted(at: int, work: Callable[[], None]) -> bool:
    """Does some work, interrupted at so many of our operations; whether it took that many."""
    left = at

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            left -= 1
            if left < 0:
                sys.settrace(None)
                raise KeyboardInterrupt
        return trace

    sys.settrace(trace)
    try:
        work()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(None)
    return False


class Interrupts(unittest.TestCase):
    def test_of_a_flush_costs_no_row(self) -> None:
        environment = Environment()
        environment.create_local_runner()
        session = Session(environment, Address(host="127.0.0.1", port=free_port()))
        self.addCleanup(atexit.unregister, session.close)
        session._begin_run()
        run = session._runs[-1]
        taken(session._outbox)
        task = (1.0, 2.0, "User", "task", bytes(24) + b"\1", None)
        # Plain ones, one that is not what the protocol wants, one that msgpack does not take.
        names = ["a", "b", 3, "c\ud800", "d"]
        session._values.want(True)
        session._messages.want(None)
        counter = metrics.Counter("a", "", "")
        message = {"time": 1.0, "message": "m\ud800"}
        with unittest.mock.patch.object(session_module, "BATCH", 2):
            for at in range(100_000):
                session._rows += [(1.0, "GET", name, 2.0, 3, 200, None) for name in names]
                session._task_rows.append(task)
                session._values.rows += [(counter, value, {"x": "y"}) for value in (1, 2.5, "3")]
                session._messages.rows.append(message)
                sent, last = run.sent, session._outbox.last
                # In a greenlet of its own: what is raised by a tracer in mid-handler leaves that
                # handler's exception behind.
                in_time = greenlet(interrupted).switch(at, session._flush)
                session._flush()
                frames = taken(session._outbox)
                got = [row[2] for f in frames if f["type"] == "requests" for row in f["rows"]]
                self.assertEqual(got, ["a", "b", "3", "c\\ud800", "d"], at)
                self.assertEqual([f["type"] for f in frames].count("tasks"), 1, at)
                values = [
                    row[1] for f in frames if f["type"] == "measurements" for row in f["rows"]
                ]
                self.assertEqual(values, [1, 2.5, None], at)
                self.assertEqual([f["type"] for f in frames].count("log"), 1, at)
                self.assertEqual([f["seq"] for f in frames], [last + n for n in range(1, 8)], at)
                self.assertEqual(run.sent, sent + len(names), at)
                self.assertEqual(run.dropped_events, 0, at)
                self.assertEqual((session._rows, session._task_rows), ([], []), at)
                self.assertEqual((session._values.rows, session._messages.rows), ([], []), at)
                # All that was queued is acknowledged, so nothing else may be left.
                session._outbox.acknowledge(session._outbox.last)
                self.assertEqual((len(session._outbox), session._outbox._size), (0, 0), at)
                if not in_time:
                    break
        self.assertGreater(at, 200)
