"""The first frame of a connection: who speaks, and of which run."""

from __future__ import annotations

import os
import socket
from typing import Any

import locust
from locust.env import Environment

from . import frames, internals, link, options, plan
from .frames import Piece
from .outbox import encode
from .run import Run

#: the version of the protocol
PROTOCOL = 2


def hello(environment: Environment, client_id: str, now: Run | None) -> bytes:
    """The frame of a process that is in this run, or in none."""
    fields: dict[str, Any] = {
        "protocol": PROTOCOL,
        "client_id": client_id,
        "source": Piece(lambda: _source(environment, client_id)),
        "locust_version": locust.__version__,
        "run_id": now.run_id if now else None,
        "coordinator": now.coordinator if now else None,
        "testplan": now.testplan if now else Piece(lambda: testplan(environment)),
        "locustfile": now.locustfile if now else Piece(lambda: locustfile(environment)),
        "heartbeat": link.HEARTBEAT,
        "started": now.started if now else None,
        "token": os.environ.get("LTEL_TOKEN") or None,
    }
    return encode({"type": "hello", **frames.clean("hello", fields)})


def testplan(environment: Environment) -> str | None:
    return options.testplan(environment.parsed_options)


def locustfile(environment: Environment) -> str | None:
    return plan.stem(environment.locustfile)


def _source(environment: Environment, client_id: str) -> dict[str, Any]:
    runner = environment.runner
    source: dict[str, Any] = {"host": socket.gethostname(), "pid": os.getpid()}
    if internals.is_master(runner):
        return {**source, "kind": "master", "id": "master"}
    if internals.is_worker(runner):
        index = internals.worker_index(runner)
        worker_id = internals.worker_id(runner) or client_id
        return {**source, "kind": "worker", "id": worker_id, "worker_index": index}
    return {**source, "kind": "local", "id": "local"}
