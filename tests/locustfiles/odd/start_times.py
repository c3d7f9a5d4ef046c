"""Events whose start_time is anything: Locust never looks at it."""

import itertools
import time

import witness  # noqa: F401
from locust import User, constant, task

STARTS = itertools.cycle(
    [
        time.time,
        lambda: time.time() * 1_000,
        time.perf_counter,
        time.time_ns,
        lambda: None,
        lambda: "now",
        lambda: time.time() + 7_200,
        lambda: time.time() - 7_200,
        lambda: float("nan"),
        lambda: -1.0,
    ]
)


class Reports(User):
    wait_time = constant(0.02)

    @task
    def report(self):
        self.environment.events.request.fire(
            request_type="X",
            name="/a",
            response_time=10.0,
            response_length=10,
            exception=None,
            start_time=next(STARTS)(),
        )
