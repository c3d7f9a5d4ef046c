"""`run_single_user`, which has no runner, and ends without a word."""

from locust import User, constant, run_single_user, task


class Reports(User):
    wait_time = constant(0.01)
    reported = 0

    @task
    def report(self):
        self.environment.events.request.fire(
            request_type="X", name="single", response_time=1.0, response_length=1, exception=None
        )
        Reports.reported += 1
        if Reports.reported == 50:
            print("library", Reports.reported)
            raise SystemExit(0)


run_single_user(Reports)
