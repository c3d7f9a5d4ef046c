"""User classes whose hosts are whatever their clients take."""

import witness  # noqa: F401
from locust import User, constant, task


class Odd(User):
    abstract = True
    wait_time = constant(0.05)

    @task
    def send(self):
        self.environment.events.request.fire(
            request_type="SEND",
            name=type(self).__name__,
            response_time=1.0,
            response_length=1,
            exception=None,
        )


class Listed(Odd):
    host = ["broker-1:9092", "broker-2:9092"]


class Mapped(Odd):
    host = {"primary": "db-1", "replica": "db-2"}


class Called(Odd):
    host = staticmethod(lambda: "http://computed")


class Unprintable:
    def __repr__(self):
        raise RuntimeError("no text")

    __eq__ = __hash__ = __bool__ = __repr__


class Raising(Odd):
    host = Unprintable()
