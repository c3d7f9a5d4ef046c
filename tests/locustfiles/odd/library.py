"""Locust as a library, in a program that knows nothing of ltel."""

import gevent
from locust import User, constant, events, task
from locust.env import Environment


class Reports(User):
    wait_time = constant(0.02)

    @task
    def report(self):
        self.environment.events.request.fire(
            request_type="X", name="library", response_time=1.0, response_length=1, exception=None
        )


environments = [
    Environment(user_classes=[Reports]),
    Environment(user_classes=[Reports], events=events),
]
for environment in environments:
    runner = environment.create_local_runner()
    runner.start(2, spawn_rate=2)
    gevent.sleep(1)
    runner.quit()
    print("library", runner.stats.total.num_requests)
