"""The test that the real runs load: HTTP requests, and events as odd as plugins fire them."""

import os

import gevent
from locust import HttpUser, constant, events, task
from locust.runners import MasterRunner

import ltel_locust


@events.test_start.add_listener
def _setup(environment, **_kwargs):
    _fire(environment, name="/in test_start")


@events.test_stop.add_listener
def _teardown(environment, **_kwargs):
    _fire(environment, name="/in test_stop")


@events.init.add_listener
def _late(environment, **_kwargs):
    # A run time is counted from the last turn of the loop, which may have been before the imports.
    gevent.get_hub().loop.update_now()
    # Fired before any run: Locust clears its statistics of it.
    _fire(environment, name="/before")
    if isinstance(environment.runner, MasterRunner):
        _wait_for_workers(environment.runner)
    # Registered after the plugin's own listener: its rows come after `done`.
    environment.events.test_stop.add_listener(_after)


def _wait_for_workers(runner):
    """Let a master wait for its workers' last reports, and not for half a second only."""
    kill = runner.greenlet.kill

    def patient(**kwargs):
        # A worker that says goodbye has reported before.
        with gevent.Timeout(20, False):
            while runner.clients:
                gevent.sleep(0.02)
        kill(**kwargs)

    runner.greenlet.kill = patient


def _after(environment, **_kwargs):
    _fire(environment, name="/after test_stop")


def _fire(environment, **fields):
    environment.events.request.fire(
        **{
            "request_type": "ODD",
            "name": "/odd",
            "response_time": 1.0,
            "response_length": 1,
            "exception": None,
            **fields,
        }
    )


class Visitor(HttpUser):
    wait_time = constant(0.02)
    host = os.environ.get("TARGET")

    @task
    def visit(self):
        self.client.get("/ok")
        self.client.get("/missing")
        with self.client.get("/ok", name="/marked", catch_response=True) as response:
            response.failure("marked")
        _fire(self.environment, response_time=None)
        _fire(self.environment, name="/odd time", response_time=7)
        _fire(self.environment, name="/odd error", exception="a text")
        _fire(self.environment, name="/odd false error", exception="")
        gevent.spawn(_fire, self.environment, name="/spawned", context={"id": 7}).join()
        ltel_locust.record("visit", 2.5, user=type(self).__name__)

    @task
    def flood(self):
        for _ in range(int(os.environ.get("FLOOD", "0"))):
            _fire(self.environment, name="/flood", start_time=1000.0)

    @task
    def fail(self):
        raise RuntimeError("a task failed")

    def on_stop(self):
        gevent.sleep(0)
        _fire(self.environment, name="/in on_stop")
