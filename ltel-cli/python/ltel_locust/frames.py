"""The frames of protocol v2: the type of each field, and the conversion of any value to it.

If a locustfile puts a wrong value into an event, only that value is lost: the frame is sent without
it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import once
from .values import attributes, count, counts, flag, name, names, number, text

Cleaner = Callable[[Any], Any]

_SOURCE: dict[str, Cleaner] = {
    "kind": name,
    "id": name,
    "worker_index": count,
    "host": name,
    "pid": count,
}

#: by the type of a frame, its fields
FIELDS: dict[str, dict[str, Cleaner]] = {
    "hello": {
        "protocol": count,
        "client_id": name,
        "source": lambda source: _clean("hello.source", _SOURCE, source),
        "locust_version": name,
        "run_id": name,
        "testplan": name,
        "locustfile": name,
        "coordinator": name,
        "heartbeat": number,
        "started": number,
        "token": text,
    },
    "test_start": {
        "time": number,
        "run_id": name,
        "testplan": name,
        "host": lambda host: text(host) if isinstance(host, str) else None,
        "users": count,
        "spawn_rate": number,
        "run_time": number,
        "user_classes": names,
        "locustfile": name,
        "locust_version": name,
        "coordinator": name,
    },
    "test_stop": {"time": number},
    "spawning_complete": {"time": number, "user_count": count},
    "users": {"time": number, "counts": counts, "sources": names},
    "cpu_warning": {"time": number, "cpu_usage": number},
    "usage": {
        "time": number,
        "cpu_percent": number,
        "memory_bytes": count,
        "net_sent_bytes": count,
        "net_recv_bytes": count,
    },
    "reset_stats": {"time": number, "reports": counts},
    "report_to_master": {"time": number, "number": count},
    "user_error": {
        "time": number,
        "user": name,
        "error": text,
        "traceback": text,
        "trace_id": name,
        "span_id": name,
        "parent_span_id": name,
        "sampled": flag,
    },
    "custom": {"time": number, "name": text, "value": number, "attributes": attributes},
    "done": {
        "time": number,
        "run_id": name,
        "sent": count,
        "dropped": count,
        "dropped_events": count,
        "sources": names,
    },
    "workers": {"time": number, "connected": count, "missing": count, "expected": count},
    "log": {
        "time": number,
        "level": name,
        "level_number": count,
        "logger": name,
        "message": text,
        "traceback": text,
        "file": name,
        "line": count,
        "function": name,
        "user_class": name,
        "trace_id": name,
        "span_id": name,
        "sampled": flag,
        "dropped": count,
    },
}


class Piece:
    """A value that is read when its frame is made; if that fails, the frame is sent without it."""

    __slots__ = ("read",)

    def __init__(self, read: Callable[[], Any]) -> None:
        self.read = read


def clean(kind: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a frame of this type, converted; fields without a value are left out."""
    return _clean(kind, FIELDS[kind], fields)


def _clean(where: str, cleaners: dict[str, Cleaner], fields: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for key, cleaner in cleaners.items():
        value = fields.get(key)
        try:
            if type(value) is Piece:
                value = value.read()
            if value is not None and (value := cleaner(value)) is not None:
                found[key] = value
        except Exception as error:
            once.failed(f"cannot send `{where}.{key}`", error)
    return found
