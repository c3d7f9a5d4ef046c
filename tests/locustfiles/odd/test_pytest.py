"""Test functions of pytest as users."""

import witness  # noqa: F401


def test_plain(session):
    session.get("/traced/ok", name="plain")


def test_fast(fastsession):
    fastsession.get("/traced/ok", name="fast")


def test_failing(session):
    session.get("/missing", name="failing").raise_for_status()
