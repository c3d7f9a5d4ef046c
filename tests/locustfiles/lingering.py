"""Users that report once, and again when they are done, three seconds after they were asked to stop."""

import gevent
import witness  # noqa: F401
from locust import User, task


class Lingering(User):
    def report(self, name):
        self.environment.events.request.fire(
            request_type="LINGER", name=name, response_time=1, response_length=0, exception=None
        )

    @task
    def linger(self):
        self.report("at first")
        while self.environment.runner.state not in ("stopping", "cleanup", "stopped"):
            gevent.sleep(0.05)
        gevent.sleep(3)
        self.report("at last")
