"""Requests of every kind: two HTTP clients, and events fired by hand with whatever Locust takes."""

import os

import patient  # noqa: F401
import witness  # noqa: F401  # first, so that it sees what other test_start listeners report
from locust import FastHttpUser, HttpUser, User, constant, events, task

REFUSING = os.environ["REFUSING"]


def plain(user):
    user.client.get("/ok", name=f"{user.kind} ok")
    user.client.post("/echo", data="x" * 100, name=f"{user.kind} echo")
    user.client.get("/slow", name=f"{user.kind} slow")


def failing(user):
    user.client.get("/missing", name=f"{user.kind} missing")
    user.client.get("/broken", name=f"{user.kind} broken")
    user.client.get(f"{REFUSING}/refused", name=f"{user.kind} refused")


def judged(user):
    with user.client.get("/ok", name=f"{user.kind} judged", catch_response=True) as response:
        response.failure("not what it should be")
    with user.client.get("/missing", name=f"{user.kind} forgiven", catch_response=True) as response:
        response.success()


class Starting:
    def on_start(self):
        # One of each, however short the run.
        for request in (plain, failing, judged):
            request(self)


class Browser(Starting, HttpUser):
    kind = "http"
    wait_time = constant(0.02)
    tasks = [plain, failing, judged]


class FastBrowser(Starting, FastHttpUser):
    kind = "fast"
    wait_time = constant(0.02)
    tasks = [plain, failing, judged]


class Falsy(Exception):
    def __bool__(self):
        return False


NAMES = [
    "plain",
    "",
    " ",
    "Aggregated",
    'quo"te and back\\slash',
    "new\nline\r\ttab",
    "nul\0 and \x1b[31m",
    "emoji 🚀 and ü",
    "separators \u2028 \u2029",
    "{braces} %s <tags>",
    "long " * 100,
]

EXCEPTIONS = [None, Exception("boom"), ValueError('multi\nline "quoted" 🚀'), "a text", Falsy("no failure")]
TIMES = [12.5, 0, 0.001, 250, None]


class Hand(User):
    wait_time = constant(0.1)

    @task
    def fire(self):
        for n, name in enumerate(NAMES):
            for m, exception in enumerate(EXCEPTIONS):
                self.environment.events.request.fire(
                    request_type="FIRED",
                    name=name,
                    response_time=TIMES[(n + m) % len(TIMES)],
                    response_length=n,
                    exception=exception,
                    context={},
                )
        if os.environ.get("LONE_SURROGATES"):
            # Locust cannot send such a name from a worker to its master, nor count a failure of it.
            self.environment.events.request.fire(
                request_type="\udc80", name="lone \ud800 surrogate", response_time=1, response_length=0
            )
        # With the least that Locust takes.
        self.environment.events.request.fire(
            request_type="", name="bare", response_time=123456.789, response_length=0
        )
        self.environment.events.request.fire(
            request_type="FIRED", name="never timed", response_time=None, response_length=0, exception=None
        )


def _report(name):
    events.request.fire(request_type="HOOK", name=name, response_time=7, response_length=0, exception=None)


@events.test_start.add_listener
def _on_test_start(**_kwargs):
    _report("in test_start")


@events.test_stop.add_listener
def _on_test_stop(**_kwargs):
    # On a worker this is after the master's own test_stop.
    for _ in range(20):
        _report("in test_stop")
