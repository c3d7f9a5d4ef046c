"""Both HTTP clients against a target, in every way of Locust's API that is as old as the oldest supported one."""

import gevent
import witness  # noqa: F401
from locust import FastHttpUser, HttpUser, constant, events
from locust.runners import MasterRunner


@events.init.add_listener
def _on_init(environment, **_kwargs):
    """Let the master wait for its workers' last reports, and not for half a second only."""
    runner = environment.runner
    if isinstance(runner, MasterRunner):
        kill = runner.greenlet.kill

        def patient(**kwargs):
            with gevent.Timeout(30, False):
                while runner.clients:
                    gevent.sleep(0.02)
            kill(**kwargs)

        runner.greenlet.kill = patient


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
