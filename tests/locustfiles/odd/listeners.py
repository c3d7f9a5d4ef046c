"""Listeners that raise before and behind Locust's own, and events without what Locust requires."""

from locust import User, constant, events, task
from locust.exception import RescheduleTask, StopUser

import ltel_locust  # noqa: F401


def _on_init(environment, **_kwargs):
    # Behind Locust's own statistics, which have counted by then.
    environment.events.request.add_listener(raising)


# As one that stands before `import ltel_locust`.
events.init._handlers.insert(0, _on_init)


def raising(name, **_kwargs):
    if name == "reschedules":
        raise RescheduleTask
    if name == "stops":
        raise StopUser
    if name == "fails":
        raise RuntimeError("a listener of the user's own")


class Reports(User):
    wait_time = constant(0.02)

    def fire(self, **fields):
        fields = {"request_type": "X", "response_time": 1.0, "response_length": 1, **fields}
        self.environment.events.request.fire(
            **{key: value for key, value in fields.items() if value != "missing"}
        )

    @task
    def plain(self):
        self.fire(name="plain")

    @task
    def reschedules(self):
        self.fire(name="reschedules")

    @task
    def fails(self):
        self.fire(name="fails")

    @task
    def lacks(self):
        for field in ("request_type", "response_time", "response_length"):
            self.fire(name="lacks", **{field: "missing"})
        self.fire()
        self.environment.events.cpu_warning.fire()
        self.environment.events.user_error.fire()
        self.environment.events.spawning_complete.fire(user_count="many")
        self.environment.events.cpu_warning.fire(cpu_usage=[], message=None, timestamp=None)
