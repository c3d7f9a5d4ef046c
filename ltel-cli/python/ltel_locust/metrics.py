"""Metrics of the locustfile, with OpenTelemetry's names and meaning.

    import ltel_locust

    items = ltel_locust.counter("cart.items", unit="{item}", description="Items put into carts")
    items.add(3, tenant="blue")

An instrument can be made and used anywhere: at import, before or during a test and after it, in any
greenlet or thread. It never raises, whatever it is called with. A value is only appended to a
buffer; it is checked when a batch is packed (`measurements`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from locust.env import Environment

from . import once
from .values import name as short
from .values import text

#: instruments of a locustfile: a name that is made of data would have no end
LIMIT = 1_000
#: values that wait for a session, or for its first run
EARLY = 10_000
DESCRIPTION_LIMIT = 1_024

#: an instrument, the value, the labels
Row = tuple["Instrument", Any, dict[str, Any]]
#: rows, how many may wait, and what to call then
Buffer = tuple[list[Row], int, Callable[[], None]]


#: in the place of a value that is missing: what is sent for it counts as invalid
_NOTHING: Any = None


class Instrument:
    """A metric of the locustfile; the same name, kind and unit is the same instrument."""

    __slots__ = ("description", "name", "sent", "unit")

    #: as the protocol has it
    kind: ClassVar[str]

    def __init__(self, name: str, unit: str, description: str) -> None:
        self.name = name
        self.unit = unit
        self.description = description
        #: whether the receiver may know its unit and description
        self.sent = False

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name!r}>"

    def _append(self, value: Any, more: tuple[Any, ...], labels: dict[str, Any]) -> None:
        if more:
            value = _too_many(self)
        for rows, limit, full in _buffers:
            rows.append((self, value, labels))
            if len(rows) >= limit:
                full()


class Counter(Instrument):
    """A sum that only grows, such as of items sold."""

    __slots__ = ()
    kind = "counter"

    def add(self, value: float = _NOTHING, /, *more: Any, **labels: Any) -> None:
        """Add a value, in the counter's unit; a negative one is left out and counted.

        Each distinct set of labels is a series. A label is a text, a number or a bool; one that is
        None is left out.
        """
        self._append(value, more, labels)


class UpDownCounter(Instrument):
    """A sum that grows and shrinks, such as of open connections."""

    __slots__ = ()
    kind = "up_down_counter"

    def add(self, value: float = _NOTHING, /, *more: Any, **labels: Any) -> None:
        """Add a value, in the counter's unit; a negative one lowers the sum.

        Labels: see `Counter.add`.
        """
        self._append(value, more, labels)


class Gauge(Instrument):
    """A value that replaces the one before, such as the depth of a queue."""

    __slots__ = ()
    kind = "gauge"

    def set(self, value: float = _NOTHING, /, *more: Any, **labels: Any) -> None:
        """Set the value, in the gauge's unit. Labels: see `Counter.add`."""
        self._append(value, more, labels)


class Histogram(Instrument):
    """A distribution of values, such as of amounts paid."""

    __slots__ = ()
    kind = "histogram"

    def record(self, value: float = _NOTHING, /, *more: Any, **labels: Any) -> None:
        """Record one value, in the histogram's unit. Labels: see `Counter.add`."""
        self._append(value, more, labels)


def _unknown_arguments(name: Any) -> None:
    once.warn(
        "arguments of a metric",
        f"a metric has a name, a unit and a description: other arguments of `{short(name)}` are "
        "ignored. Labels belong to its values",
    )


def _too_many(metric: Instrument) -> Any:
    once.warn(
        f"value of {metric.name}",
        f"the metric `{metric.name}` takes one value, and labels by name, such as "
        '`add(3, tenant="blue")`: a call with more is left out and counted',
    )
    return _NOTHING


def counter(
    name: str = "", unit: str = "", description: str = "", *more: Any, **others: Any
) -> Counter:
    """The counter of this name: `counter("cart.items").add(3, tenant="blue")`.

    The unit is one of UCUM, such as `ms`, `By`, `1` or `{item}`.
    """
    return _instrument(Counter, name, unit, description, more or others)


def up_down_counter(
    name: str = "", unit: str = "", description: str = "", *more: Any, **others: Any
) -> UpDownCounter:
    """The up-down counter of this name: `up_down_counter("carts.open").add(-1)`."""
    return _instrument(UpDownCounter, name, unit, description, more or others)


def gauge(
    name: str = "", unit: str = "", description: str = "", *more: Any, **others: Any
) -> Gauge:
    """The gauge of this name: `gauge("queue.depth", unit="{message}").set(7)`."""
    return _instrument(Gauge, name, unit, description, more or others)


