"""A locustfile that logs in every way, and has tasks that fail; it counts its tasks itself."""

from __future__ import annotations

import json
import logging
import logging.config
import os
from collections import Counter
from typing import Any

import gevent
from locust import TaskSet, User, constant, events, task
from locust.exception import RescheduleTask

import ltel_locust  # noqa: F401

log = logging.getLogger("shop")
silent = logging.getLogger("alone")
silent.propagate = False
witness: Counter[str] = Counter()
logging.getLogger("early").warning("at the import")
logging.getLogger("early").info("below what is kept")


class Talkative:
    told = False

    def __str__(self) -> str:
        if not self.told:  # by the plugin: Python's own handlers come later
            self.told = True
            log.error("logged while a message is handled")
        return "talkative"


class Shopper(User):
    wait_time = constant(0.01)

    @task
    def buy(self) -> None:
        witness["Shopper.buy"] += 1
        gevent.sleep(0.002)

    @task(2)
    def fail(self) -> None:
        witness["Shopper.fail"] += 1
        raise ValueError("no stock")

    @task
    def go(self) -> None:
        witness["Shopper.go"] += 1
        raise RescheduleTask

    @task
    class Nested(TaskSet):
        @task
        def look(self) -> None:
            witness["Shopper.Nested.look"] += 1
            self.interrupt()


class Talker(User):
    fixed_count = 1
    wait_time = constant(0.05)
    told = False

    @task
    def talk(self) -> None:
        witness["Talker.talk"] += 1
        if self.told:
            return
        Talker.told = True
        log.warning("low on %s", "stock")
        log.info("only info")
        silent.error("alone")
        try:
            raise KeyError("id")
        except KeyError:
            log.exception("a fault")
        log.warning("odd %s", Talkative())
        gevent.spawn(log.warning, "from a greenlet").join()
        logging.config.dictConfig(
            {"version": 1, "disable_existing_loggers": False, "root": {"level": "WARNING"}}
        )
        log.critical("after a reconfiguration")
        if os.environ.get("FLOOD"):
            for number in range(5_000):
                log.error("flood %d", number)
        raise ValueError("last words")  # which Locust logs


@events.quitting.add_listener
def quits(**_arguments: Any) -> None:
    with open(f"witness-{os.getpid()}.json", "w") as file:
        json.dump(witness, file)
