"""Every type in every field of every event that a locustfile can fire, from the SEED; and what is counted of it."""

import datetime
import decimal
import json
import os
import random

import gevent
from locust import LoadTestShape, User, constant, events, task

import ltel_locust

rng = random.Random(int(os.environ["SEED"]))


class Raises:
    """Refuses to be anything."""

    def __getattr__(self, name):
        raise RuntimeError(f"no {name}")

    def refuse(self, *_arguments):
        raise RuntimeError("no")

    __str__ = __repr__ = __bool__ = __float__ = __int__ = __len__ = __iter__ = __eq__ = __call__ = (
        refuse
    )
    __hash__ = None


class Text(str):
    def __str__(self):
        return "another text"


class Whole(int):
    pass


VALUES = [
    None,
    True,
    False,
    0,
    -1,
    7,
    2**31,
    2**63,
    2**64,
    -(2**70),
    10**400,
    Whole(3),
    0.0,
    -0.5,
    1.5,
    1e300,
    float("nan"),
    float("inf"),
    -float("inf"),
    decimal.Decimal("2.5"),
    1 + 2j,
    "",
    "text",
    "\ud800 lone",
    "nul\0 esc\x1b[31m line\u2028",
    "x" * 20_000,
    Text("own"),
    b"bytes",
    b"\xff\xfe",
    bytearray(b"array"),
    [],
    ["a", 1, None],
    {},
    {"a": 1, 2: "b", None: [1]},
    {1, 2},
    (1, "2"),
    range(3),
    object(),
    object,
    len,
    datetime.datetime(2026, 1, 1),
    datetime.timedelta(seconds=1),
    ValueError("an error"),
    Raises(),
    Raises,
]


def nested(depth):
    value = "deep"
    for _ in range(depth):
        value = {"in": [value]}
    return value


VALUES += [nested(5), nested(300)]
counted = {}


def value():
    return rng.choice(VALUES)


class Fuzzed(User):
    host = value()
    wait_time = constant(0.001)

    def request(self, **odd):
        # What is odd of these is Locust's own to count, or not.
        fields = {
            "request_type": "F",
            "name": "plain",
            "response_time": 1.0,
            "response_length": 1,
            **odd,
        }
        self.environment.events.request.fire(**fields)
        key = (fields["request_type"], fields["name"])
        counted[key] = counted.get(key, 0) + 1

    @task
    def requests(self):
        for field in ("start_time", "response", "context", "url", "unknown", "host"):
            self.request(name=field, **{field: value()})
        self.request(
            name="texts", exception=rng.choice(["", "text", ValueError("x"), b"y", 3, ["z"], None])
        )
        self.request(name="times", response_time=rng.choice([None, 0, 3, 2.5, Whole(4), True]))
        self.request(name="lengths", response_length=rng.choice([0, 5, 2**40, 2.5, Whole(4)]))
        self.request(
            name=rng.choice(["long " * 5_000, "\ud800 lone", "nul\0", "ü🚀", "", Text("own"), " "])
        )

    @task
    def others(self):
        hooks = self.environment.events
        hooks.user_error.fire(user_instance=value(), exception=value(), tb=value())
        hooks.cpu_warning.fire(cpu_usage=value(), message=value(), timestamp=value())
        hooks.report_to_master.fire(client_id=value(), data=value())
        ltel_locust.record(value(), value(), a=value(), b=value())
        ltel_locust.trace_id()
        ltel_locust.traceparent()


class Odd(LoadTestShape):
    def tick(self):
        return (
            (rng.choice([2, 2.0, 2.5, Whole(2)]), rng.choice([10, 10.0, 2.5]))
            if self.get_run_time() < 4
            else None
        )


@events.init.add_listener
def _on_init(environment, **_kwargs):
    gevent.get_hub().loop.update_now()
    for name in ("testplan", "spawn_rate"):
        setattr(environment.parsed_options, name, value())


@events.quit.add_listener
def _on_quit(**_kwargs):
    # Names are cut, and lone surrogates escaped.
    def shown(text):
        return str.__str__(text)[:16_384].encode("utf-8", "backslashreplace").decode()

    entries = [{"method": m, "name": shown(n), "count": c} for (m, n), c in counted.items()]
    with open(os.path.join(os.environ["WITNESS"], "counted.json"), "w") as file:
        json.dump(entries, file)
