"""All that the plugin tells, as many of each in every run; then the test ends itself."""

import logging
import traceback

import gevent
import witness  # noqa: F401
from locust import FastHttpUser, HttpUser, constant, events, task
from locust.exception import StopUser

import ltel_locust

ROUNDS = 3
GIVEN = "00-0af7651916cd43dd8448eb211c80319c-{:016x}-{}"

log = logging.getLogger("shop")
# Nothing of the machine, such as the paths in a traceback.
logging.getLogger("locust.user.task").disabled = True
traceback.format_tb = lambda *_arguments: ["a place\n"]
_running = 2


@events.test_start.add_listener
def _on_test_start(environment, **_kwargs):
    # The plugin waits for its receiver for a moment only, and the first requests may be untraced.
    with gevent.Timeout(60):
        while "ltel_tracer" not in vars(environment.events.request):
            gevent.sleep(0.01)


class Steps:
    wait_time = constant(0)
    done = 0

    def on_start(self):
        self.client.get("/traced/ok", name="outside of tasks")

    @task
    def visit(self):
        global _running
        self.done += 1
        if self.done > ROUNDS:
            _running -= 1
            if not _running:
                gevent.spawn(self.environment.runner.quit)
            raise StopUser
        tenant = "blue" if self.done % 2 else "red"
        self.client.get("/traced/ok?a=1", name="ok", context={"tenant": tenant, "n": self.done})
        self.client.post("/echo", data="x" * 100, name="echo")
        self.client.get("/traced/moved", name="moved")
        with self.client.get("/missing", name="judged", catch_response=True) as response:
            response.failure(f"it is not there, {self.done}")
        for flags in ("00", "01"):
            # Each user's spans have ids of their own.
            given = GIVEN.format(self.first_id + 2 * self.done + int(flags), flags)
            self.client.get("/traced/ok", name=f"given {flags}", headers={"traceparent": given})
        header = ltel_locust.traceparent()
        ltel_locust.record("handed out", value=self.done, traceparent=header)
        self.fire("by hand", exception=ValueError("no stock") if self.done == 2 else None)
        self.fire("without ids handed out", response_time=None)
        ltel_locust.counter("cart.items", unit="{item}").add(3, tenant=tenant)
        ltel_locust.histogram("cart.value", unit="EUR").record(0.5 * self.done, tenant=tenant)
        ltel_locust.gauge("queue.depth").set(self.done, tenant=type(self).__name__)
        log.warning("round %d", self.done)
        if self.done == ROUNDS:
            raise RuntimeError("the last round fails")

    def fire(self, name, **fields):
        event = {"request_type": "HAND", "name": name, "response_time": 3.5, "response_length": 7}
        self.environment.events.request.fire(
            **{**event, "exception": None, "context": {}, **fields}
        )


class Slow(Steps, HttpUser):
    first_id = 0x100
    tasks = [Steps.visit]


class Fast(Steps, FastHttpUser):
    first_id = 0x200
    tasks = [Steps.visit]