def histogram(
    name: str = "", unit: str = "", description: str = "", *more: Any, **others: Any
) -> Histogram:
    """The histogram of this name: `histogram("cart.value", unit="EUR").record(42.5)`."""
    return _instrument(Histogram, name, unit, description, more or others)


Kind = TypeVar("Kind", bound=Instrument)


def _instrument(kind: type[Kind], name: Any, unit: Any, description: Any, unknown: Any) -> Kind:
    if unknown:
        _unknown_arguments(name)
    try:
        return _known[name, kind, unit]
    except Exception:  # a new one, or not even a key
        return _new(kind, name, unit, description)


def _new(kind: type[Kind], name: Any, unit: Any, description: Any) -> Kind:
    try:
        name, unit = short(name), "" if unit is None else short(unit)
        found = _known.get((name, kind, unit))
        if found is None:
            said = "" if description is None else text(description, DESCRIPTION_LIMIT)
            found = _find(kind, name, unit, said)
        return found
    except Exception as error:
        once.failed("cannot make a metric of the locustfile", error)
        return kind("", "", "")  # the receiver leaves its values out and counts them


def _find(kind: type[Kind], name: str, unit: str, description: str) -> Kind:
    """The instrument that has been made before, perhaps elsewhere with more or less said of it."""
    same = [known for known in _made.get(name, ()) if type(known) is kind]
    if same and not unit:
        _known[name, kind, ""] = same[0]
        return same[0]
    for known in same:
        if not known.unit and not known.sent:
            known.unit = unit
            known.description = known.description or description
            _known[name, kind, unit] = known
            return known
    if len(_made) >= LIMIT or len(_known) >= 2 * LIMIT:
        once.warn(
            "too many metrics",
            f"the locustfile makes more than {LIMIT} metrics: the values of the others are left "
            "out and counted. Put what differs into labels, not into the name",
        )
        return kind("", "", "")
    if (others := _made.get(name)) is not None:
        is_now, was = _described(kind, unit), _described(type(others[0]), others[0].unit)
        once.warn(
            f"metric {name}",
            f"the locustfile uses the metric `{name}` as a {is_now} and as a {was}: ltel keeps the "
            "one that it gets first, leaves the values of the other out, and counts them",
        )
    made = kind(name, unit, description)
    _made.setdefault(name, []).append(made)
    _known[name, kind, unit] = made
    return made


def _described(kind: type[Instrument], unit: str) -> str:
    return f"{kind.kind} in `{unit}`" if unit else kind.kind


class Early:
    """Keeps values until the first session begins, such as those of the import; bounded."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.dropped = 0
        self.buffer: Buffer = (self.rows, EARLY, self._full)
        _buffers.append(self.buffer)

    def hand_over(self) -> tuple[list[Row], int]:
        """Stop; the rows that are kept, and how many were dropped."""
        ignore(self.buffer)
        kept, self.rows[:] = self.rows.copy(), []
        dropped, self.dropped = self.dropped, 0
        return kept, dropped

    def forget(self) -> None:
        """In a forked child: its parent reports what came before."""
        self.rows.clear()
        self.dropped = 0

    def _full(self) -> None:
        self.dropped += drop_oldest(self.rows, EARLY // 10)


def drop_oldest(rows: list[Any], number: int) -> int:
    """Remove some rows; how many."""
    number = min(number, len(rows))
    del rows[:number]
    return number


def listen(buffer: Buffer) -> None:
    """Append all values to this buffer too, from now on."""
    if not any(known is buffer for known in _buffers):
        _buffers.append(buffer)


def ignore(buffer: Buffer) -> None:
    """Append no more values to this buffer."""
    # Not by equality, which would compare what the locustfile has recorded.
    for at, known in enumerate(_buffers):
        if known is buffer:
            del _buffers[at]
            return


# Kept on Locust's class: a test that empties `sys.modules` imports this module twice, and then
# the instruments of both must reach the same sessions.
if not hasattr(Environment, "ltel_metrics"):
    Environment.ltel_metrics = ([], {}, {})  # type: ignore[attr-defined]
_buffers: list[Buffer]
_known: dict[tuple[str, type[Instrument], str], Any]
_made: dict[str, list[Any]]
_buffers, _known, _made = Environment.ltel_metrics  # type: ignore[attr-defined]

early: Early = Environment.__dict__.get("ltel_early_values") or Early()
Environment.ltel_early_values = early  # type: ignore[attr-defined]
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=early.forget)
