"""Rows: values as odd as a test can fire become what the protocol says."""

from __future__ import annotations

import itertools
import math
import time
import unittest
import weakref
from contextvars import Context
from decimal import Decimal
from functools import partial
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any, ClassVar

import greenlet
from locust.event import EventHook

from ltel_locust import rows, values
from ltel_locust.current import PLACE, Place
from ltel_locust.outbox import FRAME_LIMIT, Outbox
from ltel_locust.run import Run

from .receiver import decode, extra


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class FalseError(Exception):
    def __bool__(self) -> bool:
        return False


class NoTruth(Exception):
    def __bool__(self) -> bool:
        raise RuntimeError("neither true nor false")


class ErrorResponse:
    """Falsy, as the answer of `requests` to a 4xx is."""

    status_code = 404

    def __bool__(self) -> bool:
        return False


class RaisingResponse:
    @property
    def status_code(self) -> int:
        raise RuntimeError("no status")


class Path(str):
    def __str__(self) -> str:
        return "another text"


class Refuses:
    """Raises at whatever is asked of it, as a proxy does whose object is gone."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("gone")


class Huge(int):
    def __abs__(self) -> int:
        raise RuntimeError("no size")


class Nameless(type):
    @property
    def __name__(cls) -> str:
        raise RuntimeError("no name")


class NamelessError(Exception, metaclass=Nameless):
    pass


class Endless(dict[Any, Any]):
    def items(self) -> Any:
        return ((number, "x") for number in itertools.count())


def dead() -> Any:
    """A proxy of an object that is gone: its class cannot be asked for."""

    class Object:
        pass

    return weakref.proxy(Object())


PLAIN: dict[str, Any] = {
    "request_type": "GET",
    "name": "/",
    "response_time": 1.5,
    "response_length": 7,
    "start_time": 1000.0,
}


def row_of(wanted: set[str] | None = None, **fields: Any) -> list[Any]:
    """The row that one event arrives as, after a plain one in the same batch; extras as a map."""
    collected: list[rows.Row] = []
    event = EventHook()
    listener, want = rows.listener(collected, 100, lambda: None)
    event.add_listener(listener)
    want(wanted or ())
    event.fire(**PLAIN)
    event.fire(**{**PLAIN, **fields})
    outbox = Outbox(1 << 30)
    outbox.put_rows(collected, Run(None, None, None), 1.0, 2.0)
    received = [row for frame in taken(outbox) for row in frame["rows"]]
    assert received[0] == [1000.0, "GET", "/", 1.5, 7, None, None], received[0]
    return [*received[1][:7], extra(received[1])]


def taken(outbox: Outbox) -> list[dict[str, Any]]:
    frames = []
    while (data := outbox.take()) is not None:
        assert len(data) <= FRAME_LIMIT
        frames.append(decode(data))
    return frames


class OddValues(unittest.TestCase):
    def check(self, index: int, expected: Any, **fields: Any) -> None:
        with self.subTest(**{key: type(value).__name__ for key, value in fields.items()}):
            self.assertEqual(row_of(**fields)[index], expected)

    def test_names_and_types(self) -> None:
        self.check(2, "None", name=None)
        self.check(2, "7", name=7)
        self.check(2, "b'/'", name=b"/")
        self.check(2, "/own", name=Path("/own"))
        self.check(2, "\\ud800x", name="\ud800x")
        self.check(2, "<unprintable Unprintable>", name=Unprintable())
        self.check(2, "x" * values.TEXT_LIMIT, name="x" * 2_000_000)
        self.check(1, "None", request_type=None)

    def test_a_long_name_is_one_name(self) -> None:
        for limit in (values.TEXT_LIMIT, values.TEXT_LIMIT + 1):
            long = "x" * limit
            names = {row_of(name=long, response_time=time_ms)[2] for time_ms in (1.0, 1)}
            self.assertEqual(names, {long[: values.TEXT_LIMIT]})

    def test_an_event_without_a_required_argument_is_none(self) -> None:
        for missing in ("request_type", "name", "response_time", "response_length"):
            collected: list[rows.Row] = []
            event = EventHook()
            event.add_listener(rows.listener(collected, 100, lambda: None)[0])
            with self.assertNoLogs():
                event.fire(**{key: value for key, value in PLAIN.items() if key != missing})
            run = Run(None, None, None, sent=1)
            outbox = Outbox(1 << 20)
            outbox.put_rows(collected, run, 1.0, 2.0)
            self.assertEqual((taken(outbox), run.sent), ([], 0))

    def test_response_times(self) -> None:
        self.check(3, 7.0, response_time=7)
        self.check(3, 2.5, response_time=Decimal("2.5"))
        for value in (None, math.nan, math.inf, "12", [], 10**400):
            self.check(3, None, response_time=value)
        self.assertIsInstance(row_of(response_time=7)[3], float)

    def test_response_lengths(self) -> None:
        self.check(4, 0, response_length=None)
        self.check(4, 3, response_length=3.7)
        self.check(4, 0, response_length="many")
        self.check(4, 2**63 - 1, response_length=2**80)
        self.check(4, 0, response_length=math.nan)

    def test_status_codes(self) -> None:
        self.check(5, 404, response=ErrorResponse())
        self.check(5, None, response=RaisingResponse())
        self.check(5, None, response=object())
        for given, expected in (
            (HTTPStatus.OK, 200),
            (0, 0),
            (True, None),
            ("200", None),
            (-1, None),
            (2**70, None),
            ([], None),
        ):
            self.check(5, expected, response=type("R", (), {"status_code": given})())

    def test_start_times(self) -> None:
        began = row_of(start_time=None, response_time=60_000)[0]
        self.assertAlmostEqual(began, time.time() - 60, delta=5)
        self.assertAlmostEqual(row_of(start_time="soon")[0], time.time(), delta=5)
        self.check(0, 1000.0, start_time=1000)

    def test_failures_are_what_locust_counts(self) -> None:
        self.check(6, ["ValueError", "ValueError('boom')"], exception=ValueError("boom"))
        self.check(6, ["str", "boom"], exception="boom")
        self.check(6, ["int", "3"], exception=3)
        self.check(6, ["Unprintable", "<unprintable Unprintable>"], exception=Unprintable())
        self.check(6, ["object", "<object object at 0x....>"], exception=object())
        for exception in (None, "", 0, FalseError(), NoTruth()):
            self.check(6, None, exception=exception)
        self.assertEqual(len(row_of(exception="x" * 2_000_000)[6][1]), values.TEXT_LIMIT)

    def test_a_value_that_refuses_costs_itself_alone(self) -> None:
        for value in (dead(), Refuses()):
            for field in ("request_type", "name", "response_time", "response_length", "start_time"):
                self.assertEqual(len(row_of(**{field: value})), 8)
            self.check(3, None, response_time=value)
            self.check(4, 0, response_length=value)
            for found in (values.count(value), values.flag(value), values.number(value)):
                self.assertIsNone(found)
            context = {"ok": 1, "odd": value}
            found = row_of({"url", "context"}, url=value, context=context)[7]
            self.assertEqual(found["context"]["ok"], 1)
            self.assertIn("unprintable", found["context"]["odd"])
            self.assertIn("unprintable", found["url"])
        self.assertEqual(values.scalar(Huge(5)), "5")
        nameless = row_of(exception=NamelessError("x"))[6]
        self.assertEqual((nameless[0], type(nameless[1])), ("object", str))
        self.assertEqual(len(values.attributes(Endless())), values.ENTRIES)

    def test_plain_lists_and_maps_stay_what_they_are(self) -> None:
        deep: list[Any] = []
        deep.append(deep)
        context = {
            "list": ["a", 0, None, (1.5, True)],
            "map": {"a": {1: Decimal("1.5")}},
            "large": list(range(values.NESTED - 7)),
            "most": list(range(values.NESTED - 8)),
            "deep": deep,
            "set": {1},
        }
        found = values.attributes(context)
        self.assertEqual(found["list"], ["a", 0, None, [1.5, True]])
        self.assertEqual(found["map"], {"a": {"1": "1.5"}})
        self.assertEqual(found["most"], context["most"])
        self.assertEqual(found["large"], str(context["large"]))
        self.assertEqual((found["deep"], found["set"]), ("[[...]]", "{1}"))

    def test_extras_are_sent_only_where_asked_for(self) -> None:
        fields = {"url": "http://host/a", "context": {"id": 7, "odd": {1}, "nan": math.nan}}
        self.assertIsNone(row_of(**fields)[7])
        self.assertEqual(row_of({"url"}, **fields)[7], {"url": "http://host/a"})
        self.assertEqual(
            row_of({"url", "context"}, **fields)[7],
            {"url": "http://host/a", "context": {"id": 7, "odd": "{1}", "nan": None}},
        )
        self.assertIsNone(row_of({"url", "context", "user_class"})[7])

    def test_extras_have_their_places(self) -> None:
        ids = bytes(range(24)) + b"\1"
        request = SimpleNamespace(body=b"12345")
        event = {
            **PLAIN,
            "url": "/x",
            "context": {"a": 1},
            "response": SimpleNamespace(request=request),
        }
        wanted = ("context", "user_class", "request_length", "url")
        for extras, traced, expected in (
            ((), False, []),
            ((), True, [ids, "Shopper", "/x"]),
            (("user_class",), False, [None, "Shopper"]),
            (("user_class",), True, [ids, "Shopper", "/x"]),
            (("context",), False, [None, None, None, None, {"a": 1}]),
            (("request_length",), True, [ids, "Shopper", "/x", 5]),
            (wanted, False, [None, "Shopper", "/x", 5, {"a": 1}]),
            (wanted, True, [ids, "Shopper", "/x", 5, {"a": 1}]),
        ):
            with self.subTest(extras=extras, traced=traced):
                collected: list[rows.Row] = []
                listener, want = rows.listener(collected, 9, lambda: None)
                want(extras, (lambda *_event: ids) if traced else None)
                here = Context()
                here.run(PLACE.set, Place("Shopper"))
                here.run(listener, **event)
                outbox = Outbox(1 << 20)
                outbox.put_rows(collected, Run(None, None, None), 1.0, 2.0)
                ((row,),) = (frame["rows"] for frame in taken(outbox))
                self.assertEqual(row[7:], expected)

    def test_a_span_outside_of_users_and_without_a_url(self) -> None:
        for fields, expected in (({}, [b"ids"]), ({"url": "/x"}, [b"ids", None, "/x"])):
            for extras in ((), ("user_class", "context")):
                collected: list[rows.Row] = []
                listener, want = rows.listener(collected, 9, lambda: None)
                want(extras, lambda *_event: b"ids")
                listener(**PLAIN, **fields)
                self.assertEqual(list(collected[0][7:]), expected)

    def test_a_span_whose_details_cannot_be_read(self) -> None:
        class Raises(greenlet.greenlet):
            @property
            def args(self) -> Any:
                raise RuntimeError("no arguments")

        class Odd(greenlet.greenlet):
            args: ClassVar[dict[str, int]] = {"shop": 1}

        for kind in (Raises, Odd):
            for extras in ((), ("user_class", "context")):
                collected: list[rows.Row] = []
                listener, want = rows.listener(collected, 9, lambda: None)
                want(extras, lambda *_event: b"ids")
                kind(partial(listener, **PLAIN)).switch()
                self.assertEqual(list(collected[0][7:]), [b"ids"])

    def test_the_listener_keeps_no_response(self) -> None:
        collected: list[rows.Row] = []
        response = ErrorResponse()
        listener, _ = rows.listener(collected, 9, lambda: None)
        listener(**PLAIN, response=response)
        self.assertNotIn(response, collected[0])

    def test_a_full_batch_is_packed_at_once(self) -> None:
        collected: list[rows.Row] = []
        listener, _ = rows.listener(collected, 3, collected.clear)
        for _ in range(7):
            listener(**PLAIN)
        self.assertEqual(len(collected), 1)
