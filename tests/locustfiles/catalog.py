"""3,000 pages of a catalog with ids in their URLs, a tenant in each context, tasks, and metrics of the locustfile's own.

What it did is in `$WITNESS/counted-<pid>.json`, written at `quit`: counts by metric and labels, as ltel should export them.
"""

import json
import os
from itertools import islice

import ltel_locust
from locust import User, constant, events, task

_counted = {}


def _count(metric, labels, value=1):
    series = _counted.setdefault(metric, {})
    key = ",".join(labels)
    series[key] = series.get(key, 0) + value


@events.quit.add_listener
def _on_quit(**_kwargs):
    with open(os.path.join(os.environ["WITNESS"], f"counted-{os.getpid()}.json"), "w") as file:
        json.dump(_counted, file)


ITEMS = ltel_locust.counter("cart.items", unit="{item}", description="Items that were put into a cart")
VALUE = ltel_locust.histogram("cart.value", unit="EUR")
DEPTH = ltel_locust.gauge("queue.depth")


class Catalog(User):
    # Nothing in a task waits: none is cut off at the end.
    wait_time = constant(0.002)

    def on_start(self):
        # Each worker has pages of its own.
        worker = getattr(self.environment.runner, "worker_index", 0)
        self.pages = iter(range(worker * 1500, worker * 1500 + 1500))

    def fire(self, page):
        tenant = ("blue", "green")[page % 2]
        kind = ("product", "offer", "health")[page % 3]
        name = f"/{kind}/{page}?session={page * 7}"
        took = 10.0 + page % 400
        self.environment.events.request.fire(
            request_type="GET",
            name=name,
            url=f"http://shop.example{name}",
            response_time=took,
            response_length=page,
            exception=RuntimeError("sold out") if page % 10 == 0 else None,
            # Every seventh has none: its label is absent, and that is said.
            context={} if page % 7 == 0 else {"tenant": tenant},
        )
        if kind == "health":
            _count("dropped", [])
            return
        labels = [f"/{kind}/{{id}}", "" if page % 7 == 0 else tenant]
        _count("duration count", labels)
        _count("duration sum", labels, took)
        _count("bytes", labels, page)
        if page % 10 == 0:
            _count("failures", labels)
        if took > 400.0:
            _count("slow", labels)

    @task(5)
    def browse(self):
        for page in islice(self.pages, 10):
            self.fire(page)
        _count("tasks", ["browse", "Catalog"])

    @task(1)
    def buy(self):
        ITEMS.add(3, tenant="blue")
        ITEMS.add(1, tenant="green")
        VALUE.record(42.5)
        DEPTH.set(7)
        for metric, labels, value in (
            ("cart.items", ["blue"], 3),
            ("cart.items", ["green"], 1),
            ("cart.value count", [], 1),
            ("cart.value sum", [], 42.5),
            ("tasks", ["buy", "Catalog"], 1),
        ):
            _count(metric, labels, value)

    @task(1)
    def fail(self):
        _count("tasks", ["fail", "Catalog"])
        _count("tasks failed", ["fail", "Catalog"])
        raise RuntimeError("not today")
