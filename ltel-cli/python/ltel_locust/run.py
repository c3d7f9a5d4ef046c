"""A run: one load test, from test_start to the next one, and its account of request rows."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from . import once

_counter = count(1)


@dataclass(eq=False)
class Run:
    """What this process did in one run."""

    run_id: str | None
    testplan: str | None
    locustfile: str | None
    #: when its test started here, in seconds since the epoch
    started: float | None = None
    #: rows that this process reported, delivered or not
    sent: int = 0
    #: rows of those that it dropped
    dropped: int = 0
    #: other events that it dropped
    dropped_events: int = 0
    ended: bool = False
    #: the account as last reported to the receiver
    reported: tuple[int, int, int] | None = None
    #: the `client_id` of a worker's master, if the master has the plugin
    coordinator: str | None = None
    #: on the master, ids of the workers that took part
    sources: set[str] = field(default_factory=set)

    @property
    def account(self) -> tuple[int, int, int]:
        """Rows that were reported, those of them that were dropped, and other dropped events."""
        return self.sent, self.dropped, self.dropped_events

    @property
    def is_ending(self) -> bool:
        """Whether the receiver is about to hear that it is over: what belongs to it goes before."""
        return self.ended and self.reported is None

    @property
    def is_over(self) -> bool:
        """Whether the receiver has heard that: an event that comes later is not part of it."""
        return self.reported is not None


def begin(options: Any, client_id: str, testplan: str | None, locustfile: str | None) -> Run:
    """A new run, on the master or the local runner with this `client_id`.

    Its id goes into Locust's parsed options, which are part of the spawn message and so reach
    every worker, late ones too, before that worker's own test_start.
    """
    run = Run(new_run_id(), testplan, locustfile)
    if options is not None:
        try:
            options.ltel_run_id = run.run_id
            options.ltel_coordinator = client_id
            options.ltel_testplan = run.testplan
            options.ltel_locustfile = run.locustfile
        except Exception as error:
            once.failed("cannot send the run id to workers", error)
    return run


def join(options: Any, testplan: str | None, locustfile: str | None) -> Run:
    """The run a worker takes part in, as its master named it."""
    return Run(
        # None if the master has no plugin: then the receiver must find the run.
        getattr(options, "ltel_run_id", None) or os.environ.get("LTEL_RUN_ID") or None,
        getattr(options, "ltel_testplan", None) or testplan,
        getattr(options, "ltel_locustfile", None) or locustfile,
        coordinator=getattr(options, "ltel_coordinator", None),
    )


def new_run_id() -> str:
    """LTEL_RUN_ID, numbered from the second run of the process on, else eight random digits."""
    number = next(_counter)
    given = os.environ.get("LTEL_RUN_ID")
    if given:
        return given if number == 1 else f"{given}-{number}"
    return uuid.uuid4().hex[:8]
