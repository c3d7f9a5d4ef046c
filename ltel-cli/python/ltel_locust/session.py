"""The telemetry of one Locust process, from `init` to `quit`: its events become frames."""

from __future__ import annotations

import atexit
import os
import traceback
import uuid
from typing import Any

import gevent
import locust
from locust.env import Environment

from . import (
    address,
    clock,
    current,
    hello,
    internals,
    logs,
    once,
    options,
    otel,
    plan,
    propagate,
    rows,
    run,
    tasks,
    w3c,
)
from .foreign import Foreign, listener
from .frames import Piece
from .once import logger
from .outbox import Outbox
from .pending import Pending
from .periodic import Periodic
from .run import Run
from .sender import Sender
from .trace import Tracer
from .values import kind, number, text

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
        self._extras: tuple[str, ...] = ()
        self.tracer = Tracer(self._on_task)
        self._pending = Pending(self.tracer, BATCH, self._values_are_full)
        self.foreign = Foreign(self._pending)
        self._rows, self._task_rows = self._pending.requests, self._pending.tasks
        self._values, self._messages = self._pending.values, self._pending.messages
        self._runs: list[Run] = []
        self._outbox = Outbox(int(options.setting("LTEL_BUFFER_BYTES", BUFFER_BYTES)))
        # How often each worker has reported to this master in the run, and this worker to its own.
        self._reports: dict[str, int] = {}
        self._own_reports = 0
        self._overflow_said = False
        # The last run that the receiver has ordered to stop.
        self._stopped: Run | None = None
        self._periodic = Periodic(environment, self._outbox)
        self._sender = Sender(
            where, self._outbox, self._hello, self._welcomed, self._tick, self._stop
        )
        self._listen()
        self._messages.take_over(logs.early)
        self._sender.start()
        # For programs that use Locust as a library, and for exits that fire no `quit`.
        atexit.register(self.close)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forked)

    def catch_up(self, requests: list[rows.Row]) -> None:
        """A run had begun before `init`: begin it here too, with its first requests."""
        since, self._rows[:] = self._rows.copy(), []
        self._begin_run()
        self._rows[:] = requests + since

    @listener
    def record(self, name: Any, value: Any, attributes: dict[str, Any]) -> None:
        """Queue a custom event."""
        fields = {"time": clock.now(), "name": name, "value": value, "attributes": attributes}
        self._put_event("custom", fields)

    def close(self) -> None:
        """Send the rest, wait a limited time for its delivery, and end."""
        if self.foreign.closed or os.getpid() != self._pid:
            return
        self.foreign.close()
        if self._runs and not self._runs[-1].ended:
            self._finish(self._runs[-1])
        self._flush()
        # Those that the receiver may have wanted, but never said so.
        unclaimed = self._values.end() + self._messages.close()
        self._report_runs()
        self._sender.drain(options.setting("LTEL_DRAIN_TIMEOUT", DRAIN_TIMEOUT))
        self._sender.stop()
        if self._pending.late:
            logger.info(
                "ltel: %d values, events and log messages came after the end of the test, such as "
                "in Locust's event `quit`: they are not part of the run, and left out",
                self._pending.late,
            )
        dropped = sum(run.dropped for run in self._runs)
        waiting = self._outbox.rows
        lost = self._outbox.dropped_events + self._outbox.events + unclaimed
        if dropped or lost or len(self._outbox):
            logger.warning(
                "ltel: not delivered: %d of %d requests (%d dropped from a full buffer, %d not "
                "acknowledged by the receiver)%s",
                dropped + waiting,
                sum(run.sent for run in self._runs),
                dropped,
                waiting,
                f", and {lost} other events" if lost else "",
            )

    # Frames

    def _hello(self) -> bytes:
        # A new receiver does not need a run that has ended and was delivered.
        # Frames kept over a lost connection may belong to the run before: the first frame tells.
        now = self._outbox.first_run() or (self._runs[-1] if self._runs else None)
        if now is not None and now.ended and not len(self._outbox):
            now = None
        return hello.hello(self._environment, self._client_id, now)

    def _welcomed(self, features: dict[str, Any]) -> None:
        self._extras = tuple(key for key in EXTRAS if features.get(key))
        self._values.want(bool(features.get("measurements")))
        if "user_class" in self._extras:
            current.install()
        self._periodic.want(features)
        # Even if something fails here, the figures must be sent.
        try:
            self._messages.want(number(features.get("logs")))
        except Exception as error:
            logger.error("ltel: no log messages: %s: %s", type(error).__name__, error)
        try:
            self._trace(features.get("trace"), bool(features.get("tasks")))
        except Exception as error:
            self._trace(None)
            logger.error("ltel: no traces: %s: %s", type(error).__name__, error)

    def _stop(self, run_id: Any, reason: Any) -> None:
        """Stop the test that the receiver means, if it still runs: a threshold is broken."""
        now = self._runs[-1] if self._runs else None
        if now is None or now.ended or now is self._stopped:
            return
        # A worker whose master has no plugin does not know the run's id.
        if now.run_id is not None and now.run_id != run_id:
            return
        self._stopped = now
        logger.error("ltel: the test is stopped: %s", text(reason))
        # In a greenlet of its own: Locust may take as long as its users do, and the sender must
        # go on meanwhile.
        gevent.spawn(self._stop_test)

    def _stop_test(self) -> None:
        try:
            internals.stop_test(self._environment)
        except Exception as error:
            once.failed("cannot stop the test", error)

    def _trace(self, features: Any, every_task: bool = False) -> None:
        """Begin or end trace context, and the timing of tasks; Locust is patched only for these."""
        self.tracer.configure(features)
        self.tracer.every_task = every_task
        hook = self._environment.events.request
        self._want(self._extras)
        if not (self.tracer.on or every_task):
            vars(hook).pop("ltel_tracer", None)
            return
        # The clients and tasks of this environment find it here.
        hook.ltel_tracer = self.tracer
        if self.tracer.tasks or every_task:
            tasks.install()
        if not self.tracer.on:
            return
        current.install()  # a span has its user's class
        self._want(self._extras, self.tracer.chooser())
        if self.tracer.propagates:
            propagate.install()

    def _put(self, kind: str, fields: dict[str, Any]) -> None:
        """Queue a lifecycle frame, after the rows that came before it."""
        self._flush()
        self._outbox.put(kind, {"time": clock.now(), **fields})

    def _put_event(self, kind: str, fields: dict[str, Any]) -> None:
        """Queue an event that is part of the run, unless that is over."""
        if self._runs and self._runs[-1].is_over:
            self._pending.late += 1
        else:
            self._outbox.put_event(kind, fields)

    def _flush(self) -> None:
        """Turn what was collected into frames."""
        if not self.foreign.is_here():
            self.foreign.hold_up()
            return
        self._pending.pack(self._runs[-1] if self._runs else None, self._outbox, BATCH)

    def _on_task(self, row: tasks.Row) -> None:
        self._task_rows.append(row)
        if len(self._task_rows) >= BATCH:
            self._flush()

    def _values_are_full(self) -> None:
        if self._values.wanted and self._runs:
            self._flush()
        elif self.foreign.is_here():
            self._values.bound()

    def _tick(self) -> None:
        """Periodic work, just before the sender looks for frames."""
        self.foreign.take()
        self._flush()
        self._report_runs()
        otel.look()
        self._periodic.tick(self._runs[-1] if self._runs else None, self._sender.connected)
        if self._outbox.overflowed and not self._overflow_said:
            self._overflow_said = True
            logger.warning(
                "ltel: the buffer is full (LTEL_BUFFER_BYTES): "
                "the oldest requests are dropped and counted"
            )

    def _report_runs(self) -> None:
        """Correct the `done` of an ended run, after late rows or more dropped rows."""
        for ended in self._runs:
            if ended.ended and ended.reported != ended.account:
                self._put_done(ended)

    def _put_done(self, ended: Run) -> None:
        self._flush()  # what still waits may belong to it, and change its account
        ended.reported = ended.account
        fields: dict[str, Any] = {
            "run_id": ended.run_id,
            "sent": ended.sent,
            "dropped": ended.dropped,
            "dropped_events": ended.dropped_events or None,
        }
        if internals.is_master(self._environment.runner):
            fields["sources"] = sorted(ended.sources)
        self._put("done", fields)

    # Locust's events

    def _listen(self) -> None:
        events = self._environment.events
        on_request, self._want = rows.listener(self._rows, BATCH, self._flush)
        internals.insert_after_statistics(events.request, on_request)
        # Before all others: requests that a test_start listener makes belong to the run.
        internals.insert_first(events.test_start, self._on_test_start)
        events.test_stop.add_listener(self._on_test_stop)
        events.spawning_complete.add_listener(self._on_spawning_complete)
        events.cpu_warning.add_listener(self._on_cpu_warning)
        events.user_error.add_listener(self._on_user_error)
        events.report_to_master.add_listener(self._on_report_to_master)
        events.worker_report.add_listener(self._on_worker_report)
        internals.when_statistics_reset(self._environment, self._on_reset_stats)
        # Before all others: Locust has shown its figures.
        internals.insert_first(events.quit, self._on_figures_shown)
        events.quit.add_listener(self._on_quit)

    @listener
    def _on_test_start(self, **_kwargs: Any) -> None:
        # Before a test this delays nothing; a receiver on this host answers in a few milliseconds,
        # and a missing one is noticed at once.
        self._sender.meet(MEET_TIMEOUT)
        otel.look()
        self._begin_run()

    def _begin_run(self) -> None:
        self._flush()  # to the run before; Locust has just cleared its statistics of it
        # A worker that is stopped before its first user has started fires no test_stop.
        if self._runs and not self._runs[-1].ended:
            self._finish(self._runs[-1])
        self._report_runs()
        environment = self._environment
        runner, parsed = environment.runner, environment.parsed_options
        worker = internals.is_worker(runner)
        try:
            testplan, locustfile = hello.testplan(environment), hello.locustfile(environment)
        except Exception as error:
            once.failed("cannot read the name of the test plan", error)
            testplan = locustfile = None
        if worker:
            now = run.join(parsed, testplan, locustfile)
        else:
            now = run.begin(parsed, self._client_id, testplan, locustfile)
        now.started = clock.now()
        self._runs.append(now)
        self._outbox.run = now
        try:
            self._periodic.note_workers(now, ready=True)
        except Exception as error:
            once.failed("cannot list the workers of a run", error)
        self._own_reports = 0
        self._reports.clear()
        fields: dict[str, Any] = {
            "run_id": now.run_id,
            "coordinator": now.coordinator,
            "testplan": now.testplan,
            "host": Piece(lambda: plan.host(environment)),
            "user_classes": Piece(lambda: [known.__name__ for known in environment.user_classes]),
            "locustfile": now.locustfile,
            "locust_version": locust.__version__,
        }
        if not worker:
            # A worker knows only its share.
            fields["users"] = Piece(lambda: plan.users(environment))
            fields["spawn_rate"] = Piece(lambda: plan.spawn_rate(environment))
            fields["run_time"] = getattr(parsed, "run_time", None)
        self._put("test_start", fields)
        self._periodic.begin_run()

    @listener
    def _on_test_stop(self, **_kwargs: Any) -> None:
        # Locust fires it at the end of a process that never had a run, too.
        if not self._runs or self._runs[-1].ended:
            return
        try:
            self._periodic.note_workers(self._runs[-1])
            self._flush()
            self._periodic.no_users(self._runs[-1])
        except Exception as error:
            once.failed("cannot report the end of the users", error)
        self._put("test_stop", {})
        if internals.is_worker(self._environment.runner):
            self._finish(self._runs[-1])  # what comes later does not reach its master either
        else:
            # Its `done` follows when Locust yields or ends: the listeners of `quitting` come
            # before that, and Locust's figures have their requests.
            self._runs[-1].ended = True

    @listener
    def _on_spawning_complete(self, user_count: Any = None, **_kwargs: Any) -> None:
        self._put("spawning_complete", {"user_count": user_count})

    @listener
    def _on_reset_stats(self) -> None:
        # What a worker counts from its last report on is in the next one, and so in the figures
        # after the reset: a master says which reports were there before it.
        self._put("reset_stats", {"reports": self._reports})

    @listener
    def _on_report_to_master(self, data: Any = None, **_kwargs: Any) -> None:
        if not self._runs:
            return
        self._own_reports += 1
        data["ltel_report"] = [self._runs[-1].run_id, self._own_reports]
        self._put("report_to_master", {"number": self._own_reports})

    @listener
    def _on_worker_report(self, client_id: Any = None, data: Any = None, **_kwargs: Any) -> None:
        run_id, number = data.get("ltel_report") or (None, 0)
        if self._runs and run_id == self._runs[-1].run_id:
            self._reports[client_id] = number

    @listener
    def _on_cpu_warning(self, cpu_usage: Any = None, **_kwargs: Any) -> None:
        self._put("cpu_warning", {"cpu_usage": cpu_usage})

    @listener
    def _on_user_error(
        self, user_instance: Any = None, exception: Any = None, tb: Any = None, **_kwargs: Any
    ) -> None:
        fields = {
            "time": clock.now(),
            "user": Piece(lambda: plan.user_of(user_instance)),
            "error": Piece(lambda: f"{kind(exception)}: {text(exception)}"),
            "traceback": Piece(lambda: "".join(traceback.format_tb(tb))),
        }
        if (task := tasks.ended_by(exception)) is not None:
            fields.update(w3c.fields(task.ids))
        self._put_event("user_error", fields)

    @listener
    def _on_figures_shown(self, **_kwargs: Any) -> None:
        self._flush()
        self._report_runs()

    def _on_quit(self, **_kwargs: Any) -> None:
        try:
            self.close()
        except Exception as error:
            once.failed("cannot deliver the last telemetry", error)

    # Helpers

    def _finish(self, now: Run) -> None:
        now.ended = True
        self._put_done(now)

    def _forked(self) -> None:
        self.foreign.closed = True
        self._runs.clear()  # without a run, rows are discarded
        self._trace(None)
        self._values.end()
        self._messages.end()
        self._sender.abandon()
