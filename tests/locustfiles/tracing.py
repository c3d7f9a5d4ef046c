"""Requests that have a number each, in their url, and what of their trace both ends saw.

Written at `quit` to `$WITNESS/seen-<pid>.json`: by number, what the target answered that it was
sent as `traceparent`, which execution of a task the request belongs to, and what its event said.
"""

import json
import os
from itertools import count

import gevent
import witness  # noqa: F401
from locust import FastHttpUser, HttpUser, constant, events, task

REFUSING = os.environ["REFUSING"]

_numbers = (f"{os.getpid()}.{number}" for number in count())
_seen = {}


@events.test_start.add_listener
def _on_test_start(environment, **_kwargs):
    # The plugin waits for its receiver for a moment only, and the first requests may be untraced.
    with gevent.Timeout(60):
        while "ltel_tracer" not in vars(environment.events.request):
            gevent.sleep(0.01)


@events.request.add_listener
def _on_request(request_type, name, response_time, exception=None, context=None, **_kwargs):
    number = context.get("n") if context else None
    if number is not None:
        _seen.setdefault(number, {}).update(
            name=name, method=request_type, failed=bool(exception), response_time=response_time
        )


@events.quit.add_listener
def _on_quit(**_kwargs):
    path = os.path.join(os.environ["WITNESS"], f"seen-{os.getpid()}.json")
    with open(path, "w") as file:
        json.dump(_seen, file)


class Steps:
    """What both clients do. Each step begins an execution of its own."""

    wait_time = constant(0.02)
    in_tasks = False
    execution = None

    def on_start(self):
        # One of each, however short the run.
        steps = (Steps.plain, Steps.failing, Steps.judged, Steps.moved, Steps.given, Steps.hand)
        for step in steps:
            step(self)
        self.in_tasks = True

    def get(self, path, kind, base="/traced", **arguments):
        number = next(_numbers)
        # The event may come before the call returns, or after.
        seen = _seen.setdefault(number, {})
        seen.update(kind=kind, user=type(self).__name__, execution=self.execution)
        url = f"{base}{path}?n={number}"
        arguments["context"] = {"n": number}
        if kind not in ("judged", "forgiven"):
            response = self.client.get(url, **arguments)
        else:
            with self.client.get(url, catch_response=True, **arguments) as response:
                if kind == "judged":
                    response.failure("not what it should be")
                else:
                    response.success()
        if kind != "refused":
            seen["traceparent"] = response.text

    def begin(self):
        self.execution = next(_numbers) if self.in_tasks else None

    @task
    def plain(self):
        self.begin()
        self.get("/ok", "plain", name="ok")
        self.get("/ok", "renamed", name="another name")
        self.get("/slow", "slow", name="slow", headers={"X-Own": "1"})

    @task
    def failing(self):
        self.begin()
        self.get("/missing", "missing", name="missing")
        self.get("/broken", "broken", name="broken")
        self.get("/refused", "refused", base=REFUSING, name="refused")

    @task
    def judged(self):
        self.begin()
        self.get("/ok", "judged", name="judged")
        self.get("/missing", "forgiven", name="forgiven")

    @task
    def moved(self):
        self.begin()
        self.get("/moved", "moved", name="moved")
        self.get("/moved", "not followed", name="not followed", allow_redirects=False)

    @task
    def given(self):
        self.begin()
        number = os.urandom(24).hex()
        self.get(
            "/ok",
            "given",
            name="given",
            headers={"traceparent": f"00-{number[:32]}-{number[32:]}-01"},
        )

    @task
    def hand(self):
        self.begin()
        self.environment.events.request.fire(
            request_type="HAND",
            name="by hand",
            response_time=3.0,
            response_length=1,
            exception=None,
            context={},
        )


    @task
    def raising(self):
        self.begin()
        self.get("/ok", "plain", name="ok")
        raise RuntimeError("a task failed")


# Locust collects them from users only.
TASKS = [step for step in vars(Steps).values() if hasattr(step, "locust_task_weight")]


class Slow(Steps, HttpUser):
    """With requests."""

    tasks = TASKS


class Fast(Steps, FastHttpUser):
    """With geventhttpclient."""

    tasks = TASKS
