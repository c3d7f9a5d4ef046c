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
from .trace import Tracer
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
    """The trace of what this user does, for logs and messages: 32 hexadecimal digits, or None.

    It is that of the last `traceparent()` until its event is fired, else of the running task, or
    of the last request where tasks are not traced. It may be one that is not sampled. None where
    traces are off, and where there has been nothing of all that yet.
    """
    tracer = _tracer()
    span = tracer.current() if tracer is not None else None
    return trace_text(span.trace) if span is not None else None


def traceparent() -> str | None:
    """A W3C `traceparent` for a request of one's own, by gRPC or a queue; None without traces.

    Asked for before the call, it begins a span, a child of the running task where tasks are
    traced. The next request event that the same greenlet fires by hand is that span, so the system
    under test joins the very request that Locust reports. Until then each call returns the same.

        header = ltel_locust.traceparent()
        stub.Buy(order, metadata=[("traceparent", header)] if header else [])
        environment.events.request.fire(request_type="grpc", name="Buy", ...)

    Traces are off until a receiver has asked for them.
    """
    tracer = _tracer()
    return tracer.hand_out().header() if tracer is not None else None


def _tracer() -> Tracer | None:
    """That of an environment with traces; of several, which may differ in ratio, the first."""
    for environment in list(_sessions):
        tracer = getattr(environment.events.request, "ltel_tracer", None)
        if tracer is not None:
            return tracer
    return None


# Not before `init`: with --processes Locust forks after this import, and each child fires `init`.
@locust.events.init.add_listener
def _on_init(environment: Environment, **_kwargs: Any) -> None:
    attach(environment)


locust.events.init_command_line_parser.add_listener(add_options)
