"""Request rows: what is kept of a request event, and how odd values are converted.

A row is `(start_time, request_type, name, response_time, response_length, status_code, error)`,
and after these, as far as there are any, `ids, user_class, url, request_length, context`. The
listener only appends it as it is; all checks wait until a batch is packed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from . import clock, current, internals, once
from .current import PLACE
from .trace import Ids
from .values import INTEGER_LIMIT, TEXT_LIMIT, attributes, kind, number, text

Row = tuple[Any, ...]
#: what else a listener tells of a request: the extra fields of its row, and its ids if it is traced
Want = Callable[[Collection[str], "Ids | None"], None]

#: the fields that each row has
FIELDS = 7

_INFINITY = float("inf")
# An argument that Locust's own statistics require, but that the event does not have.
_MISSING = object()


def listener(
    rows: list[Row], limit: int, full: Callable[[], None]
) -> tuple[Callable[..., None], Want]:
    """The listener of Locust's request event, and a function that says what it tells.

    It appends to `rows`, and calls `full` at `limit` rows. At first it tells the fields that each
    row has; the others are wanted by their names.
    """
    append = rows.append
    trace: Ids | None = None
    more: Callable[..., Row] | None = None

    def want(extras: Collection[str], ids: Ids | None = None) -> None:
        nonlocal trace, more
        trace, more = ids, teller(extras) if extras else None

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
        row = (
            began(response_time) if start_time is None else start_time,
            request_type,
            name,
            response_time,
            response_length,
            status,
            error,
        )
        ids = None
        if trace is not None:
            try:
                ids = trace(response, url, response_time, error)
            except Exception as raised:
                once.failed("cannot trace a request", raised)
        if ids is not None or more is not None:
            try:
                row += of_span(ids, url) if more is None else more(ids, url, context, response)
            except Exception as raised:
                row += () if ids is None else (ids,)
                once.failed("cannot read the details of a request", raised)
        append(row)
        if len(rows) >= limit:
            try:
                full()
            except Exception as raised:
                once.failed("cannot queue requests yet", raised)

    return on_request, want


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


def of_span(ids: bytes, url: Any) -> Row:
    """The extra fields of a span: it always has url and user class."""
    here = PLACE.get()
    # Of its own greenlet, once it is known.
    user = (here.user if here is not None else None) or current.user_class()
    if url is not None:
        return ids, user, url if type(url) is str and len(url) <= TEXT_LIMIT else text(url)
    return (ids,) if user is None else (ids, user)


def teller(extras: Collection[str]) -> Callable[..., Row]:
    """How to tell these extra fields of a request, and those of its span if it has ids."""
    with_url, with_user = "url" in extras, "user_class" in extras
    with_context, with_length = "context" in extras, "request_length" in extras

    def tell(ids: bytes | None, url: Any, context: Any, response: Any) -> Row:
        found = [ids, None, None, None, None]
        if with_user or ids is not None:
            found[1] = current.user_class()
        if url is not None and (with_url or ids is not None):
            found[2] = text(url)
        if with_length:
            found[3] = request_length(response)
        if with_context and context is not None:
            found[4] = attributes(context) or None
        while found and found[-1] is None:
            found.pop()
        return tuple(found)

    return tell


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
        method, name, time_ms, status = row[1], row[2], row[3], row[5]
        # Exact types: CPython decides these faster than any other test, column-wise ones included.
        # NaN is not below infinity. Any float may be a start time: the receiver checks it.
        if (
            type(time_ms) is float
            and time_ms < infinity
            and type(row[0]) is float
            and type(name) is str
            and len(name) <= longest
            and type(method) is str
            and len(method) <= longest
            and type(row[4]) is int
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
    start, method, name, time_ms, length, status, *more = row
    start_time = number(start)
    return (
        began(time_ms) if start_time is None else start_time,
        text(method),
        text(name),
        number(time_ms),
        integer(length),
        status_code(status),
        *more,
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
