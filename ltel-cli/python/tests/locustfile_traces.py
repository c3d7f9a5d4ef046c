"""The test that traced runs load: each request has a number of its own, in its url."""

import os
from itertools import count

import gevent
from locust import FastHttpUser, HttpUser, TaskSet, constant, events, task

import ltel_locust

NUMBERS = (f"{os.getpid()}.{number}" for number in count())
CLOSED = os.environ.get("CLOSED", "")
AT_ONCE = "AT_ONCE" in os.environ
if AT_ONCE:
    # However slow the machine: the receiver is there, and will answer.
    ltel_locust.session.MEET_TIMEOUT = 60


@events.init.add_listener
def _on_init(**_kwargs):
    # A run time is counted from the last turn of the loop, which may have been before the imports.
    gevent.get_hub().loop.update_now()


@events.request.add_listener
def _as_documented(
    *,
    request_type,
    name,
    response_time,
    response_length,
    exception,
    context,
    response=None,
    start_time=None,
    url=None,
):
    """Fails where the event says more than Locust lets it say."""
    assert set(context) <= {"kind", "given", "user"}, context


class Steps:
    """What both clients do."""

    wait_time = constant(0.02)
    pending = None

    def context(self):
        return {"user": type(self).__name__}

    def on_start(self):
        while not AT_ONCE and not hasattr(self.environment.events.request, "ltel_tracer"):
            gevent.sleep(0.01)
        # Each at least once, however few fit into the run.
        for step in self.tasks:
            self._taskset_instance.schedule_task(step)

    def get(self, path, kind, given=None, **arguments):
        context = {"kind": kind} if given is None else {"kind": kind, "given": given}
        url = f"{path}?n={next(NUMBERS)}"
        response = self.client.get(url, context=context, **arguments)
        return response

    def fire(self, kind, **fields):
        self.environment.events.request.fire(
            **{
                "request_type": "HAND",
                "name": "/hand",
                "response_time": 1.0,
                "response_length": 1,
                "exception": None,
                "context": {"kind": kind},
                **fields,
            }
        )

    @task
    def plain(self):
        self.get("/ok", "plain")
        ltel_locust.record("last", trace=ltel_locust.trace_id())
        headers = {"X-Own": "1"}
        self.get("/ok", "plain", headers=headers)
        assert headers == {"X-Own": "1"}
        self.get("/missing", "plain")
        self.get("/slow", "slow")
        self.client.post(f"/ok?n={next(NUMBERS)}", json={"a": 1}, context={"kind": "plain"})

    @task
    def redirected(self):
        self.get("/redirect", "redirect")
        self.get("/redirect", "plain", allow_redirects=False)

    @task
    def renamed(self):
        self.get("/ok", "plain", name="/renamed")
        with self.client.rename_request("/renamed 2"):
            self.get("/ok", "plain")
        self.client.request_name = "/renamed 3"
        self.get("/ok", "plain")
        self.client.request_name = None

    @task
    def caught(self):
        with self.get("/ok", "caught", catch_response=True) as outer:
            with self.get("/ok", "caught", catch_response=True) as inner:
                self.fire("hand", response=inner)
                inner.failure("marked")
            self.get("/ok", "plain")
            outer.failure("marked, later")
        left = self.get("/missing", "caught", catch_response=True).__enter__()
        self.get("/ok", "plain")
        left.success()
        gevent.spawn(left.__exit__, None, None, None).join()
        with self.rest("GET", f"/ok?n={next(NUMBERS)}", context={"kind": "caught"}):
            pass

    @task
    def given(self):
        number = os.urandom(12).hex()
        value = f"00-{number}{'0' * 7}1-{number[:16]}-01"
        for _ in range(3):  # retries
            self.get("/ok", "given", value, headers={"TraceParent": value})
        self.get("/ok", "bad", headers={"TRACEPARENT": "00-mine-01"})

    @task
    def given_by_client(self):
        number = os.urandom(12).hex()
        value = f"00-{number}{'0' * 7}2-{number[:16]}-00"
        headers = self.headers()
        if self.pending is not None:
            self.pending.join()  # its request is not to have them
        headers["Traceparent"] = value
        self.get("/ok", "default", value)
        self.get("/ok", "default", value, headers={"X-Own": "1"})
        del headers["Traceparent"]

    @task
    def broken(self):
        self.get(f"http://127.0.0.1:{CLOSED}/", "broken")

    @task
    def by_hand(self):
        self.fire("hand")
        gevent.spawn(self.fire, "hand").join()

    @task
    def handed_out(self):
        if ltel_locust.traceparent() is None:
            assert ltel_locust.trace_id() is None
            return  # without traces
        for _ in range(2):
            header = ltel_locust.traceparent()
            assert header == ltel_locust.traceparent()
            assert header.split("-")[1] == ltel_locust.trace_id()
            # Requests with a span of their own, and other greenlets, do not take it.
            self.get("/ok", "plain")
            self.get("/ok", "bad", headers={"TRACEPARENT": "00-mine-01"})
            gevent.spawn(self.fire, "hand").join()
            self.fire("handed out", context={"kind": "handed out", "given": header})
            assert header.split("-")[1] == ltel_locust.trace_id()
            self.fire("hand")
        header = ltel_locust.traceparent()
        for _ in range(2):
            self.get("/ok", "handed over", header, headers={"traceparent": header})
        self.fire("hand")
        if self.environment.events.request.ltel_tracer.tasks:
            ltel_locust.traceparent()  # and no event; those of the next task are none of it

    @task
    def spawns(self):
        gevent.spawn(self.get, "/ok", "spawned").join()
        gevent.pool.Pool(2).spawn(self.get, "/ok", "spawned").join()
        self.pending = gevent.spawn_later(0.1, self.get, "/ok", "outlives")

    @task
    def raises(self):
        self.get("/ok", "in raises")
        raise RuntimeError("a task failed")

    @task
    class Forum(TaskSet):
        """A nested set: its tasks have spans, it has none."""

        @task
        def read(self):
            self.user.get("/ok", "in read")
            self.interrupt(reschedule=False)


# Locust collects them from users only.
TASKS = [step for step in vars(Steps).values() if hasattr(step, "locust_task_weight")]


class Slow(Steps, HttpUser):
    """With requests."""

    tasks = TASKS

    def headers(self):
        return self.client.headers

    @task
    def given_late(self):
        number = os.urandom(12).hex()
        value = f"00-{number}{'0' * 7}3-{number[:16]}-01"

        def auth(request):
            request.headers["traceparent"] = value
            return request

        self.get("/ok", "default", value, auth=auth)
        self.get("/ok", "none", headers={"traceparent": None})


class Fast(Steps, FastHttpUser):
    """With geventhttpclient."""

    tasks = TASKS

    def headers(self):
        return self.client.client.default_headers


class Null(Steps, HttpUser):
    """Says whether Locust's own functions are still its own."""

    tasks = TASKS

    def headers(self):
        return self.client.headers

    def on_stop(self):
        from locust.clients import HttpSession
        from locust.contrib.fasthttp import FastHttpSession

        ltel_locust.record(
            "functions",
            http=HttpSession._send_request_safe_mode.__module__,
            fast=FastHttpSession._send_request_safe_mode.__module__,
            tasks=TaskSet.execute_next_task.__module__,
            trace=ltel_locust.trace_id(),
            header=ltel_locust.traceparent(),
        )
