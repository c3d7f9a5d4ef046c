"""Loads ltel_locust into Locust with no change to the locustfile.

Where the folder above this one is on PYTHONPATH, Python finds this in the place of Locust. It puts
the real one in its own place, and lets ltel_locust follow. Tools that load themselves into Python
as `sitecustomize` take that name from one another; no tool takes Locust's. And Python processes
that do not import Locust pay nothing.
"""


def _become_locust():
    import os
    import sys
    from importlib.util import find_spec, module_from_spec

    ours = os.path.realpath(os.path.dirname(os.path.dirname(__file__)))
    sys.path[:] = [folder for folder in sys.path if os.path.realpath(folder) != ours]
    sys.path_importer_cache.clear()
    del sys.modules["locust"]
    spec = find_spec("locust")
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError("No module named 'locust'", name="locust")
    locust = sys.modules["locust"] = module_from_spec(spec)
    spec.loader.exec_module(locust)


def _load_ltel():
    try:
        import ltel_locust  # noqa: F401
    except Exception:
        import logging

        logging.getLogger("ltel_locust").exception("ltel: no telemetry")


_become_locust()
_load_ltel()
