"""Executions of tasks without traces, and the workers of a master."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

from .receiver import Client, Receiver
from .test_runs import HERE, RunTest, free_port, processes

FILE = str(HERE / "locustfile_logs.py")


def executions(client: Client) -> Counter[str]:
    rows = client.tasks
    return Counter(f"{row[2]}.{row[3]}" for row in rows)


class Tasks(RunTest):
    def runs(self, receiver: Receiver, *arguments: str) -> str:
        given = ("-f", FILE, "--headless", "-u", "4", "-r", "4", "-t", "2s", "--only-summary")
        return self.locust(*given, *arguments, address=receiver.address).end()

    def witness(self) -> Counter[str]:
        total: Counter[str] = Counter()
        for file in Path(self.folder).glob("witness-*.json"):
            total.update(json.loads(file.read_text()))
        return total

    def test_each_execution_is_told(self) -> None:
        with Receiver(features={"users_interval": 0.3, "tasks": True}) as receiver:
            log = self.runs(receiver)
        client = receiver.only("local")
        self.assertEqual(executions(client), self.witness(), log)
        rows = client.tasks
        self.assertEqual({tuple(row[4:7]) for row in rows}, {(None, None, None)})
        failed = {f"{row[2]}.{row[3]}": row[7] for row in rows if row[7]}
        expected = {
            "Shopper.fail": ["ValueError", "ValueError('no stock')"],
            "Talker.talk": ["ValueError", "ValueError('last words')"],
        }
        self.assertEqual(failed, expected)
        bought = [row[1] for row in rows if row[3] == "buy" and row[7] is None]
        # Those of users that were killed are shorter.
        self.assertTrue(all(0 < duration < 1_000 for duration in bought), bought)
        self.assertGreaterEqual(max(bought), 2)
        self.assertFalse([row for row in client.rows if row[7] and "trace_id" in row[7]])

    def test_with_traces_that_are_not_sampled(self) -> None:
        trace = {"ratio": 0.0, "tasks": True, "keep_failures": True}
        features = {"users_interval": 0.3, "tasks": True, "trace": trace}
        with Receiver(features=features) as receiver:
            log = self.runs(receiver)
        client = receiver.only("local")
        self.assertEqual(executions(client), self.witness(), log)
        rows = client.tasks
        with_ids = {row[3] for row in rows if row[4] is not None}
        self.assertEqual(with_ids, {"fail", "talk"}, log + "only failures keep their spans")

    def test_without_tasks_in_the_traces(self) -> None:
        features = {"users_interval": 0.3, "tasks": True, "trace": {"ratio": 1.0}}
        with Receiver(features=features) as receiver:
            log = self.runs(receiver)
        client = receiver.only("local")
        self.assertEqual(executions(client), self.witness(), log)
        rows = client.tasks
        self.assertEqual({row[4] for row in rows}, {None})

    def test_not_without_being_asked(self) -> None:
        with Receiver() as receiver:
            log = self.runs(receiver)
        self.assertEqual(receiver.only("local").of("tasks"), [], log)
        self.assertEqual(receiver.only("local").of("workers"), [])

    def test_a_receiver_that_asks_later(self) -> None:
        with Receiver() as before:
            port = int(before.address.rsplit(":", 1)[1])
            given = ("-f", FILE, "--headless", "-u", "4", "-r", "4", "-t", "5s")
            locust = self.locust(*given, address=before.address)
            before.wait(lambda: before.of_kind("local") and before.only("local").of("users"))
        features = {"users_interval": 0.3, "tasks": True, "logs": 40}
        with Receiver(port=port, features=features) as after:
            log = locust.end()
        client = after.only("local")
        self.assertGreater(executions(client)["Shopper.buy"], 0, log)
        self.assertIn("no stock", "".join(frame["message"] for frame in client.of("log")))


class Workers(RunTest):
    def test_counts_at_the_start_and_at_each_change(self) -> None:
        with Receiver() as receiver:
            given = ("-f", FILE, "--headless", "-u", "2", "-r", "2", "-t", "4s")
            locust = self.locust(*given, *processes(2), address=receiver.address)
            receiver.wait(
                lambda: receiver.of_kind("master") and receiver.only("master").of("workers")
            )
            log = locust.end()
        frames = receiver.only("master").of("workers")
        kinds = receiver.only("master").kinds
        self.assertLess(kinds.index("test_start"), kinds.index("workers"))
        first = {key: frames[0].get(key) for key in ("connected", "missing", "expected")}
        self.assertEqual(first, {"connected": 2, "missing": 0, "expected": 2}, log)
        for before, after in pairwise(frames):
            same = {key: before[key] == after[key] for key in ("connected", "missing")}
            self.assertFalse(all(same.values()), (before, after))
        for worker in receiver.of_kind("worker"):
            self.assertEqual(worker.of("workers"), [])

    def test_a_worker_that_goes_missing(self) -> None:
        port = str(free_port())
        with Receiver() as receiver:
            given = ("-f", FILE, "--master-bind-port", port, "--headless", "-u", "2", "-r", "2")
            master = self.locust(
                *given, "--master", "--expect-workers", "2", "-t", "14s", address=receiver.address
            )
            workers = [self.locust("-f", FILE, "--worker", "--master-port", port) for _ in range(2)]

            def seen(connected: int, missing: int) -> bool:
                masters = receiver.of_kind("master")
                return bool(masters) and any(
                    (frame["connected"], frame["missing"]) == (connected, missing)
                    for frame in masters[0].of("workers")
                )

            receiver.wait(lambda: seen(2, 0))
            workers[0].process.kill()
            receiver.wait(lambda: seen(1, 1))
            master.process.terminate()
            master.end()
            workers[1].end()
