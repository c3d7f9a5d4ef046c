"""What this process uses of its host."""

from __future__ import annotations

import psutil


class Usage:
    """Measures this process."""

    def __init__(self) -> None:
        self._process = psutil.Process()

    def begin(self) -> None:
        """Measure the CPU time from here on."""
        self._process.cpu_percent()

    def measure(self) -> dict[str, float]:
        """The CPU in percent of a core since the last time, memory and network in bytes."""
        network = psutil.net_io_counters()
        return {
            "cpu_percent": self._process.cpu_percent(),
            "memory_bytes": self._process.memory_info().rss,
            # The host's, all interfaces: a process has no counters of its own.
            "net_sent_bytes": network.bytes_sent if network else 0,
            "net_recv_bytes": network.bytes_recv if network else 0,
        }
