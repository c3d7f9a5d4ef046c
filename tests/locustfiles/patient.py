"""Lets a master wait for its workers' last reports, and not for half a second only."""

import gevent
from locust import events
from locust.runners import MasterRunner


@events.init.add_listener
def _on_init(environment, **_kwargs):
    runner = environment.runner
    if isinstance(runner, MasterRunner):
        kill = runner.greenlet.kill

        def patient(**kwargs):
            # A worker that says goodbye has reported before.
            with gevent.Timeout(30, False):
                while runner.clients:
                    gevent.sleep(0.02)
            kill(**kwargs)

        runner.greenlet.kill = patient
