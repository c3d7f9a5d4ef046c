"""On whose behalf code runs: the user, its task, and the spans that it has begun.

Kept in context variables. asyncio carries them from the greenlet that calls
`run_coroutine_threadsafe` into the coroutine, whichever greenlet runs its loop. gevent gives each
greenlet an empty context, so what a user or a task spawns is told here; and so is what they hand to
a pool of threads, whose workers outlive them and serve everyone.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Any

import gevent
from gevent.threadpool import ThreadPool
from locust import User

from . import once
from .values import kind

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
    """Tell spawned greenlets and jobs of pools whose they are; a second call changes nothing."""
    global _installed
    if not _installed:
        _installed = True
        gevent.Greenlet.add_spawn_callback(_inherit)
        ThreadPoolExecutor.submit = _told(ThreadPoolExecutor.submit)  # type: ignore[method-assign]
        ThreadPool.spawn = _told(ThreadPool.spawn)


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


def task() -> Task | None:
    """The task that runs, where tasks are traced."""
    found = TASK.get()
    if found is None and not isinstance(greenlet := gevent.getcurrent(), gevent.Greenlet):
        # One that gevent did not make has an empty context, and whoever made it as its parent.
        while found is None and (greenlet := greenlet.parent) is not None:
            context = greenlet.gr_context
            found = context.get(TASK) if context is not None else None
    return found


def _inherit(spawned: Any) -> None:
    """What a user or a task spawns belongs to it, however long it lives; a user is its own."""
    try:
        here = PLACE.get()
        running = here.user if here is not None else None
        user, task = _user_of(spawned), None
        if user is None:
            user, task = running, TASK.get()
        elif user == running and spawned.args[0].greenlet is not None:
            task = TASK.get()  # no new user, but a function that is given the one who runs
        if user is None and task is None:
            return
        context = spawned.gr_context
        if context is None:
            context = spawned.gr_context = Context()
        context.run(PLACE.set, Place(user))
        context.run(TASK.set, task)
    except Exception as error:
        once.failed("cannot tell a greenlet its user and task", error)


def _told(hand_in: Callable[..., Any]) -> Callable[..., Any]:
    """A method that hands jobs to a pool, where each belongs to whoever has handed it in."""

    @wraps(hand_in)
    def told(self: Any, *arguments: Any, **keywords: Any) -> Any:
        try:
            if arguments:
                job = _on_behalf(user_class(), task(), arguments[0])
                arguments = (job, *arguments[1:])
        except Exception as error:
            once.failed("cannot tell a job of a pool its user and task", error)
        return hand_in(self, *arguments, **keywords)

    return told


def _on_behalf(user: str | None, task: Task | None, job: Any) -> Any:
    def run(*arguments: Any, **keywords: Any) -> Any:
        told = ((PLACE, Place(user)), (TASK, task), (HANDED_OUT, None))
        before = [(variable, variable.get()) for variable, _ in told]
        for variable, value in told:
            variable.set(value)
        try:
            return job(*arguments, **keywords)
        finally:
            for variable, value in before:
                variable.set(value)

    return run


def _of_lineage() -> str | None:
    """Found by the greenlets' ancestry: for users who began before ltel asked for their class."""
    greenlet = gevent.getcurrent()
    while greenlet is not None:
        found = _user_of(greenlet)
        if found is not None:
            return found
        # One that gevent did not make has whoever made it as its parent.
        spawning = getattr(greenlet, "spawning_greenlet", None)
        greenlet = spawning() if spawning else greenlet.parent
    return None


def _user_of(greenlet: Any) -> str | None:
    # A user's greenlet was started with it. The name is kept: a kill takes the arguments.
    found = getattr(greenlet, "ltel_user_class", None)
    if found is None and (arguments := getattr(greenlet, "args", None)):
        # By its type: a proxy says that it is what it stands for, if that is still there.
        if issubclass(type(arguments[0]), User):
            found = greenlet.ltel_user_class = kind(arguments[0])
    return found
