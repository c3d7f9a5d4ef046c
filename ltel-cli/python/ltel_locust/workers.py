"""The workers of a master: how many are connected, missing and expected."""

from __future__ import annotations

from typing import Any

from . import internals, options


class Workers:
    """What the receiver knows of them."""

    def __init__(self, environment: Any) -> None:
        self._environment = environment
        self._told: dict[str, int | None] | None = None

    def forget(self) -> None:
        """The receiver knows nothing of them: a run begins, or it is another receiver."""
        self._told = None

    def news(self) -> dict[str, int | None] | None:
        """Their counts, if the receiver does not know them yet; None without a master."""
        runner = self._environment.runner
        if not internals.is_master(runner):
            return None
        connected, missing = internals.worker_counts(runner)
        expected = options.expected_workers(self._environment.parsed_options)
        counts = {"connected": connected, "missing": missing, "expected": expected}
        if counts == self._told:
            return None
        self._told = counts
        return counts
