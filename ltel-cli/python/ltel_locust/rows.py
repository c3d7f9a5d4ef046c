"""Request rows: what is kept of a request event, and how odd values are converted.

A row is `(start_time, request_type, name, response_time, response_length, status_code, error,
extra)`. The listener only appends it as it is; all checks wait until a batch is packed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import clock, current, internals, once
from .values import INTEGER_LIMIT, TEXT_LIMIT, attributes, kind, number, text

Row = tuple[Any, Any, Any, Any, Any, Any, Any, Any]
#: from response, url, response_time and error, the trace ids of the row if it has any
Ids = Callable[[Any, Any, Any, Any], "dict[str, Any] | None"]

_INFINITY = float("inf")
# An argument that Locust's own statistics require, but that the event does not have.
_MISSING = object()


def listener(
    rows: list[Row],
    limit: int,
    full: Callable[[], None],
    wanted: set[str],
    ids: Ids = lambda *_event: None,
) -> Callable[..., None]:
    """The listener of Locust's request event: appends to `rows`, calls `full` at `limit` rows.

    `wanted` is read at every event; it holds which of url, user_class, context,
    request_length and trace to add.
    """
    append = rows.append

    # This runs for every request of the test. Named parameters keep `url` and `context` out of a
    # dict, and only a failure builds a text.
    def on_request(
        request_type: Any = _MISSING,
        name: Any = _MISSING,
        response_time: Any = _MISSING,
        response_length: Any = _MISSING,
        exception: Any = None,
        start_time: Any = None,
        response: Any = None,
        context: Any = None,
        url: Any = None,
        **_kwargs: Any,
    ) -> None:
        status = None
        if response is not None:  # not its truth value: a 4xx or 5xx response is falsy
            try:
                status = response.status_code
            except Exception:
                pass
        error = None if exception is None else failure(exception)
        traced = more = None
        if wanted:
            if "trace" in wanted:
                try:
                    traced = ids(response, url, response_time, error)
                except Exception as raised:
                    once.failed("cannot trace a request", raised)
            try:
                more = extra(wanted, url, context, traced, response)
            except Exception as raised:
                once.failed("cannot read the details of a request", raised)
        append(
            (
                began(response_time) if start_time is None else start_time,
                request_type,
                name,
                response_time,
                response_length,
                status,
                error,
                more,
            )
        )
        if len(rows) >= limit:
            try:
                full()
            except Exception as raised:
                once.failed("cannot queue requests yet", raised)

    return on_request


def began(response_time: Any) -> float:
    """The start time of a request without one: it has just ended."""
    return clock.now() - (number(response_time) or 0.0) / 1000


def failure(exception: Any) -> tuple[str, str] | None:
    """Class and text of a failure, as Locust counts it: any truthy exception."""
    try:
        if not exception:
            return None
    except Exception:
        return None  # Locust's own statistics raise here too, and count no failure
    try:
        return kind(exception), text(internals.error_text(exception))
    except Exception:
        return kind(exception), f"<unprintable {kind(exception)}>"


def extra(
    wanted: set[str],
    url: Any,
    context: Any,
    ids: dict[str, Any] | None = None,
    response: Any = None,
) -> dict[str, Any] | None:
    """Extra fields that recorders asked for; a span always has url and user class."""
    found: dict[str, Any] = ids or {}
    if (ids or "url" in wanted) and url is not None:
        found["url"] = text(url)
    if ids or "user_class" in wanted:
        user_class = current.user_class()
        if user_class:
            found["user_class"] = user_class
    if "context" in wanted and context is not None and (pairs := attributes(context)):
        found["context"] = pairs
    if "request_length" in wanted:
        length = request_length(response)
        if length is not None:
            found["request_length"] = length
    return found or None


def request_length(response: Any) -> int | None:
    """Bytes of the request body that a response answers; None if unknown.

    Both of Locust's HTTP clients put the request into the response, also into that of an error.
    """
    try:
        request = response.request
        if history := getattr(response, "history", None):
            # The response is that of the last redirect; what Locust reports is the first request.
            # FastHttpUser redirects a request in place: then its body may be gone.
            first = history[0].request
            if first is request:
                return None
            request = first
        body = request.body
        if body is None:
            return 0
        if isinstance(body, str):
            return len(body) if body.isascii() else len(body.encode())
        if isinstance(body, (bytes, bytearray)):
            return len(body)
        # A file, or another body that is read while it is sent.
        length = int(request.headers["Content-Length"])
    except Exception:
        return None
    return length if 0 <= length <= INTEGER_LIMIT else None


def tidy(batch: list[Row]) -> int:
    """Convert each row to the types of the protocol, in place; nearly all rows need no change.

    Returns the number of invalid rows: of events that Locust's own statistics reject too.
    """
    infinity = _INFINITY
    longest = TEXT_LIMIT
    refused = False
    for at, row in enumerate(batch):
        start, method, name, time_ms, length, status, _error, _extra = row
        # Exact types: CPython decides these faster than any other test, column-wise ones included.
        # NaN is not below infinity. Any float may be a start time: the receiver checks it.
        if (
            type(time_ms) is float
            and time_ms < infinity
            and type(start) is float
            and type(name) is str
            and len(name) <= longest
            and type(method) is str
            and len(method) <= longest
            and type(length) is int
            and (status is None or (type(status) is int and 0 <= status <= 999))
        ):
            continue
        if any(field is _MISSING for field in row):
            refused = True
            continue
        batch[at] = clean(row)
    if not refused:
        return 0
    given = len(batch)
    batch[:] = [row for row in batch if not any(field is _MISSING for field in row)]
    return given - len(batch)


def clean(row: Row) -> Row:
    """The row with each value converted to the type of the protocol."""
    start, method, name, time_ms, length, status, error, more = row
    start_time = number(start)
    return (
        began(time_ms) if start_time is None else start_time,
        text(method),
        text(name),
        number(time_ms),
        integer(length),
        status_code(status),
        error,
        more,
    )


def integer(value: Any) -> int:
    """A length in bytes; 0 if absent."""
    try:
        result = int(value)
    except Exception:
        return 0
    return max(-INTEGER_LIMIT, min(result, INTEGER_LIMIT))


def status_code(value: Any) -> int | None:
    """The response's status code, if it is a valid integer."""
    try:
        if not isinstance(value, int) or isinstance(value, bool):
            return None
        return int(value) if 0 <= value <= 999 else None
    except Exception:
        return None
