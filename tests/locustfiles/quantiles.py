"""Response times whose quantiles are known, of one worker and of both, whenever an interval ends: a cycle is never split."""

import witness  # noqa: F401
from locust import User, constant, task


class Cycles(User):
    wait_time = constant(0.05)

    def on_start(self):
        self.fire("/once", 77.0)

    @task
    def cycle(self):
        runner = self.environment.runner
        slow = 12 if getattr(runner, "worker_index", 0) == 0 else 0
        for n in range(100):
            self.fire("/steady", 243.0 if n < slow else 25.0 if slow else 30.0)

    def fire(self, name, response_time):
        self.environment.events.request.fire(
            request_type="GET", name=name, response_time=response_time, response_length=1
        )
