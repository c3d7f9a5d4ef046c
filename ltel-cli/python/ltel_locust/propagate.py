"""Sends `traceparent` with the requests of HttpUser and FastHttpUser.

Both clients send in one method and put the response it returns into the event, whenever that
fires. So the span travels there and back on the response itself: neither the context that users
see nor the greenlet that reports matters.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from greenlet import getcurrent
from locust.clients import HttpSession
from locust.contrib.fasthttp import FastHttpSession

from . import w3c
from .trace import Span, Tracer

logger = logging.getLogger("ltel_locust")

METHOD = "_send_request_safe_mode"

Look = Callable[[Any], Any]
_NAMES = (w3c.NAME, w3c.NAME.encode())


def install() -> None:
    """Wrap the clients; a second call changes nothing.

    They stay wrapped: each request looks up the tracer of its environment, and without one goes
    its usual way.
    """
    _wrap(HttpSession, lambda session: session.headers, _sent)
    # Nothing stands between this client and the socket that could set another header.
    _wrap(FastHttpSession, lambda session: session.client.default_headers, lambda _response: None)


def _wrap(client: type, defaults: Look, sent: Look) -> None:
    original = client.__dict__.get(METHOD)
    if original is None:
        logger.warning("ltel: no traceparent from %s: another Locust than known", client.__name__)
        return
    if getattr(original, "ltel_original", None) is not None:
        return

    @wraps(original)
    def send(self: Any, method: Any, url: Any, **kwargs: Any) -> Any:
        tracer = getattr(self.request_event, "ltel_tracer", None)
        if tracer is None or not tracer.propagates:
            return original(self, method, url, **kwargs)
        span = header = None
        try:
            span, header = _prepare(tracer, kwargs, defaults(self))
        except Exception as error:
            _give_up(error)
        response = original(self, method, url, **kwargs)
        try:
            seen = _text(sent(response))
            if seen is not None and seen != header:
                # An `auth` or an instrumentation set another one, later.
                span = _parsed(tracer.child, seen)
            if span is None:
                # Of its own even so: what is handed out is for an event fired by hand.
                span = tracer.begin()
            response.ltel_span = getcurrent().ltel_span = span
        except Exception as error:
            _give_up(error)
        return response

    send.ltel_original = original  # type: ignore[attr-defined]
    setattr(client, METHOD, send)


def _prepare(
    tracer: Tracer, kwargs: dict[str, Any], defaults: Mapping[Any, Any]
) -> tuple[Span | None, str | None]:
    """The span of a request and the header it is sent with, which is added if there is none."""
    headers = kwargs.get("headers")
    if headers:
        if (key := _find(headers)) is not None:
            # Of this request: by the recommendation it names the request itself.
            given = _text(headers[key])
            return _parsed(tracer.adopt, given), given
    if (key := _find(defaults)) is not None:
        # Of all requests of this client: what it names is above them.
        given = _text(defaults[key])
        return _parsed(tracer.child, given), given
    span = tracer.begin()
    header = span.header()
    # Not into the user's own map.
    kwargs["headers"] = {**headers, w3c.NAME: header} if headers else {w3c.NAME: header}
    return span, header


def _find(headers: Mapping[Any, Any]) -> Any:
    """The key under which there is a `traceparent`, in any case of letters."""
    for key in headers:
        if len(key) == 11 and key.lower() in _NAMES:
            return key
    return None


def _parsed(make: Callable[[w3c.Parent], Span], value: str | None) -> Span | None:
    # None: nothing that a receiver would follow was sent.
    given = w3c.parse(value) if value is not None else None
    return make(given) if given is not None else None


def _sent(response: Any) -> Any:
    """What the first hop of a request carried."""
    history = response.history
    request = (history[0] if history else response).request
    return None if request is None else request.headers.get(w3c.NAME)


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value if isinstance(value, str) else None


_said: set[str] = set()


def _give_up(error: Exception) -> None:
    """Leave a request as it is: its test must not notice."""
    text = f"{type(error).__name__}: {error}"
    if text not in _said and len(_said) < 10:
        _said.add(text)
        logger.warning("ltel: a request without traceparent: %s", text)
