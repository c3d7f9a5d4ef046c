"""One user that fires BURST requests by hand every TICK seconds, and does not make up for lost time.

The longest gap between two ticks is what somebody kept the process from running: it goes to
`$WITNESS/gap-<pid>.json`, with the number of ticks.
"""

import json
import os
import time

import gevent
import witness  # noqa: F401
from locust import User, constant, events, task

BURST = int(os.environ.get("BURST", "1"))
TICK = float(os.environ.get("TICK", "0.01"))

_seen = {"ticks": 0, "longest_gap": 0.0}


class Ticking(User):
    wait_time = constant(0)

    @task
    def tick(self):
        fire = self.environment.events.request.fire
        last = time.monotonic()
        while True:
            for n in range(BURST):
                fire(request_type="TICK", name="even" if n % 2 else "odd", response_time=n % 50, response_length=1)
            _seen["ticks"] += 1
            gevent.sleep(max(0.0, last + TICK - time.monotonic()))
            now = time.monotonic()
            _seen["longest_gap"] = max(_seen["longest_gap"], now - last)
            last = now


@events.quit.add_listener
def _on_quit(**_kwargs):
    path = os.path.join(os.environ["WITNESS"], f"gap-{os.getpid()}.json")
    with open(path, "w") as file:
        json.dump(_seen, file)
