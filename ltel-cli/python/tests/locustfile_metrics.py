"""A locustfile with metrics of its own, used everywhere; it counts them itself, in a file."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections import Counter
from typing import Any

import gevent
from locust import User, constant, events, task

import ltel_locust

ITEMS = ltel_locust.counter("cart.items", unit="{item}", description="Items put into carts")
OPEN = ltel_locust.up_down_counter("carts.open")
VALUE = ltel_locust.histogram("cart.value", unit="EUR")

witness: Counter[str] = Counter()


def add(number: int, place: str) -> None:
    ITEMS.add(number, place=place)
    witness[place] += number


add(1, "import")
ltel_locust.gauge("config.users", unit="1").set(3)


class Shopper(User):
    wait_time = constant(0.01)

    @task
    def buy(self) -> None:
        add(2, "task")
        OPEN.add(1)
        VALUE.record(42.5, currency="EUR", vip=True, tier=2, note=None)
        gevent.spawn(add, 3, "greenlet").join()
        OPEN.add(-1)

    @task
    def odd(self) -> None:
        VALUE.record(float("nan"))
        VALUE.record("much")  # type: ignore[arg-type]
        VALUE.record(1, thing=object())
        ltel_locust.gauge("cart.items").set(1)


@events.test_start.add_listener
def begins(**_arguments: Any) -> None:
    add(5, "test_start")
    thread = threading.Thread(target=add, args=(7, "thread"))
    thread.start()
    thread.join()


@events.test_stop.add_listener
def ends(**_arguments: Any) -> None:
    add(11, "test_stop")


@events.quit.add_listener
def quit_(**_arguments: Any) -> None:
    # The run is over: these are left out, and it is complete without them.
    ITEMS.add(17, place="quit")
    ltel_locust.record("quit")
    logging.getLogger("shop").warning("quit")


@events.quitting.add_listener
def quits(**_arguments: Any) -> None:
    add(13, "quitting")
    with open(f"witness-{os.getpid()}.json", "w") as file:
        json.dump(witness, file)
