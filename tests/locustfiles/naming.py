"""One request for each of COUNT products and searches, and now and then a look at the health.

Beside them, messages of a client that is not HTTP's. It ends by itself.
"""

import itertools
import os

import gevent
import witness  # noqa: F401
from locust import FastHttpUser, constant, task

COUNT = int(os.environ.get("COUNT", "1500"))

_numbers = itertools.count()


class Shopper(FastHttpUser):
    wait_time = constant(0)

    @task
    def shop(self):
        n = next(_numbers)
        if n >= COUNT:
            # Not in this greenlet, which it ends.
            gevent.spawn(self.environment.runner.quit)
            gevent.sleep(60)
        # Nobody has it: a failure.
        self.client.get(f"/product/{n}")
        self.client.get(f"/ok?q={n}")
        if n % 10 == 0:
            self.client.get("/health")
        self.environment.events.request.fire(
            request_type="WS", name=f"room-{n % 50}", response_time=float(n % 7), response_length=1
        )
