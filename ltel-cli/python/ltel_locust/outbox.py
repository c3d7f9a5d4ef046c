"""Frames on their way to the receiver: numbered, kept until acknowledged, bounded in bytes."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Any, NamedTuple

import msgpack

from . import frames, measurements
from .metrics import Row as Value
from .rows import FIELDS, Row, clean, tidy
from .run import Run
from .values import text

#: bytes of one frame
FRAME_LIMIT = 1_000_000
#: memory of a queued frame besides its bytes
OVERHEAD = 256
#: events that are taken again and again: one that is dropped is not missed
SAMPLES = ("users", "usage", "workers")

_strict = msgpack.Packer()
# Slower, but accepts anything: lone surrogates, integers of any size, foreign objects.
_lenient = msgpack.Packer(unicode_errors="backslashreplace", default=text)


def encode(message: dict[str, Any]) -> bytes:
    """The bytes of a frame: a 4-byte length, then the map."""
    try:
        return _framed(_strict.pack(message))
    except (TypeError, ValueError, OverflowError):
        return _framed(_lenient.pack(message))


def _framed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


class Frame(NamedTuple):
    """A queued frame, its run, and the request rows or other events that it carries."""

    data: bytes
    rows: int
    run: Run | None
    #: executions of tasks, values of metrics, log messages and the like
    events: int = 0


class Outbox:
    """The queue between the listeners, which only add, and the sender, which only takes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        #: whether anything was dropped, for the log
        self.overflowed = False
        #: events other than requests that were dropped, of all runs
        self.dropped_events = 0
        #: the run that frames belong to unless they name another
        self.run: Run | None = None
        self._seq = 0
        self._size = 0
        self._frames: OrderedDict[int, Frame] = OrderedDict()
        self._unsent: deque[int] = deque()
        # What may be dropped, oldest first: what comes in bulk before single events; lifecycle
        # frames never.
        self._bulk: deque[int] = deque()
        self._events: deque[int] = deque()
        # The last frame begun on this connection, and those dropped after they were begun: the
        # receiver may have them, and what it acknowledges was not dropped after all.
        self._begun = 0
        self._doubtful: deque[tuple[int, Frame]] = deque()

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def last(self) -> int:
        """The number of the last frame that was queued."""
        return self._seq

    @property
    def rows(self) -> int:
        """Request rows that wait here."""
        return sum(frame.rows for frame in self._frames.values())

    @property
    def events(self) -> int:
        """Other events that wait here."""
        return sum(frame.events for frame in self._frames.values())

    def put(self, kind: str, fields: dict[str, Any]) -> None:
        """Queue a frame that must never be dropped."""
        self._queue(Frame(encode(self._numbered(kind, frames.clean(kind, fields))), 0, self.run))

    def put_event(self, kind: str, fields: dict[str, Any]) -> None:
        """Queue a frame that may be dropped if the queue is full."""
        data = encode(self._numbered(kind, frames.clean(kind, fields)))
        self._queue(Frame(data, 0, self.run, int(kind not in SAMPLES)), self._events)

    def put_log(self, fields: dict[str, Any]) -> None:
        """Queue a log message: they come in bulk."""
        data = encode(self._numbered("log", frames.clean("log", fields)))
        self._queue(Frame(data, 0, self.run, 1), self._bulk)

    def put_measurements(self, batch: list[Value], time: float) -> None:
        """Queue values of metrics, in as many frames as they need."""
        data = encode(self._numbered("measurements", {"time": time, **measurements.pack(batch)}))
        if len(data) <= FRAME_LIMIT or len(batch) == 1:
            self._queue(Frame(data, 0, self.run, len(batch)), self._bulk)
        else:
            middle = len(batch) // 2
            self.put_measurements(batch[:middle], time)
            self.put_measurements(batch[middle:], time)

    def put_rows(self, batch: list[Row], run: Run, since: float, until: float) -> None:
        """Queue request rows, in as many frames as they need; the list now belongs to the outbox.

        They were reported between two times, in seconds since the epoch.
        """
        run.sent -= tidy(batch)
        if not batch:
            return
        # The rows last: the receiver reads them once, and knows the times by then.
        message = self._numbered("requests", {"time": until, "since": since, "rows": batch})
        try:
            data = _framed(_strict.pack(message))
        except (UnicodeError, OverflowError):  # what `tidy` does not look for
            batch[:] = map(clean, batch)
            data = encode(message)
        if len(data) <= FRAME_LIMIT:
            self._queue(Frame(data, len(batch), run), self._bulk)
        elif len(batch) > 1:
            middle = len(batch) // 2
            self.put_rows(batch[:middle], run, since, until)
            self.put_rows(batch[middle:], run, since, until)
        else:
            # Only a row whose texts were not cut can be this large.
            self.put_rows([clean(batch[0])[:FIELDS]], run, since, until)

    def put_tasks(self, batch: list[Any]) -> None:
        """Queue rows of tasks: events, in as many frames as they need."""
        data = encode(self._numbered("tasks", {"rows": batch}))
        if len(data) <= FRAME_LIMIT or len(batch) == 1:
            self._queue(Frame(data, 0, self.run, len(batch)), self._events)
        else:
            middle = len(batch) // 2
            self.put_tasks(batch[:middle])
            self.put_tasks(batch[middle:])

    def roll_back(self, last: int) -> None:
        """Remove the frames after `last`, which have not been sent yet."""
        self._seq = last
        for seq in [seq for seq in self._frames if seq > last]:
            del self._frames[seq]
        for numbers in (self._unsent, self._bulk, self._events):
            while numbers and numbers[-1] > last:
                numbers.pop()
        self._size = sum(map(_size, self._frames.values()))

    def take(self) -> bytes | None:
        """The next frame to send."""
        while self._unsent:
            seq = self._unsent.popleft()
            frame = self._frames.get(seq)
            if frame is not None:
                self._begun = seq
                return frame.data
        return None

    def first_run(self) -> Run | None:
        """The run of the first frame that is not acknowledged."""
        return next((frame.run for frame in self._frames.values()), None)

    def has_unsent(self) -> bool:
        """Whether there is a next frame to send."""
        return bool(self._unsent)

    def acknowledge(self, seq: int) -> None:
        """Forget all frames up to `seq`: the receiver has processed them."""
        seq = min(seq, self._seq)
        while self._frames and next(iter(self._frames)) <= seq:
            self._size -= _size(self._frames.popitem(last=False)[1])
        for numbers in (self._unsent, self._bulk, self._events):
            while numbers and numbers[0] <= seq:
                numbers.popleft()
        while self._doubtful and self._doubtful[0][0] <= seq:
            self._count_dropped(self._doubtful.popleft()[1], -1)

    def resume(self, last_seq: int) -> None:
        """Begin a connection: send all frames after `last_seq` again."""
        self.acknowledge(last_seq)
        self._doubtful.clear()  # begun on the connection before, and not received
        self._begun = 0
        self._unsent = deque(self._frames)

    def _numbered(self, kind: str, fields: dict[str, Any]) -> dict[str, Any]:
        # The number is taken only when the frame is queued, so that a split leaves no gap.
        return {"type": kind, "seq": self._seq + 1, **fields}

    def _queue(self, frame: Frame, droppable: deque[int] | None = None) -> None:
        self._seq += 1
        self._frames[self._seq] = frame
        self._unsent.append(self._seq)
        if droppable is not None:
            droppable.append(self._seq)
        self._size += _size(frame)
        while self._size > self.limit and self._drop_oldest():
            pass

    def _drop_oldest(self) -> bool:
        numbers = self._bulk or self._events
        if not numbers:
            return False
        seq = numbers.popleft()
        frame = self._frames.pop(seq)
        self._size -= _size(frame)
        self.overflowed = True
        self._count_dropped(frame, 1)
        if seq <= self._begun and (frame.rows or frame.events):
            self._doubtful.append((seq, frame._replace(data=b"")))
        return True

    def _count_dropped(self, frame: Frame, times: int) -> None:
        if frame.run is not None:
            frame.run.dropped += times * frame.rows
            frame.run.dropped_events += times * frame.events
        self.dropped_events += times * frame.events


def _size(frame: Frame) -> int:
    return len(frame.data) + OVERHEAD
