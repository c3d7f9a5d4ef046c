"""The timestamps of telemetry: the wall clock at import, advanced by a steady clock.

The wall clock may be set while a test runs, by hours and in either direction. The difference of two
times of one process must stay correct: rates are computed from it.
"""

from __future__ import annotations

from time import monotonic, time

_START = time() - monotonic()


def now() -> float:
    """Seconds since the epoch."""
    return _START + monotonic()
