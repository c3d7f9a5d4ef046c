"""What the OpenTelemetry specification demands of an export request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

DELTA = 1
CUMULATIVE = 2

Key = tuple[Any, ...]


class Demands:
    """Knows the series that were accepted before, so that points are compared with former ones."""

    def __init__(self) -> None:
        self._last: dict[Key, Any] = {}
        #: by resource, the time of its newest point: Prometheus' `target_info` has it
        self._newest: dict[Key, int] = {}

    def violations(self, signal: str, message: Any) -> list[str]:
        """What is wrong with a message that is about to be accepted."""
        check = {"metrics": self._metrics, "traces": _traces, "logs": _logs}[signal]
        return [*_attributes_everywhere(signal, message), *check(message)]

    def _metrics(self, message: Any) -> Iterator[str]:
        for part in message.resource_metrics:
            resource = _key(part.resource.attributes)
            newest = max((point.time_unix_nano for point in _points(part)), default=0)
            if newest < self._newest.get(resource, 0):
                yield f"a resource as of {newest}, after one of {self._newest[resource]}"
            self._newest[resource] = newest
            for scope in part.scope_metrics:
                for metric in scope.metrics:
                    for wrong in self._metric((resource, scope.scope.name), metric):
                        yield f"{metric.name}: {wrong}"

    def _metric(self, owner: Key, metric: Any) -> Iterator[str]:
        if not metric.name:
            yield "no name"
        kind = metric.WhichOneof("data")
        if kind is None:
            yield "no data"
            return
        data = getattr(metric, kind)
        if not data.data_points:
            yield "no points"
        for point in data.data_points:
            if not point.time_unix_nano:
                yield "a point without a time"
            if kind == "histogram":
                yield from _histogram(point)
            elif kind == "exponential_histogram":
                yield from _exponential(point)
            if kind != "gauge":
                series = (*owner, metric.name, _key(point.attributes))
                yield from self._in_time(series, data.aggregation_temporality, point)

    def _in_time(self, series: Key, temporality: int, point: Any) -> Iterator[str]:
        """Deltas do not overlap; what is cumulative has one start and does not go back."""
        start, end = point.start_time_unix_nano, point.time_unix_nano
        if not start or start > end:
            yield f"from {start} to {end}"
        former = self._last.get(series)
        self._last[series] = point
        if temporality not in (DELTA, CUMULATIVE):
            yield f"temporality {temporality}"
        elif former is None:
            return
        elif temporality == DELTA:
            if start < former.time_unix_nano:
                yield f"begins at {start}, before the former delta ends at {former.time_unix_nano}"
        elif start != former.start_time_unix_nano:
            yield f"another start: {start}, not {former.start_time_unix_nano}"
        elif end < former.time_unix_nano:
            yield f"goes back in time: {end}, after {former.time_unix_nano}"
        elif getattr(point, "count", 0) < getattr(former, "count", 0):
            yield f"goes back: {point.count}, after {former.count}"


def _points(part: Any) -> Iterator[Any]:
    for scope in part.scope_metrics:
        yield from items_of("metrics", scope)


def _histogram(point: Any) -> Iterator[str]:
    bounds, counts = list(point.explicit_bounds), list(point.bucket_counts)
    if counts and len(counts) != len(bounds) + 1:
        yield f"{len(counts)} buckets of {len(bounds)} bounds"
    if counts and sum(counts) != point.count:
        yield f"the buckets hold {sum(counts)} of {point.count}"
    if any(lower >= upper for lower, upper in pairwise(bounds)):
        yield f"bounds are not in order: {bounds}"
    yield from _range(point)


def _exponential(point: Any) -> Iterator[str]:
    counted = sum(point.positive.bucket_counts) + sum(point.negative.bucket_counts)
    if counted + point.zero_count != point.count:
        yield f"the buckets hold {counted + point.zero_count} of {point.count}"
    yield from _range(point)


def _range(point: Any) -> Iterator[str]:
    if not point.count or not point.HasField("min") or not point.HasField("max"):
        return
    average = point.sum / point.count
    # Sums are rounded.
    slack = 1e-9 * max(abs(point.min), abs(point.max))
    if not point.min - slack <= average <= point.max + slack:
        yield f"an average of {average} between {point.min} and {point.max}"


def _traces(message: Any) -> Iterator[str]:
    for part in message.resource_spans:
        for scope in part.scope_spans:
            for span in scope.spans:
                for wrong in _span(span):
                    yield f"span {span.name!r}: {wrong}"


def _span(span: Any) -> Iterator[str]:
    yield from _id("trace_id", span.trace_id, 16)
    yield from _id("span_id", span.span_id, 8)
    if span.parent_span_id:
        yield from _id("parent_span_id", span.parent_span_id, 8)
        if span.parent_span_id == span.span_id:
            yield "its own parent"
    start, end = span.start_time_unix_nano, span.end_time_unix_nano
    if not start or start > end:
        yield f"from {start} to {end}"
    if not span.name:
        yield "no name"
    if span.kind not in range(1, 6):
        yield f"kind {span.kind}"
    for link in span.links:
        yield from _id("trace_id of a link", link.trace_id, 16)
        yield from _id("span_id of a link", link.span_id, 8)
    for event in span.events:
        if not event.name or not event.time_unix_nano:
            yield f"event {event.name!r} at {event.time_unix_nano}"


def _logs(message: Any) -> Iterator[str]:
    for part in message.resource_logs:
        for scope in part.scope_logs:
            for record in scope.log_records:
                for wrong in _log_record(record):
                    yield f"log record {record.event_name!r}: {wrong}"


def _log_record(record: Any) -> Iterator[str]:
    if not record.time_unix_nano and not record.observed_time_unix_nano:
        yield "no time"
    if record.severity_number not in range(25):
        yield f"severity {record.severity_number}"
    if record.trace_id or record.span_id:
        yield from _id("trace_id", record.trace_id, 16)
        yield from _id("span_id", record.span_id, 8)


def _id(what: str, value: bytes, size: int) -> Iterator[str]:
    if len(value) != size or not any(value):
        yield f"{what} is {value.hex() or 'empty'}"


def _attributes_everywhere(signal: str, message: Any) -> Iterator[str]:
    """Attribute keys are not empty, and each is there once."""
    for part in getattr(message, f"resource_{_PARTS[signal]}"):
        yield from _attributes("resource", part.resource.attributes)
        for scope in getattr(part, f"scope_{_PARTS[signal]}"):
            yield from _attributes("scope", scope.scope.attributes)
            for item in items_of(signal, scope):
                yield from _attributes(signal, item.attributes)


def _attributes(what: str, attributes: Any) -> Iterator[str]:
    keys = [pair.key for pair in attributes]
    if "" in keys or len(set(keys)) != len(keys):
        yield f"{what}: attribute keys {keys}"


_PARTS = {"metrics": "metrics", "traces": "spans", "logs": "logs"}


def items(signal: str, message: Any) -> Iterator[Any]:
    """Points, spans or log records."""
    for part in getattr(message, f"resource_{_PARTS[signal]}"):
        for scope in getattr(part, f"scope_{_PARTS[signal]}"):
            yield from items_of(signal, scope)


def items_of(signal: str, scope: Any) -> Iterable[Any]:
    if signal == "traces":
        return scope.spans
    if signal == "logs":
        return scope.log_records
    kinds = ((metric, metric.WhichOneof("data")) for metric in scope.metrics)
    return [point for metric, kind in kinds if kind for point in getattr(metric, kind).data_points]


def _key(attributes: Any) -> Key:
    return tuple(sorted((pair.key, pair.value.SerializeToString()) for pair in attributes))
