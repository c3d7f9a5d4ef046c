"""Events of OS threads: they reach the outbox, in the thread of Locust's greenlets."""

from __future__ import annotations

import atexit
import time
import unittest
import unittest.mock
from collections.abc import Callable

from gevent import monkey
from locust.env import Environment

from ltel_locust import foreign
from ltel_locust.address import Address
from ltel_locust.session import Session

from .test_rows import taken
from .test_runs import free_port

_start = monkey.get_original("_thread", "start_new_thread")
_sleep = monkey.get_original("time", "sleep")


def in_thread(work: Callable[[], None]) -> None:
    """Do some work in an OS thread, while no greenlet gets its turn."""
    done: list[bool] = []

    def run() -> None:
        try:
            work()
        finally:
            done.append(True)

    _start(run, ())
    end = time.monotonic() + 20
    while not done and time.monotonic() < end:
        _sleep(0.001)
    assert done, "the thread did not end"


class Threads(unittest.TestCase):
    def session(self) -> Session:
        environment = Environment()
        environment.create_local_runner()
        session = Session(environment, Address(host="127.0.0.1", port=free_port()))
        self.addCleanup(atexit.unregister, session.close)
        session._begin_run()
        taken(session._outbox)
        return session

    def test_what_a_thread_says_last_is_not_left_behind(self) -> None:
        session = self.session()

        def work() -> None:
            session.record("last", 1, {})
            session._on_test_stop()

        in_thread(work)
        self.assertEqual(taken(session._outbox), [], "not from within the thread")
        session.close()
        kinds = [frame["type"] for frame in taken(session._outbox)]
        self.assertEqual([kinds.count(kind) for kind in ("custom", "test_stop", "done")], [1, 1, 1])

    def test_a_thread_that_runs_ahead_waits_and_loses_nothing(self) -> None:
        with unittest.mock.patch.object(foreign, "EVENTS", 10):
            session = self.session()

            def work() -> None:
                for number in range(50):
                    session.record("event", number, {})

            in_thread(work)
        session._tick()
        values = [f["value"] for f in taken(session._outbox) if f["type"] == "custom"]
        self.assertEqual(values, list(range(50)))
        session.close()
