"""The receiver's order to stop a test."""

from __future__ import annotations

from .receiver import Receiver
from .test_runs import RunTest


class Stop(RunTest):
    def test_only_the_run_that_is_meant_is_stopped(self) -> None:
        with Receiver(path=f"{self.folder}/ltel.sock") as receiver:
            locust = self.headless(seconds="60s", address=receiver.address)
            receiver.wait(lambda: any(client.rows for client in receiver.clients.values()))
            client = receiver.only("local")
            (start,) = client.of("test_start")
            # Of another run, or odd: the test goes on.
            for message in ({"run_id": "other", "reason": "no"}, {"run_id": None}, {"run_id": [1]}):
                receiver.send({"type": "stop", **message})
            receiver.send({"type": "what a later receiver says"})
            seen = len(client.rows)
            receiver.wait(lambda: len(client.rows) > seen + 10)
            self.assertIsNone(locust.process.poll())
            order = {"type": "stop", "run_id": start["run_id"], "reason": "p95 is 612 ms"}
            receiver.send(order)
            receiver.send(order)
            log = locust.end()
        self.assertEqual(locust.process.returncode, 1, log)  # as failures make it
        self.assertEqual(log.count("ltel: the test is stopped: p95 is 612 ms"), 1, log)
        self.assertNotIn("Traceback", log.split("Shutting down")[1])
        self.assertEqual(receiver.table(), self.locusts_table())
        self.check_account(client)
