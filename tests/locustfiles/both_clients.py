"""Both HTTP clients against a target, in every way of Locust's API that is as old as the oldest supported one."""

import patient  # noqa: F401
import witness  # noqa: F401
from locust import FastHttpUser, HttpUser, constant


def visit(user):
    user.client.get("/traced/ok", name=f"{user.kind} ok")
    user.client.get("/traced/missing", name=f"{user.kind} missing")
    with user.client.get("/traced/ok", name=f"{user.kind} judged", catch_response=True) as response:
        response.failure("not what it should be")


class Browser(HttpUser):
    kind = "http"
    wait_time = constant(0.05)
    tasks = [visit]


class FastBrowser(FastHttpUser):
    kind = "fast"
    wait_time = constant(0.05)
    tasks = [visit]
