"""The values of the locustfile's metrics: collected for one session, and packed into frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from . import metrics, once
from .metrics import Row
from .values import ENTRIES, INTEGER_LIMIT, NAME_LIMIT, kind, name, number

_INFINITY = float("inf")


class Values:
    """The values that one session has not packed yet.

    Whether the receiver wants them is known only from its first answer on. Those of before, and
    those before the first run, wait here: bounded.
    """

    def __init__(self, limit: int, full: Callable[[], None]) -> None:
        self.rows: list[Row]
        self.rows, self.dropped = metrics.early.hand_over()
        #: whether the receiver wants them; None if that is not known yet
        self.wanted: bool | None = None
        self._full = full
        self._buffer: metrics.Buffer = (self.rows, limit, self._is_full)
        metrics.listen(self._buffer)

    def want(self, wanted: bool) -> None:
        """What the receiver has said."""
        self.wanted = wanted
        if wanted:
            metrics.listen(self._buffer)
        else:
            self.end()

    def go(self, ending: bool) -> bool:
        """Whether those that wait go into frames: also at the end of a run, if nothing is known."""
        return self.wanted is True or (ending and self.wanted is None)

    def end(self) -> int:
        """Take no more values, and forget those that wait; how many were forgotten or dropped."""
        metrics.ignore(self._buffer)
        waited = len(self.rows) + self.dropped
        self.rows.clear()
        self.dropped = 0
        return waited

    def bound(self) -> None:
        """Drop the oldest of too many values that cannot be packed yet."""
        excess = len(self.rows) - metrics.EARLY
        if excess > 0:
            self.dropped += metrics.drop_oldest(self.rows, excess + metrics.EARLY // 10)

    def take_dropped(self) -> int:
        """How many were dropped since this was asked last."""
        dropped, self.dropped = self.dropped, 0
        return dropped

    def _is_full(self) -> None:
        try:
            self._full()
        except Exception as error:
            once.failed("cannot queue values of metrics yet", error)


def pack(batch: Sequence[Row]) -> dict[str, Any]:
    """Each metric once, and each value with the place of its metric and its labels.

    A value that is not a finite number is sent as none: the receiver counts it as invalid.
    """
    places: dict[int, int] = {}
    described: list[dict[str, str]] = []
    rows = []
    for metric, value, labels in batch:
        place = places.get(id(metric))
        if place is None:
            place = places[id(metric)] = len(described)
            described.append(_describe(metric))
        # Exact types first, as CPython decides them fastest. NaN is not below infinity.
        if not (
            (type(value) is float and -_INFINITY < value < _INFINITY)
            or (type(value) is int and -INTEGER_LIMIT <= value <= INTEGER_LIMIT)
        ):
            value = _number(metric, value)
        if labels:
            for label in labels.values():
                if type(label) is not str or len(label) > NAME_LIMIT:
                    labels = _labels(metric, labels)
                    break
            else:
                if len(labels) > ENTRIES:
                    labels = _labels(metric, labels)
        rows.append((place, value, labels or None))
    return {"metrics": described, "rows": rows}


def _describe(metric: metrics.Instrument) -> dict[str, str]:
    metric.sent = True
    found = {"name": metric.name, "kind": metric.kind}
    if metric.unit:
        found["unit"] = metric.unit
    if metric.description:
        found["description"] = metric.description
    return found


def _number(metric: metrics.Instrument, value: Any) -> float | None:
    result = number(value)
    if result is None:
        what = f"{value}" if type(value) is float else f"of type `{kind(value)}`"
        what = "missing" if value is None else what
        once.warn(
            f"value of {metric.name}",
            f"a value of the metric `{metric.name}` is {what}, not a finite number: such values "
            "are left out and counted. Give a number, such as `float(...)` makes of a text",
        )
    return result


def _labels(metric: metrics.Instrument, labels: dict[str, Any]) -> dict[str, Any]:
    """Texts, numbers and bools; anything else is its text."""
    if len(labels) > ENTRIES:
        once.warn(
            f"labels of {metric.name}",
            f"a value of the metric `{metric.name}` has {len(labels)} labels: only {ENTRIES} are "
            "sent",
        )
    return {
        name(key): _label(metric, key, value)
        for key, value in islice(labels.items(), ENTRIES)
        if value is not None
    }


def _label(metric: metrics.Instrument, key: str, value: Any) -> Any:
    try:
        if isinstance(value, str) or type(value) is bool:
            return value if type(value) is bool else name(value)
        if isinstance(value, int) and abs(value) <= INTEGER_LIMIT:
            return int(value)
        if type(value) is float and -_INFINITY < value < _INFINITY:
            return value
    except Exception:
        pass  # so its text
    once.warn(
        f"label {key} of {metric.name}",
        f"the label `{name(key)}` of the metric `{metric.name}` is not a text, a finite number or "
        f"a bool, but of type `{kind(value)}`: its text is sent",
    )
    return name(value)
