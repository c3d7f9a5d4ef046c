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
from .trace import Tracer
from .w3c import TRACE

Look = Callable[[Any], Any]
_NAME = w3c.NAME
_NAMES = (_NAME, _NAME.encode())
_LENGTH = len(_NAME)


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
    is_requests = issubclass(client, Session)
    here_now = PLACE.get

    # This runs for every request of the test.
    @wraps(original)
    def send(self: Any, method: Any, url: Any, **kwargs: Any) -> Any:
        tracer = ids = header = context = None
        try:
            found = getattr(request_event(self), "ltel_tracer", None)
            if type(found) is Tracer and found.propagates:  # a mock of an event has every attribute
                tracer = found
                defaults = self.headers if is_requests else self.client.default_headers
                ids, header = _prepare(tracer, kwargs, defaults)
                if otel.present and ids is not None:
                    context = otel.enter(ids)
        except Exception as error:
            _give_up(error)
        if tracer is None:
            return original(self, method, url, **kwargs)
        try:
            response = original(self, method, url, **kwargs)
        finally:
            if context is not None:
                otel.leave(context)
        try:
            # Nothing between FastHttpUser's client and the socket can set another header.
            if is_requests:
                ids = _sent(tracer, response, ids, header)
            elif ids is None:
                ids = tracer.begin()
            response.ltel_ids = [ids]
            (here_now() or place()).last = ids
        except Exception as error:
            _give_up(error)
        return response

    send.ltel_original = original  # type: ignore[attr-defined]
    setattr(client, internals.SEND, send)


def _prepare(
    tracer: Tracer, kwargs: dict[str, Any], defaults: Mapping[Any, Any]
) -> tuple[bytes | None, str | None]:
    """The ids of a request and its header, which is added if the request has none.

    Without ids if the user's header is not valid: then the request has some of its own even so, as
    what is handed out is for an event fired by hand.
    """
    headers = kwargs.get("headers") or {}
    for key in headers:
        if len(key) == _LENGTH and key.lower() in _NAMES:
            # Set for this request: by the W3C recommendation it names the request itself.
            header = _text(headers[key])
            return _parsed(tracer.adopt, header), header
    # The map of requests goes through its names ten times as slowly as what it holds them in.
    for key in defaults if isinstance(defaults, dict) else getattr(defaults, "_store", defaults):
        if len(key) == _LENGTH and key.lower() in _NAMES:
            # Set for all requests of this client: it names their parent.
            header = _text(defaults[key])
            return _parsed(tracer.child, header), header
    ids, header = tracer.send()
    # Do not change the user's own map.
    kwargs["headers"] = {**headers, _NAME: header}
    return ids, header


def _parsed(make: Callable[[bytes], bytes], value: str | None) -> bytes | None:
    # None: no valid header was sent.
    given = w3c.parse(value) if value is not None else None
    return make(given) if given is not None else None


def _sent(tracer: Tracer, response: Any, ids: bytes | None, header: str | None) -> bytes:
    """The ids of a request, as the header says that its first hop carried."""
    seen = _text(_seen(response))
    if seen is not None and seen != header:
        # An `auth` or an instrumentation set another header, later. That of an instrumentation
        # is below our span, and its own span between ours and the target.
        given = w3c.parse(seen)
        if given is None or ids is None or given[:TRACE] != ids[:TRACE]:
            ids = tracer.child(given) if given is not None else None
    return tracer.begin() if ids is None else ids


def _seen(response: Any) -> Any:
    history = response.history
    request = (history[0] if history else response).request
    return None if request is None else request.headers.get(_NAME)


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value if isinstance(value, str) else None


def _give_up(error: Exception) -> None:
    """Log the error and leave the request unchanged: the test must not fail."""
    once.failed("cannot send a traceparent with a request", error)
