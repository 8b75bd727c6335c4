"""The parts of a profile that say what surrounds a call, a file each: retries, budget, breaker, limiter, hedge …

Each is the data of one policy (`harness/policies/`), and refuses what that could not act on.
"""

from windtunnel.harness.inputs.policies.breaker import Breaker
from windtunnel.harness.inputs.policies.budget import Budget
from windtunnel.harness.inputs.policies.causes import BREAKER_CAUSES, SDK_RETRIES, RetryCause
from windtunnel.harness.inputs.policies.fallback import Fallback, FallbackStep, LocalModel
from windtunnel.harness.inputs.policies.hedge import Hedge
from windtunnel.harness.inputs.policies.limiter import Adaptive, Limiter, Priority
from windtunnel.harness.inputs.policies.retries import Retries

__all__ = [
    "BREAKER_CAUSES",
    "SDK_RETRIES",
    "Adaptive",
    "Breaker",
    "Budget",
    "Fallback",
    "FallbackStep",
    "Hedge",
    "Limiter",
    "LocalModel",
    "Priority",
    "Retries",
    "RetryCause",
]
