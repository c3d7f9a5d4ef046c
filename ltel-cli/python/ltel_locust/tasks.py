"""Executions of tasks, and their spans: the requests of one share a trace, below its span.

A task is a function or method, or a test function of a `PytestUser`. A nested TaskSet is not a task
(it runs until it is interrupted), but its tasks are.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter, time
from typing import Any

from locust import TaskSet

from . import internals, once, otel, rows, w3c
from .current import TASK, place
from .trace import Task, Tracer, tracer_of
from .values import kind, name, text

#: a row of a `tasks` frame: start_time, duration in ms, user_class, task_name, ids, error; without
#: ids if it has no span that is reported
Row = tuple[float, float, str, str, "bytes | None", "tuple[str, str] | None"]


#: names of tasks that are kept
LABELS = 1_000
_labels: dict[tuple[type, Any], str] = {}


def install() -> None:
    """Wrap the execution of tasks; a second call changes nothing."""
    _wrap_tasks()
    _wrap_pytest_users()


def _wrap_tasks() -> None:
    original = getattr(TaskSet, "execute_next_task", None)
    if original is None:
        internals.lacks("TaskSet.execute_next_task", "spans of tasks")
        return
    if getattr(original, "ltel_original", None) is not None:
        return

    def execute_next_task(self: Any) -> Any:
        execution: Execution | Untraced | None = None
        try:
            tracer = _wanted_by(self.user)
            if tracer is not None:
                task = internals.next_task(self)
                if task is not None and not _is_set(task):
                    execution = _begin(tracer, self.user, _label(self, task))
        except Exception as error:
            once.failed("cannot time a task", error)
        if execution is None:
            return original(self)
        return execution.run(lambda: original(self))

    execute_next_task.ltel_original = original  # type: ignore[attr-defined]
    TaskSet.execute_next_task = execute_next_task


def _wrap_pytest_users() -> None:
    users: Any = internals.pytest_user()
    original = getattr(users, "run", None)
    if original is None or getattr(original, "ltel_original", None) is not None:
        return

    def run(self: Any) -> Any:
        try:
            # For this user only: the class shares its functions.
            self.functions = [_Function(self, function) for function in self.functions]
        except Exception as error:
            once.failed("cannot time test functions", error)
        return original(self)

    run.ltel_original = original  # type: ignore[attr-defined]
    users.run = run


class _Function:
    """A pytest test function; each call has a span."""

    def __init__(self, user: Any, function: Any) -> None:
        self._user = user
        self._function = function

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._function, attribute)

    def obj(self, *arguments: Any, **keywords: Any) -> Any:
        execution: Execution | Untraced | None = None
        try:
            if (tracer := _wanted_by(self._user)) is not None:
                execution = _begin(tracer, self._user, str(self._function.name))
        except Exception as error:
            once.failed("cannot time a test function", error)
        call = self._function.obj
        if execution is None:
            return call(*arguments, **keywords)
        return execution.run(lambda: call(*arguments, **keywords))


class Execution:
    """One execution of a task that is traced."""

    def __init__(self, tracer: Tracer, user: Any, label: str) -> None:
        self._tracer = tracer
        self._user = kind(user)
        self._label = name(label)
        self._task = tracer.begin_task()

    def run(self, call: Callable[[], Any]) -> Any:
        """Run the task, within its span."""
        outer = TASK.get()
        TASK.set(self._task)
        place().user = self._user
        context = otel.enter(self._task.ids)
        error = None
        began, counter = time(), perf_counter()
        try:
            return call()
        except BaseException as raised:
            if not isinstance(raised, internals.FLOW):
                error = _failure(raised)
                _mark(raised, self._task)
            raise
        finally:
            duration = (perf_counter() - counter) * 1000
            otel.leave(context)
            TASK.set(outer)
            self._tracer.end_task(self._task)
            try:
                self._tell(began, duration, error)
            except Exception as failed:
                once.failed("cannot report a task", failed)

    def _tell(self, began: float, duration: float, error: tuple[str, str] | None) -> None:
        task, tracer = self._task, self._tracer
        # The span of an unsampled task only if one of its requests is kept.
        if w3c.sampled(task.ids) or task.kept or (error is not None and tracer.keep_failures):
            task.told = True
            tracer.tell_task((began, duration, self._user, self._label, task.ids, error))
        elif tracer.every_task:
            tracer.tell_task((began, duration, self._user, self._label, None, error))


class Untraced:
    """One execution of a task without a span: only its duration and its failure are told."""

    __slots__ = ("_label", "_tracer", "_user")

    def __init__(self, tracer: Tracer, user: Any, label: str) -> None:
        self._tracer = tracer
        self._user = kind(user)
        self._label = name(label)

    def run(self, call: Callable[[], Any]) -> Any:
        """Run the task."""
        error = None
        began, counter = time(), perf_counter()
        try:
            return call()
        except BaseException as raised:
            if not isinstance(raised, internals.FLOW):
                error = _failure(raised)
            raise
        finally:
            duration = (perf_counter() - counter) * 1000
            row = (began, duration, self._user, self._label, None, error)
            try:
                self._tracer.tell_task(row)
            except Exception as failed:
                once.failed("cannot report a task", failed)


def _wanted_by(user: Any) -> Tracer | None:
    """The tracer of this user's environment, if tasks are traced or told."""
    tracer = tracer_of(user.environment.events.request)
    return tracer if tracer is not None and (tracer.tasks or tracer.every_task) else None


def _begin(tracer: Tracer, user: Any, label: str) -> Execution | Untraced:
    return Execution(tracer, user, label) if tracer.tasks else Untraced(tracer, user, label)


def _label(task_set: Any, task: Any) -> str:
    """The name of a task; kept, as nearly all executions are of few tasks."""
    key = (type(task_set), task)
    try:
        return _labels[key]
    except (KeyError, TypeError):
        pass
    label = _name(task_set, task)
    if len(_labels) < LABELS:
        try:
            _labels[key] = label
        except TypeError:
            pass  # a task that cannot be a key
    return label


def ended_by(raised: Any) -> Task | None:
    """The task that this exception has ended, if its span was reported."""
    try:
        task = raised.ltel_task
    except Exception:
        return None
    return task if type(task) is Task and task.told else None


def _mark(raised: BaseException, task: Task) -> None:
    """Attach the task to the exception: Locust reports it only after the task."""
    try:
        raised.ltel_task = task  # type: ignore[attr-defined]
    except Exception:
        pass  # it takes no attributes


def _is_set(task: Any) -> bool:
    return isinstance(task, type) and issubclass(task, TaskSet)


def _name(task_set: Any, task: Any) -> str:
    """The function's name, after that of its TaskSet unless it is the user's own task."""
    try:
        label = name(getattr(task, "__name__", None) or kind(task))
    except Exception:
        label = kind(task)
    if not isinstance(task_set, internals.DefaultTaskSet):
        label = f"{kind(task_set)}.{label}"
    return label


def _failure(raised: BaseException) -> tuple[str, str]:
    # A falsy exception does not fail a request, but it has ended this task.
    return rows.failure(raised) or (kind(raised), text(raised))
