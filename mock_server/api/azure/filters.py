"""Add Azure's content filter results to chat and legacy completions: one for the prompt, one for every choice.

In a stream the verdict on the prompt comes first, in a chunk of its own without choices, ids or a model.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import orjson

from windtunnel.mock_server import sse
from windtunnel.mock_server.script import Head, Script, Send, Step

_FILTERED: Final = b'"finish_reason":"content_filter"'
_SEVERITIES: Final = ("hate", "self_harm", "sexual", "violence")
_SPEAKING: Final = ("content", "text")


def blame(*, prompt: bool = False) -> dict[str, Any]:
    """Return the filter result of content that was filtered out."""
    verdict = _verdict("jailbreak" if prompt else "")
    verdict["violence"] = {"filtered": True, "severity": "medium"}
    return verdict


def _verdict(*detected: str) -> dict[str, Any]:
    verdict: dict[str, Any] = {name: {"filtered": False, "severity": "safe"} for name in _SEVERITIES}
    verdict |= {name: {"detected": False, "filtered": False} for name in detected if name}
    return verdict


def filtered(script: Script) -> Script:
    """Return a healthy answer with the filter's results added and its keys sorted, as Azure sends them."""
    steps: list[Step] = []
    for step in script.steps:
        if isinstance(step, Send):
            steps.append(replace(step, data=_annotated(step.data)))
        else:
            steps.append(step)
            if isinstance(step, Head) and step.framing == "chunked":
                steps.append(Send(sse.write_event(_prompt_chunk())))
    return Script(tuple(steps))


def blamed(step: Send) -> Send:
    """Add the category that was hit to each choice with finish_reason `content_filter`."""
    if _FILTERED not in step.data:
        return step
    try:
        return replace(step, data=_each(step.data, _blame_choices))
    except (
        ValueError,
        KeyError,
        TypeError,
    ):  # another fault has changed the event; it has no choices to annotate
        return step


def _prompt_results() -> list[dict[str, Any]]:
    return [{"prompt_index": 0, "content_filter_results": _verdict("jailbreak")}]


def _prompt_chunk() -> bytes:
    empty = {"choices": [], "created": 0, "id": "", "model": "", "object": ""}
    return orjson.dumps({**empty, "prompt_filter_results": _prompt_results()})


def _annotated(data: bytes) -> bytes:
    return _each(data, _add_verdicts)


def _each(data: bytes, change: Any) -> bytes:
    """Apply `change` to the JSON object of a body, or to that of every event."""
    if not data.startswith(b"data: "):
        return _dump(change(orjson.loads(data), False))
    frames = [_changed(frame, change) for frame in sse.split_events(data)]
    return b"".join(frames)


def _changed(frame: bytes, change: Any) -> bytes:
    data = sse.data_of(frame) or b""
    return frame if data == sse.DONE_DATA else sse.write_event(_dump(change(orjson.loads(data), True)))


def _dump(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _add_verdicts(answer: dict[str, Any], streamed: bool) -> dict[str, Any]:
    for choice in answer["choices"]:
        message = choice.get("delta" if streamed else "message", choice)
        spoken = any(message.get(name) for name in _SPEAKING)
        if not spoken:
            choice["content_filter_results"] = {}
        elif streamed:
            choice["content_filter_results"] = _verdict()
        else:
            choice["content_filter_results"] = _verdict("protected_material_code", "protected_material_text")
    answer.pop("service_tier", None)
    if not streamed:
        answer["prompt_filter_results"] = _prompt_results()
    return answer


def _blame_choices(answer: dict[str, Any], streamed: bool) -> dict[str, Any]:
    for choice in answer["choices"]:
        if choice["finish_reason"] == "content_filter":
            choice["content_filter_results"] = blame()
    return answer
