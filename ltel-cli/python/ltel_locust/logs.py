"""What Locust and the locustfile write to Python's logging, for the receiver.

The messages are taken where `Logger` gives a record to its handlers: each passes there once,
whichever loggers have handlers or do not propagate, and however often the test configures its
logging. The levels of the loggers apply, such as that of Locust's option --loglevel.
"""

from __future__ import annotations

import logging
import os
import threading
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any

from locust.env import Environment

from . import clock, current, once, w3c
from .trace import Tracer
from .values import kind, name, text

#: messages that wait to be queued, which happens several times a second
LIMIT = 1_000
#: the level from which on messages are kept until the receiver says what it wants
EARLY = logging.WARNING
#: characters of a message
MESSAGE_LIMIT = 4_096
#: characters of a traceback; its end says what happened
TRACEBACK_LIMIT = 12_000
#: loggers whose messages are not sent: this plugin's, and the tables that Locust prints
SILENT = ("ltel_locust", "locust.stats_logger")

_HEAD = "Traceback (most recent call last):\n"
# Of each greenlet, as Locust has gevent patch it: whether it is handling a message.
_here = threading.local()
_listeners: list[Messages] = []


class Messages:
    """The messages that one session has not queued yet.

    Which ones the receiver wants is known only from its first answer on: warnings and worse are
    kept until then, the newest of them.
    """

    def __init__(self, tracer: Tracer | None) -> None:
        self.rows: list[dict[str, Any]] = []
        #: the level from which on messages are wanted; None if none are
        self.level: float | None = None
        #: whether the receiver has said that
        self.known = False
        self._tracer = tracer
        self._dropped = 0
        # Those of them that no run has in its account yet.
        self._unaccounted = 0
        # Those dropped before the receiver has said what it wants, by their level.
        self._early: dict[int, int] = {}

    def keep(self) -> None:
        """Keep warnings and worse until the receiver says what it wants."""
        self.level = EARLY
        self._listen()

    def take_over(self, before: Messages) -> None:
        """Keep those too that another one has kept, which ends."""
        self.rows[:0] = before.rows
        self._early.update(before._early)
        before.end()
        self.keep()

    def want(self, level: float | None) -> None:
        """What the receiver has said: take messages from this level on, by its number."""
        self.level = level
        if level is None:
            self.end()
            self.known = True
            return
        if not self.known:
            self.known = True
            self.rows[:] = [row for row in self.rows if row["level_number"] >= level]
            self._settle(level)
        current.install()  # a message has its user's class
        self._listen()

    def go(self, ending: bool) -> bool:
        """Whether those that wait go into frames: also at the end of a run, if nothing is known."""
        if ending and not self.known:
            self._settle(EARLY)
        return self.known or ending

    def _listen(self) -> None:
        if not any(known is self for known in _listeners):
            _listeners.append(self)
        _install()

    def end(self) -> None:
        """Take no more messages, and forget those that the receiver has not asked for."""
        if not self.known:
            self.forget()
        for at, known in enumerate(_listeners):
            if known is self:
                del _listeners[at]
                break
        if not _listeners:
            _uninstall()

    def forget(self) -> None:
        """Forget those that wait; in a forked child, its parent reports them."""
        self.rows.clear()
        self._early.clear()
        self._dropped = 0

    def close(self) -> int:
        """Take no more messages; how many of those that the receiver wants are in no run."""
        lost = len(self.rows) + self._unaccounted if self.known else 0
        self.end()
        self.rows.clear()
        self._unaccounted = 0
        return lost

    def take(self, record: logging.LogRecord) -> None:
        """Keep a message, if it is wanted and not too many wait."""
        if self.level is None or record.levelno < self.level:
            return
        if len(self.rows) >= LIMIT:
            if self.known:
                self._count(record.levelno)
                return
            self._count(self.rows.pop(0)["level_number"])
        fields = _fields(record)
        if self._tracer and self._tracer.on and (ids := self._tracer.current()) is not None:
            fields.update(w3c.fields(ids))
        self.rows.append(fields)

    def bound(self) -> None:
        """Forget the oldest of many messages that came before the first run."""
        excess = len(self.rows) - LIMIT // 2
        if excess > 0:
            for row in self.rows[:excess]:
                self._count(row["level_number"])
            del self.rows[:excess]

    def _count(self, level: int) -> None:
        if self.known:
            self._dropped += 1
            self._unaccounted += 1
        else:
            self._early[level] = self._early.get(level, 0) + 1

    def _settle(self, wanted: float) -> None:
        """Count those that were dropped before, as the receiver wants messages from a level on."""
        dropped = sum(times for level, times in self._early.items() if level >= wanted)
        self._early.clear()
        self._dropped += dropped
        self._unaccounted += dropped

    def take_dropped(self) -> int:
        """How many were dropped since this was asked last."""
        dropped, self._unaccounted = self._unaccounted, 0
        return dropped

    def tell_dropped(self) -> int | None:
        """How many the next message has to say were dropped before it."""
        dropped, self._dropped = self._dropped, 0
        return dropped or None


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    try:
        message = record.getMessage()
    except Exception as error:
        # Python prints a complaint and goes on.
        message = f"{text(record.msg)} (cannot be formatted: {kind(error)})"
    return {
        "time": clock.now(),
        "level": name(record.levelname),
        "level_number": record.levelno,
        "logger": name(record.name),
        "message": text(message, MESSAGE_LIMIT),
        "traceback": _traceback(record),
        "file": name(record.pathname),
        "line": record.lineno,
        "function": name(record.funcName) if record.funcName else None,
        "user_class": current.user_class(),
    }


