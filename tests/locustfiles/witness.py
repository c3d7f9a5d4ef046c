"""Counts the requests of this process, beside Locust's own statistics and beside ltel.

Written at `quit` to `$WITNESS/witness-<pid>.json`, in the form of Locust's `--json-file`.
"""

import json
import os

import gevent
from locust import events

_stats = {}


@events.init.add_listener
def _on_init(**_kwargs):
    # A run time is counted from the last turn of the loop, which may have been before the imports.
    gevent.get_hub().loop.update_now()


@events.test_start.add_listener
def _on_test_start(**_kwargs):
    _stats.clear()


@events.request.add_listener
def _on_request(request_type, name, response_time, exception=None, **_kwargs):
    entry = _stats.setdefault(
        (request_type, name),
        {
            "method": request_type,
            "name": name,
            "num_requests": 0,
            "num_failures": 0,
            "num_none_requests": 0,
            "timed_failures": 0,
            "total_response_time": 0.0,
            "min_response_time": None,
            "max_response_time": None,
        },
    )
    entry["num_requests"] += 1
    entry["num_failures"] += bool(exception)
    if response_time is None:
        entry["num_none_requests"] += 1
        return
    entry["timed_failures"] += bool(exception)
    entry["total_response_time"] += response_time
    for key, pick in (("min_response_time", min), ("max_response_time", max)):
        known = entry[key]
        entry[key] = response_time if known is None else pick(known, response_time)


def leave_out(method, name):
    """Forget these requests, which Locust's own statistics do not have either."""
    del _stats[method, name]


@events.quit.add_listener
def _on_quit(**_kwargs):
    path = os.path.join(os.environ["WITNESS"], f"witness-{os.getpid()}.json")
    with open(path, "w") as file:
        json.dump({"stats": list(_stats.values())}, file)
