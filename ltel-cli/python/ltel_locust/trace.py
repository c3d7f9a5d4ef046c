"""Trace context: which ids a request has, and whether its trace is sampled.

A span begins where its request is sent (`propagate`), if that is known, else when its event
fires. Ids are numbers until they are sent.
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

#: adopted spans that are remembered, so that a retry does not become a second span with their id
ADOPTED = 4_096
_LOW = 2**64 - 1

# Not the module's functions: a test that seeds them would give each of its workers the same ids.
_random = random.Random()
_bits = _random.getrandbits
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_random.seed)


class Span:
    """The ids of one request or one task."""

    __slots__ = ("id", "parent", "sampled", "task", "told", "trace")

    def __init__(
        self, trace: int, span: int, parent: int, sampled: bool, task: Task | None = None
    ) -> None:
        self.trace = trace
        self.id = span
        #: 0 if there is none
        self.parent = parent
        self.sampled = sampled
        self.task = task
        #: whether a row has it already
        self.told = False

    def header(self) -> str:
        """The `traceparent` header with this span as the parent."""
        return w3c.render(self.trace, self.id, self.sampled)

    def ids(self) -> dict[str, Any]:
        """The fields of a row or an event."""
        found = {
            "trace_id": w3c.trace_text(self.trace),
            "span_id": w3c.span_text(self.id),
            "sampled": self.sampled,
        }
        if self.parent:
            found["parent_span_id"] = w3c.span_text(self.parent)
        return found


class Task(Span):
    """The span of one execution of a task."""

    __slots__ = ("kept",)

    def __init__(self, trace: int, span: int, sampled: bool) -> None:
        super().__init__(trace, span, 0, sampled)
        #: whether one of its requests is kept although its trace is not sampled
        self.kept = False


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
        self._bound = 0
        self._adopted: OrderedDict[tuple[int, int], None] = OrderedDict()

    def configure(self, features: Any) -> None:
        """Apply the trace settings of a `welcome`; anything but a map turns traces off."""
        self.on = isinstance(features, dict)
        wish = features if self.on else {}
        self.propagates = bool(wish.get("propagate"))
        self.tasks = bool(wish.get("tasks"))
        self.keep_failures = bool(wish.get("keep_failures"))
        self._keep_slower = number(wish.get("keep_slower_than_ms"))
        ratio = number(wish.get("ratio"))
        # Like OpenTelemetry's sampler TraceIdRatioBased, so that one with the same ratio in the
        # system under test decides the same: compare the lower 64 bits with a bound.
        self._bound = round(max(0.0, min(1.0 if ratio is None else ratio, 1.0)) * 2**64)

    def begin(self) -> Span:
        """The span of a request that is made here and now."""
        task = self._task()
        # A span that the locustfile has begun is between the task's and this one.
        if otel.present and (above := otel.current()) is not None:
            return Span(above.trace, _bits(64) or 1, above.span, above.sampled, task)
        if task is not None:
            return Span(task.trace, _bits(64) or 1, task.id, task.sampled, task)
        trace = _bits(128) or 1
        return Span(trace, _bits(64) or 1, 0, trace & _LOW < self._bound)

    def begin_task(self) -> Task:
        """The span of a task, the root of its trace."""
        trace = _bits(128) or 1
        return Task(trace, _bits(64) or 1, trace & _LOW < self._bound)

    def hand_out(self) -> Span:
        """The span of a request that the user is about to make, and whose event they fire.

        Returns the same span until an event of this greenlet or coroutine has taken it.
        """
        span = self._handed_out()
        if span is None:
            span = self.begin()
            HANDED_OUT.set([span])
        return span

    def current(self) -> Span | None:
        """The span handed out, else the running task, else the last request made here."""
        here = PLACE.get()
        return self._handed_out() or self._task() or (here.last if here else None)

    def adopt(self, given: w3c.Parent) -> Span:
        """The span that the user has named for this request, with the user's sampled flag.

        Named again, for a retry, it is the parent of the next.
        """
        if (given.trace, given.span) in self._adopted:
            return self.child(given)
        span = self._handed_out()
        if span is not None and (span.trace, span.id) == (given.trace, given.span):
            return self._take(span)
        self._remember(given.trace, given.span)
        return Span(given.trace, given.span, 0, given.sampled)

    def child(self, given: w3c.Parent) -> Span:
        """A new span below one that other code has begun."""
        return Span(given.trace, _bits(64) or 1, given.span, given.sampled)

    def ids(
        self, response: Any, url: Any, response_time: Any, error: object | None
    ) -> dict[str, Any] | None:
        """The trace fields of a request's row, if they are to be reported."""
        span = None
        # The clients' own events have a url. One that a user fires about the same response, even
        # before theirs, is a request of its own.
        if url is not None and response is not None and self.propagates:
            try:
                span = response.ltel_span
            except Exception:
                pass
        if type(span) is not Span or span.told:
            span = self._handed_out()
            span = self.begin() if span is None else self._take(span)
            place().last = span
        span.told = True
        # If every trace is sampled, every request needs its span: one without ids would look
        # untraced, although it was sent with the ids that the user gave.
        if not span.sampled and self._bound < 2**64:
            if not ((error is not None and self.keep_failures) or self._slow(response_time)):
                return None
            if span.task is not None:
                span.task.kept = True
        return span.ids()

    def _task(self) -> Task | None:
        return current.task() if self.tasks else None

    def _handed_out(self) -> Span | None:
        """Drop a span that was handed out but not taken: it must not reach the next task."""
        held = HANDED_OUT.get()
        return held[0] if held and held[0].task is self._task() else None

    def _take(self, span: Span) -> Span:
        # Also for the coroutine, or its caller, that has the same list.
        if held := HANDED_OUT.get():
            held.clear()
        # Sending it again is another request.
        self._remember(span.trace, span.id)
        return span

    def _remember(self, trace: int, span: int) -> None:
        self._adopted[trace, span] = None
        # In one step each: events of OS threads come here too.
        if len(self._adopted) > ADOPTED:
            self._adopted.popitem(last=False)

    def _slow(self, response_time: Any) -> bool:
        limit = self._keep_slower
        if limit is None:
            return False
        took = response_time if type(response_time) is float else number(response_time)
        return took is not None and took > limit
