"""The ltel plugin for Locust: a listener that appends to a buffer, and a greenlet that sends it.

Put `import ltel_locust` at the top level of a locustfile; with the folder `ltel_locust/autoload` on
PYTHONPATH even that is not needed. It serves each `Environment` that gets a runner from then on,
also where Locust is used as a library. Pass an environment whose runner is older, or made by hand,
to `attach`.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import locust
from locust.env import Environment

from . import internals, logs, metrics, once, w3c
from .early import Early
from .metrics import (
    Counter,
    Gauge,
    Histogram,
    UpDownCounter,
    counter,
    gauge,
    histogram,
    up_down_counter,
)
from .options import add_options
from .session import Session, start
from .trace import Tracer

# That of ltel: Cargo.toml has it, and a test compares the two.
__version__ = "0.1.0"

__all__ = [
    "Counter",
    "Gauge",
    "Histogram",
    "UpDownCounter",
    "attach",
    "counter",
    "gauge",
    "histogram",
    "record",
    "trace_id",
    "traceparent",
    "up_down_counter",
]

# Kept on Locust's class: a test that empties `sys.modules` imports this module twice.
if not hasattr(Environment, "ltel_sessions"):
    Environment.ltel_sessions = WeakKeyDictionary()  # type: ignore[attr-defined]
_sessions: WeakKeyDictionary[Environment, Session | None] = Environment.ltel_sessions  # type: ignore[attr-defined]


def attach(environment: Environment) -> None:
    """Send telemetry of this environment; a second call changes nothing."""
    if environment in _sessions:
        return
    session = _sessions[environment] = start(environment)
    if session is None:
        metrics.early.hand_over()
        logs.early.end()
    early = _early()
    if environment.events is early.events:
        requests = early.hand_over()
        if session is not None and early.started:
            session.catch_up(requests)


def record(name: str, value: float | None = None, **attributes: Any) -> None:
    """Record a custom event, with an optional value and attributes."""
    try:
        for session in list(_sessions.values()):
            if session is not None:
                session.record(name, value, attributes)
    except Exception as error:
        once.failed("cannot record an event of the locustfile", error)


def trace_id() -> str | None:
    """The current trace id of this user, for logs and messages: 32 hexadecimal digits, or None.

    It belongs to the last `traceparent()` until its event is fired, else to the running task, or
    to the last request if tasks are not traced. The trace may not be sampled. None if traces are
    off, or if there has been no such task or request yet.
    """
    try:
        tracer = _tracer()
        ids = tracer.current() if tracer is not None else None
        return w3c.trace_text(ids) if ids is not None else None
    except Exception as error:
        once.failed("cannot tell the trace id", error)
        return None


def traceparent() -> str | None:
    """A W3C `traceparent` for your own request, such as by gRPC or a queue; None without traces.

    Call it before the request: it begins a span, a child of the running task if tasks are traced.
    The next request event that the same greenlet or coroutine fires by hand takes that span, so
    the system under test joins the request that Locust reports. Until then, each call returns the
    same value.

        header = ltel_locust.traceparent()
        stub.Buy(order, metadata=[("traceparent", header)] if header else [])
        environment.events.request.fire(request_type="grpc", name="Buy", ...)

    Traces are off until a receiver has asked for them.
    """
    try:
        tracer = _tracer()
        return w3c.render(tracer.hand_out()) if tracer is not None else None
    except Exception as error:
        once.failed("cannot make a traceparent", error)
        return None


def _tracer() -> Tracer | None:
    """The tracer of the first environment with traces; several may differ in ratio."""
    for session in list(_sessions.values()):
        if session is not None and session.tracer.on:
            return session.tracer
    return None


# Not at the import: with --processes Locust forks after it, and each child fires `init`.
def _on_init(environment: Environment, **_kwargs: Any) -> None:
    try:
        attach(environment)
    except Exception as error:
        once.failed("cannot start telemetry", error)


def _on_runner(environment: Environment) -> None:
    # The `locust` command fires `init` when it is ready; a program that uses Locust may not.
    if environment.events is not _early().events:
        attach(environment)


def _early() -> Early:
    return Environment.ltel_early  # type: ignore[attr-defined]


if not hasattr(Environment, "ltel_early"):
    Environment.ltel_early = Early(attach)  # type: ignore[attr-defined]
    locust.events.init.add_listener(_on_init)
    locust.events.init_command_line_parser.add_listener(add_options)
    internals.when_runner_is_made(_on_runner)
