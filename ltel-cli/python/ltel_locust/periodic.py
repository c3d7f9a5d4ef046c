"""What a process tells again and again: its users, what it uses of its host, a master's workers."""

from __future__ import annotations

import time
from typing import Any

from locust.env import Environment

from . import clock, internals, once
from .once import logger
from .outbox import Outbox
from .run import Run
from .usage import Usage
from .values import name, number
from .workers import Workers


class Periodic:
    """Queues them when their time has come. What fails costs itself alone."""

    def __init__(self, environment: Environment, outbox: Outbox) -> None:
        self._environment = environment
        self._outbox = outbox
        self._workers = Workers(environment)
        self._usage = Usage()
        self._users_interval = 1.0
        self._usage_interval: float | None = None
        self._next_users = 0.0
        self._next_usage = 0.0
        self._had_users = False

    def want(self, features: dict[str, Any]) -> None:
        """Tell them as the receiver says, which knows nothing yet."""
        self._users_interval = number(features.get("users_interval")) or 1.0
        usage = number(features.get("usage_interval"))
        self._usage_interval = usage if usage and usage > 0 else None
        self._workers.forget()
        try:
            self._usage.begin()
        except Exception as error:
            self._no_usage(error)

    def begin_run(self) -> None:
        """Tell them anew, the workers at once."""
        self._next_users = 0.0
        self._workers.forget()
        self._put_workers()

    def tick(self, now: Run | None, connected: bool) -> None:
        """Tell those whose time has come, in a run that goes on."""
        moment = time.monotonic()
        if now is not None and not now.ended:
            self._put_workers()
            if moment >= self._next_users:
                self._next_users = moment + self._users_interval
                try:
                    self.note_workers(now)
                    self._put_users(now)
                except Exception as error:
                    once.failed("cannot count the users", error)
        if self._usage_interval and connected and moment >= self._next_usage:
            self._next_usage = moment + self._usage_interval
            try:
                measured = self._usage.measure()
                self._outbox.put_event("usage", {"time": clock.now(), **measured})
            except Exception as error:
                self._no_usage(error)

    def no_users(self, now: Run) -> None:
        """Tell the end of the users, always."""
        self._had_users = True
        self._put_users(now, over=True)

    def note_workers(self, now: Run, ready: bool = False) -> None:
        """Remember which workers take part: those ready at the start, and late ones that work."""
        runner = self._environment.runner
        if internals.is_master(runner):
            now.sources.update(map(name, internals.worker_ids(runner, ready)))

    def _put_users(self, now: Run, over: bool = False) -> None:
        """Report the running users, and from a master its workers; none at the end."""
        runner = self._environment.runner
        if runner is None:
            return
        counts = internals.user_counts(runner)
        if over:
            counts = dict.fromkeys(counts, 0)
        has_users = any(counts.values())
        if has_users or self._had_users:
            fields = {"time": clock.now(), "counts": counts}
            if internals.is_master(runner):
                fields["sources"] = sorted(now.sources)
            self._outbox.put_event("users", fields)
        self._had_users = has_users

    def _put_workers(self) -> None:
        """Report how many workers this master has, if that has changed."""
        try:
            counts = self._workers.news()
            if counts is not None:
                self._outbox.put_event("workers", {"time": clock.now(), **counts})
        except Exception as error:
            once.failed("cannot count the workers", error)

    def _no_usage(self, error: Exception) -> None:
        self._usage_interval = None
        logger.error("ltel: cannot measure this process: %s: %s", type(error).__name__, error)
