"""What a test is, as far as Locust says it: its host, its users, its locustfile."""

from __future__ import annotations

import os
from typing import Any

import locust
from locust.env import Environment

from .values import kind


def host(environment: Environment) -> str | None:
    """The host under test: Locust's --host, else the host of all user classes."""
    if isinstance(environment.host, str) and environment.host:
        return environment.host
    hosts = [user_class.host for user_class in environment.user_classes]
    same = bool(hosts) and all(host == hosts[0] for host in hosts)
    return hosts[0] if same and isinstance(hosts[0], str) else None


def user_of(instance: Any) -> str:
    """The user class of an error; tasks report their task set, which knows it."""
    if not issubclass(type(instance), locust.User):
        try:
            instance = getattr(instance, "user", instance)
        except Exception:
            pass  # anything else that a program reports
    return kind(instance)


def users(environment: Environment) -> Any:
    """Users to spawn; none if a shape decides: what it begins with is not what the test has."""
    if environment.shape_class:
        return None
    return getattr(environment.runner, "target_user_count", None)


def spawn_rate(environment: Environment) -> Any:
    """Users to spawn per second; none if a shape decides."""
    if environment.shape_class:
        return None
    of_options = getattr(environment.parsed_options, "spawn_rate", None)
    return getattr(environment.runner, "spawn_rate", of_options)


def stem(locustfile: str | None) -> str | None:
    return os.path.splitext(os.path.basename(locustfile))[0] if locustfile else None
