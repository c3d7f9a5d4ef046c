"""Locust internals beyond its documented API that the plugin uses; they are probed only here.

| what | for | differs |
|---|---|---|
| `exception.StopTest` | how a task ends without having failed | not in 2.40 and older |
| `FastHttpSession.request_event` | the tracer of a request | not in 2.37 and older: `environment` |
| `_send_request_safe_mode` of both sessions | `traceparent` headers | |
| `TaskSet.execute_next_task`, `._task_queue` | spans of tasks | a list in 2.20, a deque later |
| `user.task.DefaultTaskSet` | names of tasks | |
| `users.PytestUser` | spans of its test functions | not in 2.37 and older |
| `RequestStats.reset_all` of an environment | when its statistics go back to zero | |
| `EventHook._handlers` | the place of our listeners among others | |
| `StatsError.parse_error` | the text of a failure | |
| `MasterRunner.clients`, `.reported_user_classes_count` | the workers of a run, their users | |
| `WorkerRunner.worker_index`, `.client_id` | a worker's name | no index until its master answers |
| `Runner.user_classes_count`, `.target_user_count`, `.spawn_rate` | users of a run | |

If one is missing, only the feature that needs it is turned off, with one line in the log.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable
from functools import wraps
from operator import attrgetter
from typing import Any

import gevent
from locust import TaskSet, exception, runners, stats
from locust.env import Environment

from . import once

#: how Locust switches tasks and ends; not a failure of a task
FLOW: tuple[type[BaseException], ...] = (
    *(
        getattr(exception, name)
        for name in (
            "InterruptTaskSet",
            "RescheduleTask",
            "RescheduleTaskImmediately",
            "StopUser",
            "StopTest",
        )
        if hasattr(exception, name)
    ),
    gevent.GreenletExit,
    KeyboardInterrupt,
    SystemExit,
)

#: the method with which both HTTP clients send a request and get its response
SEND = "_send_request_safe_mode"

#: the set of a user's own tasks
DefaultTaskSet: Any = getattr(sys.modules[TaskSet.__module__], "DefaultTaskSet", ())
_Master: Any = getattr(runners, "MasterRunner", ())
_Worker: Any = getattr(runners, "WorkerRunner", ())


def lacks(what: str, without: str) -> None:
    """Warn once that this Locust lacks `what`, and which feature is off for that reason."""
    once.warn(f"lacks {what}", f"this version of Locust has no `{what}`: no {without}")


def is_master(runner: Any) -> bool:
    """Whether it coordinates workers."""
    return isinstance(runner, _Master)


def is_worker(runner: Any) -> bool:
    """Whether it runs users for a master."""
    return isinstance(runner, _Worker)


def when_runner_is_made(listener: Callable[[Any], None]) -> None:
    """Call this with each environment that gets a runner from now on."""
    for method in ("create_local_runner", "create_master_runner", "create_worker_runner"):
        original = getattr(Environment, method, None)
        if original is None:
            lacks(
                f"Environment.{method}", "telemetry of such a runner without `ltel_locust.attach`"
            )
        else:
            setattr(Environment, method, _heard(original, listener))


def _heard(original: Callable[..., Any], listener: Callable[[Any], None]) -> Callable[..., Any]:
    @wraps(original)
    def create(self: Any, *arguments: Any, **keywords: Any) -> Any:
        runner = original(self, *arguments, **keywords)
        try:
            listener(self)
        except Exception as error:
            once.failed("cannot start telemetry", error)
        return runner

    return create


def when_statistics_reset(environment: Any, listener: Callable[[], None]) -> None:
    """Call this when Locust's statistics are reset, for any reason.

    --reset-stats, the web UI (after the event `reset_stats`) and locustfiles (after a warm-up,
    without an event) reset them.
    """
    statistics = getattr(environment, "stats", None)
    original = getattr(statistics, "reset_all", None)
    if original is None:
        lacks("RequestStats.reset_all", "telemetry of statistics that are reset")
        return

    @wraps(original)
    def reset_all(*arguments: Any, **keywords: Any) -> Any:
        try:
            listener()
        except Exception as error:
            once.failed("cannot report `reset_stats`", error)
        return original(*arguments, **keywords)

    statistics.reset_all = reset_all


def stop_test(environment: Any) -> None:
    """Stop the test as Locust does at --run-time.

    Without the web UI that ends Locust too, and so it does with --autoquit. A worker is asked only
    if its master cannot be: it ends, which its master notices.
    """
    runner, options = environment.runner, environment.parsed_options
    web_ui = getattr(environment, "web_ui", None)
    if web_ui is None or is_worker(runner):
        runner.quit()
        return
    runner.stop()
    seconds = getattr(options, "autoquit", -1)
    if getattr(options, "autostart", False) and seconds != -1:
        gevent.sleep(seconds)
        runner.quit()
        web_ui.stop()


def worker_id(runner: Any) -> Any:
    """Locust's own id of a worker."""
    return getattr(runner, "client_id", None)


