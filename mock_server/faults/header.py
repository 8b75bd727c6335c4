"""One fault for one request: `x-windtunnel-fault: stall; after_chunks=3; seconds=5`."""

from __future__ import annotations

from pydantic import ValidationError

from windtunnel.mock_server.errors import FaultHeaderError, nearest
from windtunnel.mock_server.faults.base import BEFORE_REQUESTS, FaultKind, Params
from windtunnel.mock_server.plan.units import BARE_SECONDS

HEADER = "x-windtunnel-fault"


def parse_header(text: str, faults: dict[str, FaultKind]) -> tuple[FaultKind, Params]:
    """The fault, settled for its parameters, and these. A bare number is seconds where a duration belongs.

    Raises `FaultHeaderError` for an unknown fault, a part that is no `key=value`, and wrong parameters.
    """
    name, *parts = (part.strip() for part in text.split(";"))
    kind = faults.get(name)
    if kind is None:
        raise FaultHeaderError(HEADER, f"the unknown fault {name!r}", nearest(name, faults, what="fault"))
    if kind.stage in BEFORE_REQUESTS:
        does = "closes a port" if kind.stage == "listener" else "acts on a TLS handshake"
        found = f"{name}, which {does} and so comes before any request"
        raise FaultHeaderError(HEADER, found, "a fault of one request; for this one, a rule in a plan")
    given: dict[str, str] = {}
    for part in filter(None, parts):
        key, equals, value = part.partition("=")
        if not equals:
            raise FaultHeaderError(HEADER, repr(part), "key=value, such as seconds=5")
        given[key.strip()] = value.strip()
    try:
        params = kind.params.model_validate(given, context=BARE_SECONDS)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join((HEADER, name, *map(str, first["loc"])))
        context = first.get("ctx", {})
        found = str(context.get("found", repr(first["input"])))
        raise FaultHeaderError(where, found, str(context.get("expected", first["msg"]))) from None
    return kind.settled(params), params
