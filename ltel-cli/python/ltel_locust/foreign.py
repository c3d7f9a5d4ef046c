"""Events of OS threads: they are kept until the thread of Locust's greenlets takes them.

Runs and their frames belong to that thread, so nothing there needs a lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import wraps
from typing import Any

from gevent import monkey

from . import once
from .pending import Pending

# The originals: gevent's replacements distinguish greenlets, and switch them.
_thread_id: Callable[[], int] = monkey.get_original("_thread", "get_ident")
_sleep: Callable[[float], None] = monkey.get_original("time", "sleep")

#: rows of OS threads that may wait for Locust's thread: beyond this the OS threads wait
ROWS = 200_000
#: other events of OS threads that may wait for it, likewise
EVENTS = 10_000


class Foreign:
    """What other threads have said."""

    def __init__(self, pending: Pending) -> None:
        self.closed = False
        self._thread = _thread_id()
        self._pending = pending
        self._events: deque[Callable[[], None]] = deque()

    def is_here(self) -> bool:
        """Whether this is the thread of Locust's greenlets."""
        return _thread_id() == self._thread

    def keep(self, event: Callable[[], None]) -> None:
        """Keep an event of this thread."""
        if not self.closed:
            self._events.append(event)
            self.hold_up()

    def hold_up(self) -> None:
        """Keep this thread from running ahead of the one that sends."""
        values = self._pending.values
        ahead = (
            len(self._pending.requests) > ROWS
            or len(self._events) > EVENTS
            or (values.wanted and len(values.rows) > ROWS)
        )
        if ahead and not self.closed:
            _sleep(0.001)

    def take(self) -> None:
        """Process the events that other threads have queued."""
        while self._events:
            try:
                self._events.popleft()()
            except Exception as error:
                once.failed("cannot report an event of another thread", error)

    def close(self) -> None:
        """Take the last ones, in whichever thread ends the process."""
        self.closed = True
        self._thread = _thread_id()
        self.take()


def listener(method: Callable[..., None]) -> Callable[..., None]:
    """A method that never raises, and works only in the thread of Locust's greenlets."""

    @wraps(method)
    def listen(self: Any, *arguments: Any, **keywords: Any) -> None:
        try:
            if self.foreign.is_here():
                method(self, *arguments, **keywords)
            else:
                self.foreign.keep(lambda: method(self, *arguments, **keywords))
        except Exception as error:
            once.failed(f"cannot report `{method.__name__.removeprefix('_on_')}`", error)

    return listen
