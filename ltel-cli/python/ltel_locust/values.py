"""Convert any Python value to a type of the protocol; None if that is impossible.

Nothing here raises, whatever the value is. Even `isinstance` may raise: a proxy asks the object
that it stands for, which may be gone.
"""

from __future__ import annotations

from itertools import islice
from math import isfinite
from typing import Any

# Exactly these: a subclass may do anything when it is read.
_NESTS = (list, tuple, dict)
#: longest text of one field, in characters: one row always fits into a frame
TEXT_LIMIT = 16_384
#: longest name of a thing
NAME_LIMIT = 1_024
#: entries of a user's map
ENTRIES = 32
#: values in the lists and maps of such a map together, and how deep they are
NESTED = 64
DEPTH = 4
INTEGER_LIMIT = 2**63 - 1


def number(value: Any) -> float | None:
    """Any finite number as a float."""
    if value is None:
        return None
    try:
        if isinstance(value, (str, bytes, bytearray)):
            return None
        result = float(value)
    except Exception:
        return None
    return result if isfinite(result) else None


def count(value: Any) -> int | None:
    """A count: a fraction is rounded down."""
    if type(value) is int:
        whole = value
    else:
        result = number(value)
        if result is None:
            return None
        whole = int(result)
    return whole if 0 <= whole <= INTEGER_LIMIT else None


def flag(value: Any) -> bool | None:
    """A truth value."""
    return value if type(value) is bool else None


def text(value: Any, limit: int = TEXT_LIMIT) -> str:
    """Any value as a text of bounded length."""
    if type(value) is str and len(value) <= limit:
        return value
    try:
        # The content of a str subclass: Locust's statistics use it as the key.
        result = value if isinstance(value, str) else str(value)
        return str.__str__(result)[:limit]
    except Exception:
        return f"<unprintable {kind(value)}>"


def name(value: Any) -> str:
    """Any value as a short text."""
    return text(value, NAME_LIMIT)


def kind(value: Any) -> str:
    """The name of a value's class."""
    try:
        return name(type(value).__name__)
    except Exception:
        return "object"  # its metaclass refuses


def names(values: Any) -> list[str]:
    """Each of several values as a short text."""
    return [name(value) for value in values]


def counts(mapping: Any) -> dict[str, int]:
    """A count for each key."""
    return {
        name(key): whole for key, value in _items(mapping) if (whole := count(value)) is not None
    }


def attributes(mapping: Any) -> dict[str, Any]:
    """A user's map as texts, scalars, and plain lists and maps of these, bounded."""
    left = NESTED
    found = {}
    for key, value in _items(mapping, ENTRIES):
        found[name(key)], left = _attribute(value, left)
    return found


def _attribute(value: Any, most: int) -> tuple[Any, int]:
    """A value, and how many nested ones may follow it."""
    if type(value) not in _NESTS:
        return scalar(value), most
    left = [most + 1]
    try:
        return _copied(value, DEPTH, left), left[0]
    except Exception:
        return name(value), most  # too large, or changed meanwhile


def _copied(value: Any, depth: int, left: list[int]) -> Any:
    left[0] -= 1
    if left[0] < 0:
        raise OverflowError
    if type(value) not in _NESTS:
        return scalar(value)
    if not depth:
        raise OverflowError
    if type(value) is dict:
        return {name(key): _copied(item, depth - 1, left) for key, item in value.items()}
    return [_copied(item, depth - 1, left) for item in value]


def scalar(value: Any) -> Any:
    """A value MessagePack and JSON both know: None, bool, int, float, else its text."""
    if value is None or type(value) is bool:
        return value
    try:
        if isinstance(value, int) and abs(value) <= INTEGER_LIMIT:
            return int(value)
        if isinstance(value, float):
            return number(value)
    except Exception:
        pass  # so its text
    return name(value)


def _items(mapping: Any, limit: int | None = None) -> list[tuple[Any, Any]]:
    try:
        return [(key, value) for key, value in islice(mapping.items(), limit)]
    except Exception:
        return []
