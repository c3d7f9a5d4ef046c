"""A shop that is looked at, and sometimes has not what one looks for."""

from locust import FastHttpUser, between, task


class Visitor(FastHttpUser):
    wait_time = between(0.1, 0.5)

    @task(10)
    def home(self):
        self.client.get("/")

    @task(1)
    def missing(self):
        self.client.get("/missing")
