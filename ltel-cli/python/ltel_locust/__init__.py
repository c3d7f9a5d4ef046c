"""ltel's side inside Locust: a listener that appends to a buffer, and a greenlet that sends it.

`import ltel_locust` in a locustfile is all it takes; with the folder `ltel_locust/autoload` first
on PYTHONPATH not even that. An `Environment` of one's own, Locust used as a library, is handed to
`attach` once its runner exists.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import locust
from locust.env import Environment

from .early import Early
from .options import add_options
from .session import Session, start
from .trace import current
from .w3c import trace_text

__all__ = ["attach", "record", "trace_id", "traceparent"]

_early = Early()
_sessions: WeakKeyDictionary[Environment, Session | None] = WeakKeyDictionary()


def attach(environment: Environment) -> None:
    """Send telemetry of this environment; a second call changes nothing."""
    if environment in _sessions:
        return
    session = _sessions[environment] = start(environment)
    if environment.events is locust.events:
        requests = _early.hand_over()
        if session is not None and _early.started:
            session.catch_up(requests)


def record(name: str, value: float | None = None, **attributes: Any) -> None:
    """Record an event of one's own, with a value and attributes if there are any."""
    for session in list(_sessions.values()):
        if session is not None:
            session.record(name, value, attributes)


def trace_id() -> str | None:
    """The trace of the running task, or of this user's last request where tasks are not traced.

    32 hexadecimal digits, for logs and messages of one's own: `log.info(ltel_locust.trace_id())`.
    It may be one that is not sampled. None where traces are off, and before the first request.
    """
    span = current()
    return trace_text(span.trace) if span is not None else None


def traceparent() -> str | None:
    """The same as a W3C `traceparent`, to hand on where ltel does not: gRPC metadata, a queue.

    `metadata=[("traceparent", ltel_locust.traceparent())]` makes what is called a child of the
    task, or of this user's last request where tasks are not traced.
    """
    span = current()
    return span.header() if span is not None else None


# Not before `init`: with --processes Locust forks after this import, and each child fires `init`.
@locust.events.init.add_listener
def _on_init(environment: Environment, **_kwargs: Any) -> None:
    attach(environment)


locust.events.init_command_line_parser.add_listener(add_options)
