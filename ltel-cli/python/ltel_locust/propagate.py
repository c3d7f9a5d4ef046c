"""Sends `traceparent` with the requests of HttpUser and FastHttpUser.

Both clients send in one method and put the response it returns into the event, whenever that
fires. So the response itself carries the span, whatever the user's context and the greenlet that
reports it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from requests import Session

from . import internals, once, otel, w3c
from .current import PLACE, place
from .trace import CARRIED, Tracer, tracer_of
from .w3c import TRACE

Look = Callable[[Any], Any]
_NAMES = (w3c.NAME, w3c.NAME.encode())


def install() -> None:
    """Wrap the clients; a second call changes nothing.

    They stay wrapped: each request looks up the tracer of its environment, and without one is sent
    as usual.
    """
    for client, request_event in internals.http_clients():
        _wrap(client, request_event)


def _wrap(client: type, request_event: Look) -> None:
    original = vars(client)[internals.SEND]
    if getattr(original, "ltel_original", None) is not None:
        return
    if issubclass(client, Session):
        defaults, sent = _headers, _sent
    else:
        # Nothing between this client and the socket can set another header.
        defaults, sent = _headers_of_agent, _nothing

    @wraps(original)
    def send(self: Any, method: Any, url: Any, **kwargs: Any) -> Any:
        tracer = ids = header = context = None
        try:
            tracer = tracer_of(request_event(self))
            if tracer is not None and tracer.propagates:
                ids, header = _prepare(tracer, kwargs, defaults(self))
                if ids is not None and otel.present:
                    context = otel.enter(ids)
        except Exception as error:
            _give_up(error)
        if tracer is None or not tracer.propagates:
            return original(self, method, url, **kwargs)
        try:
            response = original(self, method, url, **kwargs)
        finally:
            if context is not None:
                otel.leave(context)
        try:
            seen = _text(sent(response))
            if seen is not None and seen != header:
                # An `auth` or an instrumentation set another header, later. That of an
                # instrumentation is below our span, and its own span between ours and the target.
                given = w3c.parse(seen)
                if given is None or ids is None or given[:TRACE] != ids[:TRACE]:
                    ids = tracer.child(given) if given is not None else None
            if ids is None:
                # Of its own even so: what is handed out is for an event fired by hand.
                ids = tracer.begin()
            setattr(response, CARRIED, [ids])
            (PLACE.get() or place()).last = ids
        except Exception as error:
            _give_up(error)
        return response

    send.ltel_original = original  # type: ignore[attr-defined]
    setattr(client, internals.SEND, send)


def _headers(session: Any) -> Mapping[Any, Any]:
    return session.headers


def _headers_of_agent(session: Any) -> Mapping[Any, Any]:
    return session.client.default_headers


def _nothing(_response: Any) -> None:
    return None


def _prepare(
    tracer: Tracer, kwargs: dict[str, Any], defaults: Mapping[Any, Any]
) -> tuple[bytes | None, str | None]:
    """The ids of a request and its header, which is added if the request has none."""
    headers = kwargs.get("headers")
    if headers:
        if (key := _find(headers)) is not None:
            # Set for this request: by the W3C recommendation it names the request itself.
            given = _text(headers[key])
            return _parsed(tracer.adopt, given), given
    if (key := _find(defaults)) is not None:
        # Set for all requests of this client: it names their parent.
        given = _text(defaults[key])
        return _parsed(tracer.child, given), given
    ids = tracer.begin()
    header = w3c.render(ids)
    # Do not change the user's own map.
    kwargs["headers"] = {**headers, w3c.NAME: header} if headers else {w3c.NAME: header}
    return ids, header


def _find(headers: Mapping[Any, Any]) -> Any:
    """The key of the `traceparent` header, in any case."""
    for key in headers:
        if len(key) == 11 and key.lower() in _NAMES:
            return key
    return None


def _parsed(make: Callable[[bytes], bytes], value: str | None) -> bytes | None:
    # None: no valid header was sent.
    given = w3c.parse(value) if value is not None else None
    return make(given) if given is not None else None


def _sent(response: Any) -> Any:
    """The header that the first hop of a request carried."""
    history = response.history
    request = (history[0] if history else response).request
    return None if request is None else request.headers.get(w3c.NAME)


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value if isinstance(value, str) else None


def _give_up(error: Exception) -> None:
    """Log the error and leave the request unchanged: the test must not fail."""
    once.failed("cannot send a traceparent with a request", error)
