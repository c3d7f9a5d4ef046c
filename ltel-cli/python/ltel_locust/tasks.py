"""Task spans: the requests of one task execution share a trace, below a span of the task.

A task is a function or method. A nested TaskSet is none, it runs until it is interrupted; its
tasks are.
"""

from __future__ import annotations

from time import perf_counter, time
from typing import Any

import gevent
from greenlet import getcurrent
from locust import TaskSet, exception
from locust.user.task import DefaultTaskSet

from . import rows, w3c
from .trace import Task, Tracer

#: a row of a `tasks` frame: start_time, duration in ms, user_class, task_name, trace_id, span_id,
#: sampled, error
Row = tuple[float, float, str, str, str, str, bool, "tuple[str, str] | None"]

# How Locust goes from task to task and ends; no failure of a task.
_FLOW = (
    exception.InterruptTaskSet,
    exception.RescheduleTask,
    exception.RescheduleTaskImmediately,
    exception.StopUser,
    exception.StopTest,
    gevent.GreenletExit,
    KeyboardInterrupt,
    SystemExit,
)


def install() -> None:
    """Wrap the execution of tasks; a second call changes nothing."""
    original = TaskSet.execute_next_task
    if getattr(original, "ltel_original", None) is not None:
        return

    def execute_next_task(self: Any) -> Any:
        tracer = getattr(self.user.environment.events.request, "ltel_tracer", None)
        queue = self._task_queue
        if tracer is None or not tracer.tasks or not queue or _is_set(queue[0]):
            return original(self)
        name = _name(self, queue[0])
        span = tracer.begin_task()
        greenlet = getcurrent()
        outer = getattr(greenlet, "ltel_task", None)
        greenlet.ltel_task = span
        error = None
        began, counter = time(), perf_counter()
        try:
            return original(self)
        except BaseException as raised:
            if not isinstance(raised, _FLOW):
                error = _failure(raised)
                _mark(raised, span)
            raise
        finally:
            greenlet.ltel_task = outer
            if _is_told(tracer, span, error):
                span.told = True
                tracer.tell_task(
                    (
                        began,
                        (perf_counter() - counter) * 1000,
                        rows.text(type(self.user).__name__, rows.CONTEXT_TEXT),
                        name,
                        w3c.trace_text(span.trace),
                        w3c.span_text(span.id),
                        span.sampled,
                        error,
                    )
                )

    execute_next_task.ltel_original = original  # type: ignore[attr-defined]
    TaskSet.execute_next_task = execute_next_task
    gevent.Greenlet.add_spawn_callback(_inherit)


def ended_by(raised: Any) -> Task | None:
    """The span of the task that this exception has ended, if there is one that is told."""
    try:
        span = raised.ltel_task
    except Exception:
        return None
    return span if type(span) is Task and span.told else None


def _mark(raised: BaseException, span: Task) -> None:
    """Locust tells of the exception only after the task: till then it carries the task's span."""
    try:
        raised.ltel_task = span  # type: ignore[attr-defined]
    except Exception:
        pass  # it takes no attributes


def _inherit(spawned: Any) -> None:
    """What a task spawns belongs to it, however long it lives."""
    task = getattr(getcurrent(), "ltel_task", None)
    if task is not None:
        spawned.ltel_task = task


def _is_told(tracer: Tracer, span: Task, error: object | None) -> bool:
    """With an unsampled task only the parents of what is kept."""
    return span.sampled or span.kept or (error is not None and tracer.keep_failures)


def _is_set(task: Any) -> bool:
    return isinstance(task, type) and issubclass(task, TaskSet)


def _name(task_set: TaskSet, task: Any) -> str:
    """The function's name, after that of its TaskSet unless it is the user's own task."""
    name = getattr(task, "__name__", None) or type(task).__name__
    if not isinstance(task_set, DefaultTaskSet):
        name = f"{type(task_set).__name__}.{name}"
    return rows.text(name, rows.CONTEXT_TEXT)


def _failure(raised: BaseException) -> tuple[str, str]:
    # A false exception is no failure of a request, but it has ended this task.
    return rows.failure(raised) or (type(raised).__name__, rows.text(raised))
