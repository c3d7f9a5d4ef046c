"""Options of the command line, and settings that are numbers in the environment."""

from __future__ import annotations

import os
from typing import Any

from .once import logger

#: Locust's own default of --expect-workers
_DEFAULT_EXPECTED = 1


def add_options(parser: Any, **_kwargs: Any) -> None:
    """Add the options to Locust's parser; an option that already exists is left alone."""
    # Another plugin may define `--testplan` after us. By default argparse raises in *its*
    # listener and Locust then ends with an error; so let the later definition win.
    for container in (parser, parser._optionals):
        container.conflict_handler = "resolve"
    _add(
        parser,
        "--ltel-address",
        metavar="<address>",
        env_var="LTEL_ADDRESS",
        include_in_web_ui=False,
        help="Where ltel listens: unix:/path, tcp://host:port or tls://host:port.",
    )
    _add(
        parser,
        "--testplan",
        metavar="<name>",
        env_var="LTEL_TESTPLAN",
        help="Name of the test plan, a label of all telemetry of the run.",
    )


def _add(parser: Any, flag: str, **settings: Any) -> None:
    if flag not in parser._option_string_actions:
        parser.add_argument(flag, default=None, **settings)


def address(options: Any) -> str | None:
    """The value of `--ltel-address`, or nothing."""
    return getattr(options, "ltel_address", None) or None


def expected_workers(options: Any) -> int | None:
    """How many workers a master waits for before its test; None if it does not wait.

    With the web UI it waits for none, but a number that the user has given is what they expect.
    """
    expected = getattr(options, "expect_workers", None)
    if not isinstance(expected, int) or expected < 1:
        return None
    waits = getattr(options, "headless", False) or getattr(options, "autostart", False)
    return expected if waits or expected != _DEFAULT_EXPECTED else None


def testplan(options: Any) -> str | None:
    """LTEL_TESTPLAN, else `--testplan`, else nothing."""
    given = os.environ.get("LTEL_TESTPLAN") or getattr(options, "testplan", None)
    return str(given) if given else None


def setting(key: str, default: float) -> float:
    """The number in an environment variable, else a default."""
    given = os.environ.get(key)
    if not given:
        return default
    try:
        setting = float(given)
    except ValueError:
        setting = -1.0
    if not 0 <= setting < float("inf"):
        logger.warning("ltel: %s is `%s`, not a number; using %g", key, given, default)
        return default
    return setting
