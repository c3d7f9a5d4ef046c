"""Loads ltel_locust into Locust with no change to the locustfile.

Python imports this at its start where its folder comes first on PYTHONPATH. It only sets a hook on
`locust.main`, so that other Python processes pay nothing, and then runs the sitecustomize that it
hides, if there is one.
"""

import sys


def _install_hook():
    from importlib.abc import MetaPathFinder

    class LocustMain(MetaPathFinder):
        """Finds `locust.main` as the others do, and lets ltel_locust follow it."""

        def find_spec(self, fullname, path=None, target=None):
            if fullname != "locust.main":
                return None
            sys.meta_path.remove(self)
            from importlib.util import find_spec

            spec = find_spec(fullname)
            if spec is None or spec.loader is None:
                return spec
            run_module = spec.loader.exec_module

            def exec_module(module):
                run_module(module)
                # Now, so that our options are there when Locust reads its command line.
                try:
                    import ltel_locust  # noqa: F401
                except Exception:
                    import logging

                    logging.getLogger("ltel_locust").exception("ltel: no telemetry")

            spec.loader.exec_module = exec_module
            return spec

    sys.meta_path.insert(0, LocustMain())


def _run_hidden():
    import os
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    ours = os.path.realpath(os.path.dirname(__file__))
    spec = PathFinder.find_spec(
        "sitecustomize", [folder for folder in sys.path if os.path.realpath(folder) != ours]
    )
    if spec is not None and spec.loader is not None:
        module = module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


try:
    _install_hook()
except Exception:
    pass  # Python must start as usual
_run_hidden()
