"""The context of running code: the user, its task, and the spans that it has begun.

Kept in context variables. asyncio carries them from the greenlet that calls
`run_coroutine_threadsafe` into the coroutine, whichever greenlet runs its loop. gevent gives each
greenlet an empty context, so this module copies the context to what a user or a task spawns, and to
the jobs that they submit to a thread pool, whose workers outlive them and serve all users.
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
    from .trace import Task


class Place:
    """The context of a greenlet and of the coroutines that it has started."""

    __slots__ = ("last", "user")

    def __init__(self, user: str | None = None) -> None:
        #: the class of the user; empty if there is none
        self.user = user
        #: the ids of the last request; of one that needs none, the lower bits of its trace's id
        self.last: bytes | int | None = None


#: the place; it holds what changes with each request, since setting a variable costs more
PLACE: ContextVar[Place | None] = ContextVar("ltel_place", default=None)
#: the running task, if tasks are traced
TASK: ContextVar[Task | None] = ContextVar("ltel_task", default=None)
#: the ids handed out for the next request, and its task, in a list that is emptied when they are
#: taken
HANDED_OUT: ContextVar[list[Any] | None] = ContextVar("ltel_handed_out", default=None)

_installed = False


def install() -> None:
    """Pass the context to spawned greenlets and pool jobs; a second call changes nothing."""
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
    """The class name of the running user."""
    here = place()
    if here.user is None:
        here.user = _of_lineage() or ""
    return here.user or None


def task() -> Task | None:
    """The running task, if tasks are traced."""
    found = TASK.get()
    if found is None and not isinstance(greenlet := gevent.getcurrent(), gevent.Greenlet):
        # A greenlet that gevent did not make has an empty context; its parent is its creator.
        while found is None and (greenlet := greenlet.parent) is not None:
            context = greenlet.gr_context
            found = context.get(TASK) if context is not None else None
    return found


def _inherit(spawned: Any) -> None:
    """Give a spawned greenlet the context of its creator; a user gets its own."""
    try:
        here = PLACE.get()
        running = (here.user or None) if here is not None else None
        user, task = _user_of(spawned), None
        if user is None:
            user, task = running, TASK.get()
        elif user == running and spawned.args[0].greenlet is not None:
            task = TASK.get()  # a function that gets the running user as an argument
        if user is None and task is None:
            return
        context = spawned.gr_context
        if context is None:
            context = spawned.gr_context = Context()
        context.run(PLACE.set, Place(user))
        context.run(TASK.set, task)
    except Exception as error:
        once.failed("cannot pass user and task to a greenlet", error)


def _told(hand_in: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a method that submits jobs to a pool: each job keeps the context of its submitter."""

    @wraps(hand_in)
    def told(self: Any, *arguments: Any, **keywords: Any) -> Any:
        try:
            if arguments:
                job = _on_behalf(user_class(), task(), arguments[0])
                arguments = (job, *arguments[1:])
        except Exception as error:
            once.failed("cannot pass user and task to a pool job", error)
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
    """Find the user through parent greenlets: for users that began before ltel asked for it."""
    greenlet = gevent.getcurrent()
    while greenlet is not None:
        found = _user_of(greenlet)
        if found is not None:
            return found
        # The parent of a greenlet that gevent did not make is its creator.
        spawning = getattr(greenlet, "spawning_greenlet", None)
        greenlet = spawning() if spawning else greenlet.parent
    return None


def _user_of(greenlet: Any) -> str | None:
    # A user's greenlet was started with it. The name is kept: a kill takes the arguments.
    found = getattr(greenlet, "ltel_user_class", None)
    arguments = getattr(greenlet, "args", None) if found is None else None
    # A greenlet of another kind may have anything of that name.
    if type(arguments) is tuple and arguments:
        # By its type: a proxy passes `isinstance` for its target, or raises if that is gone.
        if issubclass(type(arguments[0]), User):
            found = greenlet.ltel_user_class = kind(arguments[0])
    return found