def worker_index(runner: Any) -> int | None:
    """The index that the master gave a worker; None before that."""
    index = getattr(runner, "worker_index", None)
    return index if isinstance(index, int) and index >= 0 else None


def worker_ids(runner: Any, ready: bool) -> list[Any]:
    """The ids of a master's workers that take part in a test, those that are ready included."""
    clients = runner.clients
    taking_part = clients.spawning + clients.running + (clients.ready if ready else [])
    return [client.id for client in taking_part]


def worker_counts(runner: Any) -> tuple[int, int]:
    """How many workers a master has, and how many it has not heard of for a while."""
    clients = runner.clients
    connected = len(clients.ready) + len(clients.spawning) + len(clients.running)
    return connected, len(clients.missing)


def user_counts(runner: Any) -> Any:
    """Running users by the name of their class; a master's are those of all its workers."""
    if is_master(runner):
        return dict(runner.reported_user_classes_count)
    return runner.user_classes_count


def insert_first(hook: Any, listener: Callable[..., None]) -> None:
    """Listen to an event before all other listeners."""
    handlers = _handlers(hook)
    if handlers is None:
        hook.add_listener(listener)
    else:
        handlers.insert(0, listener)


def insert_after_statistics(hook: Any, listener: Callable[..., None]) -> None:
    """Listen to requests right after Locust's own statistics.

    A listener may stop the event for later listeners, such as by raising `StopUser`: this one
    misses exactly the events that Locust's statistics miss.
    """
    handlers = _handlers(hook)
    if handlers is None:
        hook.add_listener(listener)
        return
    own = [at for at, known in enumerate(handlers) if _is_of_runner(known)]
    handlers.insert(own[-1] + 1 if own else 0, listener)


def _handlers(hook: Any) -> list[Any] | None:
    handlers = getattr(hook, "_handlers", None)
    if isinstance(handlers, list):
        return handlers
    lacks("EventHook._handlers", "telemetry of events that another listener ends")
    return None


def _is_of_runner(listener: Any) -> bool:
    return getattr(listener, "__module__", None) == runners.__name__


def error_text(error: Any) -> str:
    """The text that Locust's own statistics show for a failure."""
    parse = getattr(getattr(stats, "StatsError", None), "parse_error", None)
    if parse is None:
        lacks("StatsError.parse_error", "texts of failures as Locust shows them")
        return repr(error)
    return parse(error)


def http_clients() -> list[tuple[type, Callable[[Any], Any]]]:
    """The sessions of HttpUser and FastHttpUser, and how each finds the event that it fires."""
    found: list[tuple[type, Callable[[Any], Any]]] = []
    for module, name in (
        ("locust.clients", "HttpSession"),
        ("locust.contrib.fasthttp", "FastHttpSession"),
    ):
        try:
            session = getattr(__import__(module, fromlist=[name]), name)
        except Exception:
            session = None
        if session is None or SEND not in vars(session):
            lacks(f"{name}.{SEND}", f"traceparent with the requests of {name}")
        else:
            found.append((session, _request_event_of(session)))
    return found


def _request_event_of(session: type) -> Callable[[Any], Any]:
    arguments = inspect.signature(session).parameters
    for name, where in (
        ("request_event", "request_event"),
        ("environment", "environment.events.request"),
    ):
        if name in arguments:
            return attrgetter(where)
    return attrgetter("user.environment.events.request")


def pytest_user() -> type | None:
    """The class of users whose tasks are test functions of pytest."""
    from locust.user import users

    return getattr(users, "PytestUser", None)


def next_task(task_set: Any) -> Any:
    """The task that `execute_next_task` is about to execute; None if unknown."""
    queue: Iterable[Any] | None = getattr(task_set, "_task_queue", None)
    if queue is None:
        lacks("TaskSet._task_queue", "spans of tasks")
        return None
    return next(iter(queue), None)
