"""The OpenTelemetry context of a locustfile, so that its spans and ours form one tree.

It only uses OpenTelemetry's API if the program has imported it; otherwise this costs one look-up
and does nothing.
"""

from __future__ import annotations

import sys
from typing import Any

from . import once, w3c

#: whether the program has imported OpenTelemetry's API, as far as `look` has seen
present = False


def look() -> None:
    """Check whether the program has imported OpenTelemetry's API.

    Called at each tick and at the start of a test.
    """
    global present
    present = "opentelemetry.trace" in sys.modules and "opentelemetry.context" in sys.modules


def enter(ids: bytes) -> Any:
    """Make a span current, as parent of instrumentations' spans; returns a token for `leave`."""
    if not present:
        return None
    try:
        api, context = sys.modules["opentelemetry.trace"], sys.modules["opentelemetry.context"]
        trace = int.from_bytes(ids[: w3c.TRACE], "big")
        span = int.from_bytes(ids[w3c.TRACE : w3c.SPAN], "big")
        flags = api.TraceFlags(ids[w3c.SPAN])
        known = api.SpanContext(trace, span, is_remote=False, trace_flags=flags)
        return context.attach(api.set_span_in_context(api.NonRecordingSpan(known)))
    except Exception as error:
        once.failed("cannot set the OpenTelemetry context of a request or task", error)
        return None


def leave(token: Any) -> None:
    """Restore the span that was current before."""
    if token is not None:
        try:
            sys.modules["opentelemetry.context"].detach(token)
        except Exception as error:
            once.failed("cannot restore the OpenTelemetry context", error)


def current() -> bytes | None:
    """The current span, if there is one."""
    if not present:
        return None
    try:
        api = sys.modules["opentelemetry.trace"]
        ids = api.get_current_span().get_span_context()
        if not ids.is_valid:
            return None
        flags = w3c.SAMPLED if ids.trace_flags.sampled else w3c.NOT_SAMPLED
        return ids.trace_id.to_bytes(16, "big") + ids.span_id.to_bytes(8, "big") + flags
    except Exception as error:
        once.failed("cannot read the OpenTelemetry context", error)
        return None
