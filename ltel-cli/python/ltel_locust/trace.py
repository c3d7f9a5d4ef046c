"""Trace context: which ids a request has, and whether its trace is sampled.

A span begins where its request is sent (`propagate`), if that is known, else when its event
fires. It is decided first whether its trace is sampled: most requests are not, and need no ids
unless they are sent.
"""

from __future__ import annotations

import os
import random
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from . import current, otel, w3c
from .current import HANDED_OUT, PLACE, place
from .values import number
from .w3c import FLAGS, NOT_SAMPLED, SAMPLED, SPAN, TRACE

#: adopted spans that are remembered, so that a retry does not become a second span with their id
ADOPTED = 4_096
#: the bound of a sampler that takes all traces
_ALL = 2**64
#: from response, url, response_time and error of a request's event, the ids that its row tells
Ids = Callable[[Any, Any, Any, Any], "bytes | None"]

# Not the module's functions: a test that seeds them would give each of its workers the same ids.
_random = random.Random()
_bits = _random.getrandbits
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_random.seed)


class Task:
    """The span of one execution of a task, the root of its trace."""

    __slots__ = ("_above", "_below", "ids", "kept", "told")

    def __init__(self, ids: bytes) -> None:
        self.ids = ids
        #: whether one of its requests is kept although its trace is not sampled
        self.kept = False
        #: whether a row has it already
        self.told = False
        self._above = ids[:TRACE]
        self._below = ids[SPAN:FLAGS] + ids[TRACE:SPAN]

    def child(self) -> bytes:
        """A new span below it."""
        return self._above + _bits(64).to_bytes(8, "big") + self._below


def tracer_of(hook: Any) -> Tracer | None:
    """The tracer of the environment that owns this request event, if it has one."""
    tracer = getattr(hook, "ltel_tracer", None)
    # A mock of an event has every attribute.
    return tracer if type(tracer) is Tracer else None


