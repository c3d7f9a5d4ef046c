"""Events of OS threads beside those of greenlets, each thread as fast as it can."""

import time

import gevent
import witness  # noqa: F401
from locust import User, constant, events, task

import ltel_locust

THREADS, EVENTS = 4, 20_000


def fire(environment, name, n):
    environment.events.request.fire(
        request_type="T",
        name=name,
        response_time=float(n % 50),
        response_length=n % 7,
        exception=ValueError("x") if n % 10 == 0 else None,
        context={},
        start_time=time.time(),
    )


@events.test_start.add_listener
def _on_test_start(environment, **_kwargs):
    def burst(thread):
        for n in range(EVENTS):
            fire(environment, f"/thread{thread}", n)
            if n % 1_000 == 0:
                ltel_locust.record("thousand", n, thread=thread)

    def run():
        gevent.sleep(0.5)
        pool = gevent.get_hub().threadpool
        for result in [pool.spawn(burst, thread) for thread in range(THREADS)]:
            result.get()
        gevent.sleep(0.5)
        environment.runner.quit()

    gevent.spawn(run)


class Greenlets(User):
    wait_time = constant(0.01)

    @task
    def some(self):
        for n in range(20):
            fire(self.environment, "/greenlet", n)
