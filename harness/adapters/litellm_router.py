"""litellm's Router: `litellm_router.py [--deployments N] [--num-retries N] [--timeout S]`; else its own defaults."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from typing import Any

os.environ.setdefault(
    "LITELLM_LOCAL_MODEL_COST_MAP", "True"
)  # before it is imported: it asks the network else

import litellm  # after the variable
from litellm import Router  # after the variable
from speaking import GivenCall, run  # as above

parser = ArgumentParser()
parser.add_argument("--deployments", type=int, default=1, help="of the one model, all at the same base URL")
parser.add_argument("--num-retries", type=int)
parser.add_argument("--timeout", type=float)
arguments = vars(parser.parse_args())
deployments = arguments.pop("deployments")
options = {name: value for name, value in arguments.items() if value is not None}
litellm.suppress_debug_info = True
litellm.telemetry = False
routers: dict[tuple[str, str], Router] = {}


def router_for(call: GivenCall) -> Router:
    key = (call.base_url, call.model)
    if key not in routers:
        deployment = {
            "model_name": call.model,
            "litellm_params": {
                "model": f"openai/{call.model}",
                "api_base": call.base_url,
                "api_key": call.api_key,
            },
        }
        # They differ in an id alone, by which the router tells them apart.
        model_list = [{**deployment, "model_info": {"id": f"d{n}"}} for n in range(deployments)]
        routers[key] = Router(model_list=model_list, **options)
    return routers[key]


async def ask(call: GivenCall) -> dict[str, Any]:
    if call.api != "chat":
        raise ValueError(f"this adapter speaks chat, and not {call.api}")
    answer = await router_for(call).acompletion(**call.body, extra_headers=call.headers)
    if not call.stream:
        choice = answer.choices[0]
        return {"text": choice.message.content or "", "finish_reason": choice.finish_reason}
    text, finish = [], None
    async for chunk in answer:
        for choice in chunk.choices:
            text.append(choice.delta.content or "")
            call.content(text[-1])
            finish = choice.finish_reason or finish
    return {"text": "".join(text), "finish_reason": finish}


if __name__ == "__main__":
    run(ask, "litellm", "openai", "httpx", "aiohttp")