def _traceback(record: logging.LogRecord) -> str | None:
    try:
        if record.exc_info and record.exc_info[1] is not None:
            whole = "".join(traceback.format_exception(*record.exc_info))
        elif record.exc_text:
            whole = record.exc_text
        else:
            return None
    except Exception as error:
        return f"<unprintable traceback: {kind(error)}>"
    if len(whole) <= TRACEBACK_LIMIT:
        return whole
    end = whole[-TRACEBACK_LIMIT:]
    return f"{_HEAD}  [...]\n{end[end.find(chr(10)) + 1 :]}"


def _pass_on(record: logging.LogRecord) -> None:
    # What is logged while a message is handled, such as by the text of its arguments, is left out.
    if getattr(_here, "busy", False) or _is_silent(record.name):
        return
    _here.busy = True
    try:
        for messages in _listeners:
            messages.take(record)
    except Exception as error:
        once.failed("cannot report a log message", error)
    finally:
        _here.busy = False


def _is_silent(logger: str) -> bool:
    return logger in SILENT or logger.startswith("ltel_locust.")


_original: Callable[..., Any] | None = None
_ours: Callable[..., Any] | None = None


def _install() -> None:
    """Hear what loggers give to their handlers; a second call changes nothing."""
    global _original, _ours
    if _ours is not None:
        return
    original = logging.Logger.callHandlers

    @wraps(original)
    def callHandlers(self: logging.Logger, record: logging.LogRecord) -> Any:
        if _listeners:
            _pass_on(record)
        return original(self, record)

    _original, _ours = original, callHandlers
    logging.Logger.callHandlers = callHandlers  # type: ignore[method-assign]


def _uninstall() -> None:
    """Leave logging as it was, unless something else has wrapped it since: then ours is idle."""
    global _original, _ours
    if _ours is not None and logging.Logger.callHandlers is _ours:
        logging.Logger.callHandlers = _original  # type: ignore[method-assign, assignment]
        _original = _ours = None


# Kept on Locust's class: a test that empties `sys.modules` imports this module twice.
if not hasattr(Environment, "ltel_early_messages"):
    Environment.ltel_early_messages = Messages(None)  # type: ignore[attr-defined]
    Environment.ltel_early_messages.keep()  # type: ignore[attr-defined]
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=Environment.ltel_early_messages.forget)  # type: ignore[attr-defined]
#: messages from the import on, until the first session begins
early: Messages = Environment.ltel_early_messages  # type: ignore[attr-defined]
