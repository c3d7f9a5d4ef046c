"""Fires requests with a context, and events of its own, and counts what a declared recorder should.

Written at `quit` to `$WITNESS/declared-<pid>.json`.
"""

import json
import os
import time
from itertools import count

import ltel_locust
from locust import User, constant, events, task

_numbers = count()
_checkout = {}
_slow = []
_sales = {"count": 0, "value": 0.0}


@events.request.add_listener
def _on_request(name, response_time, response_length, exception=None, context=None, **_kwargs):
    if not name.startswith("/checkout"):
        return
    # A request without a tenant has no such label.
    key = f"{name} {(context or {}).get('tenant', '')}"
    entry = _checkout.setdefault(key, {"requests": 0, "failures": 0, "bytes": 0, "timed": 0, "ms": 0.0})
    entry["requests"] += 1
    entry["bytes"] += response_length
    entry["failures"] += exception is not None
    if response_time is not None:
        entry["timed"] += 1
        entry["ms"] += response_time
        if response_time > 400:
            _slow.append([name, response_time])


@events.quit.add_listener
def _on_quit(**_kwargs):
    path = os.path.join(os.environ["WITNESS"], f"declared-{os.getpid()}.json")
    with open(path, "w") as file:
        json.dump({"checkout": _checkout, "slow": _slow, "sales": _sales}, file)


class Buyer(User):
    wait_time = constant(0.005)

    @task
    def buy(self):
        number = next(_numbers)
        self.environment.events.request.fire(
            request_type="POST" if number % 2 else "GET",
            name=("/checkout/pay", "/checkout/cart", "/search", "/checkout/done")[number % 4],
            start_time=time.time(),
            response_time=None if number % 13 == 0 else number % 500 + 0.5,
            response_length=number % 100,
            exception=TimeoutError("too late") if number % 7 == 0 else None,
            context={} if number % 11 == 0 else {"tenant": ("blue", "red")[number % 3 == 0]},
        )
        if number % 5 == 0:
            _sales["count"] += 1
            _sales["value"] += number % 10 + 0.25
            ltel_locust.record("sale", number % 10 + 0.25, currency="EUR")
        else:
            ltel_locust.record("look", number)
