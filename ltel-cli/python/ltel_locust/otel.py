"""The OpenTelemetry context of a locustfile that has one, so that its spans and ours are one tree.

Only what the program has imported itself is used: without OpenTelemetry's API in it, this costs a
look-up and does nothing.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from . import once, w3c

if TYPE_CHECKING:
    from .trace import Span


#: whether the program has imported OpenTelemetry's API, as far as `look` has seen
present = False


def look() -> None:
    """See whether the program has imported OpenTelemetry's API by now: each request asks."""
    global present
    present = "opentelemetry.trace" in sys.modules and "opentelemetry.context" in sys.modules


def enter(span: Span) -> Any:
    """Make a span the current one, above those that instrumentations begin; what `leave` takes."""
    if not present:
        return None
    try:
        api, context = sys.modules["opentelemetry.trace"], sys.modules["opentelemetry.context"]
        flags = api.TraceFlags(api.TraceFlags.SAMPLED if span.sampled else api.TraceFlags.DEFAULT)
        ids = api.SpanContext(span.trace, span.id, is_remote=False, trace_flags=flags)
        return context.attach(api.set_span_in_context(api.NonRecordingSpan(ids)))
    except Exception as error:
        once.failed("cannot set the OpenTelemetry context of a request or task", error)
        return None


def leave(token: Any) -> None:
    """Make what was current before the current one again."""
    if token is not None:
        try:
            sys.modules["opentelemetry.context"].detach(token)
        except Exception as error:
            once.failed("cannot restore the OpenTelemetry context", error)


def current() -> w3c.Parent | None:
    """The current span, if there is one."""
    if not present:
        return None
    try:
        api = sys.modules["opentelemetry.trace"]
        ids = api.get_current_span().get_span_context()
        if not ids.is_valid:
            return None
        return w3c.Parent(ids.trace_id, ids.span_id, bool(ids.trace_flags.sampled))
    except Exception as error:
        once.failed("cannot read the OpenTelemetry context", error)
        return None
