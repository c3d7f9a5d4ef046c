"""What one session has heard and not yet put into frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import clock, once, rows, tasks
from .logs import Messages
from .measurements import Values
from .outbox import Outbox
from .run import Run
from .trace import Tracer


class Pending:
    """Requests, executions of tasks, values of metrics and log messages.

    The listeners append to its lists, which are emptied in place. OS threads do so at any time.
    """

    def __init__(self, tracer: Tracer, values_limit: int, values_full: Callable[[], None]) -> None:
        self.requests: list[rows.Row] = []
        self.tasks: list[tasks.Row] = []
        self.values = Values(values_limit, values_full)
        self.messages = Messages(tracer)
        #: events other than requests that came after the end of their run, and are left out
        self.late = 0
        self._since = clock.now()

    def pack(self, now: Run | None, outbox: Outbox, batch: int) -> None:
        """Turn all into frames of this run, of at most so many rows each.

        Ctrl-C is an exception that can come between any two lines. Rows that had left their list
        but not reached the outbox would be lost: so everything is undone, and the next time has
        them all.
        """
        last, since, until = outbox.last, self._since, clock.now()
        requests = self.requests.copy()
        # Values and messages of before the first run belong to it: nothing of Locust clears them.
        # If the receiver has not said yet whether it wants them, they wait until the run ends.
        if now is not None and now.is_over:
            self._leave_out()
        ending = now is not None and now.is_ending
        values = self.values.rows.copy() if now is not None and self.values.go(ending) else []
        messages = self.messages.rows.copy() if now is not None and self.messages.go(ending) else []
        executions = self.tasks.copy()
        account = (now.sent, now.dropped_events) if now is not None else (0, 0)
        try:
            del self.requests[: len(requests)]
            del self.tasks[: len(executions)]
            del self.values.rows[: len(values)]
            del self.messages.rows[: len(messages)]
            self._since = until
            self.values.bound()
            if now is None:
                self.messages.bound()
                return  # Locust clears its own statistics of what came before the first run
            # Counted first: if a frame cannot be made, its rows count as lost.
            now.sent += len(requests)
            self._pack_others(now, outbox, batch, until, executions, values, messages)
            for first in range(0, len(requests), batch):
                outbox.put_rows(requests[first : first + batch], now, since, until)
            now.dropped_events += self.values.take_dropped() + self.messages.take_dropped()
        except Exception:
            raise
        except BaseException:
            outbox.roll_back(last)
            self._since = since
            if now is not None:
                now.sent, now.dropped_events = account
            _put_back(self.requests, requests)
            _put_back(self.tasks, executions)
            _put_back(self.values.rows, values)
            _put_back(self.messages.rows, messages)
            raise

    def _leave_out(self) -> None:
        """Count and forget what came after the end of a run, such as in Locust's event `quit`.

        The run's account is closed, and complete. Requests are not left out: Locust counts them.
        """
        for collected in (self.tasks, self.values.rows, self.messages.rows):
            number = len(collected)
            del collected[:number]
            self.late += number
        self.late += self.values.take_dropped() + self.messages.take_dropped()

    def _pack_others(
        self,
        now: Run,
        outbox: Outbox,
        batch: int,
        until: float,
        executions: list[Any],
        values: list[Any],
        messages: list[Any],
    ) -> None:
        # Whatever fails here, the requests must be sent.
        try:
            if executions:
                outbox.put_tasks(executions)
        except Exception as error:
            now.dropped_events += len(executions)
            once.failed("cannot report tasks", error)
        for first in range(0, len(values), batch):
            some = values[first : first + batch]
            try:
                outbox.put_measurements(some, until)
            except Exception as error:
                now.dropped_events += len(some)
                once.failed("cannot report values of metrics", error)
        for message in messages:
            try:
                outbox.put_log({**message, "dropped": self.messages.tell_dropped()})
            except Exception as error:
                now.dropped_events += 1
                once.failed("cannot report a log message", error)


def _put_back(collected: list[Any], taken: list[Any]) -> None:
    """Give a list the first rows that it had, if they were taken from it already."""
    if taken and not (collected and collected[0] is taken[0]):
        collected[:0] = taken
