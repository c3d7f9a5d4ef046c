"""A load shape that returns fractions, as one of Locust's documentation does; in FORM another kind of number."""

import os
import random

import witness  # noqa: F401
from locust import LoadTestShape, User, constant, task


class Whole(int):
    """As other libraries' integers are: equal to one, and not quite one."""


FORM = {"float": float, "whole": Whole, "int": int}[os.environ["FORM"]]


class Reports(User):
    wait_time = constant(0.05)

    @task
    def report(self):
        self.environment.events.request.fire(
            request_type="GET",
            name="/a",
            response_time=random.uniform(1, 20),
            response_length=10,
            exception=None,
        )


class Steps(LoadTestShape):
    def tick(self):
        seconds = self.get_run_time()
        users = round(seconds / 2, 0) + 3.0 if FORM is float else round(seconds / 2) + 3
        return (FORM(users), 5.0) if seconds < 4 else None
