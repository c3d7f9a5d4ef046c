"""Tests of the plugin: `python -m unittest discover` in the folder above, with Locust's Python."""

# First of all: importing it patches sockets and threads, which the receiver here is made of.
import locust  # noqa: F401
