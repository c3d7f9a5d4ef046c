"""Tasks whose requests are made by others: greenlets, pools of threads, and coroutines."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import gevent
from gevent.pool import Pool
from greenlet import greenlet
from locust import User, constant, task

executor = ThreadPoolExecutor(2)
loop = None


def on_loop(coroutine):
    global loop
    if loop is None:
        loop = asyncio.new_event_loop()
        gevent.spawn(loop.run_forever)
    future = asyncio.run_coroutine_threadsafe(coroutine, loop)
    while not future.done():
        gevent.sleep(0.002)
    future.result()


def report(user, way):
    user.environment.events.request.fire(
        request_type=way,
        name=type(user).__name__,
        response_time=1.0,
        response_length=1,
        exception=None,
    )


async def coroutine(user):
    here = asyncio.get_running_loop()
    await asyncio.create_task(asyncio.sleep(0.001))
    await asyncio.to_thread(report, user, "to_thread")
    await here.run_in_executor(None, report, user, "run_in_executor")
    called = here.create_future()
    here.call_soon(lambda: called.set_result(report(user, "call_soon")))
    await called


class Helped(User):
    abstract = True
    wait_time = constant(0.02)

    def work(self):
        report(self, "direct")
        gevent.spawn(report, self, "spawn").join()
        gevent.spawn_later(0.001, report, self, "spawn_later").join()
        pool = Pool(2)
        pool.spawn(report, self, "pool")
        pool.map(lambda way: report(self, way), ["map"])
        pool.join()
        executor.submit(report, self, "submit").result()
        gevent.get_hub().threadpool.apply(report, (self, "threadpool"))
        thread = threading.Thread(target=report, args=(self, "thread"))
        thread.start()
        thread.join()
        greenlet(lambda: report(self, "greenlet")).switch()
        on_loop(coroutine(self))


class A(Helped):
    @task
    def task_a(self):
        self.work()


class B(Helped):
    @task
    def task_b(self):
        self.work()


class Started(Helped):
    def start(self, group):
        self._group = group
        self._greenlet = group.spawn(lambda user: user.run(), self)
        return self._greenlet

    @task
    def task_started(self):
        self.work()