class Tracer:
    """Makes spans as the receiver asks."""

    def __init__(self, tell_task: Callable[[tuple[Any, ...]], None]) -> None:
        #: takes the row of a task that is to be reported
        self.tell_task = tell_task
        self.on = False
        self.propagates = False
        self.tasks = False
        #: whether each execution of a task is to be told, traced or not
        self.every_task = False
        self.keep_failures = False
        self._keep_slower: float | None = None
        # Like OpenTelemetry's sampler TraceIdRatioBased, so that one with the same ratio in the
        # system under test decides the same: compare the lower 64 bits with a bound.
        self._bound = 0
        # The same bound as bytes: more than 8 if it is above all that 8 can say.
        self._bound_bytes = bytes(8)
        self._adopted: OrderedDict[bytes, None] = OrderedDict()
        self._running: dict[bytes, Task] = {}

    def configure(self, features: Any) -> None:
        """Apply the trace settings of a `welcome`; anything but a map turns traces off."""
        self.on = isinstance(features, dict)
        wish = features if self.on else {}
        self.propagates = bool(wish.get("propagate"))
        self.tasks = bool(wish.get("tasks"))
        self.keep_failures = bool(wish.get("keep_failures"))
        self._keep_slower = number(wish.get("keep_slower_than_ms"))
        ratio = number(wish.get("ratio"))
        self._bound = round(max(0.0, min(1.0 if ratio is None else ratio, 1.0)) * _ALL)
        above_all = self._bound == _ALL
        self._bound_bytes = b"\xff" * 9 if above_all else self._bound.to_bytes(8, "big")

    def begin(self) -> bytes:
        """The ids of a request that is made here and now."""
        # A span that the locustfile has begun is between the task's and this one.
        if otel.present and (above := otel.current()) is not None:
            return _child(above)
        if self.tasks and (task := current.task()) is not None:
            return task.child()
        return self._root()

    def send(self) -> tuple[bytes, str]:
        """The ids of a request that is made here and now, and its header."""
        if self.tasks or otel.present:
            ids = self.begin()
            return ids, w3c.render(ids)
        # The same for the root of a trace, at half the price.
        ids = _bits(192).to_bytes(24, "big")
        # Most are decided by one byte.
        if ids[8] <= self._bound_bytes[0] and ids[8:TRACE] < self._bound_bytes:
            return ids + SAMPLED, f"00-{ids.hex('-', -16)}-01"
        return ids + NOT_SAMPLED, f"00-{ids.hex('-', -16)}-00"

    def begin_task(self) -> Task:
        """Begin a task; it must be given to `end_task`."""
        task = Task(self._root())
        self._running[task.ids[:TRACE]] = task
        return task

    def end_task(self, task: Task) -> None:
        """Its requests that are still to be reported are not its own concern."""
        self._running.pop(task.ids[:TRACE], None)

    def hand_out(self) -> bytes:
        """The ids of a request that the user is about to make, and whose event they fire.

        Returns the same ones until an event of this greenlet or coroutine has taken them.
        """
        ids = self._handed_out()
        if ids is None:
            ids = self.begin()
            HANDED_OUT.set([ids, self._task()])
        return ids

    def current(self) -> bytes | None:
        """The span handed out, else the running task, else the last request made here."""
        ids = self._handed_out()
        if ids is None and (task := self._task()) is not None:
            ids = task.ids
        if ids is None and (here := PLACE.get()) is not None:
            # Read once: OS threads may share the place.
            ids = last if type(last := here.last) is not int else self._root(last)
            here.last = ids
        return ids

    def adopt(self, given: bytes) -> bytes:
        """The span that the user has named for this request, with the user's sampled flag.

        Named again, for a retry, it is the parent of the next.
        """
        if given[:SPAN] in self._adopted:
            return self.child(given)
        ids = self._handed_out()
        if ids is not None and ids[:SPAN] == given[:SPAN]:
            return self._take(ids)
        self._remember(given)
        return given

    def child(self, given: bytes) -> bytes:
        """A new span below one that other code has begun."""
        return _child(given)

    def chooser(self) -> Ids:
        """How to find the ids of a request's row, which has none if its trace is not to be told."""
        # If every trace is sampled, every request needs its span: one without ids would look
        # untraced, although it was sent with the ids that the user gave.
        all_told = self._bound == _ALL
        propagates, traces_tasks, keep_failures = self.propagates, self.tasks, self.keep_failures
        keep_slower, bound = self._keep_slower, self._bound
        root, handed_out, here_now = self._root, HANDED_OUT.get, PLACE.get

        def is_kept(error: Any, response_time: Any) -> bool:
            return (error is not None and keep_failures) or (
                keep_slower is not None and _is_slower(response_time, keep_slower)
            )

        # This runs for every request of the test.
        def ids(response: Any, url: Any, response_time: Any, error: Any) -> bytes | None:
            found = None
            # The clients' own events have a url. One that a user fires about the same response,
            # even before theirs, is a request of its own.
            if propagates and url is not None and response is not None:
                try:
                    # In a list that is emptied, so that a copy of the response tells nothing again.
                    carried = getattr(response, "ltel_ids", None)
                    # A mock of a response has every attribute.
                    if type(carried) is list and carried:
                        found = carried.pop()
                except Exception:
                    pass
            may_be_kept = error is not None or keep_slower is not None
            if found is None:
                here = here_now() or place()
                if traces_tasks or otel.present or handed_out():
                    found = self._here()
                elif all_told:
                    found = _bits(192).to_bytes(24, "big") + SAMPLED
                else:
                    low = _bits(64)
                    if low >= bound and not (may_be_kept and is_kept(error, response_time)):
                        here.last = low
                        return None
                    found = root(low)
                here.last = found
            if all_told or found[SPAN]:
                return found
            if not (may_be_kept and is_kept(error, response_time)):
                return None
            if (task := self._running.get(found[:TRACE])) is not None:
                task.kept = True
            return found

        return ids

    def _here(self) -> bytes:
        """The span handed out, or a new one."""
        ids = self._handed_out()
        return self.begin() if ids is None else self._take(ids)

    def _root(self, low: int | None = None) -> bytes:
        """The root of a new trace, whose lower 64 bits may be known."""
        ids = _bits(192).to_bytes(24, "big")
        if low is not None:
            ids = ids[:8] + low.to_bytes(8, "big") + ids[TRACE:]
        return ids + (SAMPLED if ids[8:TRACE] < self._bound_bytes else NOT_SAMPLED)

    def _task(self) -> Task | None:
        return current.task() if self.tasks else None

    def _handed_out(self) -> bytes | None:
        """Drop a span that was handed out but not taken: it must not reach the next task."""
        held = HANDED_OUT.get()
        return held[0] if held and held[1] is self._task() else None

    def _take(self, ids: bytes) -> bytes:
        # Also for the coroutine, or its caller, that has the same list.
        if held := HANDED_OUT.get():
            held.clear()
        # Sending it again is another request.
        self._remember(ids)
        return ids

    def _remember(self, ids: bytes) -> None:
        self._adopted[ids[:SPAN]] = None
        # In one step each: events of OS threads come here too.
        if len(self._adopted) > ADOPTED:
            self._adopted.popitem(last=False)


def _child(above: bytes) -> bytes:
    span = _bits(64).to_bytes(8, "big")
    return above[:TRACE] + span + above[SPAN:FLAGS] + above[TRACE:SPAN]


def _is_slower(response_time: Any, limit: float) -> bool:
    took = response_time if type(response_time) is float else number(response_time)
    return took is not None and took > limit
