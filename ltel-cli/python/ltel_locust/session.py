"""The telemetry of one Locust process, from `init` to `quit`: its events become frames."""

from __future__ import annotations

import atexit
import logging
import os
import socket
import time
import traceback
import uuid
from typing import Any

import locust
import psutil
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from . import address, options, propagate, rows, run, tasks
from .outbox import Outbox, encode
from .run import Run
from .sender import Sender
from .trace import Tracer

logger = logging.getLogger("ltel_locust")

#: rows of one frame; reaching it packs them at once, since a busy test may starve the sender
BATCH = 1_000
BUFFER_BYTES = 64 << 20
DRAIN_TIMEOUT = 5.0
#: seconds that the first test may begin later, so that its first request is traced already; that
#: holds for a receiver on this host, whose address is a path or in digits: a host name may be
#: resolved only after the test has begun
MEET_TIMEOUT = 0.25
EXTRAS = ("url", "user_class", "context", "request_length")


def start(environment: Environment) -> Session | None:
    """Begin telemetry for an environment whose runner exists; None if it is off."""
    try:
        where = address.choose(options.address(environment.parsed_options))
    except address.AddressError as error:
        logger.error("ltel: no telemetry: %s", error)
        return None
    return Session(environment, where)


class Session:
    """Listens to one environment's events and queues frames."""

    def __init__(self, environment: Environment, where: address.Address) -> None:
        self._environment = environment
        self._pid = os.getpid()
        self._client_id = uuid.uuid4().hex
        self._closed = False
        self._rows: list[rows.Row] = []
        self._wanted: set[str] = set()
        self._task_rows: list[tasks.Row] = []
        self._tracer = Tracer(self._on_task)
        self._runs: list[Run] = []
        self._outbox = Outbox(int(_setting("LTEL_BUFFER_BYTES", BUFFER_BYTES)))
        self._users_interval = 1.0
        self._usage_interval: float | None = None
        self._next_users = 0.0
        self._next_usage = 0.0
        self._had_users = False
        self._overflow_said = False
        self._process = psutil.Process()
        self._sender = Sender(where, self._outbox, self._hello, self._welcomed, self._tick)
        self._listen()
        self._sender.start()
        # For Locust as a library, and for exits that fire no `quit`.
        atexit.register(self.close)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forked)

    def catch_up(self, requests: list[rows.Row]) -> None:
        """A run had begun before `init`: begin it here too, with its first requests."""
        since, self._rows[:] = self._rows.copy(), []
        self._begin_run()
        self._rows[:] = requests + since

    def record(self, name: str, value: float | None, attributes: dict[str, Any]) -> None:
        """Queue a custom event."""
        fields = {
            "time": time.time(),
            "name": rows.text(name),
            "attributes": rows.attributes(attributes),
        }
        if value is not None:
            fields["value"] = rows.number(value)
        self._outbox.put_event("custom", fields)

    def close(self) -> None:
        """Send what is left, wait a bounded time for its arrival, and end."""
        if self._closed or os.getpid() != self._pid:
            return
        self._closed = True
        if self._runs and not self._runs[-1].ended:
            self._finish(self._runs[-1])
        self._flush()
        self._report_runs()
        self._sender.drain(_setting("LTEL_DRAIN_TIMEOUT", DRAIN_TIMEOUT))
        self._sender.stop()
        dropped = sum(run.dropped for run in self._runs)
        waiting = self._outbox.rows
        lost_tasks = self._outbox.dropped_tasks + self._outbox.tasks
        if dropped or lost_tasks or len(self._outbox):
            logger.warning(
                "ltel: not delivered: %d of %d requests (%d dropped for want of room, %d not "
                "acknowledged by the receiver)%s",
                dropped + waiting,
                sum(run.sent for run in self._runs),
                dropped,
                waiting,
                f", and {lost_tasks} executions of tasks" if lost_tasks else "",
            )

    # Frames

    def _hello(self) -> bytes:
        runner = self._environment.runner
        kind, source_id, index = "local", "local", None
        if isinstance(runner, MasterRunner):
            kind, source_id = "master", "master"
        elif isinstance(runner, WorkerRunner):
            kind, source_id = "worker", runner.client_id
            index = runner.worker_index if runner.worker_index >= 0 else None
        # A run that has ended and arrived is no business of a new receiver.
        now = self._runs[-1] if self._runs else None
        if now is not None and now.ended and not len(self._outbox):
            now = None
        message: dict[str, Any] = {
            "type": "hello",
            "protocol": 1,
            "client_id": self._client_id,
            "source": {
                "kind": kind,
                "id": source_id,
                "worker_index": index,
                "host": socket.gethostname(),
                "pid": self._pid,
            },
            "locust_version": locust.__version__,
            "run_id": now.run_id if now else None,
            "testplan": now.testplan if now else self._testplan(),
            "locustfile": now.locustfile if now else _stem(self._environment.locustfile),
        }
        if token := os.environ.get("LTEL_TOKEN"):
            message["token"] = token
        return encode(message)

    def _welcomed(self, features: dict[str, Any]) -> None:
        self._wanted.clear()
        self._wanted.update(key for key in EXTRAS if features.get(key))
        self._users_interval = rows.number(features.get("users_interval")) or 1.0
        usage = rows.number(features.get("usage_interval"))
        self._usage_interval = usage if usage and usage > 0 else None
        # Whatever fails here, the figures are to be sent.
        try:
            self._process.cpu_percent()  # measures from here on
        except Exception as error:
            self._no_usage(error)
        try:
            self._trace(features.get("trace"))
        except Exception as error:
            self._trace(None)
            logger.error("ltel: no traces: %s: %s", type(error).__name__, error)

    def _trace(self, features: Any) -> None:
        """Begin or end trace context; Locust is touched only where it is wished for."""
        self._tracer.configure(features)
        hook = self._environment.events.request
        if not self._tracer.on:
            self._wanted.discard("trace")
            vars(hook).pop("ltel_tracer", None)
            return
        self._wanted.add("trace")
        # Where the clients and tasks of this environment find it.
        hook.ltel_tracer = self._tracer
        if self._tracer.propagates:
            propagate.install()
        if self._tracer.tasks:
            tasks.install()

    def _put(self, kind: str, fields: dict[str, Any]) -> None:
        """Queue a lifecycle frame, after the rows that came before it."""
        self._flush()
        self._outbox.put(kind, {"time": time.time(), **fields})

    def _flush(self) -> None:
        """Turn the collected rows into frames.

        Ctrl-C is an exception that can come between any two lines. Rows that had left their list
        by then, and had not reached the outbox, would be gone: so it is as if nothing had been
        done, and whoever flushes next has them all.
        """
        rows, task_rows, last = self._rows.copy(), self._task_rows.copy(), self._outbox.last
        now = self._runs[-1] if self._runs else None
        sent = now.sent if now else 0
        try:
            # Emptied in place: the listeners hold these very lists.
            del self._rows[: len(rows)]
            del self._task_rows[: len(task_rows)]
            if now is None:
                return  # Locust clears its own statistics of what came before the first run
            # Counted first: where a frame cannot be made, what it costs shows.
            now.sent += len(rows)
            if task_rows:
                self._outbox.put_tasks(task_rows)
            for first in range(0, len(rows), BATCH):
                self._outbox.put_rows(rows[first : first + BATCH], now)
        except Exception:
            raise
        except BaseException:
            self._outbox.roll_back(last)
            if now is not None:
                now.sent = sent
            _put_back(self._rows, rows)
            _put_back(self._task_rows, task_rows)
            raise

    def _on_task(self, row: tasks.Row) -> None:
        self._task_rows.append(row)
        if len(self._task_rows) >= BATCH:
            self._flush()

    def _tick(self) -> None:
        """What is due at intervals, just before the sender looks for frames."""
        self._flush()
        self._report_runs()
        now = time.monotonic()
        if self._runs and not self._runs[-1].ended and now >= self._next_users:
            self._next_users = now + self._users_interval
            self._note_workers(self._runs[-1])
            self._put_users()
        if self._usage_interval and self._sender.connected and now >= self._next_usage:
            self._next_usage = now + self._usage_interval
            try:
                self._put_usage()
            except Exception as error:
                self._no_usage(error)
        if self._outbox.overflowed and not self._overflow_said:
            self._overflow_said = True
            logger.warning(
                "ltel: more telemetry waits than LTEL_BUFFER_BYTES allows: "
                "the oldest requests are dropped, and counted"
            )

    def _report_runs(self) -> None:
        """Correct what an ended run's `done` said: late rows, or others dropped since."""
        for ended in self._runs:
            if ended.ended and ended.reported != (ended.sent, ended.dropped):
                self._put_done(ended)

    def _put_done(self, ended: Run) -> None:
        ended.reported = (ended.sent, ended.dropped)
        fields = {"run_id": ended.run_id, "sent": ended.sent, "dropped": ended.dropped}
        if isinstance(self._environment.runner, MasterRunner):
            self._put("done", {**fields, "sources": sorted(ended.sources)})
        else:
            self._put("done", fields)

    def _put_users(self) -> None:
        runner = self._environment.runner
        if runner is None:
            return
        if isinstance(runner, MasterRunner):
            counts = dict(runner.reported_user_classes_count)
        else:
            counts = runner.user_classes_count
        has_users = any(counts.values())
        if has_users or self._had_users:
            self._outbox.put_event("users", {"time": time.time(), "counts": counts})
        self._had_users = has_users

    def _put_usage(self) -> None:
        network = psutil.net_io_counters()
        self._outbox.put_event(
            "usage",
            {
                "time": time.time(),
                "cpu_percent": self._process.cpu_percent(),
                "memory_bytes": self._process.memory_info().rss,
                # The host's, all interfaces: a process has no counters of its own.
                "net_sent_bytes": network.bytes_sent if network else 0,
                "net_recv_bytes": network.bytes_recv if network else 0,
            },
        )

    def _no_usage(self, error: Exception) -> None:
        self._usage_interval = None
        logger.error("ltel: no usage of this process: %s: %s", type(error).__name__, error)

    # Locust's events

    def _listen(self) -> None:
        events = self._environment.events
        # After the runner's own listener, so that one which aborts the event for Locust's
        # statistics does so for us.
        events.request.add_listener(
            rows.listener(self._rows, BATCH, self._flush, self._wanted, self._tracer.ids)
        )
        # Before all others: requests that a test_start listener makes belong to the run.
        events.test_start._handlers.insert(0, self._on_test_start)
        events.test_stop.add_listener(self._on_test_stop)
        events.spawning_complete.add_listener(self._on_spawning_complete)
        events.reset_stats.add_listener(self._on_reset_stats)
        events.cpu_warning.add_listener(self._on_cpu_warning)
        events.user_error.add_listener(self._on_user_error)
        events.quit.add_listener(self._on_quit)

    def _on_test_start(self, **_kwargs: Any) -> None:
        # Before a test there is nobody whom this keeps waiting; a receiver on this host answers in
        # a few milliseconds, and one that is not there is known at once.
        self._sender.meet(MEET_TIMEOUT)
        self._begin_run()

    def _begin_run(self) -> None:
        self._flush()  # to the run before; Locust has just cleared its statistics of it
        # A worker told to stop before its first user had started fires no test_stop.
        if self._runs and not self._runs[-1].ended:
            self._finish(self._runs[-1])
        environment = self._environment
        parsed = environment.parsed_options
        begin = run.join if isinstance(environment.runner, WorkerRunner) else run.begin
        now = begin(parsed, self._testplan(), _stem(environment.locustfile))
        self._runs.append(now)
        self._note_workers(now, ready=True)
        self._next_users = 0.0
        fields: dict[str, Any] = {
            "run_id": now.run_id,
            "testplan": now.testplan,
            "host": _host(environment),
            "user_classes": [user_class.__name__ for user_class in environment.user_classes],
            "locustfile": now.locustfile,
        }
        if not isinstance(environment.runner, WorkerRunner):
            # A worker knows its share only.
            fields["users"] = getattr(environment.runner, "target_user_count", None)
            fields["spawn_rate"] = rows.number(
                getattr(environment.runner, "spawn_rate", getattr(parsed, "spawn_rate", None))
            )
            fields["run_time"] = rows.number(getattr(parsed, "run_time", None))
        self._put("test_start", {key: field for key, field in fields.items() if field is not None})

    def _on_test_stop(self, **_kwargs: Any) -> None:
        # Locust fires it at the end of a process that never had a run, too.
        if not self._runs or self._runs[-1].ended:
            return
        self._note_workers(self._runs[-1])
        self._had_users = True  # the last count is told whatever it is
        self._flush()
        self._put_users()
        self._put("test_stop", {})
        self._finish(self._runs[-1])

    def _on_spawning_complete(self, user_count: int, **_kwargs: Any) -> None:
        self._put("spawning_complete", {"user_count": user_count})
        # With --reset-stats the runner's listener, which came before, has reset its statistics.
        if self._environment.reset_stats:
            self._put("reset_stats", {})

    def _on_reset_stats(self, **_kwargs: Any) -> None:
        self._put("reset_stats", {})

    def _on_cpu_warning(self, cpu_usage: float, **_kwargs: Any) -> None:
        self._put("cpu_warning", {"cpu_usage": cpu_usage})

    def _on_user_error(
        self, user_instance: Any, exception: Any, tb: Any = None, **_kwargs: Any
    ) -> None:
        # Tasks fire it with their task set.
        if not isinstance(user_instance, locust.User):
            user_instance = getattr(user_instance, "user", user_instance)
        fields = {
            "time": time.time(),
            "user": type(user_instance).__name__,
            "error": rows.text(f"{type(exception).__name__}: {rows.text(exception)}"),
            "traceback": rows.text("".join(traceback.format_tb(tb))),
        }
        if (span := tasks.ended_by(exception)) is not None:
            fields.update(span.ids())
        self._outbox.put_event("user_error", fields)

    def _on_quit(self, **_kwargs: Any) -> None:
        self.close()

    # Helpers

    def _finish(self, now: Run) -> None:
        self._flush()
        now.ended = True
        self._put_done(now)

    def _testplan(self) -> str | None:
        return options.testplan(self._environment.parsed_options)

    def _note_workers(self, now: Run, ready: bool = False) -> None:
        """Remember which workers take part: those ready at the start, and late ones that work."""
        runner = self._environment.runner
        if isinstance(runner, MasterRunner):
            clients = runner.clients
            taking_part = clients.spawning + clients.running + (clients.ready if ready else [])
            now.sources.update(client.id for client in taking_part)

    def _forked(self) -> None:
        self._closed = True
        self._runs.clear()  # without a run, rows are let go
        self._trace(None)
        self._sender.abandon()


def _put_back(collected: list[Any], taken: list[Any]) -> None:
    """Give a list the first rows that it had, if they were taken from it already."""
    if taken and not (collected and collected[0] is taken[0]):
        collected[:0] = taken


def _host(environment: Environment) -> str | None:
    """The host under test: the one that Locust was told, else that of all user classes."""
    hosts = {user_class.host for user_class in environment.user_classes}
    host = environment.host or (hosts.pop() if len(hosts) == 1 else None)
    return host if isinstance(host, str) else None


def _stem(locustfile: str | None) -> str | None:
    return os.path.splitext(os.path.basename(locustfile))[0] if locustfile else None


def _setting(name: str, default: float) -> float:
    value = os.environ.get(name)
    if not value:
        return default
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        logger.warning("ltel: %s is `%s`, not a number; using %g", name, value, default)
        return default
    return number
