"""Events that arrive before Locust fires `init`, or without it.

A worker listens to its master as soon as its runner exists: with --enable-rebalancing the order to
spawn users follows the answer to its first message, so test_start and the first requests may come
before `init`. They are kept here until the session begins. A program that uses Locust as a library
may never fire `init`: then the session begins with the test.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import locust

from . import internals, once, rows
from .values import INTEGER_LIMIT


class Early:
    """Listens to Locust's events from the import on, until a session takes over."""

    def __init__(self, attach: Callable[[Any], None]) -> None:
        self.started = False
        #: Locust's hooks at import: a locustfile may replace them
        self.events = locust.events
        self._attach = attach
        self._rows: list[rows.Row] = []
        # Bounded by time: little happens between the runner's first greenlet and `init`.
        self._on_request, _ = rows.listener(self._rows, INTEGER_LIMIT, lambda: None)
        self._listening = True
        internals.insert_first(self.events.test_start, self._on_test_start)
        self.events.request.add_listener(self._on_request)

    def hand_over(self) -> list[rows.Row]:
        """Stop listening; return the rows of the run that has begun, if one has."""
        if self._listening:
            self._listening = False
            self.events.test_start.remove_listener(self._on_test_start)
            self.events.request.remove_listener(self._on_request)
        kept = self._rows.copy() if self.started else []
        self._rows.clear()
        return kept

    def _on_test_start(self, environment: Any = None, **_kwargs: Any) -> None:
        self.started = True
        self._rows.clear()  # Locust has just cleared its statistics
        # A worker: `init` is still to come; other runners begin no test before it. Its environment
        # may not even have the runner yet, which waits for its master while it is made.
        runner = getattr(environment, "runner", None)
        if runner is not None and not internals.is_worker(runner):
            try:
                self._attach(environment)
            except Exception as error:
                once.failed("cannot start telemetry", error)
