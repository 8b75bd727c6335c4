"""What the application asks: the body of each call, the same for every client and repeat."""

from __future__ import annotations

from typing import Any

from windtunnel.harness.inputs.load import Load
from windtunnel.mock_server.chance import uniform

CHARACTERS_PER_TOKEN = 4
FILLER = "Tell me more about how wind flows around a wing. "


def body_of(load: Load, call_id: str, seed: int) -> dict[str, Any]:
    """The JSON body of one call. Its prompt is as long as a trace says, else drawn; its text begins with the id."""
    drawn = load.prompt_tokens.draw(uniform(seed, "prompt", call_id))
    tokens = load.prompt_sizes.get(call_id, max(1, round(drawn)))
    length = tokens * CHARACTERS_PER_TOKEN
    text = f"({call_id}) {FILLER * (length // len(FILLER) + 1)}"[:length]
    body: dict[str, Any] = {"model": load.model, **load.request}
    if load.api == "chat":
        body["messages"] = [{"role": "user", "content": text}]
    else:
        body["input"] = text
    if load.streams(call_id, seed):
        body["stream"] = True
    if load.max_tokens is not None:
        body["max_output_tokens" if load.api == "responses" else "max_completion_tokens"] = load.max_tokens
    return body
