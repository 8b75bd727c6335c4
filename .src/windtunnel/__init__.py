"""A wind tunnel for OpenAI clients: what a program or a test imports by the name `windtunnel`.

Nothing is imported before it is used: `import windtunnel` takes no time, and `InProcess` needs no more than the core
dependencies. Everything else is imported from its own module and may change with any release.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from windtunnel import testing
    from windtunnel.harness.errors import InputError, MeasurementError
    from windtunnel.harness.inputs.gallery import load_scenario
    from windtunnel.harness.inputs.scenario import Scenario
    from windtunnel.harness.testing.virtual_test import virtual
    from windtunnel.mock_server.errors import PlanError
    from windtunnel.mock_server.plan.plan import Plan
    from windtunnel.mock_server.transports.inprocess.inprocess import InProcess

    __version__: str

__all__ = [
    "InProcess",
    "InputError",
    "MeasurementError",
    "Plan",
    "PlanError",
    "Scenario",
    "__version__",
    "load_scenario",
    "testing",
    "virtual",
]

_MODULES = {
    "InProcess": "windtunnel.mock_server.transports.inprocess.inprocess",
    "InputError": "windtunnel.harness.errors",
    "MeasurementError": "windtunnel.harness.errors",
    "Plan": "windtunnel.mock_server.plan.plan",
    "PlanError": "windtunnel.mock_server.errors",
    "Scenario": "windtunnel.harness.inputs.scenario",
    "load_scenario": "windtunnel.harness.inputs.gallery",
    "virtual": "windtunnel.harness.testing.virtual_test",
}


def __getattr__(name: str) -> Any:
    """Import a name of the front door when it is first used (PEP 562)."""
    value: Any
    if name == "__version__":
        from importlib.metadata import version

        value = version("windtunnel")
    elif name == "testing":
        from importlib import import_module

        value = import_module("windtunnel.testing")
    elif name in _MODULES:
        from importlib import import_module

        value = getattr(import_module(_MODULES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value  # the next use finds it without this function
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
