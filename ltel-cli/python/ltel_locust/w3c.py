"""The `traceparent` header of the W3C recommendation Trace Context, and the ids in it.

The ids of a request or task are bytes: 16 of the trace, 8 of the span, 1 of flags (bit 0: sampled),
and 8 of the parent span if there is one.
"""

from __future__ import annotations

import re
from typing import Any

NAME = "traceparent"
#: where the parts of ids end
TRACE, SPAN, FLAGS = 16, 24, 25
#: flags of a trace that is sampled, or not
SAMPLED, NOT_SAMPLED = b"\1", b"\0"

_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


def render(ids: bytes) -> str:
    """The header's value."""
    return f"00-{ids[:SPAN].hex('-', -TRACE)}-{'01' if ids[SPAN] else '00'}"


def sampled(ids: bytes) -> bool:
    """Whether the trace is sampled."""
    return ids[SPAN] == 1


def trace_text(ids: bytes) -> str:
    """The id of the trace as 32 hexadecimal digits."""
    return ids[:TRACE].hex()


def fields(ids: bytes) -> dict[str, Any]:
    """The ids as fields of a frame."""
    found = {
        "trace_id": ids[:TRACE].hex(),
        "span_id": ids[TRACE:SPAN].hex(),
        "sampled": sampled(ids),
    }
    if len(ids) > FLAGS:
        found["parent_span_id"] = ids[FLAGS:].hex()
    return found


def parse(value: str) -> bytes | None:
    """Parse the value; None if the recommendation tells receivers to ignore it."""
    match = _FORM.fullmatch(value.strip())
    if match is None:
        return None
    version, trace, span, flags, more = match.groups()
    # A later version may add fields at the end; this one may not.
    if version == "ff" or (version == "00" and more):
        return None
    if not trace.strip("0") or not span.strip("0"):
        return None
    return bytes.fromhex(trace + span) + (SAMPLED if int(flags, 16) & 1 else NOT_SAMPLED)
