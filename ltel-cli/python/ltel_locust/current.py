"""On whose behalf code runs: the user, its task, and the spans that it has begun.

Kept in context variables. asyncio carries them from the greenlet that calls
`run_coroutine_threadsafe` into the coroutine, whichever greenlet runs its loop. gevent gives each
greenlet an empty context, so what a user or a task spawns is told here.
"""

from __future__ import annotations

from contextvars import Context, ContextVar
from typing import TYPE_CHECKING, Any

import gevent
from locust import User

from . import once
from .values import name

if TYPE_CHECKING:
    from .trace import Span, Task


class Place:
    """Where code runs: in a greenlet, and in the coroutines that it has asked for."""

    __slots__ = ("last", "user")

    def __init__(self, user: str | None = None) -> None:
        #: the class of the user
        self.user = user
        #: the span of the last request
        self.last: Span | None = None


#: the place; what changes with each request is in it, since a variable costs more to set
PLACE: ContextVar[Place | None] = ContextVar("ltel_place", default=None)
#: the task that runs, where tasks are traced
TASK: ContextVar[Task | None] = ContextVar("ltel_task", default=None)
#: the span that was handed out for a request to come, in a list that is emptied when it is taken
HANDED_OUT: ContextVar[list[Span] | None] = ContextVar("ltel_handed_out", default=None)

_installed = False


def install() -> None:
    """Tell spawned greenlets whose they are; a second call changes nothing."""
    global _installed
    if not _installed:
        _installed = True
        gevent.Greenlet.add_spawn_callback(_inherit)


def place() -> Place:
    """The place where code runs now."""
    found = PLACE.get()
    if found is None:
        found = Place()
        PLACE.set(found)
    return found


def user_class() -> str | None:
    """The name of the class of the user who runs."""
    here = place()
    if here.user is None:
        here.user = _of_lineage()
    return here.user


def _inherit(spawned: Any) -> None:
    """What a user or a task spawns belongs to it, however long it lives; a user is its own."""
    try:
        user, task = _user_of(spawned), None
        if user is None:
            here = PLACE.get()
            user, task = here.user if here else None, TASK.get()
        if user is None and task is None:
            return
        context = spawned.gr_context
        if context is None:
            context = spawned.gr_context = Context()
        context.run(PLACE.set, Place(user))
        context.run(TASK.set, task)
    except Exception as error:
        once.failed("a greenlet without its user and task", error)


def _of_lineage() -> str | None:
    """Found by the greenlets' ancestry: for users who began before ltel asked for their class."""
    greenlet = gevent.getcurrent()
    while greenlet is not None:
        found = _user_of(greenlet)
        if found is not None:
            return found
        spawning = getattr(greenlet, "spawning_greenlet", None)
        greenlet = spawning() if spawning else None
    return None


def _user_of(greenlet: Any) -> str | None:
    # A user's greenlet was started with it. The name is kept: a kill takes the arguments.
    found = getattr(greenlet, "ltel_user_class", None)
    if found is None and (arguments := getattr(greenlet, "args", None)):
        if isinstance(arguments[0], User):
            found = greenlet.ltel_user_class = name(type(arguments[0]).__name__)
    return found
