"""Users who ask, at a constant pace, for an answer that takes about MS milliseconds."""

import os

from locust import FastHttpUser, constant_pacing, task


class Paced(FastHttpUser):
    wait_time = constant_pacing(0.25)

    @task
    def wait(self):
        self.client.get(f"/wait?{os.environ['MS']}", name="/wait")
