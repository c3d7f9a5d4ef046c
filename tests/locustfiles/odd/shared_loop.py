"""Users of one asyncio loop, which runs in a greenlet of the first of them; they hand traces on themselves."""

import asyncio
import json
import os

import gevent
import witness  # noqa: F401
from locust import User, constant, events, task

import ltel_locust

_headers = []
_loop = None


def on_loop(coroutine):
    global _loop
    if _loop is None:
        _loop = asyncio.new_event_loop()
        gevent.spawn(_loop.run_forever)
    future = asyncio.run_coroutine_threadsafe(coroutine, _loop)
    while not future.done():
        gevent.sleep(0.002)


async def call(user, name):
    header = ltel_locust.traceparent()
    await asyncio.sleep(0.01)
    # Still the same, whatever others have asked for meanwhile.
    _headers.append([header, ltel_locust.traceparent()])
    user.environment.events.request.fire(
        request_type="LOOP",
        name=name,
        response_time=10.0,
        response_length=1,
        exception=None,
        context={},
    )


class Alpha(User):
    wait_time = constant(0.02)

    def on_start(self):
        on_loop(call(self, "Alpha"))

    @task
    def Alpha(self):  # noqa: N802  # named as what it calls
        on_loop(call(self, "Alpha"))


class Beta(User):
    wait_time = constant(0.02)

    @task
    def Beta(self):  # noqa: N802
        on_loop(call(self, "Beta"))


@events.quit.add_listener
def _on_quit(**_kwargs):
    with open(os.path.join(os.environ["WITNESS"], "headers.json"), "w") as file:
        json.dump(_headers, file)
