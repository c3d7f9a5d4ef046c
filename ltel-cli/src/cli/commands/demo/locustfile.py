"""The demo's test: people who look at a small shop, search it, and buy."""

from locust import FastHttpUser, between, task


class Visitor(FastHttpUser):
    """Looks around more often than it buys."""

    wait_time = between(0.02, 0.1)

    @task(6)
    def home(self) -> None:
        self.client.get("/")

    @task(3)
    def product(self) -> None:
        self.client.get("/products/7", name="/products/{id}")

    @task(2)
    def search(self) -> None:
        self.client.get("/search?q=lamp", name="/search")

    @task(1)
    def checkout(self) -> None:
        self.client.post("/checkout", json={"items": [7]})
