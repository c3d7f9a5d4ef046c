"""The time that telemetry carries: the wall clock's when this was loaded, and steady from there.

The wall clock may be set while a test runs, by hours and in either direction. What lies between two
times of one process must stay right: rates are computed from them.
"""

from __future__ import annotations

from time import monotonic, time

_START = time() - monotonic()


def now() -> float:
    """Seconds since the epoch."""
    return _START + monotonic()
