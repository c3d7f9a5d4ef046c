"""The `traceparent` header of the W3C recommendation Trace Context."""

from __future__ import annotations

import re
from typing import NamedTuple

NAME = "traceparent"

_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 0x01


class Parent(NamedTuple):
    """The content of a `traceparent`: ids as numbers, never 0."""

    trace: int
    span: int
    sampled: bool


def render(trace: int, span: int, sampled: bool) -> str:
    """The header's value."""
    return f"00-{trace_text(trace)}-{span_text(span)}-{'01' if sampled else '00'}"


def trace_text(trace: int) -> str:
    """A trace id as 32 hexadecimal digits."""
    return trace.to_bytes(16, "big").hex()  # twice as fast as formatting


def span_text(span: int) -> str:
    """A span id as 16 hexadecimal digits."""
    return span.to_bytes(8, "big").hex()


def parse(value: str) -> Parent | None:
    """Parse the value; None if the recommendation tells receivers to ignore it."""
    match = _FORM.fullmatch(value.strip())
    if match is None:
        return None
    version, trace, span, flags, more = match.groups()
    # A later version may add fields at the end; this one may not.
    if version == "ff" or (version == "00" and more):
        return None
    parent = Parent(int(trace, 16), int(span, 16), bool(int(flags, 16) & _SAMPLED))
    return parent if parent.trace and parent.span else None
