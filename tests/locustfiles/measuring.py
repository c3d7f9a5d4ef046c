"""Metrics, events and log messages of a locustfile, which it counts itself.

Written at `quit` to `$WITNESS/measured-<pid>.json`.
"""

import json
import logging
import os

import patient  # noqa: F401
from locust import User, constant, events, task

import ltel_locust

log = logging.getLogger("shop")
ITEMS = ltel_locust.counter("cart.items", unit="{item}", description="Items put into carts")
_counted = {
    "items": {},
    "value": [],
    "open": 0,
    "buy": 0,
    "fail": 0,
    "sold": 0,
    "logged": 0,
    "depth": 0,
}


class Shopper(User):
    wait_time = constant(0.02)

    @task(3)
    def buy(self):
        tenant = "blue" if _counted["buy"] % 3 else "red"
        _counted["buy"] += 1
        ITEMS.add(3, tenant=tenant, vip=True)
        _counted["items"][tenant] = _counted["items"].get(tenant, 0) + 3
        value = 0.5 * (_counted["buy"] % 200)
        ltel_locust.histogram("cart.value", unit="EUR").record(value)
        _counted["value"].append(value)
        ltel_locust.up_down_counter("sessions").add(2)
        ltel_locust.up_down_counter("sessions").add(-1)
        _counted["open"] += 1
        _counted["depth"] = _counted["buy"]
        ltel_locust.gauge("queue.depth", unit="{message}").set(_counted["depth"])
        self.environment.events.request.fire(
            request_type="SHOP", name="buy", response_time=5.0, response_length=0
        )

    @task
    def fail(self):
        _counted["fail"] += 1
        if _counted["fail"] % 5 == 0:
            ltel_locust.record("sold", value=19.5, article="book")
            _counted["sold"] += 1
            log.warning("no %s in stock", "book")
            _counted["logged"] += 1
        raise KeyError("id")


@events.quit.add_listener
def _on_quit(**_kwargs):
    path = os.path.join(os.environ["WITNESS"], f"measured-{os.getpid()}.json")
    with open(path, "w") as file:
        json.dump(_counted, file)
