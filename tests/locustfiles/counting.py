"""A few hand-fired requests a second, named after the run: the first since the process began is `/run1`."""

import os
import time

import witness  # noqa: F401
from locust import LoadTestShape, User, constant, events, task

_runs = 0


@events.test_start.add_listener
def _on_test_start(**_kwargs):
    global _runs
    _runs += 1


class Counting(User):
    wait_time = constant(0.02)

    @task
    def fire(self):
        self.environment.events.request.fire(
            request_type="COUNT", name=f"/run{_runs}", response_time=10.0 * _runs, response_length=1
        )
        # Measured a while ago, reported only now.
        self.environment.events.request.fire(
            request_type="COUNT",
            name=f"/run{_runs}/reported-late",
            response_time=5.0,
            response_length=1,
            start_time=time.time() - 1,
        )


if os.environ.get("SHAPED"):

    class UpAndDown(LoadTestShape):
        def tick(self):
            for until, users in ((2, 2), (4, 5), (9, 1)):
                if self.get_run_time() < until:
                    return users, 10
            return None
