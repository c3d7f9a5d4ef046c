"""What a test may do to Python and to Locust around the plugin, by its FORM."""

import importlib
import logging
import os
import sys
from unittest.mock import MagicMock

import locust
from locust.clients import HttpSession

import ltel_locust

FORM = os.environ["FORM"]

if FORM == "requests of quitting with workers":
    import witness
if FORM == "imported twice":
    for module in [module for module in sys.modules if module.startswith("ltel_locust")]:
        del sys.modules[module]
    import ltel_locust
if FORM == "plugin reloaded":
    importlib.reload(ltel_locust)
if FORM == "locust reloaded":
    importlib.reload(locust)
if FORM == "handler raises":

    class Raises(logging.Handler):
        def emit(self, record):
            raise RuntimeError("a handler of the test's own")

    logging.getLogger("ltel_locust").addHandler(Raises())

import gevent  # noqa: E402
from locust import User, constant, events, task  # noqa: E402
from locust.runners import WorkerRunner  # noqa: E402


class Reports(User):
    wait_time = constant(0.02)
    host = "http://127.0.0.1:1"

    environments = []

    def on_start(self):
        self.environments.append(self.environment)

    def report(self, name):
        fire(self.environment, name)

    @task
    def reports(self):
        self.report("task")

    @task
    def asks(self):
        self.report("own" if ltel_locust.traceparent() else "no trace")

    @task
    def mocks(self):
        if FORM == "event mocked":
            response = HttpSession("http://127.0.0.1:1", MagicMock(), self).get("/")
            # Refused by the target that is not there, not by what is sent.
            self.report(type(response.error).__name__)


def fire(environment, name):
    environment.events.request.fire(
        request_type="X", name=name, response_time=1.0, response_length=1, exception=None
    )


@events.spawning_complete.add_listener
def _on_spawning_complete(**_kwargs):
    if FORM == "statistics reset":
        # When all is warm, without an event.
        gevent.spawn_later(0.7, _reset)


def _reset():
    environment = Reports.environments[0]
    environment.stats.reset_all()
    fire(environment, "after the reset")


@events.quitting.add_listener
def _on_quitting(environment, **_kwargs):
    if FORM.startswith("requests of quitting"):
        fire(environment, "quitting")
        if isinstance(environment.runner, WorkerRunner):
            # Its last report has gone to its master: in Locust this request counts nowhere.
            witness.leave_out("X", "quitting")
