"""Errors of the plugin: logged once per kind, and never raised into the test."""

from __future__ import annotations

import logging
from typing import Any


class _Log(logging.LoggerAdapter):  # type: ignore[type-arg]
    """Never raises, even if a log handler or filter of the test does."""

    def log(self, level: int, msg: object, *args: Any, **kwargs: Any) -> None:
        try:
            super().log(level, msg, *args, **kwargs)
        except Exception:
            pass  # there is no other place to report it


logger = _Log(logging.getLogger("ltel_locust"), {})

# Bounded: a message may hold the text of any exception.
_LIMIT = 100
_said: set[str] = set()


def warn(kind: str, message: str) -> None:
    """Log a warning, once per kind."""
    if kind not in _said and len(_said) < _LIMIT:
        _said.add(kind)
        logger.warning("ltel: %s", message)


def failed(what: str, error: BaseException) -> None:
    """Log what failed, and why."""
    try:
        warn(f"{what} {type(error).__name__}", f"{what}: {type(error).__name__}: {error}")
    except Exception:
        pass  # the error has no readable text
